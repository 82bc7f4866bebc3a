import type { Counter, Histogram, Metrics } from '../core/context.ts'
import type { Event } from '../core/event.ts'

const BATCH_BUCKETS = [1, 10, 50, 100, 250, 500, 1_000, 2_048, 4_096, 10_000]
const WRITE_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const AGE_BUCKETS_S = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 86_400]

/** What can be measured of an output's work. */
export class OutputMetrics {
  readonly retried: Counter
  readonly #batch_events: Histogram
  readonly #write_seconds: Histogram
  readonly #age_seconds: Histogram
  /** When the last write ended: its events are stored since then. */
  #written_ms = 0

  constructor(metrics: Metrics, output: string) {
    const labels = { output }
    this.retried = metrics.counter('millrace_output_retries_total', 'Events that were tried again.', labels)
    this.#batch_events = metrics.histogram('millrace_output_batch_events', 'Events in a write.', BATCH_BUCKETS, labels)
    const write_help = 'How long writes took, those that failed too.'
    this.#write_seconds = metrics.histogram('millrace_output_write_seconds', write_help, WRITE_BUCKETS_S, labels)
    const age_help = "From an event's @timestamp, the time of its log line, until it was stored."
    this.#age_seconds = metrics.histogram('millrace_log_to_stored_seconds', age_help, AGE_BUCKETS_S, labels)
  }

  /** Measures a write of so many events, and hands on what comes of it. */
  async write<T>(events: number, writing: Promise<T>): Promise<T> {
    const started_ms = performance.now()
    this.#batch_events.observe(events)
    try {
      return await writing
    } finally {
      this.#written_ms = Date.now()
      this.#write_seconds.observe((performance.now() - started_ms) / 1_000)
    }
  }

  /** Of an event of the write that has just ended. A clock that is ahead of ours makes no negative age. */
  stored({ timestamp }: Event): void {
    if (timestamp !== undefined) this.#age_seconds.observe(Math.max(0, this.#written_ms - timestamp.epoch_ms) / 1_000)
  }
}
