/** One line without its delimiter. */
export interface Line {
  /** All of it, or where it is `too_long` its first bytes. Valid only until the next call: copy what is kept. */
  readonly bytes: Buffer
  /** How long it really is, delimiter not counted. */
  readonly size_bytes: number
  readonly too_long: boolean
}

/** What is kept of a line that is too long: enough for a person to see what it was. */
export const TOO_LONG_KEPT_BYTES = 64 * 1024

/**
 * Cuts a byte stream, which comes in pieces of any size, into lines. Memory is bounded: of a line over the limit
 * only the first 64 kB are kept. It works on bytes, so that a character cut by a piece's border is whole again.
 */
export class LineSplitter {
  readonly #delimiter: Buffer
  readonly #size_bytes_max: number
  /** What is kept of a line whose end has not come: in one block that grows, for it may come a byte at a time. */
  #block = NOTHING
  #block_bytes = 0
  /** How many bytes the unfinished line has, those not kept included. */
  #size_bytes = 0
  /** The last bytes of the stream, where they may be the beginning of a delimiter. */
  #carry = NOTHING

  /** @param delimiter at least one byte */
  constructor(delimiter: Buffer, size_bytes_max: number) {
    this.#delimiter = delimiter
    this.#size_bytes_max = size_bytes_max
  }

  /** Bytes that wait for the end of their line, those not kept included. */
  get pending_bytes(): number {
    return this.#size_bytes + this.#carry.length
  }

  /** Memory that an unfinished line takes. */
  get held_bytes(): number {
    return this.#block.length + this.#carry.length
  }

  /** The lines that this piece completes. */
  push(next: Buffer): Line[] {
    const piece = this.#carry.length === 0 ? next : Buffer.concat([this.#carry, next])
    this.#carry = NOTHING
    const lines: Line[] = []
    let start = 0
    for (;;) {
      const end = piece.indexOf(this.#delimiter, start)
      if (end < 0) break
      lines.push(this.#complete(piece, start, end))
      start = end + this.#delimiter.length
    }
    const held = Math.min(this.#delimiter.length - 1, piece.length - start)
    if (held > 0) this.#carry = Buffer.from(piece.subarray(piece.length - held))
    if (start < piece.length - held) this.#keep(piece.subarray(start, piece.length - held))
    return lines
  }

  /** The last line, where the stream did not end with a delimiter. */
  flush(): Line | undefined {
    if (this.#carry.length > 0) this.#keep(this.#carry)
    this.#carry = NOTHING
    return this.#size_bytes === 0 ? undefined : this.#take()
  }

  #complete(piece: Buffer, start: number, end: number): Line {
    if (this.#size_bytes > 0) {
      this.#keep(piece.subarray(start, end))
      return this.#take()
    }
    const size_bytes = end - start
    const too_long = size_bytes > this.#size_bytes_max
    return { bytes: piece.subarray(start, too_long ? start + TOO_LONG_KEPT_BYTES : end), size_bytes, too_long }
  }

  #keep(bytes: Buffer): void {
    this.#size_bytes += bytes.length
    const room_bytes = this.#size_bytes <= this.#size_bytes_max ? bytes.length : TOO_LONG_KEPT_BYTES - this.#block_bytes
    if (room_bytes < 0) {
      this.#block = Buffer.from(this.#block.subarray(0, TOO_LONG_KEPT_BYTES))
      this.#block_bytes = TOO_LONG_KEPT_BYTES
    } else if (room_bytes > 0) this.#append(bytes.subarray(0, room_bytes))
  }

  #append(bytes: Buffer): void {
    const needed_bytes = this.#block_bytes + bytes.length
    if (needed_bytes > this.#block.length) {
      // The first piece is mostly all of the line but its end.
      const block = Buffer.allocUnsafeSlow(
        this.#block_bytes === 0 ? needed_bytes : Math.max(needed_bytes, 2 * this.#block.length),
      )
      this.#block.copy(block, 0, 0, this.#block_bytes)
      this.#block = block
    }
    bytes.copy(this.#block, this.#block_bytes)
    this.#block_bytes = needed_bytes
  }

  #take(): Line {
    const bytes = this.#block.subarray(0, this.#block_bytes)
    const line = { bytes, size_bytes: this.#size_bytes, too_long: this.#size_bytes > this.#size_bytes_max }
    this.#block = NOTHING
    this.#block_bytes = 0
    this.#size_bytes = 0
    return line
  }
}

const NOTHING = Buffer.alloc(0)
