import { MillraceError } from './errors.ts'
import type { Event } from './event.ts'
import { type FieldRef, isFieldRef, parseFieldRef } from './field-ref.ts'
import { javaNumberText } from './json/number-text.ts'
import { compileJavaTimeFormat } from './time/java-time-format.ts'
import { compileJodaFormat } from './time/joda-format.ts'
import { isFields, isNumber, stringify, Timestamp, type Value } from './values.ts'

/** A compiled text with placeholders (Logstash's sprintf). */
export interface Template {
  readonly text: string
  /** The text itself where it holds no placeholder, so that callers can decide things once. */
  readonly constant: string | undefined
  format(event: Event): string
}

type Part = (event: Event) => string

/**
 * Compiles `%{field}`, `%{[a][b]}`, `%{+YYYY.MM.dd}` (Joda letters, UTC, of the event's own `@timestamp`), `%{+%s}`,
 * `%{{yyyy-MM-dd}}` (java.time letters, UTC, with nanoseconds) and `%{{TIME_NOW}}`.
 * A missing or null field leaves its placeholder as it stands; an unclosed `%{` is plain text; a removed
 * `@timestamp` prints as nothing.
 * @throws MillraceError TEMPLATE_INVALID for a reference or date pattern that cannot be read
 */
export function compileTemplate(text: string): Template {
  const parts: (string | Part)[] = []
  let at = 0
  for (;;) {
    const open = text.indexOf('%{', at)
    const close = open < 0 ? -1 : text.indexOf('}', open)
    if (close < 0) break
    if (open > at) parts.push(text.slice(at, open))
    const isDouble = text.charAt(open + 2) === '{' && text.charAt(close + 1) === '}'
    const end = isDouble ? close + 2 : close + 1
    parts.push(compilePlaceholder(text.slice(open, end), text.slice(open + 2, isDouble ? close + 1 : close), end === text.length))
    at = end
  }
  if (at < text.length) parts.push(text.slice(at))
  const [first, second] = parts
  if (first === undefined || (typeof first === 'string' && parts.length === 1)) {
    return { text, constant: text, format: () => text }
  }
  if (typeof first === 'function' && second === undefined) return { text, constant: undefined, format: first }
  const changing = parts.filter((part) => typeof part === 'function')
  const [only] = changing
  if (only !== undefined && changing.length === 1) {
    const place = parts.indexOf(only)
    return { text, constant: undefined, format: around(parts.slice(0, place).join(''), only, parts.slice(place + 1).join('')) }
  }
  return {
    text,
    constant: undefined,
    format: (event) => {
      let result = ''
      for (const part of parts) result += typeof part === 'string' ? part : part(event)
      return result
    },
  }
}

/** One placeholder between constant texts. The same text as the last time is the same string, which maps find at once. */
function around(before: string, part: Part, after: string): Part {
  let last: string | undefined
  let result = ''
  return (event) => {
    const text = part(event)
    if (text !== last) {
      last = text
      result = before + text + after
    }
    return result
  }
}

/** `inner`: what stands between the outer braces. */
function compilePlaceholder(placeholder: string, inner: string, isLast: boolean): Part {
  if ('+%s'.startsWith(inner)) return ofTime((time) => String(Math.floor(time.epoch_ms / 1000)))
  if (inner.startsWith('+')) return compileDate(inner.slice(1))
  if (inner.startsWith('{')) {
    if (inner.endsWith('}')) return compileJavaTime(inner.slice(1, -1))
    // Logstash looks for the second brace behind the text's end.
    if (isLast) throw new MillraceError('TEMPLATE_INVALID', `${placeholder}: expected }} at its end`)
  }
  if (!isFieldRef(inner)) throw new MillraceError('TEMPLATE_INVALID', `Invalid FieldReference: \`${inner}\` in ${placeholder}`)
  return compileField(parseFieldRef(inner), placeholder)
}

function compileField(ref: FieldRef, placeholder: string): Part {
  return (event) => {
    const value = event.get(ref)
    return typeof value === 'string' ? value : value === undefined || value === null ? placeholder : textOf(value)
  }
}

/** The same day's pattern is asked for again and again, so the last answer is kept for its millisecond range. */
function compileDate(pattern: string): Part {
  const date = compileJodaFormat(pattern)
  let step = Number.NaN
  let text = ''
  return ofTime((time) => {
    const current = Math.floor(time.epoch_ms / date.step_ms)
    if (current !== step) {
      text = date.format(time)
      step = current
    }
    return text
  })
}

function compileJavaTime(pattern: string): Part {
  if (pattern === 'TIME_NOW') return () => new Timestamp(Date.now()).toString()
  return ofTime(compileJavaTimeFormat(pattern))
}

function ofTime(print: (time: Timestamp) => string): Part {
  return (event) => {
    const time = event.timestamp
    return time === undefined ? '' : print(time)
  }
}

/** The text that a value has inside other text: a list is joined with commas (null is empty), a map is JSON. */
export function textOf(value: Value): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value))
    return value.map((item) => (item === null ? '' : isFields(item) ? javaText(item) : textOf(item))).join(',')
  if (isFields(value)) return stringify(value)
  return isNumber(value) ? javaNumberText(value) : String(value)
}

/** How Java prints what stands in a list: `{x=1, y=[null, 2]}`. */
function javaText(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(javaText).join(', ')}]`
  if (!isFields(value)) return value === null ? 'null' : textOf(value)
  const names = Object.keys(value).filter((name) => value[name] !== undefined)
  return `{${names.map((name) => `${name}=${javaText(value[name] ?? null)}`).join(', ')}}`
}
