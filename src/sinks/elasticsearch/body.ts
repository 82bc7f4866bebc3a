import { TextWriter } from '../../core/json/text-writer.ts'
import type { Attempt } from './attempts.ts'

/** Two bodies of 2,048 usual events; what grew larger than the limit is not kept. */
const INITIAL_BYTES = 1024 * 1024
const KEPT_BYTES_MAX = 8 * 1024 * 1024
const NEWLINE = 0x0a
/**
 * A bulk body under construction: for each item its action line, its document and where both lie in one growing buffer.
 *
 *     {"create":{"_index":"exchange-logs-2026.01.02","_id":"…"}}\n     starts[i]
 *     {"@timestamp":"2026-01-02T03:04:05.678Z", …}\n
 *     {"create":…                                                      starts[i + 1]
 */
export class Body {
  readonly #writer: TextWriter
  /** Where the last item ends. */
  #length = 0
  /** Ready items that stand one behind the other elsewhere too, and are copied together. */
  #ready: Buffer | undefined
  #ready_start = 0
  #ready_end = 0
  /** Item -> where it begins. */
  readonly #starts: number[] = []
  /** Item -> position of its event in the batch. */
  readonly positions: number[] = []
  /** Item -> name of its index. */
  readonly indices: string[] = []

  constructor(buffer: Buffer) {
    this.#writer = new TextWriter(buffer)
  }

  /** What the next item is written with; `close` makes it one. */
  get writer(): TextWriter {
    this.copyReady()
    return this.#writer
  }

  get count(): number {
    return this.positions.length
  }

  /** What was written since the last item is the next one. */
  close(position: number, index: string): void {
    this.#add(position, index, this.writer.length)
  }

  /** Forgets what was written since the last item. */
  takeBack(): void {
    this.writer.length = this.#length
  }

  /** An item whose bytes were made before. They have to hold until `copyReady`. */
  addReady(position: number, { index, piece }: Attempt): void {
    const { buffer, start, end } = piece
    if (buffer !== this.#ready || start !== this.#ready_end) {
      this.copyReady()
      this.#ready = buffer
      this.#ready_start = start
    }
    this.#ready_end = end
    this.#add(position, index, this.#length + end - start)
  }

  /** Takes over the bytes of what `addReady` got. */
  copyReady(): void {
    const ready = this.#ready
    if (ready === undefined) return
    this.#ready = undefined
    this.#writer.ready(ready.subarray(this.#ready_start, this.#ready_end))
    // What stood in the buffer before must never be sent in the place of an item.
    if (this.#writer.length !== this.#length) throw new Error('the bytes of an item were gone before they were copied')
  }

  /** The bytes of the items `from` up to (not including) `to`: not copied, and valid only as long as the body is. */
  slice(from: number, to: number): Buffer {
    return this.writer.bytes.subarray(this.#startOf(from), this.#startOf(to))
  }

  /** The action line of an item, with its newline. */
  lineAt(item: number): string {
    const bytes = this.slice(item, item + 1)
    return bytes.toString('utf8', 0, bytes.indexOf(NEWLINE) + 1)
  }

  /** The document of an item as text. */
  documentAt(item: number): string {
    const bytes = this.slice(item, item + 1)
    return bytes.toString('utf8', bytes.indexOf(NEWLINE) + 1, bytes.length - 1)
  }

  sizeOf(from: number, to: number): number {
    return this.#startOf(to) - this.#startOf(from)
  }

  /** The buffer, for another body. */
  release(): Buffer {
    return this.writer.bytes
  }

  #add(position: number, index: string, end: number): void {
    this.#starts.push(this.#length)
    this.positions.push(position)
    this.indices.push(index)
    this.#length = end
  }

  #startOf(item: number): number {
    return this.#starts[item] ?? this.#length
  }
}

/** Hands out buffers for as many bodies as there are requests on their way, and takes them back once they are answered. */
export class BodyPool {
  readonly #free: Buffer[] = []
  readonly #kept_max: number

  constructor(kept_max: number) {
    this.#kept_max = kept_max
  }

  take(): Body {
    return new Body(this.#free.pop() ?? Buffer.allocUnsafeSlow(INITIAL_BYTES))
  }

  /** Only once nothing can read the body's bytes any more: not while a request with them may still be on the wire. */
  giveBack(body: Body): void {
    const buffer = body.release()
    if (this.#free.length < this.#kept_max && buffer.length <= KEPT_BYTES_MAX) this.#free.push(buffer)
  }
}
