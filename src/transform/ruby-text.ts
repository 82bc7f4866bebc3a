import { type Fields, isFields, isNumber, SourceNumber, Timestamp, type Value } from '../core/values.ts'

/**
 * The text that Ruby's `to_s` makes of a value, where Logstash's filters put text made of lists and maps into fields:
 * `["x", 5]`, `{"a"=>1}`. Null is empty. Numbers print as they were written.
 */
export function rubyText(value: Value): string {
  return toText(value, AS_IT_CAME)
}

/**
 * The same, alike for values that are equal: the names of maps are sorted by their bytes at every depth, and decimal
 * numbers print as Ruby prints a Float (`1.5`, `100.0`, `1.0e+16`, `1.0e-05`).
 */
export function sortedRubyText(value: Value): string {
  return toText(value, SORTED)
}

/** Compares texts by the bytes of their UTF-8, as Ruby does. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

interface Style {
  readonly namesOf: (fields: Fields) => string[]
  readonly printNumber: (value: number | bigint | SourceNumber) => string
}

const AS_IT_CAME: Style = { namesOf: Object.keys, printNumber: String }

const SORTED: Style = {
  namesOf: (fields) => Object.keys(fields).sort(compareBytes),
  printNumber: (value) => {
    if (value instanceof SourceNumber) return floatText(value.value)
    return typeof value === 'bigint' || Number.isInteger(value) ? String(value) : floatText(value)
  },
}

function toText(value: Value, style: Style): string {
  if (typeof value === 'string') return value
  if (value === null) return ''
  return value instanceof Timestamp ? value.toString() : inspect(value, style)
}

function inspect(value: Value, style: Style): string {
  if (value === null) return 'nil'
  if (typeof value === 'string') return inspectText(value)
  if (value instanceof Timestamp) return inspectText(value.toString())
  if (Array.isArray(value)) return `[${value.map((item) => inspect(item, style)).join(', ')}]`
  if (isNumber(value)) return style.printNumber(value)
  if (!isFields(value)) return String(value)
  const names = style.namesOf(value).filter((name) => value[name] !== undefined)
  return `{${names.map((name) => `${inspectText(name)}=>${inspect(value[name] ?? null, style)}`).join(', ')}}`
}

function floatText(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const [mantissa = '', exponents] = value.toExponential().split('e')
  const exponent = Number(exponents)
  if (exponent < -4 || exponent > 15) {
    const decimal = mantissa.includes('.') ? mantissa : `${mantissa}.0`
    return `${decimal}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
  }
  // JavaScript too writes these without an exponent.
  const plain = String(value)
  return plain.includes('.') ? plain : `${plain}.0`
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
function inspectText(text: string): string {
  const escaped = text.replace(/["\\]|\p{Cc}|#(?=[{$@])/gu, (char) => {
    if (char === '#') return '\\#'
    return ESCAPES[char] ?? `\\u${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
  })
  return `"${escaped}"`
}
