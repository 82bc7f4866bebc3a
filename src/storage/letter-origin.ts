import type { Origin } from '../core/event.ts'
import type { StoredDeadLetter } from './stored-letter.ts'

/**
 * An event that is read back has the id that it had when it failed. One that had none gets the id of its letter, so that it is
 * known when it is read back twice.
 */
export class DeadLetterOrigin implements Origin {
  readonly input: string
  readonly replays: number
  readonly #letter: Pick<StoredDeadLetter, 'origin' | 'id' | 'time'>
  readonly #sequence: bigint

  constructor(input: string, sequence: bigint, { origin, id, time, replays }: StoredDeadLetter) {
    this.input = input
    this.replays = replays + 1
    this.#letter = { origin, id, time }
    this.#sequence = sequence
  }

  describe(): string {
    return `dead letter ${this.#sequence}${this.#letter.origin === undefined ? '' : ` (${this.#letter.origin})`}`
  }

  stableId(): string {
    return this.#letter.id ?? `dead-letter-${this.#letter.time.epoch_ms}-${this.#sequence}`
  }
}
