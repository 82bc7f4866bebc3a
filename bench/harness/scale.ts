// How much a bench measures: `node bench/file.ts --rounds 7`, `--quick` to see whether it works.
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  options: {
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})

/** Words that are no flags. */
export const POSITIONALS: readonly string[] = positionals

const QUICK_SHARE = 0.1

/** One round of little: it shows that a bench works, and its figures mean nothing. */
const IS_QUICK = values.quick

/** Also what takes long. */
export const IS_FULL = values.full

/** How many rounds to measure, where a bench has so many. */
export function roundsOf(usual: number): number {
  if (values.rounds === undefined) return IS_QUICK ? 1 : usual
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) throw new TypeError(`--rounds: expected a number of rounds, got ${values.rounds}`)
  return rounds
}

/** How many events to take, where a bench takes so many. */
export function eventsOf(usual: number): number {
  return IS_QUICK ? Math.ceil(usual * QUICK_SHARE) : usual
}

/** Of most benches. */
export const ROUNDS = roundsOf(5)
