import { SourceNumber } from './values.ts'

/** The value of a JSON number's text: exact, and printing as it was written. */
export function numberOf(text: string): number | bigint | SourceNumber {
  const rough = Number(text)
  return exactNumber(text, rough) ?? (rough === 0 ? 0 : rough)
}

/** What to keep instead of the plain number `rough`, where that is not exact or prints differently. */
export function exactNumber(text: string, rough: number): bigint | SourceNumber | undefined {
  const isWhole = !text.includes('.') && !text.includes('e') && !text.includes('E')
  if (isWhole) return Number.isSafeInteger(rough) ? undefined : BigInt(text)
  return String(rough) === text ? undefined : new SourceNumber(text)
}
