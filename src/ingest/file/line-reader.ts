import type { FileHandle } from 'node:fs/promises'
import { type Line, LineSplitter } from '../../codecs/line-splitter.ts'
import type { Decoder, Deliver, InputContext, Settled } from '../../core/contracts.ts'
import type { Event } from '../../core/event.ts'
import type { EventBuilder } from './event-builder.ts'
import type { TrackedFile } from './tracked-file.ts'

/** A few hundred lines, about as many as a pipeline takes at once. */
export const READ_BYTES = 256 * 1024

const STORED: Promise<Settled> = Promise.resolve('stored')

/** Notes a promise that has to be waited for before the input ends. */
export type Follow = (settled: Promise<void>) => void

/** Reads one file line by line and hands the lines on, together with how far they reach. */
export class LineReader {
  readonly #file: TrackedFile
  readonly #delimiter: Buffer
  readonly #builder: EventBuilder
  readonly #context: InputContext
  readonly #follow: Follow
  #splitter: LineSplitter
  #decoder: Decoder

  constructor(file: TrackedFile, delimiter: Buffer, builder: EventBuilder, context: InputContext, follow: Follow) {
    this.#file = file
    this.#delimiter = delimiter
    this.#builder = builder
    this.#context = context
    this.#follow = follow
    this.#splitter = new LineSplitter(delimiter, context.max_event_bytes)
    this.#decoder = context.createDecoder()
  }

  /** The byte that is read next. */
  get read_offset(): number {
    return this.#file.handed_offset + this.#splitter.pending_bytes
  }

  /** Forgets a line that is not complete: it is read again from its beginning. */
  rewind(): void {
    this.#splitter = new LineSplitter(this.#delimiter, this.#context.max_event_bytes)
    this.#decoder = this.#context.createDecoder()
  }

  /** Reads one piece. Resolves with `false` at the end of the file. The buffer is free again afterwards. */
  async readPiece(handle: FileHandle, buffer: Buffer, deliver: Deliver): Promise<boolean> {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.read_offset)
    if (bytesRead === 0) return false
    const start = this.#file.handed_offset
    await this.#handOn(this.#splitter.push(buffer.subarray(0, bytesRead)), start, this.#delimiter.length, deliver)
    return true
  }

  /** No more will come: a last line without its delimiter counts too. */
  async finish(deliver: Deliver): Promise<void> {
    const last = this.#splitter.flush()
    if (last !== undefined) await this.#handOn([last], this.#file.handed_offset, 0, deliver)
    const start = this.#file.handed_offset
    const rest = this.#builder.ofDecoded(this.#file, this.#decoder.flush(), start, 0, 0)
    if (rest.length > 0) await this.#deliver(rest, start, deliver)
  }

  async #handOn(lines: readonly Line[], start: number, delimiter_bytes: number, deliver: Deliver): Promise<void> {
    let offset = start
    let events: Event[] = []
    for (const { bytes, size_bytes, too_long } of lines) {
      const end = offset + size_bytes + delimiter_bytes
      if (too_long) {
        if (events.length > 0) await this.#deliver(events, offset, deliver)
        events = []
        await this.#builder.deadLetter(this.#file, 'too_large', bytes, offset, size_bytes)
        this.#follow(this.#file.handedOn(end, STORED))
      } else {
        events.push(...this.#builder.ofLine(this.#file, this.#decoder, bytes, offset))
      }
      offset = end
    }
    if (events.length > 0) await this.#deliver(events, offset, deliver)
    else if (offset > this.#file.handed_offset) this.#follow(this.#file.handedOn(offset, STORED))
  }

  async #deliver(events: Event[], end: number, deliver: Deliver): Promise<void> {
    const { settled } = await deliver(events)
    this.#follow(this.#file.handedOn(end, settled))
  }
}
