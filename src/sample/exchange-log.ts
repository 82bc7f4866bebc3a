import { createAddresses, PUBLIC_ADDRESSES } from './addresses.ts'
import { type Entry, Exchange } from './exchange.ts'
import { conductDuring, type Incident } from './incidents.ts'
import { createRandom } from './random.ts'
import type { SampleLine } from './sample-line.ts'

/** How a sample of the exchange log is made. The same values give the same lines. */
export interface ExchangeLogOptions {
  readonly seed: number
  /** Of the first line, in milliseconds since 1970. */
  readonly start_ms: number
  /** Lines a second, by their times and without those for debugging. Default: RATE. */
  readonly rate?: number
  readonly incident?: Incident | undefined
  /** When it begins, in seconds after the first line. Default: 0. */
  readonly incident_after_s?: number
  /** Public addresses, IPv4 and IPv6. */
  readonly addresses?: readonly string[]
}

export interface TimedLine extends SampleLine {
  readonly time_ms: number
}

/** Lines a second where nothing else is said. */
export const RATE = 500

/** Lines from one round of statements to the next: at 500 a second, every 0.4 s. */
const ROUND_LINES = 200

/**
 * The log of a whole exchange without end: requests, what comes of them (orders, matching, trades, cancels, deposits,
 * withdrawals), and how things stand (pool, sessions, books, balances). The first lines are such statements.
 */
export function* exchangeLog({
  seed,
  start_ms,
  rate = RATE,
  incident,
  incident_after_s = 0,
  addresses = PUBLIC_ADDRESSES,
}: ExchangeLogOptions): Generator<TimedLine, never, void> {
  const random = createRandom(seed)
  const usual = conductDuring(undefined)
  const troubled = conductDuring(incident)
  const troubled_from_ms = start_ms + incident_after_s * 1_000
  const exchange = new Exchange(usual, random, createAddresses(addresses, random))
  let time_ms = start_ms
  for (let until_round = 0; ; ) {
    const { debug_lines } = (exchange.conduct = time_ms < troubled_from_ms ? usual : troubled)
    const is_round = until_round <= 0
    let lines = 0
    for (const entry of is_round ? exchange.statements() : exchange.story()) {
      yield timedLine(time_ms, entry)
      lines++
    }
    const interval_ms = 1_000 / rate
    for (let index = 0; index < lines * debug_lines; index++) {
      yield timedLine(time_ms + (index * interval_ms) / debug_lines, exchange.debugging())
    }
    until_round = (is_round ? ROUND_LINES : until_round) - lines
    time_ms += lines * interval_ms
  }
}

function timedLine(at_ms: number, { service, env, fields }: Entry): TimedLine {
  const time_ms = Math.floor(at_ms)
  return { time_ms, line: JSON.stringify({ ts: new Date(time_ms).toISOString(), ...fields }), service, env }
}
