import type { Origin } from '../../core/event.ts'
import type { StoredDeadLetter } from '../../storage/dead-letters.ts'

/** An event that is read back has the id that it had when it failed. */
export class DeadLetterOrigin implements Origin {
  readonly input: string
  readonly replays: number
  readonly #letter: Pick<StoredDeadLetter, 'origin' | 'id'>
  readonly #sequence: bigint

  constructor(input: string, sequence: bigint, { origin, id, replays }: StoredDeadLetter) {
    this.input = input
    this.replays = replays + 1
    this.#letter = { origin, id }
    this.#sequence = sequence
  }

  describe(): string {
    return `dead letter ${this.#sequence}${this.#letter.origin === undefined ? '' : ` (${this.#letter.origin})`}`
  }

  stableId(): string | undefined {
    return this.#letter.id
  }
}
