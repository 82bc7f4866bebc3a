import { MillraceError, messageOf } from '../core/errors.ts'
import type { StoredRecord } from './segment-format.ts'
import { damageOf, listSegments, openListed, type ReportDamage, SegmentReader } from './segment-reader.ts'

/** A record, and the file that holds it. */
export interface FollowedRecord extends StoredRecord {
  readonly path: string
}

/** The sequence of the newest record in a folder of segments; `undefined` where there is none. */
export async function newestSequence(folder: string): Promise<bigint | undefined> {
  const last = (await listSegments(folder)).at(-1)
  if (last === undefined) return undefined
  await using reader = await SegmentReader.open(last.path)
  let newest: bigint | undefined
  for await (const { sequence } of reader.records()) newest = sequence
  return newest
}

/** Reads the records of a folder's segments from a sequence on, again and again, while the program writes more of them. */
export class SegmentFollower {
  readonly #folder: string
  readonly #report: ReportDamage
  readonly #is_told: boolean
  /** Files that are damaged, each told once. */
  readonly #damaged = new Set<string>()
  #next: bigint
  #path: string | undefined
  #offset = 0

  /**
   * @param from the first sequence that is wanted
   * @param is_told nothing is asked for that is not written yet, so what is not whole is damage
   */
  constructor(folder: string, from: bigint, report: ReportDamage, is_told = false) {
    this.#folder = folder
    this.#next = from
    this.#report = report
    this.#is_told = is_told
  }

  /** What has come since the last call, oldest first. May be left in the middle; the next call goes on there. */
  async *records(): AsyncGenerator<FollowedRecord, void, void> {
    const segments = await listSegments(this.#folder)
    for (const [index, { path }] of segments.entries()) {
      const following = segments[index + 1]
      if (following !== undefined && following.first_sequence <= this.#next) continue
      yield* this.#read(path, following === undefined)
    }
  }

  async *#read(path: string, is_last: boolean): AsyncGenerator<FollowedRecord, void, void> {
    if (this.#path !== path) {
      this.#path = path
      this.#offset = 0
    }
    await using reader = await openListed(path)
    if (reader === undefined) return
    // A write that failed is taken back: then what came after it stands where it was.
    if (reader.size_bytes < this.#offset) this.#offset = 0
    if (reader.size_bytes === this.#offset) return
    try {
      for await (const record of reader.records(this.#offset, is_last && !this.#is_told)) {
        this.#offset = reader.good_bytes
        if (record.sequence < this.#next) continue
        this.#next = record.sequence + 1n
        yield { ...record, path }
      }
      // The end of the last one may be half written yet.
      const damaged_bytes = is_last ? reader.torn_bytes - reader.tail_bytes : reader.torn_bytes
      if (damaged_bytes > 0) this.#tell(path, damaged_bytes, damageOf(reader))
    } catch (thrown) {
      if (!(thrown instanceof MillraceError)) throw thrown
      this.#tell(path, reader.torn_bytes, messageOf(thrown))
    }
  }

  #tell(path: string, torn_bytes: number, why: string): void {
    if (this.#damaged.has(path)) return
    this.#damaged.add(path)
    this.#report(path, torn_bytes, why)
  }
}
