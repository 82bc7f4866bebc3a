/**
 * The relative error of a quantile: the true value lies within 1 % of what is printed. The idea is DDSketch's
 * (Masson, Rim, Lee, VLDB 2019): buckets whose bounds grow by a constant factor, so that two sketches are merged
 * by adding their counts.
 */
const RELATIVE_ERROR = 0.01
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
const LOG_GAMMA = Math.log(GAMMA)

/** Magnitudes below count as zero, above as this: one hostile 1e300 may neither fill the memory nor spoil the rest. */
const MAGNITUDE_MIN = 1e-6
const MAGNITUDE_MAX = 1e15

/** Arrays grow in steps of so many buckets: three steps hold what one endpoint's durations usually spread over. */
const GROWTH = 64

interface BucketData {
  readonly first: number
  readonly counts: Uint32Array
  readonly total: number
}

/** A sketch as plain data. */
export interface SketchData {
  readonly positive: BucketData
  readonly negative: BucketData
  readonly zeros: number
}

/** Quantiles of any number of values in at most 2 x 2,500 counters, with a relative error of 1 %. */
export class QuantileSketch {
  readonly #positive = new LogBuckets()
  readonly #negative = new LogBuckets()
  #zeros = 0

  get count(): number {
    return this.#positive.total + this.#negative.total + this.#zeros
  }

  observe(value: number): void {
    if (value >= MAGNITUDE_MIN) this.#positive.add(bucketOf(value), 1)
    else if (value <= -MAGNITUDE_MIN) this.#negative.add(bucketOf(-value), 1)
    else this.#zeros++
  }

  /** Of what another one was told to be. */
  static from({ positive, negative, zeros }: SketchData): QuantileSketch {
    const sketch = new QuantileSketch()
    sketch.#positive.load(positive)
    sketch.#negative.load(negative)
    sketch.#zeros = zeros
    return sketch
  }

  /** Everything in it, for another thread. */
  get data(): SketchData {
    return { positive: this.#positive.data, negative: this.#negative.data, zeros: this.#zeros }
  }

  merge(other: QuantileSketch): void {
    this.#positive.merge(other.#positive)
    this.#negative.merge(other.#negative)
    this.#zeros += other.#zeros
  }

  clear(): void {
    this.#positive.clear()
    this.#negative.clear()
    this.#zeros = 0
  }

  /** The value at quantile `q` from 0 to 1; NaN where nothing was observed, which is how Prometheus prints that. */
  quantile(q: number): number {
    if (this.count === 0) return Number.NaN
    let rank = Math.floor(q * (this.count - 1))
    if (rank < this.#negative.total) return -this.#negative.valueAt(this.#negative.total - 1 - rank)
    rank -= this.#negative.total
    return rank < this.#zeros ? 0 : this.#positive.valueAt(rank - this.#zeros)
  }
}

function bucketOf(magnitude: number): number {
  return Math.ceil(Math.log(Math.min(magnitude, MAGNITUDE_MAX)) / LOG_GAMMA)
}

/** Counts of consecutive buckets: bucket i holds the values in (GAMMA^(i-1), GAMMA^i]. */
class LogBuckets {
  /** 32 bits: four billion observations in one slice of a summary's time is out of reach. */
  #counts = new Uint32Array(0)
  #first = 0
  total = 0

  add(bucket: number, count: number): void {
    if (bucket < this.#first || bucket >= this.#first + this.#counts.length) this.#grow(bucket)
    const at = bucket - this.#first
    this.#counts[at] = (this.#counts[at] ?? 0) + count
    this.total += count
  }

  #grow(bucket: number): void {
    const start = Math.floor(bucket / GROWTH) * GROWTH
    const empty = this.#counts.length === 0
    const first = empty ? start : Math.min(start, this.#first)
    const end = empty ? start + GROWTH : Math.max(start + GROWTH, this.#first + this.#counts.length)
    const grown = new Uint32Array(end - first)
    if (!empty) grown.set(this.#counts, this.#first - first)
    this.#counts = grown
    this.#first = first
  }

  get data(): BucketData {
    return { first: this.#first, counts: this.#counts, total: this.total }
  }

  load({ first, counts, total }: BucketData): void {
    this.#first = first
    this.#counts = counts.slice()
    this.total = total
  }

  merge(other: LogBuckets): void {
    for (const [at, count] of other.#counts.entries()) if (count > 0) this.add(other.#first + at, count)
  }

  /** Forgets the memory too: a slice that saw a wide range once does not keep it for ever. */
  clear(): void {
    this.#counts = new Uint32Array(0)
    this.#first = 0
    this.total = 0
  }

  /** The middle of the bucket that holds the value with this rank, counted from 0 upwards. */
  valueAt(rank: number): number {
    let before = 0
    for (const [at, count] of this.#counts.entries()) {
      before += count
      if (before > rank) return (2 * GAMMA ** (this.#first + at)) / (GAMMA + 1)
    }
    return Number.NaN
  }
}
