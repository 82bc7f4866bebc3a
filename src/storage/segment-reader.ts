import { type FileHandle, open, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { MillraceError, messageOf } from '../core/errors.ts'
import {
  decodeRecord,
  RECORD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  recordBytes,
  SEGMENT_HEADER,
  type StoredRecord,
  segmentSequence,
} from './segment-format.ts'

const CHUNK_BYTES = 256 * 1024
/** The upper halves of two sequences of one file are not further apart, whatever failed writes took. */
const SEQUENCE_HIGH_MAX = 255

export interface SegmentFile {
  readonly path: string
  /** From its name. */
  readonly first_sequence: bigint
}

/** The segment files of a folder in their order; none where there is no folder. */
export async function listSegments(folder: string): Promise<SegmentFile[]> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw thrown
  }
  return names.sort().flatMap((name) => {
    const first_sequence = segmentSequence(name)
    return first_sequence === undefined ? [] : [{ path: join(folder, name), first_sequence }]
  })
}

/** A record of a file in which something may be damaged. */
export interface ReadRecord extends StoredRecord {
  /** What stands before it is damaged. */
  readonly is_behind_damage?: true
}

/**
 * Reads the whole records of one segment file. What a crash tore off at the end is told by `good_bytes` and `torn_bytes` afterwards;
 * damage with whole records behind it is passed over, which `torn_bytes` counts too. It never throws for what the file says, except that
 * a file of another kind is refused. Memory: one record and one chunk.
 */
export class SegmentReader implements AsyncDisposable {
  readonly path: string
  /** Where the last whole record read so far ends. */
  good_bytes = 0
  /** Damage between whole records. */
  #passed_bytes = 0
  #last_sequence: bigint
  /** The size of the file when it was opened. */
  readonly size_bytes: number
  readonly #file: FileHandle
  #window = Buffer.alloc(0)
  #window_at = 0

  private constructor(path: string, file: FileHandle, size_bytes: number) {
    this.path = path
    this.#file = file
    this.size_bytes = size_bytes
    this.#last_sequence = (segmentSequence(basename(path)) ?? 1n) - 1n
  }

  static async open(path: string): Promise<SegmentReader> {
    const file = await open(path, 'r')
    try {
      return new SegmentReader(path, file, (await file.stat()).size)
    } catch (thrown) {
      await file.close()
      throw thrown
    }
  }

  /** Bytes that belong to no whole record; final once `records` has ended. */
  get torn_bytes(): number {
    return this.#passed_bytes + this.tail_bytes
  }

  /** Those of them that are behind the last whole record. */
  get tail_bytes(): number {
    return this.size_bytes - this.good_bytes
  }

  /**
   * The whole records from the beginning, or from where an earlier reader of the file had come to (its `good_bytes`).
   * @param may_be_written somebody may be writing to its end: what is not whole there is no damage yet
   * @throws MillraceError STORAGE_CORRUPT for a file that is no segment, or of another version
   */
  async *records(from = 0, may_be_written = false): AsyncGenerator<ReadRecord, void, void> {
    const header = await this.#bytesAt(0, Math.min(SEGMENT_HEADER.length, this.size_bytes))
    if (!SEGMENT_HEADER.subarray(0, header.length).equals(header)) {
      throw new MillraceError(
        'STORAGE_CORRUPT',
        `${this.path}: expected a segment file of version 1, got the first bytes ${header.toString('hex')}: move it away to go on`,
      )
    }
    if (header.length < SEGMENT_HEADER.length) return
    this.good_bytes = Math.max(SEGMENT_HEADER.length, from)
    for (;;) {
      const at = this.good_bytes
      const record = await this.#recordAt(at)
      if (record !== undefined) {
        this.good_bytes = at + RECORD_HEADER_BYTES + record.payload.length
        this.#last_sequence = record.sequence
        yield record
        continue
      }
      const next = may_be_written ? undefined : await this.#findRecord(at + 1)
      if (next === undefined) return
      this.#passed_bytes += next.at - at
      this.good_bytes = next.at + RECORD_HEADER_BYTES + next.record.payload.length
      this.#last_sequence = next.record.sequence
      yield { ...next.record, is_behind_damage: true }
    }
  }

  /** The first whole record from there on. Its sequence tells it from bytes that look like a length. */
  async #findRecord(from: number): Promise<{ readonly at: number; readonly record: StoredRecord } | undefined> {
    const last_high = Number(this.#last_sequence >> 32n)
    for (let start = from; ; ) {
      const bytes = await this.#bytesAt(start, Math.min(CHUNK_BYTES, this.size_bytes - start))
      if (bytes.length < RECORD_HEADER_BYTES) return undefined
      const end = bytes.length - RECORD_HEADER_BYTES
      for (let index = 0; index <= end; index++) {
        const high = bytes.readUInt32BE(index + 8)
        if (high < last_high || high > last_high + SEQUENCE_HIGH_MAX) continue
        if (bytes.readBigUInt64BE(index + 8) <= this.#last_sequence) continue
        const record = await this.#recordAt(start + index)
        if (record !== undefined) return { at: start + index, record }
      }
      start += end + 1
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }

  async #recordAt(at: number): Promise<StoredRecord | undefined> {
    const left = this.size_bytes - at
    if (left < RECORD_HEADER_BYTES) return undefined
    const size = recordBytes(await this.#bytesAt(at, RECORD_HEADER_BYTES))
    if (size > left || size > RECORD_BYTES_MAX + RECORD_HEADER_BYTES) return undefined
    const bytes = await this.#bytesAt(at, size)
    return bytes.length < size ? undefined : decodeRecord(bytes)
  }

  /** These bytes of the file: fewer where it became shorter meanwhile. */
  async #bytesAt(at: number, count: number): Promise<Buffer> {
    if (at < this.#window_at || at + count > this.#window_at + this.#window.length) {
      const window = Buffer.allocUnsafe(Math.max(count, Math.min(CHUNK_BYTES, this.size_bytes - at)))
      let filled = 0
      while (filled < window.length) {
        const { bytesRead } = await this.#file.read(window, filled, window.length - filled, at + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      this.#window = window.subarray(0, filled)
      this.#window_at = at
    }
    return this.#window.subarray(at - this.#window_at, at - this.#window_at + count)
  }
}

/** What was wrong with a segment file; the records before it were read. */
export type ReportDamage = (path: string, torn_bytes: number, why: string) => void

/** What is wrong with a file that was read. */
export function damageOf({ torn_bytes, tail_bytes }: SegmentReader): string {
  return torn_bytes === tail_bytes ? 'the last record is torn or damaged' : 'records are damaged, others follow'
}

/** Opens a file of a folder that was listed before: `undefined` where it was removed meanwhile. */
export async function openListed(path: string): Promise<SegmentReader | undefined> {
  try {
    return await SegmentReader.open(path)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw thrown
  }
}

/** A write that is on its way has ended after so long. */
const WRITE_MS = 200

/**
 * All whole records of a folder's segments, oldest first. Damage is reported, and what is whole behind it is read. The end of the
 * newest file may be half written just now: it is looked at a second time before it counts as damaged.
 */
export async function* readSegments(folder: string, report: ReportDamage): AsyncGenerator<ReadRecord, void, void> {
  const segments = await listSegments(folder)
  for (const { path } of segments) {
    let good_bytes = 0
    for (const may_be_written of path === segments.at(-1)?.path ? [true, false] : [false]) {
      await using reader = await openListed(path)
      if (reader === undefined) break
      try {
        yield* reader.records(good_bytes, may_be_written)
      } catch (thrown) {
        if (!(thrown instanceof MillraceError)) throw thrown
        report(path, reader.torn_bytes, messageOf(thrown))
        break
      }
      if (reader.torn_bytes === 0) break
      const has_grown = good_bytes > 0 && reader.good_bytes > good_bytes && reader.torn_bytes === reader.tail_bytes
      good_bytes = reader.good_bytes
      if (may_be_written) await wait(WRITE_MS)
      else if (!has_grown) report(path, reader.torn_bytes, damageOf(reader))
    }
  }
}
