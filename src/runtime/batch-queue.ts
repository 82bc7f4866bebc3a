import type { Event } from '../core/event.ts'
import { memoryOf } from './byte-budget.ts'

/** Times of arrival are noted once in this time. */
const MARK_INTERVAL_MS = 1_000

/** Events in line for an output, with their number, bytes and the age of the oldest. Taking from the front is cheap. */
export class BatchQueue {
  #events: Event[] = []
  #head = 0
  #bytes = 0
  #since = 0
  #memory_bytes = 0
  /** Events that were taken so far. */
  #taken = 0
  /** When events came, about: the number of the first one and its time. */
  readonly #marks: { readonly first: number; readonly ms: number }[] = []

  get length(): number {
    return this.#events.length - this.#head
  }

  get bytes(): number {
    return this.#bytes
  }

  /** When the oldest event, or one after it, came: a batch is due `batch_delay_ms` later. */
  get since_ms(): number {
    return this.#since
  }

  /** Memory that its events stand for. */
  get memory_bytes(): number {
    return this.#memory_bytes
  }

  /** When the oldest event came, or up to a second before it; infinity for none. */
  get oldest_ms(): number {
    return this.#marks[0]?.ms ?? Number.POSITIVE_INFINITY
  }

  push(event: Event, now_ms: number): void {
    if (this.length === 0) this.#since = now_ms
    const mark = this.#marks.at(-1)
    if (mark === undefined || now_ms - mark.ms >= MARK_INTERVAL_MS) {
      this.#marks.push({ first: this.#taken + this.length, ms: now_ms })
    }
    this.#memory_bytes += memoryOf(event)
    this.#events.push(event)
    this.#bytes += event.size_bytes
  }

  /** Takes all events. */
  takeAll(now_ms: number): Event[] {
    return this.take(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, now_ms)
  }

  /** Takes a batch from the front: at least one event, else as many as fit into both limits. */
  take(events_max: number, bytes_max: number, now_ms: number): Event[] {
    let bytes = 0
    let end = this.#head
    while (end < this.#events.length && end - this.#head < events_max) {
      const size = this.#events[end]?.size_bytes ?? 0
      if (end > this.#head && bytes + size > bytes_max) break
      bytes += size
      end++
    }
    const batch = this.#events.slice(this.#head, end)
    for (const event of batch) this.#memory_bytes -= memoryOf(event)
    this.#taken += batch.length
    while (this.#marks[1] !== undefined && this.#marks[1].first <= this.#taken) this.#marks.shift()
    if (end === this.#events.length) this.#marks.length = 0
    this.#head = end
    this.#bytes -= bytes
    this.#since = now_ms
    if (this.#head > 4096 || this.#head === this.#events.length) {
      this.#events = this.#events.slice(this.#head)
      this.#head = 0
    }
    return batch
  }
}
