import { rubyNumberText } from '../core/json/number-text.ts'
import type { Fields, Value } from '../core/values.ts'
import { isFields, isNumber, SourceNumber } from '../core/values.ts'

const INDENT = 4

/**
 * Prints fields as Logstash's rubydebug does:
 *
 * ```
 * {
 *         "list" => [
 *         [0] 1,
 *         [1] nil
 *     ],
 *     "@version" => "1"
 * }
 * ```
 * Names stand against the arrow, indexes are as wide as the last one.
 */
export function printRuby(fields: Fields): string {
  return printMap(fields, 0)
}

function printValue(value: Value, depth: number): string {
  if (value === null) return 'nil'
  if (typeof value === 'string') return quote(value)
  if (Array.isArray(value)) return printList(value, depth)
  if (isFields(value)) return printMap(value, depth)
  if (isNumber(value)) return printNumber(value)
  return String(value)
}

/** More digits than any number in a log has; a larger exponent stays as it was written. */
const EXPONENT_MAX = 400

/** As Ruby does, but decimals of the json filter without an exponent. */
function printNumber(value: number | bigint | SourceNumber): string {
  if (!(value instanceof SourceNumber) || !value.is_decimal) return rubyNumberText(value)
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = DECIMAL.exec(value.text) ?? []
  const shift = Number(exponent)
  if (whole === '' || Math.abs(shift) > EXPONENT_MAX) return value.text
  const digits = '0'.repeat(Math.max(0, -shift)) + whole + fraction + '0'.repeat(Math.max(0, shift))
  const point = whole.length + Math.max(0, -shift) + shift
  const before = digits.slice(0, point).replace(/^0+(?=\d)/, '')
  const behind = digits.slice(point).replace(/0+$/, '')
  return `${sign}${before || '0'}.${behind || '0'}`
}

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

function printMap(fields: Fields, depth: number): string {
  const members = Object.entries(fields).filter((member): member is [string, Value] => member[1] !== undefined)
  if (members.length === 0) return '{}'
  const names = members.map(([name]) => quote(name))
  const width = Math.max(...names.map((name) => name.length)) + indentOf(depth + 1)
  const lines = members.map(([, value], index) => `${names[index]?.padStart(width)} => ${printValue(value, depth + 1)}`)
  return `{\n${lines.join(',\n')}\n${' '.repeat(indentOf(depth))}}`
}

function printList(items: readonly Value[], depth: number): string {
  if (items.length === 0) return '[]'
  const width = String(items.length - 1).length
  const indent = ' '.repeat(indentOf(depth + 1))
  const lines = items.map((item, index) => `${indent}[${String(index).padStart(width)}] ${printValue(item, depth + 1)}`)
  return `[\n${lines.join(',\n')}\n${' '.repeat(indentOf(depth))}]`
}

function indentOf(depth: number): number {
  return depth * INDENT
}

const NAMED_ESCAPES: { readonly [char: string]: string } = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\u001b': '\\e',
  '\u007f': '\\x7F',
}

/** What Ruby would not print as it stands, and the `#` that would begin an interpolation. */
const TO_ESCAPE = /["\\]|#(?=[{$@])|[^\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}\p{Co}]/gu

/** A text as Ruby's `inspect` prints it. */
function quote(text: string): string {
  return `"${text.replace(TO_ESCAPE, escape)}"`
}

function escape(char: string): string {
  if (char === '#') return '\\#'
  const named = NAMED_ESCAPES[char]
  if (named !== undefined) return named
  const code = char.codePointAt(0) ?? 0
  const hex = code.toString(16).toUpperCase()
  return code > 0xffff ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`
}
