import type { Log } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import type { PrintedFields } from '../core/printed-fields.ts'
import { copyOf } from '../core/text-copy.ts'
import { ADDRESS_LENGTH_MAX, type Address, parseAddress, readIpv4 } from './address.ts'
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

/** An IPv4 address has one slot, and takes it from the one that was there: 150 bytes each. */
const SLOTS = 8_192
const SLOT_SHIFT = 32 - Math.log2(SLOTS)
/** An odd number whose product with an address differs in its upper bits for neighbours: 2^32 by the golden ratio. */
const SPREAD = 0x9e3779b1
const OTHERS_MAX = 4_096

/** Finds what is known about an address and lays it out for an event. */
export class Locator {
  readonly #watched: WatchedDatabase
  readonly #options: LocatorOptions
  readonly #log: Log
  #database: Database
  #wanted: readonly GeoipField[]
  /** The IPv4 address in each slot, and what was found for it. */
  readonly #words = new Float64Array(SLOTS).fill(-1)
  readonly #answers = Array.from<PrintedFields | undefined>({ length: SLOTS })
  /** What was found for other texts; `null` where it was nothing. */
  #others = new RecordCache<string, PrintedFields | null>(OTHERS_MAX)
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

  /** What is known about the address that a text, or a part of it, is; `undefined` for none, or one that nothing is known about. */
  readonly locate = (text: string, start = 0, end = text.length): PrintedFields | undefined => {
    if (this.#database !== this.#watched.current) this.#turnTo(this.#watched.current)
    const word = readIpv4(text, start, end)
    if (word < 0) return this.#locateOther(text.slice(start, end))
    const slot = Math.imul(word, SPREAD) >>> SLOT_SHIFT
    if (this.#words[slot] === word) return this.#answers[slot]
    const found = this.#find(copyOf(text.slice(start, end)))
    this.#words[slot] = word
    this.#answers[slot] = found
    return found
  }

  #locateOther(text: string): PrintedFields | undefined {
    const known = this.#others.get(text)
    if (known !== undefined) return known ?? undefined
    if (text.length > ADDRESS_LENGTH_MAX) return undefined
    const key = copyOf(text)
    const found = this.#find(key)
    this.#others.set(key, found ?? null)
    return found
  }

  #find(text: string): PrintedFields | undefined {
    const address = parseAddress(text)
    const record = address === undefined ? 0 : this.#database.tree.find(address.words)
    if (address === undefined || record === 0) return undefined
    let stamp = this.#stamps.get(record)
    if (stamp === undefined) {
      stamp = this.#stampOf(address)
      this.#stamps.set(record, stamp)
    }
    return stamp === null ? undefined : stamp.at(address, () => this.#database.tree.networkLength(address.words))
  }

  #turnTo(database: Database): void {
    this.#database = database
    this.#wanted = this.#wantedOf(database)
    this.#stamps = new RecordCache(this.#options.cache_size)
    this.#words.fill(-1)
    this.#others = new RecordCache(OTHERS_MAX)
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
