// A fixed piece of work, so that what was measured on another machine can be held against this one.
import { requestLog } from '../../src/sample/request-log.ts'

const LINES = [...requestLog({ seed: 7, count: 10_000, start_ms: Date.UTC(2026, 0, 2) })]
/** Of the lines there; these are a little longer. */
const LINE_BYTES = 427
const bytes = LINES.reduce((sum, line) => sum + line.length, 0) / LINES.length
/** Each line so many times, until it is compiled, and measured. */
const TIMES = 10

/**
 * Processor time of `JSON.parse` and `JSON.stringify` of a line of the log of 427 bytes, in microseconds. Where other programs were measured
 * (a quiet machine with 2 cores, Node 24.21) it was 2.2. Where a machine has modes, it changes less between them than our programs do.
 */
export function parseAndPrint_us(): number {
  work()
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return ((user + system) / (TIMES * LINES.length)) * (LINE_BYTES / bytes)
}

function work(): number {
  let length = 0
  for (let time = 0; time < TIMES; time++) for (const line of LINES) length += JSON.stringify(JSON.parse(line)).length
  return length
}
