import { QuantileSketch } from './sketch.ts'

/** The age is cut into so many slices, as Prometheus' own clients do: an observation leaves between 80 and 100 % of `max_age_ms`. */
const SLICES = 5

/** What a summary keeps for one label set: sum and count for ever, quantiles of the last `max_age_ms`. */
export class SlidingSummary {
  sum = 0
  count = 0
  readonly #slice_ms: number
  readonly #now: () => number
  readonly #slices = Array.from({ length: SLICES }, () => new QuantileSketch())
  /** The number of the slice that takes observations now, counted since time 0 of the clock. */
  #current: number

  constructor(max_age_ms: number, now: () => number) {
    this.#slice_ms = max_age_ms / SLICES
    this.#now = now
    this.#current = Math.floor(now() / this.#slice_ms)
  }

  observe(value: number): void {
    this.#advance()
    this.#slices[this.#current % SLICES]?.observe(value)
    this.sum += value
    this.count++
  }

  /** What was observed lately. */
  recent(): QuantileSketch {
    this.#advance()
    const recent = new QuantileSketch()
    for (const slice of this.#slices) recent.merge(slice)
    return recent
  }

  #advance(): void {
    const slice = Math.floor(this.#now() / this.#slice_ms)
    for (let next = Math.max(this.#current + 1, slice - SLICES + 1); next <= slice; next++) this.#slices[next % SLICES]?.clear()
    this.#current = Math.max(this.#current, slice)
  }
}
