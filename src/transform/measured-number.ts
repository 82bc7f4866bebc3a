import { isNumber, SourceNumber, type Value } from '../core/values.ts'

const NUMBER = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/

/** A number far longer than this is no measurement, and not worth the scan. */
const NUMBER_LENGTH_MAX = 100

/** A measured value as a number: numbers, and texts that are decimal ones; NaN for anything else. */
export function measuredNumber(value: Value | undefined): number {
  if (isNumber(value)) return value instanceof SourceNumber ? value.value : Number(value)
  return typeof value === 'string' && value.length <= NUMBER_LENGTH_MAX && NUMBER.test(value) ? Number(value) : Number.NaN
}
