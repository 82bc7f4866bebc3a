import { TextWriter } from '../../core/json/text-writer.ts'

const BLOCK_BYTES = 1024 * 1024
/** A block with less room than this is full. What turns out longer is written elsewhere. */
const ROOM_BYTES = 32 * 1024
/** What is so long and did not fit into the rest of a block gets memory of its own: blocks with a few such would be half empty. */
const LONG_BYTES_MIN = 128 * 1024
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
    if (block === undefined || block.buffer !== bytes) return this.#moved(bytes.subarray(start, end))
    this.#used = end
    block.pieces++
    return { buffer: bytes, start, end, block }
  }

  /**
   * A piece that was longer than what was left of the block, for which its writer took other memory, as much as two blocks:
   * that goes at once, and the next block is begun, so that the pieces behind it do not need the same.
   */
  #moved(written: Buffer): Piece {
    const { length } = written
    const block = length < LONG_BYTES_MIN ? this.#blockFor(BLOCK_BYTES) : undefined
    const buffer = block?.buffer ?? Buffer.allocUnsafeSlow(length)
    buffer.set(written)
    this.#writer.bytes = NO_BYTES
    letGo(written)
    if (block === undefined) return { buffer, start: 0, end: length }
    this.#used = length
    block.pieces++
    return { buffer, start: 0, end: length, block }
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
    else letGo(block.buffer)
  }
}

/** Left to the collector, megabytes stay until one of its rare full rounds. */
function letGo({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}
