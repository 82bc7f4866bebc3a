import { Refusal } from './refusal.ts'

/** Bytes of bodies that were received and not handed on yet, of all requests together. */
export class Room {
  readonly #bytes_max: number
  #used = 0

  constructor(bytes_max: number) {
    this.#bytes_max = bytes_max
  }

  get used_bytes(): number {
    return this.#used
  }

  /** A share that grows with a body. A body that is alone may be larger than all the room. */
  lease(): Lease {
    let held = 0
    return {
      grow: (bytes) => {
        if (this.#used > held && this.#used + bytes > this.#bytes_max) {
          throw new Refusal(429, 'there is no room for another body now: send it again later')
        }
        held += bytes
        this.#used += bytes
      },
      [Symbol.dispose]: () => {
        this.#used -= held
        held = 0
      },
    }
  }
}

export interface Lease extends Disposable {
  /** @throws Refusal 429 where there is no room */
  grow(bytes: number): void
}
