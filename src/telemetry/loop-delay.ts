import { monitorEventLoopDelay } from 'node:perf_hooks'

type IntervalHistogram = ReturnType<typeof monitorEventLoopDelay>

/** How finely the loop's delay is sampled: ten milliseconds would cost twice as many wake-ups of an idle process. */
const RESOLUTION_MS = 20
const WINDOW_MS = 30_000

/**
 * How late the event loop was of late: in this window and the one before it, so that whoever asks, and how often, changes nothing
 * for others. A Prometheus that scrapes every 30 s sees every stall.
 */
export class LoopDelay {
  #now: IntervalHistogram = measure()
  #before: IntervalHistogram | undefined
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.turn(), WINDOW_MS).unref()
  }

  /** In seconds: what 99 of 100 wake-ups were not later than. */
  get p99_s(): number {
    return this.#worst((histogram) => histogram.percentile(99))
  }

  /** In seconds: the latest wake-up. */
  get max_s(): number {
    return this.#worst(({ max }) => max)
  }

  /** A window ends, and the one before it is forgotten. */
  turn(): void {
    this.#now.disable()
    this.#before = this.#now
    this.#now = measure()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#now.disable()
  }

  #worst(nanosecondsOf: (histogram: IntervalHistogram) => number): number {
    const late_ms = [this.#now, this.#before].flatMap((histogram) =>
      // What is recorded includes the sampling interval itself.
      histogram === undefined || histogram.count === 0 ? [] : nanosecondsOf(histogram) / 1e6 - RESOLUTION_MS,
    )
    return Math.max(0, ...late_ms) / 1_000
  }
}

function measure(): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  return histogram
}
