import { type FileHandle, open, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import { makeFolder, syncFolder, writeError, writeWhole } from './durable.ts'
import { encodeRecord, RECORD_BYTES_MAX, RECORD_HEADER_BYTES, SEGMENT_HEADER, segmentName } from './segment-format.ts'
import { listSegments, SegmentReader } from './segment-reader.ts'

/** Small enough to be given back soon, large enough to be few. */
const SEGMENT_BYTES = 16 * 1024 * 1024
/** Callers whose records go to the disk with one write and one fdatasync are grouped up to this size. */
const GROUP_BYTES_MAX = 8 * 1024 * 1024

export interface SegmentLogOptions {
  /** A segment that has grown to this size is closed and the next one begun. */
  readonly segment_bytes?: number
  /** No record gets a lower number: for what somebody else remembers of records that are gone. Default 1. */
  readonly sequence_min?: bigint
}

/** What opening found at the end of the last segment and cut off: a crash in the middle of a write. */
export interface Repair {
  readonly path: string
  readonly cut_bytes: number
}

export interface Segment {
  readonly path: string
  readonly first_sequence: bigint
  size_bytes: number
}

interface Waiting {
  readonly payloads: readonly Buffer[]
  readonly size_bytes: number
  readonly resolve: (sequence: bigint) => void
  readonly reject: (error: unknown) => void
}

/**
 * An append-only log in a folder of segment files. What `append` has resolved is on the disk and survives a
 * crash; several callers share one fdatasync. One writer per folder.
 */
export class SegmentLog implements AsyncDisposable {
  readonly folder: string
  readonly repair: Repair | undefined
  readonly #segment_bytes: number
  #segments: Segment[]
  #next_sequence: bigint
  #file: FileHandle | undefined
  #waiting: Waiting[] = []
  /** The loop that writes, while there is something to write. */
  #writing: Promise<void> | undefined
  #closed = false

  private constructor(folder: string, options: SegmentLogOptions, found: Found) {
    this.folder = folder
    this.#segment_bytes = options.segment_bytes ?? SEGMENT_BYTES
    this.#segments = found.segments
    const { sequence_min = 1n } = options
    this.#next_sequence = found.next_sequence < sequence_min ? sequence_min : found.next_sequence
    this.repair = found.repair
  }

  /**
   * Opens the log of a folder, which need not exist, and cuts off what a crash left half-written.
   * @throws MillraceError STORAGE_CORRUPT where the last file is no segment
   */
  static async open(folder: string, options: SegmentLogOptions = {}): Promise<SegmentLog> {
    return new SegmentLog(folder, options, await find(folder))
  }

  /** Of all segments together. */
  get size_bytes(): number {
    return this.#segments.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
  }

  /** Oldest first; records go to the last one. */
  get segments(): readonly Segment[] {
    return this.#segments
  }

  get segment_count(): number {
    return this.#segments.length
  }

  /** The sequence that the next record gets. */
  get next_sequence(): bigint {
    return this.#next_sequence
  }

  /**
   * Appends records and resolves with the first one's sequence once all of them are fsynced.
   * @throws MillraceError STORAGE_FULL when the disk is full, STORAGE_WRITE_FAILED when it refuses otherwise or a
   *   record is over the limit; none of these records counts then, and the call may be repeated
   */
  append(payloads: readonly Buffer[]): Promise<bigint> {
    if (this.#closed) return Promise.reject(new MillraceError('STORAGE_WRITE_FAILED', `${this.folder}: the log is closed`))
    const too_large = payloads.find(({ length }) => length > RECORD_BYTES_MAX)
    if (too_large !== undefined) {
      const message = `${this.folder}: expected a record of at most ${RECORD_BYTES_MAX} bytes, got ${too_large.length}`
      return Promise.reject(new MillraceError('STORAGE_WRITE_FAILED', message))
    }
    const { promise, resolve, reject } = Promise.withResolvers<bigint>()
    this.#waiting.push({ payloads, size_bytes: payloads.reduce((sum, { length }) => sum + length, 0), resolve, reject })
    this.#writing ??= this.#writeAll()
    return promise
  }

  /** Deletes the segments all of whose records are before `sequence`; the one being written stays. */
  async removeBefore(sequence: bigint): Promise<void> {
    while (this.#segments.length > 1 && (this.#segments[1]?.first_sequence ?? sequence + 1n) <= sequence) {
      const [oldest] = this.#segments.splice(0, 1)
      if (oldest !== undefined) await rm(oldest.path, { force: true })
    }
  }

  /** Looks which files are still there: somebody may have made room by hand. */
  async refresh(): Promise<void> {
    await this.#alone(async () => {
      const present = await Promise.all(this.#segments.map(({ path }) => exists(path)))
      if (present.at(-1) === false) await this.#closeFile()
      this.#segments = this.#segments.filter((_, index) => present[index] === true)
    })
  }

  /**
   * Begins a new segment, so that the one before can be removed. It keeps the numbering, also when it is the only one left.
   * @throws MillraceError STORAGE_FULL, STORAGE_WRITE_FAILED
   */
  async rotate(): Promise<void> {
    await this.#alone(async () => {
      if ((this.#segments.at(-1)?.size_bytes ?? 0) <= SEGMENT_HEADER.length) return
      await this.#closeFile()
      try {
        await this.#begin()
      } catch (thrown) {
        throw writeError(this.folder, thrown)
      }
    })
  }

  /** Runs something while nothing is written; what is appended meanwhile waits. */
  async #alone(action: () => Promise<void>): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
    const running = action()
    this.#writing = running
      .catch(() => {}) // The caller hears of it.
      .then(() => {
        this.#writing = this.#waiting.length > 0 ? this.#writeAll() : undefined
      })
    await running
  }

  /** Waits for what was appended and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    while (this.#writing !== undefined) await this.#writing
    await this.#closeFile()
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup()
      try {
        let sequence = await this.#writeGroup(group.flatMap(({ payloads }) => payloads))
        for (const { payloads, resolve } of group) {
          resolve(sequence)
          sequence += BigInt(payloads.length)
        }
      } catch (thrown) {
        const error = writeError(this.folder, thrown)
        for (const { reject } of group) reject(error)
      }
    }
    this.#writing = undefined
  }

  #takeGroup(): Waiting[] {
    let size = 0
    const after = this.#waiting.findIndex(({ size_bytes }, index) => (size += size_bytes) > GROUP_BYTES_MAX && index > 0)
    return this.#waiting.splice(0, after < 0 ? this.#waiting.length : after)
  }

  async #writeGroup(payloads: readonly Buffer[]): Promise<bigint> {
    const first = this.#next_sequence
    const { file, segment } = await this.#current()
    const bytes = Buffer.concat(payloads.map((payload, index) => encodeRecord(first + BigInt(index), payload)))
    // Also after a failure these numbers are not given again: part of the records may be on the disk.
    this.#next_sequence += BigInt(payloads.length)
    try {
      await writeWhole(file, bytes, segment.size_bytes)
      await file.datasync()
    } catch (thrown) {
      await this.#abandonTail(segment)
      throw thrown
    }
    segment.size_bytes += bytes.length
    if (segment.size_bytes >= this.#segment_bytes) await this.#closeFile()
    return first
  }

  /** After a failed write: takes its bytes back, and leaves the file alone, whose state nobody knows after a failed fsync. */
  async #abandonTail(segment: Segment): Promise<void> {
    await this.#closeFile().catch(() => {})
    await truncate(segment.path, segment.size_bytes).catch(() => {})
  }

  async #current(): Promise<{ file: FileHandle; segment: Segment }> {
    const last = this.#segments.at(-1)
    if (this.#file !== undefined && last !== undefined) return { file: this.#file, segment: last }
    if (last !== undefined && last.size_bytes < this.#segment_bytes && (await hasSize(last))) {
      this.#file = await open(last.path, 'r+')
      return { file: this.#file, segment: last }
    }
    return this.#begin()
  }

  async #begin(): Promise<{ file: FileHandle; segment: Segment }> {
    await makeFolder(this.folder)
    const path = join(this.folder, segmentName(this.#next_sequence))
    const file = await open(path, 'w')
    try {
      await writeWhole(file, SEGMENT_HEADER, 0)
      await file.datasync()
      await syncFolder(this.folder)
    } catch (thrown) {
      await file.close()
      await rm(path, { force: true })
      throw thrown
    }
    const segment = { path, first_sequence: this.#next_sequence, size_bytes: SEGMENT_HEADER.length }
    this.#segments.push(segment)
    this.#file = file
    return { file, segment }
  }

  async #closeFile(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }
}

interface Found {
  readonly segments: Segment[]
  readonly next_sequence: bigint
  readonly repair: Repair | undefined
}

async function find(folder: string): Promise<Found> {
  const files = await listSegments(folder)
  const segments = await Promise.all(files.map(async (file) => ({ ...file, size_bytes: (await stat(file.path)).size })))
  const last = segments.at(-1)
  if (last === undefined) return { segments, next_sequence: 1n, repair: undefined }
  let next_sequence = last.first_sequence
  await using reader = await SegmentReader.open(last.path)
  for await (const { sequence } of reader.records()) next_sequence = sequence + 1n
  if (reader.tail_bytes === 0 && reader.good_bytes > 0) return { segments, next_sequence, repair: undefined }
  const repair = { path: last.path, cut_bytes: reader.tail_bytes }
  if (reader.good_bytes === 0) {
    await rm(last.path)
    segments.pop()
    return { segments, next_sequence, repair }
  }
  await truncate(last.path, reader.good_bytes)
  last.size_bytes = reader.good_bytes
  // What was cut had numbers too, which must not come again for others: somebody may remember them.
  return { segments, next_sequence: next_sequence + BigInt(Math.ceil(repair.cut_bytes / RECORD_HEADER_BYTES)), repair }
}

/** The end of a file is where we left it: else its tail could not be taken back, and it is not written again. */
async function hasSize({ path, size_bytes }: Segment): Promise<boolean> {
  return stat(path).then(
    ({ size }) => size === size_bytes,
    () => false,
  )
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
