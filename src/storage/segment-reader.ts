import { type FileHandle, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
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

/**
 * Reads the records of one segment file, as far as they are whole. What a crash tore off at the end, or what
 * was damaged, is told by `good_bytes` and `torn_bytes` afterwards; it never throws for what the file says,
 * except that a file of another kind is refused. Memory: one record and one chunk.
 */
export class SegmentReader implements AsyncDisposable {
  readonly path: string
  /** Up to where the records read so far are whole. */
  good_bytes = 0
  /** The size of the file when it was opened. */
  readonly size_bytes: number
  readonly #file: FileHandle
  #window = Buffer.alloc(0)
  #window_at = 0

  private constructor(path: string, file: FileHandle, size_bytes: number) {
    this.path = path
    this.#file = file
    this.size_bytes = size_bytes
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

  /** Bytes behind the last whole record; final once `records` has ended. */
  get torn_bytes(): number {
    return this.size_bytes - this.good_bytes
  }

  /**
   * The whole records from the beginning, or from where an earlier reader of the file had come to (its `good_bytes`).
   * @throws MillraceError STORAGE_CORRUPT for a file that is no segment, or of another version
   */
  async *records(from = 0): AsyncGenerator<StoredRecord, void, void> {
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
      const record = await this.#recordAt(this.good_bytes)
      if (record === undefined) return
      this.good_bytes += RECORD_HEADER_BYTES + record.payload.length
      yield record
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
 * All whole records of a folder's segments, oldest first. A damaged file is reported and the next one is read. The end of the
 * newest file may be half written just now: it is looked at a second time before it counts as damaged.
 */
export async function* readSegments(folder: string, report: ReportDamage): AsyncGenerator<StoredRecord, void, void> {
  const segments = await listSegments(folder)
  for (const { path } of segments) {
    let good_bytes = 0
    for (const may_be_written of path === segments.at(-1)?.path ? [true, false] : [false]) {
      await using reader = await openListed(path)
      if (reader === undefined) break
      try {
        yield* reader.records(good_bytes)
      } catch (thrown) {
        if (!(thrown instanceof MillraceError)) throw thrown
        report(path, reader.torn_bytes, messageOf(thrown))
        break
      }
      if (reader.torn_bytes === 0) break
      const has_grown = good_bytes > 0 && reader.good_bytes > good_bytes
      good_bytes = reader.good_bytes
      if (may_be_written) await wait(WRITE_MS)
      else if (!has_grown) report(path, reader.torn_bytes, 'the last record is torn or damaged')
    }
  }
}
