import type { Event } from '../../core/event.ts'

/** What an unfinished attempt leaves behind: index, id and bytes are made once and stay the same through all attempts. */
export interface Attempt {
  readonly index: string
  /** Action line and document as they stood in the body. */
  readonly bytes: Buffer
  /** The attempt may have stored the document although it looked like a failure. */
  readonly may_be_stored: boolean
}

/**
 * Remembers events whose last attempt did not finish. Weak, because the runtime may take such an event elsewhere (to disk,
 * to the dead letters) without telling; while nothing ever failed, asking costs one comparison.
 */
export class Attempts {
  readonly #attempts = new WeakMap<Event, Attempt>()
  #remembered = 0

  find(event: Event): Attempt | undefined {
    return this.#remembered === 0 ? undefined : this.#attempts.get(event)
  }

  remember(event: Event, attempt: Attempt): void {
    if (!this.#attempts.has(event)) this.#remembered++
    this.#attempts.set(event, attempt)
  }

  forget(event: Event): void {
    if (this.#remembered > 0 && this.#attempts.delete(event)) this.#remembered--
  }
}
