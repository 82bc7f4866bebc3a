import { randomBytes } from 'node:crypto'
import { defineFilter } from '../core/component.ts'
import { countsAsSeen } from '../core/context.ts'
import type { Step } from '../core/contracts.ts'
import type { Event } from '../core/event.ts'
import type { FieldRef } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'
import {
  hashedId,
  nanosecondsOf,
  SPAN_KINDS,
  type Span,
  type SpanKind,
  type SpanStatus,
  spanIdOf,
  traceIdOf,
} from '../core/span.ts'
import { textOf } from '../core/template.ts'
import { isFields, isNumber, SourceNumber, stringify, type Value } from '../core/values.ts'
import { measuredNumber } from './measured-number.ts'
import { resolvedText } from './resolved-text.ts'

const UNITS = ['s', 'ms', 'us', 'ns'] as const
const UNITS_NS: { readonly [unit in (typeof UNITS)[number]]: number } = { s: 1e9, ms: 1e6, us: 1e3, ns: 1 }

/** A call that lasts longer than ten years is a wrong unit. */
const DURATION_MAX_NS = 10 * 365.25 * 86_400 * 1e9

/** The year 2262: OTLP has 64 bits for a time, and one span that does not fit costs all that are sent with it. */
const TIME_MAX_NS = 2n ** 63n - 1n

/** Longer texts are cut. */
const TEXT_LENGTH_MAX = 1_000

const SPAN_OPTIONS = {
  trace_id: option.fieldRef('Holds the id that all calls of one request share.', { default: 'trace_id' }),
  span_id: option.fieldRef(
    'Holds the id of the call. An event without one still becomes a span, which no other names as its parent.',
    {
      default: 'span_id',
    },
  ),
  parent_id: option.fieldRef('Holds the id of the call that made this one. An event without one is the first of its trace.', {
    default: 'parent_span_id',
  }),
  duration: option.fieldRef('Holds how long the call took. An event without it becomes no span.', { default: 'duration' }),
  unit: option.oneOf('What the duration is counted in.', UNITS, { default: 'ms' }),
  timestamp_is: option.oneOf(
    'Whether `@timestamp` is the start of the call or its end, when most programs log it.',
    ['end', 'start'],
    {
      default: 'end',
    },
  ),
  name: option.template('What was called.', { default: '%{action}' }),
  service: option.template('Who was called.', { default: '%{service}' }),
  kind: option.template(`The call's part in a conversation: ${SPAN_KINDS.join(', ')}. Anything else is internal.`, {
    default: 'internal',
  }),
  status: option.fieldRefs(
    'Say how it ended, the first that says anything: `error`, `fatal`, `failed` and their like or an HTTP status of 500 and more is ' +
      'an error, for a client one of 400 and more; `ok`, `success` and their like are good ends.',
    { default: ['status', 'level'] },
  ),
  message: option.fieldRef('Tells of an error, for people.', { default: 'msg' }),
  attributes: option.fieldRefs('Go along with the span, under their paths with dots.', { default: [] }),
}

type SpanOptions = option.OptionValues<typeof SPAN_OPTIONS>

export const span = defineFilter({
  name: 'span',
  summary: 'Makes spans of structured logs, so that calls can be seen in Jaeger without tracing in the programs that log them.',
  description: `
Spans are sent over OTLP where an endpoint is set (\`tracing.endpoint\`, \`OTEL_EXPORTER_OTLP_ENDPOINT\`, see docs/tracing.md);
else the filter does nothing. The event itself does not change, is never held up, and counts once: its span leaves when
the event has its final state, and one that was stored before sends none.

A share of the traces is kept (\`tracing.sampling\`, a tenth), by a hash of the trace id, so that a trace is there whole or not at
all. Ids of 32 and 16 hex digits stay what they are, shorter ones get zeros in front, a UUID loses its dashes, of a
\`traceparent\` header its part is taken, and any other text stands for an id by its hash.

\`millrace_span_events_skipped_total\` counts events that were no calls: without a trace id, without a duration, or\nat a time before 1970 or after 2262.
`.trim(),
  options: SPAN_OPTIONS,
  examples: [
    {
      title: 'Calls of an HTTP API',
      options: { name: '%{method} %{endpoint}', kind: 'server', attributes: ['user_id', 'symbol'] },
      before: {
        trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
        span_id: '00f067aa0ba902b7',
        method: 'POST',
        endpoint: '/api/orders',
        service: 'exchange-api',
        status: 200,
        duration: 12.5,
      },
      after: {
        trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
        span_id: '00f067aa0ba902b7',
        method: 'POST',
        endpoint: '/api/orders',
        service: 'exchange-api',
        status: 200,
        duration: 12.5,
      },
    },
    {
      title: 'Logs of the Elastic Common Schema, whose durations are nanoseconds',
      options: {
        trace_id: '[trace][id]',
        span_id: '[span][id]',
        parent_id: '[parent][id]',
        duration: '[event][duration]',
        unit: 'ns',
        name: '%{[event][action]}',
        service: '%{[service][name]}',
        status: ['[event][outcome]'],
        add_tag: ['traced'],
      },
      before: { trace: { id: '7b2' }, event: { action: 'match', duration: 180000, outcome: 'success' } },
      after: { trace: { id: '7b2' }, event: { action: 'match', duration: 180000, outcome: 'success' }, tags: ['traced'] },
    },
  ],
  compile(options, context): Step {
    const { metrics, spans } = context
    const skipped = (reason: string): (() => void) => {
      const help = 'Events that a span filter made no span of.'
      const counter = metrics.counter('millrace_span_events_skipped_total', help, { reason })
      return () => counter.inc()
    }
    const noTrace = skipped('no_trace_id')
    const noDuration = skipped('no_duration')
    const noTime = skipped('time_out_of_range')
    return (event) => {
      const trace_id = idAt(event, options.trace_id, traceIdOf)
      if (trace_id === undefined) return noTrace()
      const duration_ns = Math.round(measuredNumber(event.get(options.duration)) * UNITS_NS[options.unit])
      if (!(duration_ns >= 0 && duration_ns <= DURATION_MAX_NS)) return noDuration()
      const timestamp_ns = nanosecondsOf(event.timestamp ?? context.clock.timestamp())
      const start_ns = options.timestamp_is === 'start' ? timestamp_ns : timestamp_ns - BigInt(duration_ns)
      const end_ns = start_ns + BigInt(duration_ns)
      if (start_ns < 0n || end_ns > TIME_MAX_NS) return noTime()
      if (spans?.samples(trace_id) === true) {
        const made = spanOf(event, { trace_id, start_ns, end_ns }, options)
        event.whenSettled((state) => {
          if (countsAsSeen(state)) spans.record(made)
        })
      }
      context.matched(event)
    }
  },
})

function spanOf(event: Event, when: Pick<Span, 'trace_id' | 'start_ns' | 'end_ns'>, options: SpanOptions): Span {
  const kind = kindOf(options.kind.format(event))
  const status = statusOf(event, options.status, kind)
  const message = status === 'error' ? event.get(options.message) : undefined
  return {
    ...when,
    span_id: idAt(event, options.span_id, spanIdOf) ?? ownId(event),
    parent_id: idAt(event, options.parent_id, spanIdOf),
    service: resolvedText(options.service, event)?.slice(0, TEXT_LENGTH_MAX) ?? 'unknown_service',
    name: resolvedText(options.name, event)?.slice(0, TEXT_LENGTH_MAX) ?? 'unknown',
    kind,
    status,
    message: typeof message === 'string' ? message.slice(0, TEXT_LENGTH_MAX) : undefined,
    attributes: attributesOf(event, options.attributes),
  }
}

function idAt(event: Event, field: FieldRef, read: (text: string) => string | undefined): string | undefined {
  const value = event.get(field)
  return typeof value === 'string' || isNumber(value) ? read(textOf(value)) : undefined
}

/** Of an event that names none: the same for the same line, so that a repeat makes no second span. */
function ownId(event: Event): string {
  const stable_id = event.stableId()
  return stable_id === undefined ? randomBytes(8).toString('hex') : hashedId(stable_id, 16)
}

function kindOf(text: string): SpanKind {
  const plain = text.toLowerCase().replace(/^span_kind_/, '')
  return SPAN_KINDS.find((kind) => kind === plain) ?? 'internal'
}

const BAD = /^(?:err|error|errors|fail|failed|failure|fatal|panic|crit|critical|alert|emerg|emergency|exception|timeout|severe)$/i
const GOOD = /^(?:ok|okay|success|successful|succeeded)$/i

function statusOf(event: Event, fields: readonly FieldRef[], kind: SpanKind): SpanStatus {
  for (const field of fields) {
    const value = event.get(field)
    const code = measuredNumber(value)
    if (code >= 100 && code < 600) {
      if (code >= (kind === 'client' ? 400 : 500)) return 'error'
    } else if (typeof value === 'string') {
      if (BAD.test(value)) return 'error'
      if (GOOD.test(value)) return 'ok'
    }
  }
  return 'unset'
}

function attributesOf(event: Event, fields: readonly FieldRef[]): Span['attributes'] {
  const attributes: { [name: string]: string | number | boolean } = {}
  for (const field of fields) {
    const value = event.get(field)
    if (value !== undefined && value !== null) attributes[field.path.join('.')] = attributeOf(value)
  }
  return attributes
}

/** Numbers that a double cannot hold go as text, with all their digits. */
function attributeOf(value: Value): string | number | boolean {
  if (typeof value === 'boolean' || typeof value === 'number') return value
  if (value instanceof SourceNumber) return Number.isFinite(value.value) ? value.value : value.text
  const text = isFields(value) || Array.isArray(value) ? stringify(value) : textOf(value)
  return text.slice(0, TEXT_LENGTH_MAX)
}
