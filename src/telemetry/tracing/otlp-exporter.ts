import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import { withoutSecrets } from '../../core/secret.ts'
import { SPAN_KINDS, type Span, type SpanId, type SpanStatus } from '../../core/span.ts'
import type { SpanExporter } from './tracer.ts'

// Loaded by `import()` alone, where an endpoint is set: it takes 200 ms and 23 MB.

export interface OtlpSettings {
  /** Of the traces; without one the exporter reads OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url?: string | undefined
  /** What spans belong to that name none. */
  readonly service: string
  readonly version: string
}

/** OpenTelemetry's own 10 s would hold up the end of the program by as much, where nobody answers. */
const TIMEOUT_MS = 3_000

/**
 * Sends spans as OTLP over HTTP. Headers, certificates, compression and the timeout are those of the environment
 * (`OTEL_EXPORTER_OTLP_HEADERS` and its kin); what may be tried again is, within that timeout.
 */
export function createOtlpExporter({ url, service, version }: OtlpSettings): SpanExporter {
  const { OTEL_EXPORTER_OTLP_TIMEOUT: of_all, OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: of_traces } = process.env
  const exporter = new OTLPTraceExporter({
    ...(url === undefined ? {} : { url }),
    ...((of_traces ?? of_all) === undefined ? { timeoutMillis: TIMEOUT_MS } : {}),
  })
  const own = resourceFromAttributes({ 'service.name': service, 'service.version': version })
  return {
    export: async (spans) => {
      const resources = new Map<string, Resource>()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      exporter.export(
        spans.map((span) => toReadable(span, span.service === undefined ? own : resourceOf(span.service, resources), version)),
        ({ error }) => (error === undefined ? resolve() : reject(error)),
      )
      await promise
    },
    close: () => exporter.shutdown(),
  }
}

type ReadableSpan = Parameters<OTLPTraceExporter['export']>[0][number]
type SpanContext = ReturnType<ReadableSpan['spanContext']>

/** One for each service, so that its spans travel together. */
function resourceOf(service: string, resources: Map<string, Resource>): Resource {
  const known = resources.get(service)
  if (known !== undefined) return known
  const resource = resourceFromAttributes({ 'service.name': service.toWellFormed() })
  resources.set(service, resource)
  return resource
}

const STATUS_CODES: { readonly [status in SpanStatus]: number } = { unset: 0, ok: 1, error: 2 }

function toReadable(span: Span, resource: Resource, version: string): ReadableSpan {
  const context = toContext(span)
  return {
    name: span.name.toWellFormed(),
    kind: SPAN_KINDS.indexOf(span.kind),
    spanContext: () => context,
    ...(span.parent_id === undefined
      ? {}
      : { parentSpanContext: toContext({ trace_id: span.trace_id, span_id: span.parent_id }) }),
    startTime: toHrTime(span.start_ns),
    endTime: toHrTime(span.end_ns),
    duration: toHrTime(span.end_ns - span.start_ns),
    status: {
      code: STATUS_CODES[span.status],
      ...(span.message === undefined ? {} : { message: withoutSecrets(span.message.toWellFormed()) }),
    },
    attributes: wellFormed(span.attributes),
    links: (span.links ?? []).map((link) => ({ context: toContext(link) })),
    events: [],
    ended: true,
    resource,
    instrumentationScope: { name: 'millrace', version },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }
}

/** Half a character, which logs may hold and UTF-8 has no way to write, would cost all spans that are sent together. */
function wellFormed(attributes: Span['attributes']): Span['attributes'] {
  const texts = Object.entries(attributes).map(([name, value]) => [
    name.toWellFormed(),
    typeof value === 'string' ? value.toWellFormed() : value,
  ])
  return Object.fromEntries(texts) as Span['attributes']
}

/** The flag says that the trace is sampled. */
function toContext({ trace_id, span_id }: SpanId): SpanContext {
  return { traceId: trace_id, spanId: span_id, traceFlags: 1 }
}

const NS_PER_S = 1_000_000_000n

function toHrTime(ns: bigint): [number, number] {
  return [Number(ns / NS_PER_S), Number(ns % NS_PER_S)]
}
