/** Waits that double from `first_ms` to `max_ms`, each drawn from its upper half so that many clients do not come back at once. */
export class Backoff {
  readonly #first: number
  readonly #max: number
  #attempts = 0

  constructor(first_ms: number, max_ms: number) {
    this.#first = first_ms
    this.#max = max_ms
  }

  get attempts(): number {
    return this.#attempts
  }

  /** The next wait in milliseconds. */
  next(): number {
    const full = Math.min(this.#max, this.#first * 2 ** this.#attempts)
    this.#attempts++
    return full / 2 + (Math.random() * full) / 2
  }

  reset(): void {
    this.#attempts = 0
  }
}
