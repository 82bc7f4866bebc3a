/** Answers from time to time while a client waits: else it takes us for dead after 30 s and sends all again. */
export class KeepAlive {
  readonly #interval_ms: number
  readonly #answer: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(interval_ms: number, answer: () => void) {
    this.#interval_ms = interval_ms
    this.#answer = answer
  }

  /** Whether the client waits. Said again, it changes nothing. */
  set(is_waiting: boolean): void {
    if (is_waiting) this.#timer ??= setInterval(this.#answer, this.#interval_ms)
    else {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }
}
