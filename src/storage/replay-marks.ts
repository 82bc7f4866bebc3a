import { join } from 'node:path'
import { MillraceError, messageOf } from '../core/errors.ts'
import { SegmentLog } from './segment-log.ts'
import { listSegments, type ReportDamage, readSegments } from './segment-reader.ts'
import { SequenceSet, type Span } from './sequence-set.ts'

/** Why a dead letter failed when it was sent again, the last time. */
export interface ReplayFailure {
  /** How often it was sent again, or read back, and failed. */
  readonly replays: number
  /** ISO 8601. */
  readonly time: string
  readonly component: string
  readonly plugin_type?: string | undefined
  readonly reason: string
}

/** One record: letters that are done, letters that failed again. */
interface Mark {
  readonly done?: readonly Span[]
  readonly failed?: readonly (readonly [sequence: number, failure: ReplayFailure])[]
}

const SEGMENT_BYTES = 1024 * 1024
/** With more than this the marks are written anew, without what later marks have made needless. */
const COMPACT_BYTES = 4 * SEGMENT_BYTES
const ITEMS_PER_RECORD = 1_000

function marksFolder(letters: string): string {
  return join(letters, 'replayed')
}

/**
 * What became of dead letters that were sent again. It stands beside them, in `replayed/`: the program writes dead letters and
 * nobody else, a replay writes marks and nobody else, so both may be at work at the same time.
 */
export class ReplayMarks {
  readonly #done = new SequenceSet()
  readonly #failed = new Map<number, ReplayFailure>()

  /**
   * @param letters the folder of the dead letters
   * @param report hears of marks that are damaged: their letters wait again
   * @throws MillraceError STORAGE_CORRUPT where they cannot be read: then nobody knows which letters wait
   */
  static async read(letters: string, report: ReportDamage): Promise<ReplayMarks> {
    const marks = new ReplayMarks()
    const folder = marksFolder(letters)
    try {
      // A replay that was killed may have left half a mark: its letter waits.
      const newest = (await listSegments(folder)).at(-1)?.path
      const reportOlder: ReportDamage = (path, ...more) => path !== newest && report(path, ...more)
      for await (const { payload } of readSegments(folder, reportOlder)) marks.#apply(JSON.parse(payload.toString()) as Mark)
    } catch (thrown) {
      const why = `${folder}: cannot read what was sent again: ${messageOf(thrown)}. The user that the program runs as must be able to`
      throw new MillraceError('STORAGE_CORRUPT', why, { cause: thrown })
    }
    return marks
  }

  /** It was sent again with success, and is as good as gone. */
  isDone(sequence: bigint): boolean {
    return this.#done.has(Number(sequence))
  }

  failureOf(sequence: bigint): ReplayFailure | undefined {
    return this.#failed.get(Number(sequence))
  }

  /** Whether one of these letters is done. */
  hasDone(first: bigint, last: bigint): boolean {
    return this.#done.touches(Number(first), Number(last))
  }

  /** The newest letter that there is a mark of; `0n` without any. */
  get newest(): bigint {
    let newest = this.#done.max ?? 0
    for (const sequence of this.#failed.keys()) newest = Math.max(newest, sequence)
    return BigInt(newest)
  }

  /** Forgets letters that are no more. */
  forgetBefore(sequence: bigint): void {
    this.#done.removeBelow(Number(sequence))
    for (const one of this.#failed.keys()) if (one < Number(sequence)) this.#failed.delete(one)
  }

  add(mark: Mark): void {
    this.#apply(mark)
  }

  /** The same marks in few records. */
  records(): Mark[] {
    return [...chunks(this.#done.spans).map((done) => ({ done })), ...chunks([...this.#failed]).map((failed) => ({ failed }))]
  }

  #apply({ done = [], failed = [] }: Mark): void {
    for (const [first, last] of done) this.#done.add(first, last)
    for (const [sequence, failure] of failed) this.#failed.set(sequence, failure)
    if (done.length === 0) return
    for (const [first, last] of done) {
      if (first === last) this.#failed.delete(first)
      else for (const one of this.#failed.keys()) if (one >= first && one <= last) this.#failed.delete(one)
    }
  }
}

function chunks<T>(items: readonly T[]): T[][] {
  const count = Math.ceil(items.length / ITEMS_PER_RECORD)
  return Array.from({ length: count }, (_, index) => items.slice(index * ITEMS_PER_RECORD, (index + 1) * ITEMS_PER_RECORD))
}

/** Marks dead letters, each mark fsynced. One at a time for a folder. */
export class ReplayMarker implements AsyncDisposable {
  readonly marks: ReplayMarks
  readonly #log: SegmentLog

  private constructor(marks: ReplayMarks, log: SegmentLog) {
    this.marks = marks
    this.#log = log
  }

  /** @throws MillraceError STORAGE_CORRUPT where the folder holds something else, STORAGE_FULL, STORAGE_WRITE_FAILED */
  static async open(letters: string, report: ReportDamage): Promise<ReplayMarker> {
    const log = await SegmentLog.open(marksFolder(letters), { segment_bytes: SEGMENT_BYTES })
    const marks = await ReplayMarks.read(letters, report)
    const marker = new ReplayMarker(marks, log)
    if (log.size_bytes > COMPACT_BYTES) await marker.#compact((await listSegments(letters))[0]?.first_sequence)
    return marker
  }

  /** The letter is stored, or dropped as the config wants it. */
  async done(sequence: bigint): Promise<void> {
    const number = Number(sequence)
    await this.#write({ done: [[number, number]] })
  }

  async failed(sequence: bigint, failure: ReplayFailure): Promise<void> {
    await this.#write({ failed: [[Number(sequence), failure]] })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log[Symbol.asyncDispose]()
  }

  async #write(mark: Mark): Promise<void> {
    await this.#log.append([Buffer.from(JSON.stringify(mark))])
    this.marks.add(mark)
  }

  /** What is written first is read first, and what comes later wins: so a crash in between changes nothing. */
  async #compact(oldest: bigint | undefined): Promise<void> {
    if (oldest !== undefined) this.marks.forgetBefore(oldest)
    const records = this.marks.records().map((mark) => Buffer.from(JSON.stringify(mark)))
    const first = await this.#log.append(records)
    await this.#log.removeBefore(first)
  }
}
