import { isFields, Timestamp, type Value } from '../core/values.ts'

/**
 * The text that Ruby's `to_s` makes of a value, where Logstash's filters put text made of lists and maps into fields:
 * `["x", 5]`, `{"a"=>1}`. Null is empty. Numbers print as they were written.
 */
export function rubyText(value: Value): string {
  if (typeof value === 'string') return value
  if (value === null) return ''
  return value instanceof Timestamp ? value.toString() : inspect(value)
}

function inspect(value: Value): string {
  if (value === null) return 'nil'
  if (typeof value === 'string') return inspectText(value)
  if (value instanceof Timestamp) return inspectText(value.toString())
  if (Array.isArray(value)) return `[${value.map(inspect).join(', ')}]`
  if (isFields(value)) {
    const members = Object.entries(value).filter(([, inner]) => inner !== undefined)
    return `{${members.map(([name, inner]) => `${inspectText(name)}=>${inspect(inner ?? null)}`).join(', ')}}`
  }
  return String(value)
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
