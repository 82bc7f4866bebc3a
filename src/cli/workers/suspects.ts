import type { Watch } from '../../runtime/turn-guard.ts'

/** After so long without a crash nothing is noted any more. */
const CALM_MS = 10 * 60_000
/** In the filters at so many crashes: then an event goes through them alone. */
const CRASHES = 2
/** More events than this were only near by. */
const KNOWN_MAX = 100_000
const CONDEMNED_MAX = 1_000

/**
 * Finds the event that ends workers. What is in the filters is noted from the first crash on. What was there at two more is
 * a suspect and goes through them alone, so that the next crash names one event; that one goes to the dead letters.
 */
export class Suspects {
  readonly #crashes = new Map<bigint, number>()
  readonly #suspects = new Set<bigint>()
  readonly #condemned = new Set<bigint>()
  readonly #now: () => number
  #last_ms = -Infinity

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** What all workers are to heed; `undefined` as long as there is nothing. */
  get watch(): Watch | undefined {
    return this.#last_ms === -Infinity ? undefined : { suspects: [...this.#suspects], condemned: [...this.#condemned] }
  }

  /** Whether there is nothing to heed any more, for the first time: what was found out is forgotten. */
  calmedDown(): boolean {
    if (this.#last_ms === -Infinity || this.#now() - this.#last_ms <= CALM_MS) return false
    this.#last_ms = -Infinity
    for (const known of [this.#crashes, this.#suspects, this.#condemned]) known.clear()
    return true
  }

  /** A worker has ended with these in its filters. Returns whether the culprit was found. */
  crashed(in_filters: readonly bigint[]): boolean {
    this.#last_ms = this.#now()
    if (this.#crashes.size + in_filters.length > KNOWN_MAX) this.#crashes.clear()
    for (const id of in_filters) {
      const crashes = (this.#crashes.get(id) ?? 0) + 1
      this.#crashes.set(id, crashes)
      if (crashes >= CRASHES) this.#suspects.add(id)
    }
    const [only, ...others] = in_filters
    if (only === undefined || others.length > 0 || !this.#suspects.has(only)) return false
    this.#suspects.clear()
    this.#crashes.clear()
    if (this.#condemned.size >= CONDEMNED_MAX) this.#condemned.clear()
    this.#condemned.add(only)
    return true
  }
}
