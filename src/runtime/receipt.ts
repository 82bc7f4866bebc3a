import type { Settled } from '../core/contracts.ts'
import { EVENT_STATES, type Event, type EventState, isDelivered, type Tracking } from '../core/event.ts'
import type { BatchTrace } from './batch-trace.ts'
import type { InputBooks } from './ledger.ts'

/**
 * What a source holds for a batch it handed over. It settles as `stored` once every event of the batch, and every
 * event made of one, has its final state; or as `abandoned` when the program leaves before.
 */
export class Receipt {
  readonly settled: Promise<Settled>
  readonly books: InputBooks
  /** Of a clock that never goes back. */
  readonly since_ms = performance.now()
  /** Where its trace is one of those that are kept. */
  trace: BatchTrace | undefined
  readonly #settle: (settled: Settled) => void
  #open: number

  /** @param books of the input that the events came from */
  constructor(events: number, books: InputBooks) {
    const { promise, resolve } = Promise.withResolvers<Settled>()
    this.settled = promise
    this.#settle = resolve
    this.#open = events
    this.books = books
    books.held += events
    if (events === 0) resolve('stored')
  }

  /** Events that it waits for. */
  get open(): number {
    return this.#open
  }

  /** An event was made of one of the batch. */
  join(): void {
    this.#open++
    this.books.held++
  }

  /** An event of the batch has its final state. */
  leave(): void {
    this.#open--
    this.books.held--
    if (this.#open === 0) this.#settle('stored')
  }

  abandon(): void {
    this.#settle('abandoned')
  }
}

/** What the runtime knows of one event on its way. */
export class Tracked implements Tracking {
  readonly followed = true
  readonly receipt: Receipt
  /** Outputs that have not said yet what became of it. */
  pending = 0
  worst: EventState = 'consumed'
  /** One of its outputs has it. */
  is_delivered = false

  constructor(receipt: Receipt) {
    this.receipt = receipt
  }

  /** One more output has said what became of the event, whose state is the worst of them all. */
  heed(state: EventState): void {
    if (EVENT_STATES.indexOf(state) < EVENT_STATES.indexOf(this.worst)) this.worst = state
    this.is_delivered ||= isDelivered(state)
  }
}

/** The runtime's notes on an event that went through `Intake`. */
export function trackedOf(event: Event): Tracked {
  if (event.tracking instanceof Tracked) return event.tracking
  throw new TypeError('an event reached the pipeline without passing its intake')
}
