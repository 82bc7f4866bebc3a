import { randomBytes } from 'node:crypto'
import type { Settled, Sink } from '../core/contracts.ts'
import { messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import { type Span, type SpanId, type Spans, spanIdOf, traceIdOf } from '../core/span.ts'
import { trackedOf } from './receipt.ts'

/** More links than this say no more; OpenTelemetry's own limit. */
const LINKS_MAX = 128

// Of the exchange's logs, and of the Elastic Common Schema.
const NAMED_IDS = [
  { trace: parseFieldRef('trace_id'), span: parseFieldRef('span_id') },
  { trace: parseFieldRef('[trace][id]'), span: parseFieldRef('[span][id]') },
]

/** What is told of a span when it ends. */
type Ending = Pick<Span, 'attributes'> & Partial<Pick<Span, 'status' | 'message'>>

/**
 * The trace of one batch that an input handed over: `receive` lasts until every event of it has its end, and in it are
 * `filter`, once for each turn of the filters, and `bulk`, once for each attempt of an output that had events of it.
 */
export class BatchTrace {
  readonly #spans: Spans
  readonly #trace_id: string
  readonly #receive_id = randomId(8)
  readonly #links = new Map<string, SpanId>()

  private constructor(spans: Spans, trace_id: string) {
    this.#spans = spans
    this.#trace_id = trace_id
  }

  /** `undefined` for most batches: only a share of the traces is kept. */
  static begin(spans: Spans | undefined): BatchTrace | undefined {
    if (spans === undefined) return undefined
    const trace_id = randomId(16)
    return spans.samples(trace_id) ? new BatchTrace(spans, trace_id) : undefined
  }

  /** Begins a span inside of `receive`. */
  start(name: string, kind: Span['kind']): (ending: Ending) => void {
    return this.#start(randomId(8), this.#receive_id, name, kind)
  }

  /** Begins `receive`, which ends when the receipt of the batch settles. */
  receive(input: string, attributes: Span['attributes'], settled: Promise<Settled>): void {
    const end = this.#start(this.#receive_id, undefined, `receive ${input}`, 'consumer')
    // Never rejects.
    void settled.then((state) => {
      if (state === 'stored') end({ attributes })
      else end({ attributes, status: 'error', message: 'left without an end: its sender brings it again' })
    })
  }

  /** Keeps the trace that an event names as a link from `receive`. */
  link(event: Event): void {
    if (this.#links.size >= LINKS_MAX) return
    const id = namedBy(event)
    if (id !== undefined) this.#links.set(id.trace_id + id.span_id, id)
  }

  #start(span_id: string, parent_id: string | undefined, name: string, kind: Span['kind']): (ending: Ending) => void {
    const start_ns = now_ns()
    return ({ attributes, status = 'unset', message }) => {
      this.#spans.record({
        trace_id: this.#trace_id,
        span_id,
        parent_id,
        name,
        kind,
        start_ns,
        end_ns: now_ns(),
        status,
        message,
        attributes,
        ...(parent_id === undefined ? { links: [...this.#links.values()] } : {}),
      })
    }
  }
}

/** One turn of the filters, which takes events of one batch only. Returns what ends it. */
export function traceTurn(pipeline: string, events: readonly Event[]): (() => void) | undefined {
  const [first] = events
  const end = first && trackedOf(first).receipt.trace?.start('filter', 'internal')
  return end && (() => end({ attributes: { pipeline, events: events.length } }))
}

/** A sink whose attempts are spans, in the trace of every batch that they had events of. */
export function tracedSink(sink: Sink, output: string): Sink {
  const { batching, bindings, saved } = sink
  return {
    ...(batching === undefined ? {} : { batching }),
    ...(bindings === undefined ? {} : { bindings }),
    ...(sink.prepare === undefined ? {} : { prepare: (event) => sink.prepare?.(event) ?? false }),
    ...(saved === undefined ? {} : { saved }),
    open: (signal) => sink.open(signal),
    close: () => sink.close(),
    write: async (events, signal) => {
      const ends = [...countsOf(events)].map(([trace, of_batch]) => {
        const end = trace.start(`bulk ${output}`, 'producer')
        return (ending: Partial<Ending>) => end({ ...ending, attributes: { output, events: events.length, of_batch } })
      })
      try {
        const result = await sink.write(events, signal)
        const open = result.outcomes.filter(({ kind }) => kind === 'retry' || kind === 'reject' || kind === 'park').length
        for (const end of ends) end(open === 0 ? {} : { status: 'error', message: `${open} events were not stored` })
        return result
      } catch (thrown) {
        for (const end of ends) end({ status: 'error', message: messageOf(thrown) })
        throw thrown
      }
    },
  }
}

/** The batches with a trace that events came in -> how many of them. */
function countsOf(events: readonly Event[]): Map<BatchTrace, number> {
  const counts = new Map<BatchTrace, number>()
  for (const event of events) {
    const { trace } = trackedOf(event).receipt
    if (trace !== undefined) counts.set(trace, (counts.get(trace) ?? 0) + 1)
  }
  return counts
}

/** The span that an event says it belongs to; where it names the trace alone, that trace's first one by custom. */
function namedBy(event: Event): SpanId | undefined {
  for (const { trace, span } of NAMED_IDS) {
    const trace_text = event.get(trace)
    if (typeof trace_text !== 'string') continue
    const trace_id = traceIdOf(trace_text)
    if (trace_id === undefined) continue
    const span_text = event.get(span)
    return { trace_id, span_id: (typeof span_text === 'string' ? spanIdOf(span_text) : undefined) ?? trace_id.slice(-16) }
  }
  return undefined
}

function randomId(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}

/** Of the monotonic clock, counted from the system's time at the start: a span never ends before it began. */
function now_ns(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1_000)) * 1_000n
}
