/** A rate that is told over less than this would jump. */
const WINDOW_MS = 5_000

export interface Flow {
  /** A second, since a look of at least some seconds ago. */
  readonly current: number
  /** A second, since the start. */
  readonly lifetime: number
}

interface Look {
  readonly at_ms: number
  readonly values: Map<string, number>
}

/** Rates of what only grows, from look to look, however often somebody looks. */
export class FlowMeter {
  readonly #now: () => number
  readonly #first: Look
  /** What rates are counted from. */
  #base: Look
  /** What they will be counted from, once it is old enough. */
  #next: Look
  #last: Look

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now
    this.#first = { at_ms: now(), values: new Map() }
    this.#base = this.#next = this.#last = this.#first
  }

  /** A new look begins. */
  look(): void {
    const at_ms = this.#now()
    if (at_ms - this.#last.at_ms >= WINDOW_MS) this.#base = this.#next = this.#last
    else if (at_ms - this.#next.at_ms >= WINDOW_MS) {
      this.#base = this.#next
      this.#next = this.#last
    }
    this.#last = { at_ms, values: new Map() }
  }

  of(name: string, value: number): Flow {
    const { at_ms, values } = this.#last
    values.set(name, value)
    return {
      current: perSecond(value - (this.#base.values.get(name) ?? 0), at_ms - this.#base.at_ms),
      lifetime: perSecond(value, at_ms - this.#first.at_ms),
    }
  }
}

function perSecond(amount: number, ms: number): number {
  return ms <= 0 ? 0 : (amount * 1_000) / ms
}
