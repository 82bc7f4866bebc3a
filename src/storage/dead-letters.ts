import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { stringify, type Timestamp } from '../core/values.ts'
import { countWaiting, isDone, removeDoneSegments } from './done-segments.ts'
import { ReplayMarks } from './replay-marks.ts'
import { RECORD_HEADER_BYTES, SEGMENT_HEADER } from './segment-format.ts'
import { SegmentLog } from './segment-log.ts'
import { readWaitingLetters } from './stored-letter.ts'

/** Of something that never became an event, the first bytes are enough for a person to see what it was. */
const RAW_KEPT_BYTES = 64 * 1024
const TOTAL_BYTES_MAX = 1024 * 1024 * 1024
/** So that dropping the oldest segment never drops more than an eighth of all letters. */
const SEGMENTS_MIN = 8
const SEGMENT_BYTES_MAX = 16 * 1024 * 1024

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
  /** Of all dead letters together. Default 1 GiB. */
  readonly max_bytes?: number | undefined
  readonly segment_bytes?: number | undefined
  /** Letters whose segment has not been written to for so long go. Default: never. */
  readonly retain_age_ms?: number | undefined
  /** Hears of letters that are dropped, and why: there was no room for them, they gave room to others, they were too old. */
  readonly dropped?: (count: number, why: 'newer' | 'older' | 'age') => void
}

/** What happens at the limit: `block` keeps senders waiting, the others lose letters. */
export type StoragePolicy = 'block' | 'drop_newer' | 'drop_older'

/** Keeps what could not be stored, fsynced, with its reason, for people to look at and replay. */
export class DeadLetters implements AsyncDisposable {
  max_bytes: number
  /** Since the start of the program. */
  entries_written = 0
  /** Of the oldest letter that waits, as of the last sweep. */
  oldest_ms: number | undefined
  readonly #log: SegmentLog
  #retain_age_ms: number | undefined
  readonly #options: DeadLettersOptions
  /** Of appends on their way, so that many at once cannot pass the limit together. */
  #reserved_bytes = 0
  /** Room is made by one caller after the other. */
  #making_room: Promise<void> = Promise.resolve()

  private constructor(log: SegmentLog, max_bytes: number, options: DeadLettersOptions) {
    this.#log = log
    this.max_bytes = max_bytes
    this.#retain_age_ms = options.retain_age_ms
    this.#options = options
  }

  /**
   * Opens the dead letters of a folder, which need not exist.
   * @throws MillraceError STORAGE_CORRUPT where the folder holds something else
   */
  static async open(folder: string, options: DeadLettersOptions = {}): Promise<DeadLetters> {
    const { max_bytes = TOTAL_BYTES_MAX } = options
    const { segment_bytes = Math.min(SEGMENT_BYTES_MAX, Math.floor(max_bytes / SEGMENTS_MIN)) } = options
    // Damaged marks are told of by whoever acts on them.
    const { newest } = await ReplayMarks.read(folder, () => {})
    const log = await SegmentLog.open(folder, { sequence_min: newest + 1n, segment_bytes })
    const letters = new DeadLetters(log, max_bytes, options)
    await letters.sweep()
    return letters
  }

  /** What bounds it from now on; what is over a lower limit stays until there is no room, or it is too old. */
  limit({ max_bytes = TOTAL_BYTES_MAX, retain_age_ms }: Pick<DeadLettersOptions, 'max_bytes' | 'retain_age_ms'>): void {
    this.max_bytes = max_bytes
    this.#retain_age_ms = retain_age_ms
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
   * Resolves with true once all entries are fsynced, with false where they were dropped, as the policy wants it.
   * @throws MillraceError STORAGE_FULL at the limit or on a full disk, STORAGE_WRITE_FAILED: nothing was kept, wait
   *   and call again (that is the backpressure)
   */
  async append(entries: readonly DeadLetter[], policy: StoragePolicy = 'block'): Promise<boolean> {
    if (entries.length === 0) return true
    const payloads = entries.map((entry) => Buffer.from(entryJson(entry)))
    const size_bytes = payloads.reduce((sum, { length }) => sum + RECORD_HEADER_BYTES + length, SEGMENT_HEADER.length)
    this.#reserved_bytes += size_bytes
    try {
      if (this.#isOver()) await this.#makeRoom(policy)
      if (this.#isOver()) {
        if (policy === 'block') throw this.#full()
        this.#options.dropped?.(entries.length, 'newer')
        return false
      }
      await this.#log.append(payloads)
      this.entries_written += entries.length
      this.oldest_ms ??= entries[0]?.time.epoch_ms
      return true
    } finally {
      this.#reserved_bytes -= size_bytes
    }
  }

  /** Removes segments whose letters were all sent again, or are too old. */
  async sweep(now_ms = Date.now()): Promise<void> {
    await this.#oneByOne(async () => {
      await this.#removeDone()
      await this.#removeOld(now_ms)
      this.oldest_ms = await oldestOf(this.#log.folder)
    })
  }

  #isOver(): boolean {
    return this.#log.size_bytes + this.#reserved_bytes > this.max_bytes
  }

  #full(): MillraceError {
    return new MillraceError(
      'STORAGE_FULL',
      `${this.#log.folder}: the dead letters have reached their limit of ${this.max_bytes} bytes: bin/millrace dlq ls tells why there are so many. Send them again with bin/millrace dlq replay, or raise dead_letter_queue.max_bytes`,
    )
  }

  async #makeRoom(policy: StoragePolicy): Promise<void> {
    await this.#oneByOne(async () => {
      if (!this.#isOver()) return
      await this.#removeDone()
      if (policy !== 'drop_older') return
      while (this.#isOver()) if (!(await this.#removeOldest('older'))) return
    })
  }

  async #oneByOne(action: () => Promise<void>): Promise<void> {
    const running = this.#making_room.then(action)
    this.#making_room = running.catch(() => {}) // The caller hears of it.
    await running
  }

  /** Removes what a replay has left nothing in. It removes files itself, but not the one that we write to. */
  async #removeDone(): Promise<void> {
    const { folder } = this.#log
    await this.#log.refresh()
    const last = this.#log.segments.at(-1)
    const marks = await ReplayMarks.read(folder, () => {})
    if (last === undefined) return
    const is_done = marks.hasDone(last.first_sequence, this.#log.next_sequence - 1n) && (await isDone(last.path, marks))
    if (is_done) await this.#log.rotate()
    if ((await removeDoneSegments(folder, marks)) > 0) await this.#log.refresh()
  }

  async #removeOld(now_ms: number): Promise<void> {
    const retain_age_ms = this.#retain_age_ms
    if (retain_age_ms === undefined) return
    for (;;) {
      const [oldest] = this.#log.segments
      const written_ms = oldest === undefined ? undefined : (await stat(oldest.path).catch(() => undefined))?.mtimeMs
      if (written_ms === undefined || written_ms > now_ms - retain_age_ms || !(await this.#removeOldest('age'))) return
    }
  }

  /** False where there is nothing to remove. */
  async #removeOldest(why: 'older' | 'age'): Promise<boolean> {
    const [oldest] = this.#log.segments
    if (oldest === undefined || oldest.size_bytes <= SEGMENT_HEADER.length) return false
    if (this.#log.segments.length === 1) await this.#log.rotate()
    const following = this.#log.segments[1]
    if (following === undefined) return false
    const lost = await countWaiting(oldest.path, await ReplayMarks.read(this.#log.folder, () => {}))
    await this.#log.removeBefore(following.first_sequence)
    if (lost > 0) this.#options.dropped?.(lost, why)
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#making_room
    await this.#log[Symbol.asyncDispose]()
  }
}

/** The time of the oldest letter that waits. */
async function oldestOf(folder: string): Promise<number | undefined> {
  for await (const { letter } of readWaitingLetters(folder, () => {})) return letter.time.epoch_ms
  return undefined
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
