import { SourceNumber } from '../values.ts'

/**
 * The text of a number inside other text (`%{field}`), as Java prints it: whole numbers by their digits, floating point as
 * a Double (`1.5`, `100.0`, `1.23456789E7`), decimals of the json filter as a BigDecimal (`1.10`, `1E+3`).
 */
export function javaNumberText(value: number | bigint | SourceNumber): string {
  if (value instanceof SourceNumber) return value.is_decimal ? javaDecimalText(value.text) : javaDoubleText(value.value)
  return isWhole(value) ? String(value) : javaDoubleText(value)
}

/**
 * The text that Ruby's `to_s` makes of a number (`convert` to string): floating point as a Float (`100.0`, `1.0e+21`,
 * `1.0e-07`), decimals of the json filter as a BigDecimal (`0.11e1`).
 */
export function rubyNumberText(value: number | bigint | SourceNumber): string {
  if (value instanceof SourceNumber) return value.is_decimal ? rubyDecimalText(value.text) : rubyFloatText(value.value)
  return isWhole(value) ? String(value) : rubyFloatText(value)
}

/** A larger whole number that is no bigint was written with an exponent. */
function isWhole(value: number | bigint): value is bigint {
  return typeof value === 'bigint' || Number.isSafeInteger(value)
}

/** The fewest digits that tell a double from its neighbours, and the exponent of the first one. */
function shortestDigits(value: number): { readonly sign: string; readonly digits: string; readonly exponent: number } {
  const [mantissa = '', exponent] = Math.abs(value).toExponential().split('e')
  return { sign: value < 0 || Object.is(value, -0) ? '-' : '', digits: mantissa.replace('.', ''), exponent: Number(exponent) }
}

/** Java's text of the smallest double has two digits, though one would do. */
const SMALLEST = '4.9E-324'

function javaDoubleText(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const { sign, digits, exponent } = shortestDigits(value)
  if (Math.abs(value) === Number.MIN_VALUE) return sign + SMALLEST
  if (value !== 0 && (exponent < -3 || exponent > 6)) return `${sign}${pointed(digits)}E${exponent}`
  return sign + plain(digits, exponent)
}

function rubyFloatText(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const { sign, digits, exponent } = shortestDigits(value)
  if (value !== 0 && (exponent < -4 || exponent > 15)) {
    return `${sign}${pointed(digits)}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
  }
  return sign + plain(digits, exponent)
}

/** `12` -> `1.2`, `1` -> `1.0`. */
function pointed(digits: string): string {
  return `${digits.charAt(0)}.${digits.slice(1) || '0'}`
}

/** Digits without an exponent, at least one of them behind the point. */
function plain(digits: string, exponent: number): string {
  if (exponent < 0) return `0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.padEnd(exponent + 1, '0')
  return `${whole.slice(0, exponent + 1)}.${whole.slice(exponent + 1) || '0'}`
}

/** A JSON number as BigDecimal holds it: whole digits and how many of them stand behind the point. */
function decimalParts(text: string): { readonly sign: string; readonly digits: string; readonly scale: bigint } {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  const digits = (whole + fraction).replace(/^0+(?=\d)/, '')
  return { sign: digits === '0' || /^0*$/.test(digits) ? '' : sign, digits, scale: BigInt(fraction.length) - BigInt(exponent) }
}

function javaDecimalText(text: string): string {
  const { sign, digits, scale } = decimalParts(text)
  const exponent = BigInt(digits.length - 1) - scale
  if (scale === 0n) return sign + digits
  if (scale > 0n && exponent >= -6n) {
    const behind = Number(scale)
    const padded = digits.padStart(behind + 1, '0')
    return `${sign}${padded.slice(0, -behind)}.${padded.slice(-behind)}`
  }
  const mantissa = digits.length === 1 ? digits : `${digits.charAt(0)}.${digits.slice(1)}`
  if (exponent === 0n) return sign + mantissa
  return `${sign}${mantissa}E${exponent > 0n ? '+' : ''}${exponent}`
}

function rubyDecimalText(text: string): string {
  const { sign, digits, scale } = decimalParts(text)
  const significant = digits.replace(/0+$/, '')
  return significant === '' ? '0.0' : `${sign}0.${significant}e${BigInt(digits.length) - scale}`
}
