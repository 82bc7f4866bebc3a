import type { Deliver, InputContext } from '../../core/contracts.ts'
import type { Intake } from '../intake.ts'
import type { BeatsMetrics } from './metrics.ts'
import type { WindowLimits } from './window.ts'

/** What the connections of one input share. */
export interface ConnectionServices {
  readonly context: InputContext
  readonly deliver: Deliver
  readonly intake: Intake
  readonly metrics: BeatsMetrics
  readonly limits: WindowLimits
  /** Time between two answers of 0 while a client waits. */
  readonly keep_alive_ms: number
  /** Without progress for so long, and nothing to answer, a client is taken for gone. 0: never. */
  readonly inactivity_ms: number
  /** The deadline: leave. */
  readonly abandon: AbortSignal
}
