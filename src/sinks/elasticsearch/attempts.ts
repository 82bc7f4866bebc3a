import type { SavedEvents } from '../../core/contracts.ts'
import type { Event, Prepared } from '../../core/event.ts'
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

class KeptAttempt implements Attempt, Prepared {
  readonly by: Attempts
  readonly index: string
  readonly piece: Piece
  readonly may_be_stored: boolean

  constructor(by: Attempts, index: string, piece: Piece, may_be_stored: boolean) {
    this.by = by
    this.index = index
    this.piece = piece
    this.may_be_stored = may_be_stored
  }
}

const SAVED_FIXED_BYTES = 3
const NEWLINE = 0x0a

/** What is to be sent of the events that wait for their first attempt, or for a further one. */
export class Attempts implements SavedEvents {
  /** Of events that another output has prepared too, and before. */
  readonly #others = new Map<Event, KeptAttempt>()
  readonly #blocks = new Blocks()

  /** What the item of an event is to be written with before its first attempt; `prepare` follows. */
  begin(): TextWriter {
    return this.#blocks.begin()
  }

  /** The item was written. */
  prepare(event: Event, index: string): void {
    this.#keep(event, new KeptAttempt(this, index, this.#blocks.end(), false))
  }

  /** After one that did not finish. */
  remember(event: Event, { index, piece, may_be_stored }: Attempt): void {
    this.#keep(event, new KeptAttempt(this, index, piece, may_be_stored))
  }

  #keep(event: Event, attempt: KeptAttempt): void {
    if (this.#others.size > 0) this.#others.delete(event)
    if (event.prepared === undefined || event.prepared.by === this) event.prepared = attempt
    else this.#others.set(event, attempt)
  }

  /** Its bytes hold until `forget`. */
  get(event: Event): Attempt | undefined {
    return this.#of(event)
  }

  #of(event: Event): KeptAttempt | undefined {
    const { prepared } = event
    return prepared instanceof KeptAttempt && prepared.by === this ? prepared : this.#others.get(event)
  }

  /** may_be_stored u8, length of the index u16, index, bytes */
  save(event: Event): Buffer | undefined {
    const attempt = this.#of(event)
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
    this.#keep(event, new KeptAttempt(this, index, piece, bytes.readUInt8(0) === 1))
    return true
  }

  forget(event: Event): void {
    const attempt = this.#of(event)
    if (attempt === undefined) return
    if (attempt === event.prepared) event.prepared = undefined
    else this.#others.delete(event)
    this.#blocks.free(attempt.piece)
  }
}
