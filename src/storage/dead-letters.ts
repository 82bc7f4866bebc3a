import { join } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { parseJson } from '../core/json.ts'
import { type Fields, isFields, member, parseTimestamp, setMember, stringify, type Timestamp } from '../core/values.ts'
import { SEGMENT_HEADER } from './segment-format.ts'
import { SegmentLog } from './segment-log.ts'
import { type ReportDamage, readSegments } from './segment-reader.ts'

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
    const log = await SegmentLog.open(folder, options.segment_bytes === undefined ? {} : { segment_bytes: options.segment_bytes })
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

/** All dead letters of a folder as lines of JSON, oldest first; the program may be writing meanwhile. */
export async function* readDeadLetters(folder: string, report: ReportDamage): AsyncGenerator<string, void, void> {
  for await (const { payload } of readSegments(folder, report)) yield payload.toString()
}

/** A dead letter as it is read back. */
export interface StoredDeadLetter {
  readonly time: Timestamp
  readonly pipeline: string
  readonly plugin_type: string
  /** The id of the component that gave up on it. */
  readonly plugin_id: string
  readonly reason: string
  readonly origin: string | undefined
  readonly id: string | undefined
  readonly replays: number
  /** The event's, metadata among them; `undefined` for what never became an event. */
  readonly fields: Fields | undefined
  readonly raw: Buffer
}

/** The letter in a record, or `undefined` where it holds something else. */
export function parseDeadLetter(payload: Buffer): StoredDeadLetter | undefined {
  let letter: Fields
  try {
    const { value } = parseJson(payload.toString())
    if (!isFields(value)) return undefined
    letter = value
  } catch {
    return undefined
  }
  const text = (name: string): string | undefined => {
    const value = member(letter, name)
    return typeof value === 'string' ? value : undefined
  }
  const time = parseTimestamp(text('time') ?? '')
  if (time === undefined) return undefined
  const replays = member(letter, 'replays')
  const fields = member(letter, 'document')
  const metadata = member(letter, 'metadata')
  if (isFields(fields) && isFields(metadata)) setMember(fields, '@metadata', metadata)
  // The place in the config stands behind the id.
  const plugin_id = (text('component') ?? '').replace(/ \(.*\)$/, '')
  return {
    time,
    pipeline: text('pipeline') ?? '',
    // An id that was not chosen tells the name: `filter_mutate_2`.
    plugin_type: text('plugin_type') ?? /^(?:input|filter|output)_(.+)_\d+$/.exec(plugin_id)?.[1] ?? plugin_id,
    plugin_id,
    reason: text('reason') ?? '',
    origin: text('origin'),
    id: text('id'),
    replays: typeof replays === 'number' ? replays : 0,
    fields: isFields(fields) ? fields : undefined,
    raw: Buffer.from(text('raw_base64') ?? '', 'base64'),
  }
}
