import { MillraceError } from '../../core/errors.ts'
import { isFields, SourceNumber, Timestamp, type Value } from '../../core/values.ts'
import { rubyText } from '../ruby-text.ts'

/** Makes another type of a value that is neither null nor a list. `undefined`: it stays as it is, with a warning. */
type Convert = (value: Value) => Value | undefined

const CONVERSIONS = {
  integer: (value: Value) => toInteger(value, (text) => text.replaceAll(',', '')),
  integer_eu: (value: Value) => toInteger(value, fromEuropean),
  float: (value: Value) => toFloat(value, (text) => text.replaceAll(',', '')),
  float_eu: (value: Value) => toFloat(value, fromEuropean),
  string: rubyText,
  boolean: toBoolean,
} as const satisfies { readonly [type: string]: Convert }

export type ConversionName = keyof typeof CONVERSIONS
export const CONVERSION_NAMES = Object.keys(CONVERSIONS) as ConversionName[]

/**
 * The conversion of that name for whole fields: maps and null stay, of a list each element is converted, or none.
 * `onUnchanged` hears of values that are left as they are because they mean no boolean.
 * @throws (the returned function) MillraceError VALUE_NOT_CONVERTIBLE
 */
export function compileConversion(name: ConversionName, onUnchanged: () => void): (value: Value) => Value {
  const convertOne: Convert = CONVERSIONS[name]
  const convert = (value: Value): Value => {
    if (value === null) return null
    const converted = convertOne(value)
    if (converted === undefined) onUnchanged()
    return converted === undefined ? value : converted
  }
  return (value) => {
    if (Array.isArray(value)) return value.map(convert)
    return isFields(value) ? value : convert(value)
  }
}

/** `1.234,5` is 1234.5. */
function fromEuropean(text: string): string {
  return text.replaceAll('.', '').replace(',', '.')
}

const DIGITS = '\\d+(?:_\\d+)*'
const DECIMAL = new RegExp(`^([+-]?)(${DIGITS})?(?:\\.(${DIGITS}))?(?:[eE]([+-]?\\d+))?$`)
const WITH_BASE = /^([+-]?)0([xXbBoO])?([0-9A-Fa-f]+(?:_[0-9A-Fa-f]+)*)$/
const BASE_DIGITS: { readonly [base: string]: RegExp } = { '0x': /^[0-9A-Fa-f]+$/, '0b': /^[01]+$/, '0o': /^[0-7]+$/ }

/** More digits than any number in a log: `1e999999999` must not become a number that fills the memory. */
const INTEGER_DIGITS_MAX = 1_000

function toInteger(value: Value, clean: (text: string) => string): Value {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'bigint') return value
  if (value instanceof Timestamp) return Math.floor(value.epoch_ms / 1000)
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : wholePart(String(value), value)
  if (value instanceof SourceNumber) return wholePart(value.text, value)
  if (typeof value !== 'string') throw notConvertible(value, 'an integer')
  const text = strip(clean(value))
  // Ruby's rules for text: a leading zero means octal, and an exponent is not taken.
  if (/^[+-]?0\w/.test(text)) return withBase(text, value)
  if (/[eE]/.test(text)) throw notConvertible(value, 'an integer')
  return wholePart(text, value)
}

/** `0x1A`, `0b11`, `0o17`, `017`. */
function withBase(text: string, value: Value): Value {
  const [, sign, letter = 'o', written = ''] = WITH_BASE.exec(text) ?? []
  const base = `0${letter.toLowerCase()}`
  const digits = written.replaceAll('_', '')
  if (digits.length > INTEGER_DIGITS_MAX || BASE_DIGITS[base]?.test(digits) !== true) {
    if (letter === 'o' && /^[+-]?[\d_]+\.[\d_]+$/.test(text)) return wholePart(text, value)
    throw notConvertible(value, 'an integer')
  }
  const size = BigInt(base + digits)
  return integerOf(sign === '-' ? -size : size)
}

/** The digits before the point of a decimal number, exact at any size, as Ruby cuts them. */
function wholePart(text: string, value: Value): Value {
  const [all, sign, whole = '', fraction = '', exponent = '0'] = DECIMAL.exec(text) ?? []
  if (all === undefined || (whole === '' && fraction === '')) throw notConvertible(value, 'an integer')
  const digits = (whole + fraction).replaceAll('_', '')
  const point = whole.replaceAll('_', '').length + Number(exponent)
  if (point > INTEGER_DIGITS_MAX || digits.length > INTEGER_DIGITS_MAX) throw notConvertible(value, 'an integer')
  const size = point <= 0 ? 0n : BigInt(digits.slice(0, point).padEnd(point, '0'))
  return integerOf(sign === '-' ? -size : size)
}

export function integerOf(exact: bigint): number | bigint {
  const value = Number(exact)
  return Number.isSafeInteger(value) ? value : exact
}

function toFloat(value: Value, clean: (text: string) => string): Value {
  if (typeof value === 'boolean') return floatOf(value ? 1 : 0)
  if (typeof value === 'number' || typeof value === 'bigint') return floatOf(Number(value))
  if (value instanceof SourceNumber) return floatOf(value.value)
  if (value instanceof Timestamp) return floatOf(value.epoch_ms / 1000)
  if (typeof value !== 'string') throw notConvertible(value, 'a float')
  const text = strip(clean(value))
  if (/^[+-]?0[xX][0-9A-Fa-f]+$/.test(text)) return floatOf(Number(text.replace(/^[+-]/, '')) * (text.startsWith('-') ? -1 : 1))
  const [all, , whole = '', fraction = ''] = DECIMAL.exec(text) ?? []
  if (all === undefined || (whole === '' && fraction === '')) throw notConvertible(value, 'a float')
  return floatOf(Number(text.replaceAll('_', '')))
}

/** A float prints with a point or an exponent, also where it is whole. One beyond all numbers becomes text, as in Logstash. */
export function floatOf(value: number): Value {
  if (!Number.isFinite(value)) return String(value)
  if (!Number.isInteger(value)) return value
  const text = Object.is(value, -0) ? '-0' : String(value)
  return new SourceNumber(text.includes('e') ? text : `${text}.0`)
}

const TRUE = /^(?:true|t|yes|y|1|1\.0)$/i
const FALSE = /^(?:false|f|no|n|0|0\.0|)$/i

function toBoolean(value: Value): boolean | undefined {
  const number = typeof value === 'number' || value instanceof SourceNumber ? Number(value) : undefined
  if (number === 0 || number === 1) return number === 1
  const text = rubyText(value)
  if (TRUE.test(text)) return true
  return FALSE.test(text) ? false : undefined
}

/** What Ruby strips: blanks, line ends and NUL, not the no-break space. */
export function strip(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isStripped(text.charCodeAt(start))) start++
  while (end > start && isStripped(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isStripped(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || code === 0
}

/** Longer values are cut in messages. */
const SHOWN_LENGTH_MAX = 50

function notConvertible(value: Value, wanted: string): MillraceError {
  const text = rubyText(value)
  const shown = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text
  return new MillraceError('VALUE_NOT_CONVERTIBLE', `expected ${wanted}, got ${JSON.stringify(shown)}`)
}
