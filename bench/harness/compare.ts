import { roundsOf } from './scale.ts'

export interface Way {
  readonly name: string
  /** Does the whole work once. */
  readonly run: () => number | Promise<number>
}

/** The median of some figures with the least and the most of them. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** Events per second of CPU, over the rounds. */
interface Figures extends Spread {
  readonly name: string
}

export interface Comparison {
  readonly base: Figures
  readonly other: Figures
  /** other / base, round by round: its median, least and most. */
  readonly ratio: Spread
}

const WARM_UP_ROUNDS = roundsOf(5)
const ROUNDS = roundsOf(11)

/** Runs two ways in turn, so that a change of the machine's speed meets both, and compares them round by round. */
export async function compare(base: Way, other: Way, events: number): Promise<Comparison> {
  const rates: [number[], number[]] = [[], []]
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    const first = await rateOf(base, events)
    const second = await rateOf(other, events)
    if (round < 0) continue
    rates[0].push(first)
    rates[1].push(second)
  }
  const ratios = rates[1].map((rate, round) => rate / (rates[0][round] ?? rate))
  return {
    base: { name: base.name, ...spread(rates[0]) },
    other: { name: other.name, ...spread(rates[1]) },
    ratio: spread(ratios),
  }
}

async function rateOf(way: Way, events: number): Promise<number> {
  const before = process.cpuUsage()
  await way.run()
  const { user, system } = process.cpuUsage(before)
  return (events * 1e6) / (user + system)
}

export function spread(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b)
  return { median: sorted[sorted.length >> 1] ?? Number.NaN, least: sorted[0] ?? Number.NaN, most: sorted.at(-1) ?? Number.NaN }
}
