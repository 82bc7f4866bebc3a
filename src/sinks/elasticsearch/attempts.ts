import type { SavedEvents } from '../../core/contracts.ts'
import type { Event } from '../../core/event.ts'
import type { TextWriter } from '../../core/json/text-writer.ts'
import { Blocks, type Piece } from './blocks.ts'

/** What is to be sent of one event: index, id and bytes are made once and stay the same through all attempts. */
export interface Attempt {
  readonly index: string
  /** Action line and document as they stand in a body. */
  readonly piece: Piece
  /** An attempt may have stored the document although it looked like a failure. */
  readonly may_be_stored: boolean
}

const SAVED_FIXED_BYTES = 3
const NEWLINE = 0x0a

/** What is to be sent of the events that wait for their first attempt, or for a further one. */
export class Attempts implements SavedEvents {
  readonly #attempts = new Map<Event, Attempt>()
  readonly #blocks = new Blocks()

  /** What the item of an event is to be written with before its first attempt; `prepare` follows. */
  begin(): TextWriter {
    return this.#blocks.begin()
  }

  /** The item was written. */
  prepare(event: Event, index: string): void {
    this.#attempts.set(event, { index, piece: this.#blocks.end(), may_be_stored: false })
  }

  /** After one that did not finish. */
  remember(event: Event, attempt: Attempt): void {
    this.#attempts.set(event, attempt)
  }

  /** Its bytes hold until `forget`. */
  get(event: Event): Attempt | undefined {
    return this.#attempts.get(event)
  }

  /** may_be_stored u8, length of the index u16, index, bytes */
  save(event: Event): Buffer | undefined {
    const attempt = this.#attempts.get(event)
    if (attempt === undefined) return undefined
    const { piece, may_be_stored } = attempt
    const index = Buffer.from(attempt.index)
    const fixed = Buffer.alloc(SAVED_FIXED_BYTES)
    fixed.writeUInt8(may_be_stored ? 1 : 0, 0)
    fixed.writeUInt16BE(index.length, 1)
    return Buffer.concat([fixed, index, piece.buffer.subarray(piece.start, piece.end)])
  }

  restore(event: Event, bytes: Buffer): boolean {
    if (bytes.length < SAVED_FIXED_BYTES) return false
    const start = SAVED_FIXED_BYTES + bytes.readUInt16BE(1)
    if (bytes.at(-1) !== NEWLINE || start >= bytes.length) return false
    const index = bytes.toString('utf8', SAVED_FIXED_BYTES, start)
    const piece = { buffer: bytes, start, end: bytes.length }
    this.#attempts.set(event, { index, piece, may_be_stored: bytes.readUInt8(0) === 1 })
    return true
  }

  forget(event: Event): void {
    const attempt = this.#attempts.get(event)
    if (attempt === undefined) return
    this.#attempts.delete(event)
    this.#blocks.free(attempt.piece)
  }
}
