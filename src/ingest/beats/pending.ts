import type { Settled } from '../../core/contracts.ts'
import type { Window } from './window.ts'

/** A window on its way, from its first frame to its ack. */
export interface Pending {
  readonly window: Window
  /** Its frames were taken out and are being handed on. */
  is_taken: boolean
  /** The number that acknowledges all of it. */
  answer: number
  outcome: Settled | undefined
}
