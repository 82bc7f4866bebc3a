/** Beside its bytes, what a piece takes that was received and waits: a sender may send each byte in one of its own. */
export const PIECE_BYTES = 256

/** A limit that several inputs of a process have together: what the one with the largest share says, as long as it runs. */
export class Shares {
  readonly #least: number
  readonly #shares = new Set<{ readonly bytes: number }>()
  #bytes_max: number

  /** @param least_bytes the limit while nobody says more */
  constructor(least_bytes: number) {
    this.#least = least_bytes
    this.#bytes_max = least_bytes
  }

  get bytes_max(): number {
    return this.#bytes_max
  }

  /** Disposing of it takes it back. */
  add(bytes: number): Disposable {
    const share = { bytes }
    this.#shares.add(share)
    this.#update()
    return {
      [Symbol.dispose]: () => {
        this.#shares.delete(share)
        this.#update()
      },
    }
  }

  #update(): void {
    this.#bytes_max = Math.max(this.#least, ...[...this.#shares].map(({ bytes }) => bytes))
  }
}
