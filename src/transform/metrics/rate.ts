/** How often the moving averages are brought up to date. */
const TICK_MS = 5_000

/** Minutes that a rate may be averaged over. */
export const RATES = [1, 5, 15] as const
export type RateMinutes = (typeof RATES)[number]

/** How many events there were, and how many a second, averaged like the load of a Unix system. */
export class Meter {
  #count = 0
  #fresh = 0
  #ticked_ms: number
  readonly #averages: Map<RateMinutes, number | undefined>

  constructor(now_ms: number) {
    this.#ticked_ms = now_ms
    this.#averages = new Map(RATES.map((minutes) => [minutes, undefined]))
  }

  mark(now_ms: number): void {
    this.#tick(now_ms)
    this.#count++
    this.#fresh++
  }

  get count(): number {
    return this.#count
  }

  /** Events a second; 0 in the first seconds. */
  rate(minutes: RateMinutes, now_ms: number): number {
    this.#tick(now_ms)
    return this.#averages.get(minutes) ?? 0
  }

  #tick(now_ms: number): void {
    const ticks = Math.floor((now_ms - this.#ticked_ms) / TICK_MS)
    if (ticks <= 0) return
    this.#ticked_ms += ticks * TICK_MS
    const current = this.#fresh / (TICK_MS / 1000)
    this.#fresh = 0
    for (const [minutes, average] of this.#averages) {
      const kept = Math.exp(-TICK_MS / 60_000 / minutes)
      const first = average === undefined ? current : current + kept * (average - current)
      // In the ticks behind it nothing happened.
      this.#averages.set(minutes, first * kept ** (ticks - 1))
    }
  }
}
