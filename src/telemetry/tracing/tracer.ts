import { setTimeout as delay } from 'node:timers/promises'
import type { Counter, Log, Metrics } from '../../core/context.ts'
import { messageOf } from '../../core/errors.ts'
import type { Span, Spans } from '../../core/span.ts'

/** Takes spans to where they are kept. */
export interface SpanExporter {
  /** One attempt as the caller sees it. @throws when they were not taken */
  export(spans: readonly Span[]): Promise<void>
  close(): Promise<void>
}

interface Settings {
  /** The share of traces that is kept, 0 to 1. */
  readonly ratio: number
  /** Loads what sends them: costs nothing before it is called, once. */
  readonly load: () => Promise<SpanExporter>
  readonly metrics: Metrics
  readonly log: Log
}

/** About 2 MB. */
const QUEUE_MAX = 4_096
const BATCH_MAX = 512
/** So long a span waits for others. */
const SEND_AFTER_MS = 1_000
/** What a stop gives to the spans that are left. */
const CLOSE_WAIT_MS = 2_000

const HASH_RANGE = 0x1_0000_0000

/**
 * Holds spans until they are sent: a bounded queue, one request on its way. What does not fit or is not taken is counted in
 * `millrace_spans_dropped_total`, and holds up nobody.
 */
export class Tracer implements Spans, AsyncDisposable {
  readonly #settings: Settings
  readonly #below: number
  readonly #queue: Span[] = []
  readonly #exported: Counter
  readonly #full: Counter
  readonly #failed: Counter
  #exporter: Promise<SpanExporter> | undefined
  #sending: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(settings: Settings) {
    const { metrics } = settings
    this.#settings = settings
    this.#below = settings.ratio * HASH_RANGE
    this.#exported = metrics.counter('millrace_spans_exported_total', 'Spans that the tracing endpoint took.')
    const dropped = (reason: string): Counter =>
      metrics.counter('millrace_spans_dropped_total', 'Spans that were lost on the way to the tracing endpoint.', { reason })
    this.#full = dropped('queue_full')
    this.#failed = dropped('not_taken')
    metrics.gauge('millrace_spans_queued', 'Spans that wait to be sent.', {}, () => this.#queue.length)
  }

  /** By a hash, for ids in logs need not be random; never by the span, so that a trace is there whole or not at all. */
  samples(trace_id: string): boolean {
    // Loaded here, for an import would cost every start 10 ms.
    const { createHash } = process.getBuiltinModule('node:crypto')
    return createHash('sha1').update(trace_id).digest().readUInt32BE() < this.#below
  }

  record(span: Span): void {
    if (this.#queue.length >= QUEUE_MAX) {
      this.#full.inc()
      return
    }
    this.#queue.push(span)
    if (this.#queue.length >= BATCH_MAX) this.#send()
    else this.#timer ??= setTimeout(() => this.#send(), SEND_AFTER_MS).unref()
  }

  /** Sends what is left, in a bounded time. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#send()
    await Promise.race([this.#sending, delay(CLOSE_WAIT_MS, undefined, { ref: false })])
    clearTimeout(this.#timer)
    this.#failed.inc(this.#queue.splice(0).length)
    const exporter = await this.#exporter?.catch(() => undefined)
    await Promise.race([exporter?.close(), delay(CLOSE_WAIT_MS, undefined, { ref: false })])
  }

  #send(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    // Never rejects.
    if (this.#queue.length > 0) this.#sending ??= this.#sendAll()
  }

  async #sendAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, BATCH_MAX)
      try {
        this.#exporter ??= this.#settings.load()
        const exporter = await this.#exporter
        await exporter.export(batch)
        this.#exported.inc(batch.length)
      } catch (thrown) {
        this.#failed.inc(batch.length)
        this.#settings.log.warn(
          'spans_not_taken',
          `${batch.length} spans were not taken: ${messageOf(thrown)}. No event is held up`,
        )
      }
    }
    this.#sending = undefined
  }
}
