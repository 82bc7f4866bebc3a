import type { FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
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

interface Held {
  readonly bytes: number
  /** Of the lines, so that the id of their event stands for all of them. */
  readonly checksum: number
  /** When the last of them came, by the monotonic clock. */
  readonly since_ms: number
}

const NOTHING_HELD: Held = { bytes: 0, checksum: 0, since_ms: 0 }

/** Reads one file line by line and hands the lines on, together with how far they reach. */
export class LineReader {
  readonly #file: TrackedFile
  readonly #delimiter: Buffer
  readonly #builder: EventBuilder
  readonly #context: InputContext
  readonly #follow: Follow
  #splitter: LineSplitter
  #decoder: Decoder
  /** Lines that the codec keeps until more come: they lie behind what was handed on. */
  #held: Held = NOTHING_HELD

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
    return this.#file.handed_offset + this.#held.bytes + this.#splitter.pending_bytes
  }

  /** Forgets a line that is not complete: it is read again from its beginning. */
  rewind(): void {
    this.#splitter = new LineSplitter(this.#delimiter, this.#context.max_event_bytes)
    this.#decoder = this.#context.createDecoder()
    this.#held = NOTHING_HELD
  }

  /** Reads one piece. Resolves with `false` at the end of the file. The buffer is free again afterwards. */
  async readPiece(handle: FileHandle, buffer: Buffer, deliver: Deliver): Promise<boolean> {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.read_offset)
    if (bytesRead === 0) return false
    const start = this.#file.handed_offset + this.#held.bytes
    await this.#handOn(this.#splitter.push(buffer.subarray(0, bytesRead)), start, this.#delimiter.length, deliver)
    return true
  }

  /** No more will come: a last line without its delimiter counts too. */
  async finish(deliver: Deliver): Promise<void> {
    const last = this.#splitter.flush()
    if (last !== undefined) await this.#handOn([last], this.#file.handed_offset + this.#held.bytes, 0, deliver)
    await this.#flush(deliver)
  }

  /** Hands on what the codec keeps, where nothing has come for as long as that takes. */
  async flushQuiet(now_ms: number, deliver: Deliver): Promise<void> {
    const { flush_after_ms } = this.#decoder
    if (flush_after_ms === undefined || this.#held.bytes === 0 || now_ms - this.#held.since_ms < flush_after_ms) return
    await this.#flush(deliver)
  }

  async #flush(deliver: Deliver): Promise<void> {
    const end = this.#file.handed_offset + this.#held.bytes
    const events: Event[] = []
    this.#appendFlushed(events, end)
    if (events.length > 0) await this.#deliver(events, end, deliver)
  }

  async #handOn(lines: readonly Line[], start: number, delimiter_bytes: number, deliver: Deliver): Promise<void> {
    let offset = start
    let events: Event[] = []
    for (const { bytes, size_bytes, too_long } of lines) {
      const end = offset + size_bytes + delimiter_bytes
      if (too_long) {
        this.#appendFlushed(events, offset)
        if (events.length > 0) await this.#deliver(events, offset, deliver)
        events = []
        await this.#builder.deadLetter(this.#file, 'too_large', bytes, offset, size_bytes)
        this.#follow(this.#file.handedOn(end, STORED))
      } else {
        this.#append(events, bytes, offset, end)
      }
      offset = end
    }
    const handed = offset - this.#held.bytes
    if (events.length > 0) await this.#deliver(events, handed, deliver)
    else if (handed > this.#file.handed_offset) this.#follow(this.#file.handedOn(handed, STORED))
  }

  /** Appends the events that a line completes. What the codec keeps of it, and of those before it, is noted. */
  #append(events: Event[], line: Buffer, offset: number, end: number): void {
    const { bytes, checksum } = this.#held
    const decoded = this.#builder.decode(this.#decoder, line)
    if (this.#decoder.holds !== true) {
      this.#held = NOTHING_HELD
      this.#builder.append(events, this.#file, decoded, offset - bytes, crc32(line, checksum), bytes + line.length)
      return
    }
    const begins_here = bytes === 0 || decoded.length > 0
    this.#held = {
      bytes: end - offset + (begins_here ? 0 : bytes),
      checksum: crc32(line, begins_here ? 0 : checksum),
      since_ms: performance.now(),
    }
    this.#builder.append(events, this.#file, decoded, offset - bytes, checksum, bytes)
  }

  /** Appends what the codec keeps, although more might have followed. */
  #appendFlushed(events: Event[], end: number): void {
    const { bytes, checksum } = this.#held
    this.#held = NOTHING_HELD
    this.#builder.append(events, this.#file, this.#decoder.flush(), end - bytes, checksum, bytes)
  }

  async #deliver(events: Event[], end: number, deliver: Deliver): Promise<void> {
    const { settled } = await deliver(events)
    this.#follow(this.#file.handedOn(end, settled))
  }
}
