import { isDelivered, type Origin, type Settlement } from './origin.ts'

/** What the runtime hangs on an event to follow it. Components never look at it. */
export interface Tracking {
  /** Tells that a child was made of this event, which the runtime has to follow too. */
  readonly followed: true
}

/**
 * What is to be done once, at an event's end.
 * @param is_delivered an output has the event, whatever others made of it
 */
export type WhenSettled = (state: Settlement, is_delivered: boolean) => void

/** In the ordinal of a copy, before the address of the pipeline that it was made for. */
const HOP = '>'

/** The reason of an event that was consumed. */
const CONSUMED = 'consumed'

/** Where an event comes from, what became of it and who wants to know: all but its fields. */
export abstract class EventLife {
  readonly origin: Origin | undefined
  /** What split, clone and other pipelines appended to its stable id. */
  readonly ordinal: string
  /** About how many bytes of memory the event stands for: its size on the wire. */
  size_bytes = 0
  /** Of the runtime. */
  tracking: Tracking | undefined
  #cancelled: string | undefined
  #whenSettled: WhenSettled[] | undefined
  #children = 0

  protected constructor(origin: Origin | undefined, ordinal: string) {
    this.origin = origin
    this.ordinal = ordinal
  }

  /** Takes the event out of the pipeline. `reason` is counted in the ledger: a short constant, never data. */
  cancel(reason: string): void {
    this.#cancelled ??= reason
  }

  /** Takes out an event that others were made of and that lives on in them (split): no drop in the ledger. */
  consume(): void {
    this.cancel(CONSUMED)
  }

  /** Whether it was taken out because it lives on in others. */
  get isConsumed(): boolean {
    return this.#cancelled === CONSUMED
  }

  /** Why the event was taken out, or `undefined` while it goes on. */
  get cancelled(): string | undefined {
    return this.#cancelled
  }

  /** How many pipelines it came through before the one that it is in. */
  get hops(): number {
    return this.ordinal.split(HOP).length - 1
  }

  /** The ordinal of the next event that is made of this one. */
  protected nextOrdinal(): string {
    this.#children++
    return `${this.ordinal}-${this.#children}`
  }

  /** The ordinal of its copy for the pipeline at an address. */
  protected ordinalFor(address: string): string {
    return `${this.ordinal}${HOP}${address}`
  }

  /** The origin's stable id, with the numbers of the split or clone that made this event; `undefined` where the origin has none. */
  stableId(): string | undefined {
    const id = this.origin?.stableId()
    return id === undefined ? undefined : id + this.ordinal
  }

  /**
   * Registers what is to be done once, when the event has its final state or is safe on our disk: derived metrics count
   * then, and only then. Its sender is told at the same moment, so that it does not come again.
   */
  whenSettled(action: WhenSettled): void {
    if (this.#whenSettled === undefined) this.#whenSettled = [action]
    else this.#whenSettled.push(action)
  }

  /** Of the runtime: runs what `whenSettled` registered, once. */
  settle(state: Settlement, is_delivered = isDelivered(state)): void {
    const actions = this.#whenSettled
    if (actions === undefined) return
    this.#whenSettled = undefined
    for (const action of actions) {
      try {
        action(state, is_delivered)
      } catch {
        // What counts something may not decide about the event's end.
      }
    }
  }
}
