import { join } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { stringify, type Timestamp } from '../core/values.ts'
import { ReplayMarks } from './replay-marks.ts'
import { SEGMENT_HEADER } from './segment-format.ts'
import { SegmentLog } from './segment-log.ts'

/** Of something that never became an event, the first bytes are enough for a person to see what it was. */
const RAW_KEPT_BYTES = 64 * 1024
const TOTAL_BYTES_MAX = 1024 * 1024 * 1024

/** The program's own dead letters, of all its pipelines. */
export function deadLettersFolder(data: string): string {
  return join(data, 'dead-letters')
}

export interface DeadLetter {
  readonly time: Timestamp
  readonly pipeline: string
  /** The id of the component that gave up on it. */
  readonly component: string
  /** The component's name, `elasticsearch`, where it is known. */
  readonly plugin_type?: string | undefined
  readonly reason: string
  /** For people: `exchange-logs/3@1205`. */
  readonly origin?: string | undefined
  readonly stable_id?: string | undefined
  /** How often it had been read back from here before it failed this time. */
  readonly replays?: number | undefined
  readonly content:
    | { readonly kind: 'document'; readonly document: string; readonly metadata: string; readonly size_bytes: number }
    | { readonly kind: 'raw'; readonly raw: Buffer; readonly size_bytes: number }
}

/** What is kept of an event: its document and its metadata, numbers as they came. `document`: where its fields were let go. */
export function documentOf(event: Event, document = event.toJsonText()): DeadLetter['content'] {
  return { kind: 'document', document, metadata: stringify(event.metadata), size_bytes: event.size_bytes }
}

export interface DeadLettersOptions {
  /** Of all dead letters together; at the limit `append` refuses. Default 1 GiB. */
  readonly max_bytes?: number
  readonly segment_bytes?: number
}

/** Keeps what could not be stored, fsynced, with its reason, for people to look at and replay. */
export class DeadLetters implements AsyncDisposable {
  readonly max_bytes: number
  /** Since the start of the program. */
  entries_written = 0
  readonly #log: SegmentLog
  /** Of appends on their way, so that many at once cannot pass the limit together. */
  #reserved_bytes = 0

  private constructor(log: SegmentLog, max_bytes: number) {
    this.#log = log
    this.max_bytes = max_bytes
  }

  /**
   * Opens the dead letters of a folder, which need not exist.
   * @throws MillraceError STORAGE_CORRUPT where the folder holds something else
   */
  static async open(folder: string, options: DeadLettersOptions = {}): Promise<DeadLetters> {
    const { segment_bytes } = options
    // Damaged marks are told of by whoever acts on them.
    const { newest } = await ReplayMarks.read(folder, () => {})
    const log = await SegmentLog.open(folder, {
      sequence_min: newest + 1n,
      ...(segment_bytes === undefined ? {} : { segment_bytes }),
    })
    return new DeadLetters(log, options.max_bytes ?? TOTAL_BYTES_MAX)
  }

  /** What a crash left half-written and opening cut off. */
  get repair(): SegmentLog['repair'] {
    return this.#log.repair
  }

  /** On the disk, all segments together. */
  get size_bytes(): number {
    return this.#log.size_bytes
  }

  /**
   * Resolves once all entries are fsynced.
   * @throws MillraceError STORAGE_FULL at the limit or on a full disk, STORAGE_WRITE_FAILED: nothing was kept, wait
   *   and call again (that is the backpressure)
   */
  async append(entries: readonly DeadLetter[]): Promise<void> {
    if (entries.length === 0) return
    const payloads = entries.map((entry) => Buffer.from(entryJson(entry)))
    const size_bytes = payloads.reduce((sum, { length }) => sum + length, SEGMENT_HEADER.length)
    this.#reserved_bytes += size_bytes
    try {
      if (this.#isOver()) await this.#log.refresh()
      if (this.#isOver()) {
        throw new MillraceError(
          'STORAGE_FULL',
          `${this.#log.folder}: the dead letters have reached their limit of ${this.max_bytes} bytes: save them with bin/millrace dlq show, stop, remove the segments there and start again`,
        )
      }
      await this.#log.append(payloads)
      this.entries_written += entries.length
    } finally {
      this.#reserved_bytes -= size_bytes
    }
  }

  #isOver(): boolean {
    return this.#log.size_bytes + this.#reserved_bytes > this.max_bytes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log[Symbol.asyncDispose]()
  }
}

/**
 * One line of JSON. Documents go in as they are, not as text in text, so that they can be read and keep their numbers:
 * { time, pipeline, component, plugin_type, reason, origin, id, replays, size_bytes, document, metadata } or, without the last two, raw_base64
 */
function entryJson({ stable_id, content, replays, ...letter }: DeadLetter): string {
  const { size_bytes } = content
  const head = JSON.stringify({ ...letter, id: stable_id, replays: replays === 0 ? undefined : replays, size_bytes }).slice(0, -1)
  return content.kind === 'document'
    ? `${head},"document":${content.document},"metadata":${content.metadata}}`
    : `${head},"raw_base64":"${content.raw.subarray(0, RAW_KEPT_BYTES).toString('base64')}"}`
}
