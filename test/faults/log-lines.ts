import { requestLog } from '../../src/sample/request-log.ts'

const HOUR_MS = 3_600_000
const MIDNIGHT_MS = Date.UTC(2026, 2, 2)
const ORDER_ID = /"order_id":"?(\d{20})/

/** A line of the exchange log and the order id that it is known by everywhere: twenty digits, as text. */
export interface LogLine {
  readonly line: string
  readonly id: string
}

/** Lines of two hours, one before midnight and one after it: they belong into two daily indices. */
export function linesAcrossMidnight(seed: number, count: number): LogLine[] {
  return linesFrom(seed, count, MIDNIGHT_MS - HOUR_MS, (2 * HOUR_MS) / count)
}

/** Lines of one hour of one day, which is counted from 0. */
export function linesOfDay(seed: number, count: number, day: number): LogLine[] {
  return linesFrom(seed, count, MIDNIGHT_MS + (day * 24 + 12) * HOUR_MS, HOUR_MS / count)
}

function linesFrom(seed: number, count: number, start_ms: number, interval_ms: number): LogLine[] {
  const lines = [...requestLog({ seed, count, start_ms, interval_ms })].map((line) => ({ line, id: orderIdOf(line) }))
  if (new Set(lines.map(({ id }) => id)).size !== count) throw new Error(`seed ${seed} gives an order id twice: take another`)
  return lines
}

export function orderIdOf(text: string): string {
  return ORDER_ID.exec(text)?.[1] ?? `no order id in ${text.slice(0, 100)}`
}

/** @throws Error that counts and names what was lost, doubled or made up, when the two are not the same ids, each once */
export function expectEachOnce(what: string, sent: readonly string[], found: readonly string[]): void {
  const wanted = new Set(sent)
  const seen = new Set<string>()
  const doubled: string[] = []
  const unknown: string[] = []
  for (const id of found) {
    if (!wanted.has(id)) unknown.push(id)
    else if (seen.has(id)) doubled.push(id)
    seen.add(id)
  }
  const missing = sent.filter((id) => !seen.has(id))
  if (missing.length + doubled.length + unknown.length === 0) return
  const counts = `${missing.length} missing, ${doubled.length} doubled, ${unknown.length} unknown of ${sent.length}`
  throw new Error(`${what}: ${counts}: ${[...missing, ...doubled, ...unknown].slice(0, 5).join(', ')}`)
}
