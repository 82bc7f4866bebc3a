import { RESERVED } from '../reserved-fields.ts'

/** `"name":` may have a few more. */
export const NAME_BYTES_MAX = 128
/** When more are known all are forgotten, before the next text. */
const NAMES_MAX = 4_096
const BUCKETS = 4_096
/** Names that somebody chose to fall into one bucket may not make a text slow: then all are forgotten too. */
const BUCKET_LENGTH_MAX = 16
/** Stamps begin anew long before a number would stop being a small one. */
const STAMP_MAX = 2 ** 29

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const BLANK = 0x20

/** So that nobody knows which names fall into one bucket. */
const SEED = Math.trunc(Math.random() * 2 ** 31)

/** Of names: what they mean to an event, or that they are no plain names as field references. */
export const RESERVED_NAME = 1
export const BRACKETED_NAME = 2

/** The name of a member, at one depth. It remembers what came next, for the members of logs repeat their order. */
export class KnownName {
  // What every member asks for stands together.
  /** Of `"name":`, in bytes. */
  readonly length: number
  readonly tail_at: number
  /** The last four bytes as a number, and the first ones as far as they lie before these. */
  readonly tail: number
  readonly word_0: number
  readonly word_1: number
  readonly word_2: number
  readonly traits: number
  readonly number: number
  /** The object that it was seen in last. */
  seen = 0
  /** The name behind this one, the last time it was another than expected. */
  next: KnownName | undefined
  /** At the top level: how far behind the first member's number its own stood in the table of members, the last time. */
  place = 0
  /** The first name in the object that is its value. */
  first: KnownName | undefined
  /** The further words of four bytes. */
  readonly words: readonly number[]
  /** `"name":` */
  readonly bytes: Buffer
  readonly text: string
  readonly depth: number
  readonly hash: number

  constructor(bytes: Buffer, depth: number, number: number, hash: number) {
    const text = bytes.toString('utf8', 1, bytes.length - 2)
    const words: number[] = []
    for (let at = 0; at < bytes.length - 4; at += 4) words.push(bytes.readInt32LE(at))
    const [word_0 = 0, word_1 = 0, word_2 = 0, ...others] = words
    this.length = bytes.length
    this.tail_at = bytes.length - 4
    this.tail = this.tail_at < 0 ? 0 : bytes.readInt32LE(this.tail_at)
    this.word_0 = word_0
    this.word_1 = word_1
    this.word_2 = word_2
    this.traits = traitsOf(text)
    this.number = number
    this.words = others
    this.bytes = bytes
    this.text = text
    this.depth = depth
    this.hash = hash
  }

  /** Whether `"name":` stands there. */
  stands(view: DataView, at: number): boolean {
    const { tail_at } = this
    if (tail_at < 0 || view.getInt32(at + tail_at, true) !== this.tail) return false
    if (tail_at > 0 && view.getInt32(at, true) !== this.word_0) return false
    if (tail_at > 4 && view.getInt32(at + 4, true) !== this.word_1) return false
    if (tail_at > 8 && view.getInt32(at + 8, true) !== this.word_2) return false
    return tail_at <= 12 || this.#standRest(view, at + 12)
  }

  #standRest(view: DataView, at: number): boolean {
    const { words } = this
    for (let index = 0; index < words.length; index++) {
      if (view.getInt32(at + 4 * index, true) !== words[index]) return false
    }
    return true
  }

  /** Whether the bytes from `start` to `end` are the name between its quotes. */
  isSame(bytes: Buffer, start: number, end: number): boolean {
    const own = this.bytes
    if (own.length - 1 !== end - start) return false
    for (let index = end - start - 1; index >= 0; index--) if (own[index] !== bytes[start + index]) return false
    return true
  }
}

function traitsOf(name: string): number {
  const reserved = RESERVED.includes(name) ? RESERVED_NAME : 0
  return name.includes('[') || name.includes(']') ? reserved | BRACKETED_NAME : reserved
}

/** All names that are known. A scan keeps those of its time. */
export class NameTable {
  readonly all: KnownName[] = []
  /** Those at the top level. */
  readonly top = new Map<string, KnownName>()
  /** Those of them that mean something to every event. */
  readonly reserved: KnownName[] = []
  /** The first one of the last text. */
  first: KnownName | undefined
  /** The last object that was begun. */
  stamp = 0
  readonly #buckets: KnownName[][] = Array.from({ length: BUCKETS }, () => [])
  #has_full_bucket = false

  /** Another table is to be begun. */
  get isFull(): boolean {
    return this.all.length > NAMES_MAX || this.#has_full_bucket || this.stamp > STAMP_MAX
  }

  /** The name whose quote opens at `at`, known or not; `undefined` where none opens, or one with escapes or over a limit. */
  find(bytes: Buffer, at: number, depth: number): KnownName | undefined {
    if (bytes[at] !== QUOTE) return undefined
    let hash = SEED + depth
    let end = at + 1
    let code = bytes[end] ?? 0
    for (; code >= BLANK && code !== QUOTE && code !== BACKSLASH; code = bytes[++end] ?? 0) {
      hash = Math.imul(hash ^ code, 0x01000193)
    }
    if (code !== QUOTE || end - at > NAME_BYTES_MAX) return undefined
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    hash ^= hash >>> 13
    const bucket = this.#buckets[hash & (BUCKETS - 1)] ?? []
    for (const name of bucket) if (name.hash === hash && name.depth === depth && name.isSame(bytes, at, end + 1)) return name
    if (bucket.length >= BUCKET_LENGTH_MAX) {
      this.#has_full_bucket = true
      return undefined
    }
    const copy = Buffer.alloc(end + 2 - at, COLON)
    bytes.copy(copy, 0, at, end + 1)
    const name = new KnownName(copy, depth, this.all.length, hash)
    this.all.push(name)
    bucket.push(name)
    if (depth === 0) {
      this.top.set(name.text, name)
      if ((name.traits & RESERVED_NAME) !== 0) this.reserved.push(name)
    }
    return name
  }
}
