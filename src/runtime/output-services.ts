import type { Event, EventState } from '../core/event.ts'
import type { BlockedSettings } from './blocked-settings.ts'
import type { Rejected } from './dead-letter-box.ts'
import type { DeliveryLedger, Loses } from './ledger.ts'
import type { OverflowServices } from './overflow.ts'

/** What an output is given by its pipeline. */
export interface OutputServices extends Pick<OverflowServices, 'standing' | 'buffered' | 'restored' | 'returned' | 'unreadable'> {
  readonly ledger: DeliveryLedger
  readonly batch_size: number
  readonly batch_delay_ms: number
  readonly policy: BlockedSettings
  /** An event has its outcome at this output. */
  ended(event: Event, state: EventState): void
  readonly loses: Loses
  /** Keeps events among the dead letters; true once they are fsynced, false when the program leaves before. */
  deadLetter(events: readonly Rejected[]): Promise<boolean>
}
