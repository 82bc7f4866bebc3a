/** Records of one partition that were handed on together. */
export interface Piece {
  /** The offset after the last record of the piece. */
  readonly next: number
  settled: boolean
}

/**
 * How far one partition is read and how far it is settled, for one assignment of it.
 *
 * Pieces are handed on in the order of the log and settle in any order. Only what is settled without a gap may be
 * committed. Offsets inside the log may be missing (compaction, transaction markers): what counts is the order of the
 * pieces. Offsets are numbers: 2^53 records in one partition are 28,000 years at 10,000 a second.
 */
export class SettledOffsets {
  #position: number
  #settled: number
  /** Handed on, and not yet part of the settled prefix. */
  readonly #pieces: Piece[] = []

  constructor(start: number) {
    this.#position = start
    this.#settled = start
  }

  /** The offset where reading goes on. */
  get position(): number {
    return this.#position
  }

  /** Every record below this offset is settled: the offset to commit. */
  get settled(): number {
    return this.#settled
  }

  /**
   * Notes a piece that ends before the offset `next`.
   * @throws RangeError when `next` is not after the position: a record would be handed on twice
   */
  handOn(next: number): Piece {
    if (!(next > this.#position)) throw new RangeError(`expected an offset after ${this.#position}, got ${next}`)
    const piece: Piece = { next, settled: false }
    this.#pieces.push(piece)
    this.#position = next
    return piece
  }

  settle(piece: Piece): void {
    piece.settled = true
    let done = 0
    for (const { settled, next } of this.#pieces) {
      if (!settled) break
      this.#settled = next
      done++
    }
    if (done > 0) this.#pieces.splice(0, done)
  }
}
