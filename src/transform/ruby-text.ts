import { rubyNumberText } from '../core/json/number-text.ts'
import { type Fields, isFields, isNumber, Timestamp, type Value } from '../core/values.ts'

/**
 * The text that Ruby's `to_s` makes of a value, where Logstash's filters put text made of lists and maps into fields:
 * `["x", 5]`, `{"a"=>1}`. Null is empty.
 */
export function rubyText(value: Value): string {
  return toText(value, Object.keys)
}

/** The same, alike for values that are equal: the names of maps are sorted by their bytes at every depth. */
export function sortedRubyText(value: Value): string {
  return toText(value, (fields) => Object.keys(fields).sort(compareBytes))
}

/** Compares texts by the bytes of their UTF-8, as Ruby does. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

type NamesOf = (fields: Fields) => string[]

function toText(value: Value, namesOf: NamesOf): string {
  if (typeof value === 'string') return value
  if (value === null) return ''
  return value instanceof Timestamp ? value.toString() : inspect(value, namesOf)
}

function inspect(value: Value, namesOf: NamesOf): string {
  if (value === null) return 'nil'
  if (typeof value === 'string') return inspectText(value)
  if (value instanceof Timestamp) return inspectText(value.toString())
  if (Array.isArray(value)) return `[${value.map((item) => inspect(item, namesOf)).join(', ')}]`
  if (isNumber(value)) return rubyNumberText(value)
  if (!isFields(value)) return String(value)
  const names = namesOf(value).filter((name) => value[name] !== undefined)
  return `{${names.map((name) => `${inspectText(name)}=>${inspect(value[name] ?? null, namesOf)}`).join(', ')}}`
}

const ESCAPES: { readonly [char: string]: string } = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\x1b': '\\e',
}

/** In quotes. A `#` is escaped where Ruby would see the start of an interpolation. */
export function inspectText(text: string): string {
  const escaped = text.replace(/["\\]|\p{Cc}|#(?=[{$@])/gu, (char) => {
    if (char === '#') return '\\#'
    return ESCAPES[char] ?? `\\u${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
  })
  return `"${escaped}"`
}
