import type { Origin } from '../core/event.ts'
import type { StoredDeadLetter } from './stored-letter.ts'

/**
 * An event that is read back has the id that it had when it failed. One that had none gets the id of its letter, so that it is
 * known when it is read back twice.
 */
export class DeadLetterOrigin implements Origin {
  readonly input: string
  readonly replays: number
  /** What gave up on it: the id of an input, filter or output. */
  readonly plugin_id: string
  readonly failed_at: StoredDeadLetter['failed_at']
  readonly #letter: Pick<StoredDeadLetter, 'origin' | 'id' | 'time'>
  readonly #sequence: bigint
  readonly #part: number

  /** @param part counts the events that one letter of bytes was decoded to */
  constructor(input: string, sequence: bigint, letter: StoredDeadLetter, part = 0) {
    const { origin, id, time, replays } = letter
    this.plugin_id = letter.plugin_id
    this.failed_at = letter.failed_at
    this.#part = part
    this.input = input
    this.replays = replays + 1
    this.#letter = { origin, id, time }
    this.#sequence = sequence
  }

  describe(): string {
    return `dead letter ${this.#sequence}${this.#letter.origin === undefined ? '' : ` (${this.#letter.origin})`}`
  }

  stableId(): string {
    const id = this.#letter.id ?? `dead-letter-${this.#letter.time.epoch_ms}-${this.#sequence}`
    return this.#part === 0 ? id : `${id}:${this.#part}`
  }
}
