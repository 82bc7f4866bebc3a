import type { Log } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import type { PrintedFields } from '../core/printed-fields.ts'
import { copyOf } from '../core/text-copy.ts'
import { ADDRESS_LENGTH_MAX, type Address, parseAddress } from './address.ts'
import type { Database } from './database.ts'
import { GEOIP_FIELDS, type GeoipField, readFacts } from './facts.ts'
import { defaultFields, type GeoipLayout, knowsAnonymity, Stamp } from './layout.ts'
import { RecordCache } from './record-cache.ts'
import type { WatchedDatabase } from './watched-database.ts'

export interface LocatorOptions {
  /** `undefined`: those that the kind of database has by default. */
  readonly fields: readonly GeoipField[] | undefined
  readonly layout: GeoipLayout
  /** Records, not addresses: many addresses lead to one record. */
  readonly cache_size: number
}

/** 150 bytes each: the addresses of a busy hour. What is made of their records is kept apart. */
const ANSWERS_MAX = 10_000

/** Finds what is known about an address and lays it out for an event. */
export class Locator {
  readonly #watched: WatchedDatabase
  readonly #options: LocatorOptions
  readonly #log: Log
  #database: Database
  #wanted: readonly GeoipField[]
  /** What was found for a text that was asked for; `null` where it was nothing. */
  #answers = new RecordCache<string, PrintedFields | null>(ANSWERS_MAX)
  /** What became of a record, by its place in the file; `null` where it holds nothing of what is wanted. */
  #stamps: RecordCache<number, Stamp | null>

  constructor(watched: WatchedDatabase, options: LocatorOptions, log: Log) {
    this.#watched = watched
    this.#options = options
    this.#log = log
    this.#database = watched.current
    this.#wanted = this.#wantedOf(this.#database)
    this.#stamps = new RecordCache(options.cache_size)
  }

  /** What is known; `undefined` for what is no address, or one that nothing is known about. */
  locate(text: string): PrintedFields | undefined {
    if (this.#database !== this.#watched.current) this.#turnTo(this.#watched.current)
    const known = this.#answers.get(text)
    if (known !== undefined) return known ?? undefined
    if (text.length > ADDRESS_LENGTH_MAX) return undefined
    const key = copyOf(text)
    const found = this.#find(key)
    this.#answers.set(key, found)
    return found ?? undefined
  }

  #find(text: string): PrintedFields | null {
    const address = parseAddress(text)
    const record = address === undefined ? 0 : this.#database.tree.find(address.words)
    if (address === undefined || record === 0) return null
    let stamp = this.#stamps.get(record)
    if (stamp === undefined) {
      stamp = this.#stampOf(address)
      this.#stamps.set(record, stamp)
    }
    return stamp === null ? null : stamp.at(address, () => this.#database.tree.networkLength(address.words))
  }

  #turnTo(database: Database): void {
    this.#database = database
    this.#wanted = this.#wantedOf(database)
    this.#stamps = new RecordCache(this.#options.cache_size)
    this.#answers = new RecordCache(ANSWERS_MAX)
  }

  #wantedOf(database: Database): readonly GeoipField[] {
    return this.#options.fields ?? defaultFields(database.type, this.#options.layout) ?? GEOIP_FIELDS
  }

  #stampOf(address: Address): Stamp | null {
    const database = this.#database
    try {
      const facts = readFacts(database.decode(address), knowsAnonymity(database.type))
      return Stamp.from(facts, this.#wanted, this.#options.layout) ?? null
    } catch (thrown) {
      // A damaged data section behind a sound tree: the addresses of this record stay unknown, the others do not.
      this.#log.warn(
        'geoip_record',
        `a record of the GeoIP database ${database.path} cannot be read (${messageOf(thrown)}): the file is damaged, get it anew`,
      )
      return null
    }
  }
}
