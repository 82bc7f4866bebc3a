import { createHash } from 'node:crypto'
import type { Timestamp } from './values.ts'

export const SPAN_KINDS = ['internal', 'server', 'client', 'producer', 'consumer'] as const
export type SpanKind = (typeof SPAN_KINDS)[number]

export type SpanStatus = 'unset' | 'ok' | 'error'

/** Names a span: 32 and 16 lower hex digits, never all zero. */
export interface SpanId {
  readonly trace_id: string
  readonly span_id: string
}

/** One call as OpenTelemetry means it, complete. */
export interface Span extends SpanId {
  readonly parent_id: string | undefined
  /** Who did it. Spans of the program itself leave it out. */
  readonly service?: string
  readonly name: string
  readonly kind: SpanKind
  /** Nanoseconds since 1970. */
  readonly start_ns: bigint
  readonly end_ns: bigint
  readonly status: SpanStatus
  /** For people, where the status is `error`. */
  readonly message?: string | undefined
  readonly attributes: { readonly [name: string]: string | number | boolean }
  readonly links?: readonly SpanId[]
}

/** Where spans go. Nothing here waits, and nothing that goes wrong comes back. */
export interface Spans {
  /** Whether the spans of a trace are kept: the same answer for all of them, in every program. */
  samples(trace_id: string): boolean
  /** Takes a span of a trace that is sampled, or counts it as dropped. */
  record(span: Span): void
}

/** Of a `traceparent` header (W3C Trace Context). */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/
const HEX = /^[0-9a-f]+$/
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const ZERO = /^0*$/

const TRACE_DIGITS = 32
const SPAN_DIGITS = 16
/** A longer text is no id. */
const ID_LENGTH_MAX = 256

/**
 * The trace id that a text of a log stands for: hex digits, filled up with zeros on the left; a UUID; the one in a
 * `traceparent`; for any other text the beginning of its hash. `undefined` for an empty text, zeros, or one too long.
 */
export function traceIdOf(text: string): string | undefined {
  return idOf(text, TRACE_DIGITS, 1)
}

/** The span id that a text of a log stands for, by the same rules. */
export function spanIdOf(text: string): string | undefined {
  return idOf(text, SPAN_DIGITS, 2)
}

function idOf(text: string, digits: number, in_traceparent: 1 | 2): string | undefined {
  if (text.length > ID_LENGTH_MAX) return undefined
  const lower = text.trim().toLowerCase()
  const plain = TRACEPARENT.exec(lower)?.[in_traceparent] ?? (UUID.test(lower) ? lower.replaceAll('-', '') : lower)
  if (ZERO.test(plain)) return undefined
  if (HEX.test(plain) && plain.length <= digits) return plain.padStart(digits, '0')
  return hashedId(plain, digits)
}

/** An id that is the same for the same text. */
export function hashedId(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits)
}

const NS_PER_MS = 1_000_000n

export function nanosecondsOf({ epoch_ms, nanos }: Timestamp): bigint {
  return BigInt(epoch_ms) * NS_PER_MS + BigInt(Math.trunc(nanos))
}
