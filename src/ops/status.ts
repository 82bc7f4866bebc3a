import type { Problem } from '../core/errors.ts'
import type { EventState } from '../core/event.ts'
import type { Books } from './ledger.ts'

/**
 * What the running pipeline tells about itself. The runtime implements it; the live page, /api/status, /readyz and the
 * status line are made from it. Both are called from the event loop and must be cheap: `status` once a second.
 */
export interface StatusSource {
  status(): Status
  /** The books by pipeline, input, output and index. */
  books(): Books
  /** Why it cannot do its work yet or any more, for people; empty when every input listens and every output is open. */
  reasonsNotReady(): readonly string[]
}

/** A snapshot. Counts are since the start. Nothing in it is secret, `recent` is what outputs print anyway. */
export interface Status {
  readonly pipeline: string
  readonly version: string
  readonly uptime_ms: number
  readonly listening: readonly { readonly component: string; readonly address: string }[]
  readonly totals: Totals
  /** Events that were dead-lettered or failed in another way: the errors, where no counter of errors is derived. */
  readonly errors_total: number
  readonly inputs: readonly ComponentStatus[]
  readonly outputs: readonly ComponentStatus[]
  /** The last events, oldest first: at most 20, at most about 5 sampled a second. */
  readonly recent: readonly RecentEvent[]
  /** The last config that was read while the program ran, where there was one. */
  readonly reload?: ReloadStatus | undefined
  /** Where the files lie: `{ what: 'events', where: 'data/exchange-logs-2026.01.02.ndjson' }`. */
  readonly places: readonly { readonly what: string; readonly where: string }[]
}

/** The ledger of events: received + created = all states + all holders, or the books do not balance. */
export interface Totals {
  readonly received: number
  readonly created: number
  readonly states: Readonly<Record<EventState, number>>
  /** Where events are that have no final state yet: `{ batch: 120, bulk: 2048, park: 0 }`. */
  readonly holders: Readonly<Record<string, number>>
  /** Were with a worker that crashed, and are received again. */
  readonly abandoned?: number
  /** received + created - states - holders - abandoned: anything but 0 is a fault of the program. */
  readonly unbalanced: number
  readonly bytes_in_flight: number
  readonly bytes_in_flight_max: number
}

/** One input or output. */
export interface ComponentStatus {
  readonly id: string
  /** The component's name: `beats`, `elasticsearch`. */
  readonly name: string
  /** `127.0.0.1:5044`, `exchange-logs (4 partitions)`, `https://es:9200`. */
  readonly where: string
  /** For people, short: `listening`, `open`, `connection refused, next try in 8 s`. */
  readonly state: string
  readonly is_well: boolean
  /** Events by outcome: `{ received: 10 }`, `{ stored: 9, already_there: 1 }`. */
  readonly counts: Readonly<Record<string, number>>
}

interface RecentEvent {
  /** Grows by one or more with every sample. */
  readonly sequence: number
  readonly at_ms: number
  /** Where it came from, for people. */
  readonly origin: string
  /** The document as JSON, cut after about 2,000 characters. */
  readonly text: string
}

/** What became of the last config that was read while the program ran. */
export interface ReloadStatus {
  readonly result: 'loaded' | 'refused'
  readonly at_ms: number
  /** Why it was refused, a line for each problem. */
  readonly message: string
}

/** The answer to a request to read the config again: ids of pipelines, and what is wrong. */
export interface ReloadReport {
  readonly result: 'loaded' | 'unchanged' | 'refused'
  readonly changed: readonly string[]
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly problems: readonly Problem[]
}
