import type { Event } from '../core/event.ts'

const KEPT = 20
const INTERVAL_MS = 200
const TEXT_MAX = 2_048
/** Events pass without a look at the clock where the last two came within a millisecond: it costs more than the rest of a look. */
const UNSEEN = 31

/** One of the latest events as it went to the outputs. */
export interface RecentEvent {
  readonly sequence: number
  readonly at_ms: number
  readonly origin: string
  /** The document as JSON, cut at 2,048 characters. */
  readonly text: string
}

/** A few of the latest events for the live page: at most five a second are printed, whatever the load. */
export class RecentEvents {
  readonly #events: RecentEvent[] = []
  #sequence = 0
  #next_ms = 0
  #looked_ms = 0
  #unseen = 0

  offer(event: Event): void {
    if (this.#unseen > 0) {
      this.#unseen--
      return
    }
    const now = performance.now()
    if (now - this.#looked_ms < 1) this.#unseen = UNSEEN
    this.#looked_ms = now
    if (now < this.#next_ms) return
    this.#next_ms = now + INTERVAL_MS
    const origin = event.origin?.describe() ?? ''
    this.#events.push({ sequence: ++this.#sequence, at_ms: Date.now(), origin, text: event.toJsonText().slice(0, TEXT_MAX) })
    if (this.#events.length > KEPT) this.#events.shift()
  }

  /** The oldest first. */
  get events(): readonly RecentEvent[] {
    return this.#events
  }
}
