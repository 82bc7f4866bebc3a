import type { Event } from '../core/event.ts'

/** Events in line for an output, with their number, bytes and the age of the oldest. Taking from the front is cheap. */
export class BatchQueue {
  #events: Event[] = []
  #head = 0
  #bytes = 0
  #since = 0

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

  push(event: Event, now_ms: number): void {
    if (this.length === 0) this.#since = now_ms
    this.#events.push(event)
    this.#bytes += event.size_bytes
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
