import { TextWriter } from '../../core/json/text-writer.ts'

const BLOCK_BYTES = 1024 * 1024
/** A block with less room than this is full. What turns out longer is written elsewhere. */
const ROOM_BYTES = 32 * 1024
const NO_BYTES = Buffer.alloc(0)
/** What waits between filters and requests under an even load; more is given back. */
const KEPT_BLOCKS_MAX = 4

interface Block {
  readonly buffer: Buffer
  /** Pieces that are still needed. */
  pieces: number
}

/** Bytes of one event: its action line and its document. */
export interface Piece {
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
  readonly block?: Block
}

/**
 * Memory outside of V8's heap for what waits to be sent. Pieces are written one behind the other into blocks, and a block is used
 * again once none of its pieces is needed any more.
 */
export class Blocks {
  readonly #free: Block[] = []
  readonly #writer = new TextWriter(NO_BYTES)
  #open: Block | undefined
  #used = 0

  /** What the next piece is to be written with, from its beginning on; `end` makes it one. */
  begin(): TextWriter {
    const { buffer } = this.#blockFor(ROOM_BYTES)
    this.#writer.bytes = buffer
    this.#writer.length = this.#used
    return this.#writer
  }

  /** What was written since `begin`. */
  end(): Piece {
    const { bytes, length: end } = this.#writer
    const start = this.#used
    const block = this.#open
    // It was longer than what was left of the block.
    if (block === undefined || block.buffer !== bytes)
      return { buffer: Buffer.from(bytes.subarray(start, end)), start: 0, end: end - start }
    this.#used = end
    block.pieces++
    return { buffer: bytes, start, end, block }
  }

  /** The piece's bytes are not needed any more. */
  free({ block }: Piece): void {
    if (block === undefined) return
    block.pieces--
    if (block.pieces > 0 || block === this.#open) return
    this.#keep(block)
  }

  #blockFor(bytes: number): Block {
    const open = this.#open
    if (open !== undefined) {
      if (open.pieces === 0) this.#used = 0
      if (this.#used + bytes <= BLOCK_BYTES) return open
    }
    const next = this.#free.pop() ?? { buffer: Buffer.allocUnsafeSlow(BLOCK_BYTES), pieces: 0 }
    this.#open = next
    this.#used = 0
    return next
  }

  #keep(block: Block): void {
    if (this.#free.length < KEPT_BLOCKS_MAX) this.#free.push(block)
    // Left to the collector, megabytes stay until one of its rare full rounds.
    else if (block.buffer.buffer instanceof ArrayBuffer) block.buffer.buffer.transfer(0)
  }
}
