import { SourceNumber, type Value } from '../../core/values.ts'

/** What Java's BigDecimal reads: `1`, `-1.50`, `.5`, `1.`, `1e3`; no blanks, no underscores, no NaN. */
const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,10}))?$/

/** More digits than any number in a log: `1e999999999` must not become a number that fills the memory. */
const INTEGER_DIGITS_MAX = 1_000

/** A number as it is written, or its digits before the point. `undefined` for text that is none. */
export function readDecimal(text: string, isInt: boolean): Value | undefined {
  const [all, sign = '', whole = '', fraction = '', exponent] = DECIMAL.exec(text) ?? []
  if (all === undefined || whole + fraction === '') return undefined
  const minus = sign === '-' && /[1-9]/.test(whole + fraction) ? '-' : ''
  if (isInt) return wholePart(minus, whole, fraction, Number(exponent ?? 0))
  const digits = `${whole.replace(/^0+(?=\d)/, '') || '0'}${fraction === '' ? '' : `.${fraction}`}`
  const written = `${minus}${digits}${exponent === undefined ? '' : `E${Number(exponent)}`}`
  const value = Number(written)
  return String(value) === written ? value : new SourceNumber(written, true)
}

function wholePart(minus: string, whole: string, fraction: string, exponent: number): Value | undefined {
  const point = whole.length + exponent
  if (point > INTEGER_DIGITS_MAX || whole.length + fraction.length > INTEGER_DIGITS_MAX) return undefined
  const digits = point <= 0 ? '0' : (whole + fraction).slice(0, point).padEnd(point, '0')
  const exact = BigInt(digits)
  const signed = minus === '-' ? -exact : exact
  return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed
}
