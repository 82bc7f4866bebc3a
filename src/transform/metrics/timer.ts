import { Meter } from './rate.ts'

/** Values that a percentile is taken from: all of them up to this many, then a sample that prefers the newer ones. */
const SAMPLE_MAX = 1028
/** How fast the older values lose against the newer ones, per second: half in about a minute. */
const DECAY = 0.015

/** A meter whose events each have a value. */
export class Timer {
  readonly meter: Meter
  readonly #start_ms: number
  /** Values by their priority, the least of which goes first. */
  readonly #sample: { readonly priority: number; readonly value: number }[] = []
  #least = 0
  #min = Infinity
  #max = -Infinity
  #mean = 0
  /** The sum of the squared distances to the mean (Welford). */
  #squares = 0

  constructor(now_ms: number) {
    this.meter = new Meter(now_ms)
    this.#start_ms = now_ms
  }

  update(value: number, now_ms: number): void {
    this.meter.mark(now_ms)
    this.#min = Math.min(this.#min, value)
    this.#max = Math.max(this.#max, value)
    const distance = value - this.#mean
    this.#mean += distance / this.meter.count
    this.#squares += distance * (value - this.#mean)
    // As a logarithm, which no time makes too large. Of several random numbers the lowest one loses.
    const priority = DECAY * ((now_ms - this.#start_ms) / 1000) - Math.log(1 - Math.random())
    this.#keep({ priority, value })
  }

  #keep(entry: { readonly priority: number; readonly value: number }): void {
    if (this.#sample.length < SAMPLE_MAX) {
      this.#sample.push(entry)
      if (this.#sample.length === SAMPLE_MAX) this.#findLeast()
    } else if (entry.priority > (this.#sample[this.#least]?.priority ?? 0)) {
      this.#sample[this.#least] = entry
      this.#findLeast()
    }
  }

  #findLeast(): void {
    let least = 0
    for (let index = 1; index < this.#sample.length; index++) {
      if ((this.#sample[index]?.priority ?? 0) < (this.#sample[least]?.priority ?? 0)) least = index
    }
    this.#least = least
  }

  get min(): number {
    return this.#min
  }

  get max(): number {
    return this.#max
  }

  get mean(): number {
    return this.#mean
  }

  get standardDeviation(): number {
    return this.meter.count < 2 ? 0 : Math.sqrt(this.#squares / (this.meter.count - 1))
  }

  /** Values at these percentiles, from 0 to 100, between two values of the sample in proportion. */
  percentiles(percents: readonly number[]): number[] {
    const sorted = this.#sample.map(({ value }) => value).sort((a, b) => a - b)
    return percents.map((percent) => {
      const place = (percent / 100) * (sorted.length + 1)
      const lower = sorted[Math.min(Math.max(Math.floor(place), 1), sorted.length) - 1] ?? 0
      const upper = sorted[Math.min(Math.floor(place), sorted.length - 1)] ?? lower
      return place < 1 || place >= sorted.length ? lower : lower + (place - Math.floor(place)) * (upper - lower)
    })
  }
}
