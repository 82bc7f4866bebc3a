import { SourceNumber } from '../values.ts'

/** The value of a JSON number's text: exact, and printing as it was written. `decimals`: as `SourceNumber` says. */
export function numberOf(text: string, decimals = false): number | bigint | SourceNumber {
  const rough = Number(text)
  return exactNumber(text, rough, decimals) ?? (rough === 0 ? 0 : rough)
}

/** What to keep instead of the plain number `rough`, where that is not exact or prints differently. */
export function exactNumber(text: string, rough: number, decimals: boolean): bigint | SourceNumber | undefined {
  const isWhole = !text.includes('.') && !text.includes('e') && !text.includes('E')
  if (isWhole) return Number.isSafeInteger(rough) ? undefined : BigInt(text)
  return String(rough) === text && !decimals ? undefined : new SourceNumber(text, decimals)
}
