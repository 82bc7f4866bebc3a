import type { Event, EventState } from '../core/event.ts'
import type { StoredEvent } from '../storage/stored-event.ts'
import { type ByteBudget, memoryOf } from './byte-budget.ts'
import { type EventLedger, FROM_DISK, type InputBooks, type Loses, MADE_BY_FILTERS } from './ledger.ts'
import { Receipt, Tracked, trackedOf } from './receipt.ts'
import type { Standing } from './spill.ts'

interface TrackerServices {
  readonly ledger: EventLedger
  readonly budget: ByteBudget
  readonly loses: Loses
  /** An event has left, one way or the other. */
  left(): void
}

/** Follows each event of a pipeline to its one final state: who holds it, what it takes, which receipt waits for it. */
export class EventTracker {
  intake = 0
  filters = 0
  outputs = 0
  dead_letters = 0
  /** Memory that the events stand for, estimated from their sizes on the wire. */
  bytes = 0
  readonly #services: TrackerServices

  constructor(services: TrackerServices) {
    this.#services = services
  }

  /** Events that are in memory and have no final state yet. */
  get held(): number {
    return this.intake + this.filters + this.outputs + this.dead_letters
  }

  /** Events that an input hands over, before there is room for them. */
  arrived(events: readonly Event[], books: InputBooks): { readonly receipt: Receipt; readonly bytes: number } {
    const receipt = new Receipt(events.length, books)
    let bytes = 0
    for (const event of events) {
      event.tracking = new Tracked(receipt)
      bytes += memoryOf(event)
    }
    this.intake += events.length
    return { receipt, bytes }
  }

  /** A filter made an event, of another one or of what it held. */
  created(child: Event, parent: Event | undefined): void {
    const { ledger } = this.#services
    const receipt = parent === undefined ? new Receipt(1, ledger.input(MADE_BY_FILTERS)) : trackedOf(parent).receipt
    if (parent !== undefined) {
      receipt.join()
      child.joinFamilyOf(parent)
    }
    child.tracking = new Tracked(receipt)
    this.#take(child)
    receipt.books.created.inc()
    this.filters++
  }

  /** An event goes from the filters to so many outputs. */
  routed(event: Event, outputs: number): void {
    trackedOf(event).pending = outputs
    this.filters--
    this.outputs++
  }

  endedAtOutput(event: Event, state: EventState): void {
    const tracked = trackedOf(event)
    tracked.heed(state)
    tracked.pending--
    if (tracked.pending > 0) return
    this.outputs--
    if (!this.#services.loses('outputs')) this.conclude(event, tracked.worst, tracked.is_delivered)
  }

  /**
   * An event has its final state, and whoever held it has counted it out.
   * @param is_delivered an output has it, whatever its state
   */
  conclude(event: Event, state: EventState, is_delivered = false): void {
    const { receipt } = trackedOf(event)
    receipt.books.states[state].inc()
    event.settle(state, is_delivered)
    this.#release(event)
    receipt.leave()
    this.#services.left()
  }

  standing(event: Event): Standing {
    const { pending, worst, receipt } = trackedOf(event)
    return { input: receipt.books.input, lives_on: pending > 1, worst }
  }

  /**
   * An output has put an event on our disk. Where others have not said yet what became of it, that is a copy with a life
   * of its own; else the event itself is there, its sender is told, and what is derived from it counts now.
   */
  buffered(event: Event, { lives_on }: Standing): void {
    const { receipt } = trackedOf(event)
    receipt.books.buffered.inc()
    if (lives_on) {
      receipt.books.created.inc()
      this.endedAtOutput(event, 'consumed')
      return
    }
    this.outputs--
    event.settle('buffered')
    this.#release(event)
    receipt.leave()
    this.#services.left()
  }

  /** An event that an input handed over is in the queue on our disk: its sender is told. */
  queued(event: Event): void {
    const { receipt } = trackedOf(event)
    receipt.books.buffered.inc()
    this.intake--
    event.settle('buffered')
    this.#release(event)
    receipt.leave()
    this.#services.left()
  }

  /** An event came back from the queue on our disk, for the filters. */
  fed({ event, input = FROM_DISK }: StoredEvent): Receipt {
    const receipt = new Receipt(1, this.#services.ledger.input(input))
    event.tracking = new Tracked(receipt)
    receipt.books.read_back.inc()
    this.intake++
    this.#take(event)
    return receipt
  }

  /**
   * At the end of the pipeline: events that came from the queue on our disk stay there, and what filters made of them is made again
   * when they come back.
   */
  gaveBack(receipts: Iterable<Receipt>): void {
    for (const { books, open } of receipts) {
      books.buffered.inc()
      books.states.consumed.inc(open - 1)
      books.held -= open
      let left = open
      for (const holder of ['outputs', 'filters', 'dead_letters', 'intake'] as const) {
        const count = Math.min(left, this[holder])
        this[holder] -= count
        left -= count
      }
    }
  }

  /** An event came back from our disk, for one output. */
  restored({ event, input = FROM_DISK, worst }: StoredEvent): void {
    const books = this.#services.ledger.input(input)
    const tracked = new Tracked(new Receipt(1, books))
    tracked.pending = 1
    if (worst !== undefined) tracked.heed(worst)
    event.tracking = tracked
    books.read_back.inc()
    this.outputs++
    this.#take(event)
  }

  /** An event that came back stays on our disk. */
  returned(event: Event): void {
    const { receipt } = trackedOf(event)
    receipt.books.buffered.inc()
    this.outputs--
    this.#release(event)
    receipt.leave()
    this.#services.left()
  }

  #take(event: Event): void {
    this.#services.budget.take(memoryOf(event))
    this.bytes += memoryOf(event)
  }

  #release(event: Event): void {
    this.#services.budget.release(memoryOf(event))
    this.bytes -= memoryOf(event)
  }
}
