import type { Timestamp } from './values.ts'

/** A compiled Joda pattern for printing. */
export interface JodaFormat {
  /** Prints the time in UTC. */
  format(time: Timestamp): string
  /** All times of one such step (counted from 1970) print the same: one day for `yyyy.MM.dd`. */
  readonly step_ms: number
}

export function compileJodaFormat(pattern: string): JodaFormat {
  throw new Error(pattern)
}
