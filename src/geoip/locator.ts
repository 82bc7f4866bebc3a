import type { Log } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import type { Fields } from '../core/values.ts'
import { type Address, parseAddress } from './address.ts'
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

export interface Located {
  /** The event's own to change. */
  readonly fields: Fields
  /** The JSON text of the fields, where it is known without printing them. */
  readonly printed: string | undefined
}

/** Finds what is known about an address and lays it out for an event. */
export class Locator {
  readonly #watched: WatchedDatabase
  readonly #options: LocatorOptions
  readonly #log: Log
  #database: Database
  #wanted: readonly GeoipField[]
  /** What became of a record, by its place in the file; `null` where it holds nothing of what is wanted. */
  #stamps: RecordCache<Stamp | null>

  constructor(watched: WatchedDatabase, options: LocatorOptions, log: Log) {
    this.#watched = watched
    this.#options = options
    this.#log = log
    this.#database = watched.current
    this.#wanted = this.#wantedOf(this.#database)
    this.#stamps = new RecordCache(options.cache_size)
  }

  /** What is known, for one event; `undefined` for what is no address, or one that nothing is known about. */
  locate(text: string): Located | undefined {
    const address = parseAddress(text)
    if (address === undefined) return undefined
    if (this.#database !== this.#watched.current) this.#turnTo(this.#watched.current)
    const record = this.#database.tree.find(address.words)
    if (record === 0) return undefined
    let stamp = this.#stamps.get(record)
    if (stamp === undefined) {
      stamp = this.#stampOf(address)
      this.#stamps.set(record, stamp)
    }
    if (stamp === null) return undefined
    return {
      fields: stamp.fieldsFor(address, () => this.#database.tree.networkLength(address.words)),
      printed: stamp.printedFor(address),
    }
  }

  #turnTo(database: Database): void {
    this.#database = database
    this.#wanted = this.#wantedOf(database)
    this.#stamps = new RecordCache(this.#options.cache_size)
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
