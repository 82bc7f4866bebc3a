import type { Counter, Metrics } from '../core/context.ts'
import type { DurableQueue } from '../storage/durable-queue.ts'

interface Shown {
  readonly queue: DurableQueue
  /** When the oldest event on its way was put there, in milliseconds since 1970. */
  readonly oldest_ms: () => number | undefined
  /** Since when events wait because there is no room for them, by the process's clock. */
  readonly blocked_since_ms: () => number | undefined
}

/** What can be measured of the queue on disk of a pipeline. */
export class QueueMetrics {
  readonly cut: Counter
  readonly damaged: Counter
  readonly lost: Counter
  readonly writes: Counter
  readonly #metrics: Metrics
  readonly #labels: { readonly pipeline: string }

  constructor(metrics: Metrics, pipeline: string) {
    const labels = { pipeline }
    this.#metrics = metrics
    this.#labels = labels
    this.cut = metrics.counter(
      'millrace_queue_cut_bytes_total',
      'Bytes that were half written to the queue when the program ended.',
      labels,
    )
    this.damaged = metrics.counter('millrace_queue_damaged_bytes_total', 'Bytes of the queue that could not be read.', labels)
    this.lost = metrics.counter('millrace_queue_lost_events_total', 'Events of the queue that damage to its files took.', labels)
    this.writes = metrics.counter(
      'millrace_queue_writes_total',
      'Groups of events that went to the queue with one fsync.',
      labels,
    )
  }

  show({ queue, oldest_ms, blocked_since_ms }: Shown): void {
    const gauge = (name: string, help: string, read: () => number): void =>
      this.#metrics.gauge(`millrace_queue_${name}`, help, this.#labels, read)
    gauge('events', 'Events in the queue that have not reached the filters.', () => queue.unread)
    gauge('size_bytes', 'Bytes of the files of the queue.', () => queue.size_bytes)
    gauge('max_bytes', 'Bytes that the files of the queue may have: queue.max_bytes.', () => queue.max_bytes)
    gauge('oldest_seconds', 'How long ago the oldest event that came from the queue and is not stored was put there.', () => {
      const since_ms = oldest_ms()
      return since_ms === undefined ? 0 : Math.max(0, Date.now() - since_ms) / 1_000
    })
    gauge('blocked_seconds', 'How long inputs have been waiting for room in the queue; 0 when they do not.', () => {
      const since_ms = blocked_since_ms()
      return since_ms === undefined ? 0 : (performance.now() - since_ms) / 1_000
    })
  }
}
