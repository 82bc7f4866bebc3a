import { createReadStream } from 'node:fs'
import { crc32 } from 'node:zlib'
import type { Deliver, InputContext, Settled } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { isFields, stringify } from '../../core/values.ts'
import type { EventBuilder } from './event-builder.ts'
import { type Element, readJsonArray } from './json-array.ts'
import type { Follow } from './line-reader.ts'
import type { TrackedFile } from './tracked-file.ts'

const BATCH_EVENTS = 1_024
const BATCH_BYTES = 1024 * 1024
/** Of what cannot be read, enough for a person to see what it was. */
const RAW_KEPT_BYTES = 64 * 1024

const STORED: Promise<Settled> = Promise.resolve('stored')

/** Reads a file that is one JSON list; its position counts elements. */
export class ArrayReader {
  readonly #file: TrackedFile
  readonly #builder: EventBuilder
  readonly #context: InputContext
  readonly #follow: Follow
  #batch: Event[] = []
  #batch_bytes = 0

  constructor(file: TrackedFile, builder: EventBuilder, context: InputContext, follow: Follow) {
    this.#file = file
    this.#builder = builder
    this.#context = context
    this.#follow = follow
  }

  /** Reads on to the file's end or until `stop`. Whether the end was reached without damage. */
  async read(size_bytes: number, deliver: Deliver, stop: AbortSignal): Promise<boolean> {
    const skipped = this.#file.handed_offset
    let index = 0
    const take = async (element: Element): Promise<void> => {
      index++
      if (index <= skipped) return
      if (element.kind === 'refused') {
        await this.#flush(index - 1, deliver)
        await this.#refuse(index - 1, element)
        return
      }
      this.#append(element, index - 1)
      if (this.#batch.length >= BATCH_EVENTS || this.#batch_bytes >= BATCH_BYTES) await this.#flush(index, deliver)
    }
    this.#batch = []
    this.#batch_bytes = 0
    try {
      await readJsonArray(createReadStream(this.#file.path, { signal: stop }), this.#context.max_event_bytes, take)
    } catch (thrown) {
      if (stop.aborted) return false
      // What the disk refuses may be readable later; what is no JSON never will be.
      if (typeof (thrown as NodeJS.ErrnoException).syscall === 'string') throw thrown
      await this.#flush(index, deliver)
      await this.#giveUp(index, size_bytes, messageOf(thrown))
      return false
    }
    await this.#flush(index, deliver)
    return true
  }

  #append(element: Extract<Element, { kind: 'value' }>, index: number): void {
    const { value, exact } = element
    const text = stringify(value, exact)
    this.#batch_bytes += text.length
    const decoded = isFields(value)
      ? { fields: value, exact }
      : { fields: { message: text, tags: ['_jsonparsefailure'] }, exact: false }
    this.#builder.append(this.#batch, this.#file, [decoded], index, crc32(text), text.length)
  }

  async #flush(end: number, deliver: Deliver): Promise<void> {
    if (this.#batch.length === 0) return
    const batch = this.#batch
    this.#batch = []
    this.#batch_bytes = 0
    const { settled } = await deliver(batch)
    this.#follow(this.#file.handedOn(end, settled))
  }

  async #refuse(index: number, { reason, size_bytes }: Extract<Element, { kind: 'refused' }>): Promise<void> {
    const raw = Buffer.from(`element ${index} of the list in ${this.#file.path}: ${reason}`)
    await this.#builder.deadLetter(this.#file, reason, raw, index, size_bytes)
    this.#follow(this.#file.handedOn(index + 1, STORED))
  }

  async #giveUp(index: number, size_bytes: number, why: string): Promise<void> {
    this.#context.log.error(
      'file-json-array',
      `${this.#context.where}: ${this.#file.path}: after element ${index}: ${why}: the rest is not read; its beginning is among the dead letters`,
    )
    await this.#builder.deadLetter(this.#file, 'undecodable', await head(this.#file.path), index, size_bytes)
    this.#follow(this.#file.handedOn(index + 1, STORED))
  }
}

async function head(path: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of createReadStream(path, { end: RAW_KEPT_BYTES - 1 })) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}
