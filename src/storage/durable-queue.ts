import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import { PositionStore } from './positions.ts'
import { SegmentFollower } from './segment-follower.ts'
import type { StoredRecord } from './segment-format.ts'
import { type Repair, SegmentLog } from './segment-log.ts'
import { type ReportDamage, readSegments } from './segment-reader.ts'
import { SequenceSet } from './sequence-set.ts'

/** So much may be sent once more after a crash where it has no stable id: what was done within this time before it. */
const CHECKPOINT_MS = 1_000
/** So many gaps are noted in what is done out of its order; what is done behind them comes again after a restart. */
const SPANS_MAX = 1_000
const SEGMENT_BYTES_MIN = 64 * 1024
const SEGMENT_BYTES_MAX = 16 * 1024 * 1024
/** A full queue is given back in parts of it. */
const SEGMENTS_MIN = 8

export interface DurableQueueOptions {
  /** On the disk; `append` refuses beyond. */
  readonly max_bytes: number
  /** What it is for, where its folder's name does not tell: kept with it. */
  readonly label?: string
  /** Damage that is found in its files. */
  readonly report: ReportDamage
}

/**
 * Records that wait on the disk, first in, first out: appended with fsync, read once in their order, and done one by
 * one. After a crash those that were not done are there again, and of those that were done the ones of the last second.
 */
export class DurableQueue implements AsyncDisposable {
  readonly folder: string
  readonly repair: Repair | undefined
  readonly label: string | undefined
  /** Records that damage took, which were neither read nor done: at most, for a number may stand for none. */
  readonly lost: number
  /** On the disk; `append` refuses beyond. */
  max_bytes: number
  readonly #log: SegmentLog
  readonly #positions: PositionStore<string>
  readonly #report: ReportDamage
  #follower: SegmentFollower
  #reading: AsyncGenerator<StoredRecord, void, void> | undefined
  #unread: number
  /** Of appends on their way, so that many at once cannot pass the limit together. */
  #reserved_bytes = 0
  /** Records that were read and are not done, oldest first. */
  readonly #open = new Set<bigint>()
  /** What is done behind the oldest of them. */
  readonly #done: SequenceSet
  /** Everything before it was read. */
  #next: bigint
  #timer: NodeJS.Timeout | undefined
  #saving: Promise<void> = Promise.resolve()

  private constructor(folder: string, { max_bytes, report }: DurableQueueOptions, found: Found) {
    this.folder = folder
    this.max_bytes = max_bytes
    this.#log = found.log
    this.repair = found.log.repair
    this.lost = found.lost
    this.label = found.positions.get('label')
    this.#positions = found.positions
    this.#next = found.next
    this.#unread = found.unread
    this.#done = found.done
    const known = new Set(found.damaged)
    this.#report = (path, torn_bytes, why) => {
      if (!known.has(path)) report(path, torn_bytes, why)
    }
    this.#follower = new SegmentFollower(folder, found.next, this.#report, true)
  }

  /**
   * Opens the queue of a folder, which need not exist: reads through what is there once, to count it.
   * @throws MillraceError STORAGE_CORRUPT where the folder holds something else
   */
  static async open(folder: string, options: DurableQueueOptions): Promise<DurableQueue> {
    const positions = await PositionStore.open(join(folder, 'position.json'), (value) => typeof value === 'string')
    const next = BigInt(positions.get('next') ?? '1')
    if (positions.get('next') === undefined) {
      // A folder is known as a queue's by this.
      positions.set('next', '1')
      if (options.label !== undefined) positions.set('label', options.label)
      await positions.save()
    }
    const segment_bytes = Math.max(SEGMENT_BYTES_MIN, Math.min(SEGMENT_BYTES_MAX, Math.floor(options.max_bytes / SEGMENTS_MIN)))
    const log = await SegmentLog.open(folder, { segment_bytes, sequence_min: next })
    const done = readSpans(positions.get('done'))
    const counted = await countRecords(folder, next, done, log.next_sequence, options.report)
    return new DurableQueue(folder, options, { log, positions, next, done, ...counted })
  }

  /** Records that nobody has read yet. */
  get unread(): number {
    return this.#unread
  }

  /** Everything in it was read and is done. */
  get isDone(): boolean {
    return this.#unread === 0 && this.#open.size === 0 && this.#reserved_bytes === 0
  }

  get size_bytes(): number {
    return this.#log.size_bytes
  }

  /**
   * Whether it has room for a record of so many bytes; makes some where that can be done, by giving back what is done.
   * @throws MillraceError STORAGE_FULL, STORAGE_WRITE_FAILED
   */
  async hasRoom(bytes: number): Promise<boolean> {
    if (this.#fits(bytes)) return true
    // What cannot be noted comes again after a crash. That is no reason to wait.
    await this.#checkpoint().catch(() => {})
    if (!this.#fits(bytes) && this.isDone) {
      // The last segment, which goes as a whole.
      await this.#log.rotate()
      await this.#log.removeBefore(this.#next)
    }
    return this.#fits(bytes)
  }

  /**
   * Appends records and resolves once they are fsynced.
   * @throws MillraceError STORAGE_FULL at the limit or on a full disk, STORAGE_WRITE_FAILED: none was kept, wait and call again
   */
  async append(payloads: readonly Buffer[]): Promise<void> {
    if (payloads.length === 0) return
    const bytes = payloads.reduce((sum, { length }) => sum + length, 0)
    if (!this.#fits(bytes)) {
      throw new MillraceError('STORAGE_FULL', `${this.folder}: it has reached its limit of ${this.max_bytes} bytes`)
    }
    this.#reserved_bytes += bytes
    try {
      await this.#log.append(payloads)
      this.#unread += payloads.length
    } finally {
      this.#reserved_bytes -= bytes
    }
  }

  /** The next records in their order, as many as fit into both limits, at least one where there is one. Not for two readers at once. */
  async read(records_max: number, bytes_max: number): Promise<StoredRecord[]> {
    const records: StoredRecord[] = []
    let bytes = 0
    let ends = 0
    // Never further than what `append` has resolved for: what stands behind that may still be taken back.
    while (records.length < this.#unread && records.length < records_max && bytes < bytes_max) {
      this.#reading ??= this.#follower.records()
      const { value, done } = await this.#reading.next()
      if (done === true) {
        this.#reading = undefined
        // A second time without a record: files were removed by hand.
        if (++ends > 1) break
        continue
      }
      ends = 0
      this.#next = value.sequence + 1n
      if (this.#done.has(Number(value.sequence))) continue
      this.#open.add(value.sequence)
      bytes += value.payload.length
      records.push({ sequence: value.sequence, payload: Buffer.from(value.payload) })
    }
    // Not before: whoever counts them has them in the same turn.
    this.#unread -= records.length
    return records
  }

  /** What was read and is not done is to be read again, in its place. Returns how many records that are. */
  async rewind(): Promise<number> {
    const count = this.#open.size
    const [oldest] = this.#open
    if (oldest === undefined) return 0
    await this.#reading?.return()
    this.#reading = undefined
    this.#follower = new SegmentFollower(this.folder, oldest, this.#report, true)
    this.#next = oldest
    this.#open.clear()
    this.#unread += count
    return count
  }

  /** A record that was read need not be kept any longer. */
  done(sequence: bigint): void {
    if (!this.#open.delete(sequence)) return
    this.#done.add(Number(sequence))
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#saving = this.#checkpoint().catch(() => {
        // Tried again with the next one. Until then a crash brings more of them again.
      })
    }, CHECKPOINT_MS).unref()
  }

  /** Notes what is done, and closes. What was read and is not done is there again when it is opened. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    await this.#saving
    await this.#log[Symbol.asyncDispose]()
    await this.#reading?.return()
    await this.#checkpoint().catch(() => {})
  }

  /** Closes it and removes its files: nothing in it is needed any more. */
  async remove(): Promise<void> {
    await this[Symbol.asyncDispose]()
    await rm(this.folder, { recursive: true, force: true })
  }

  #fits(bytes: number): boolean {
    return this.#log.size_bytes + this.#reserved_bytes + bytes <= this.max_bytes
  }

  async #checkpoint(): Promise<void> {
    const [oldest = this.#next] = this.#open
    this.#done.removeBelow(Number(oldest))
    // First: on a full disk there is room for the note only after it.
    await this.#log.removeBefore(oldest)
    const done = writeSpans(this.#done)
    if (this.#positions.get('next') !== oldest.toString() || (this.#positions.get('done') ?? '') !== done) {
      this.#positions.set('next', oldest.toString())
      this.#positions.set('done', done)
      await this.#positions.save()
    }
  }
}

interface Counted {
  readonly unread: number
  readonly lost: number
  /** Files that are damaged. */
  readonly damaged: readonly string[]
}

interface Found extends Counted {
  readonly log: SegmentLog
  readonly positions: PositionStore<string>
  readonly next: bigint
  readonly done: SequenceSet
}

/** Counts what is there and not done, and what is missing behind damage. */
async function countRecords(
  folder: string,
  next: bigint,
  done: SequenceSet,
  end: bigint,
  report: ReportDamage,
): Promise<Counted> {
  const damaged: string[] = []
  let [unread, lost] = [0, 0]
  let expected = next
  let is_torn = false
  const lose = (until: bigint): void => {
    if (is_torn) lost += Math.max(0, Number(until - expected) - done.countBetween(Number(expected), Number(until) - 1))
    is_torn = false
  }
  const note: ReportDamage = (path, torn_bytes, why) => {
    damaged.push(path)
    is_torn = true
    report(path, torn_bytes, why)
  }
  for await (const { sequence, is_behind_damage } of readSegments(folder, note)) {
    if (is_behind_damage) is_torn = true
    if (sequence < next) {
      is_torn = false
      continue
    }
    lose(sequence)
    expected = sequence + 1n
    if (!done.has(Number(sequence))) unread++
  }
  lose(end)
  return { unread, lost, damaged }
}

/** As `3-7,9-9`. */
function writeSpans({ spans }: SequenceSet): string {
  return spans
    .slice(0, SPANS_MAX)
    .map(([first, last]) => `${first}-${last}`)
    .join()
}

function readSpans(text = ''): SequenceSet {
  const set = new SequenceSet()
  for (const [, first, last] of text.matchAll(/(\d+)-(\d+)/g)) set.add(Number(first), Number(last))
  return set
}
