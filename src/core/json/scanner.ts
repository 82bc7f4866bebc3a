import { RESERVED } from '../reserved-fields.ts'

/** A longer text is parsed: what is read of it then costs little beside the reading. */
const TEXT_LENGTH_MAX = 256 * 1024
/** Deeper objects are parsed. */
const DEPTH_MAX = 16
const NAME_BYTES_MAX = 128
/** When more are known all are forgotten, before the next text. */
const NAMES_MAX = 4_096
const BUCKETS = 4_096
/** Names that somebody chose to fall into one bucket may not make a text slow: then all are forgotten too. */
const BUCKET_LENGTH_MAX = 16
/** A text with so many members takes a slab of its own. */
const SLAB_LENGTH = 4_096
/** Of a member: its name's number, doubled, and one more where its value has escapes; where its value begins and ends. */
export const STRIDE = 3
/** Stamps begin anew long before a number would stop being a small one. */
const STAMP_MAX = 2 ** 29
/** Behind the text in the scratch space, so that words can be read at its end. */
const SLACK_BYTES = 16

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const BLANK = 0x20
const MINUS = 0x2d
const ZERO = 0x30

/** `true`, `null` and what follows the f of `false`, as numbers. */
const TRUE = 0x65757274
const NULL = 0x6c6c756e
const ALSE = 0x65736c61

const PLAIN = 0
/** What a byte is inside a string. */
const KINDS = new Uint8Array(256)
KINDS.fill(3, 0, BLANK)
KINDS[QUOTE] = 1
KINDS[BACKSLASH] = 2

/** What one character may stand for behind a backslash. */
const ESCAPED = new Uint8Array(256)
for (const character of '"\\/bfnrt') ESCAPED[character.charCodeAt(0)] = 1

/** The name of a member, at one depth. It remembers what came next, for the members of logs repeat their order. */
class KnownName {
  /** `"name":` */
  readonly bytes: Buffer
  /** All but the last four bytes as numbers, the last four as one. */
  readonly words: readonly number[]
  readonly tail: number
  readonly tail_at: number
  readonly text: string
  readonly depth: number
  readonly number: number
  readonly hash: number
  readonly traits: number
  /** The name behind this one, the last time it was another than expected. */
  next: KnownName | undefined
  /** The first name in the object that is its value. */
  first: KnownName | undefined
  /** The object that it was seen in last. */
  seen = 0
  /** At the top level: how far behind the first member's number its own stood in the table of members, the last time. */
  place = 0

  constructor(bytes: Buffer, depth: number, number: number, hash: number) {
    this.bytes = bytes
    this.tail_at = bytes.length - 4
    const words: number[] = []
    for (let at = 0; at < this.tail_at; at += 4) words.push(bytes.readInt32LE(at))
    this.words = words
    this.tail = this.tail_at < 0 ? 0 : bytes.readInt32LE(this.tail_at)
    this.text = bytes.toString('utf8', 1, bytes.length - 2)
    this.depth = depth
    this.number = number
    this.hash = hash
    this.traits = traitsOf(this.text)
  }
}

/** Of names: what they mean to an event, or that they are no plain names as field references. */
export const RESERVED_NAME = 1
export const BRACKETED_NAME = 2

function traitsOf(name: string): number {
  const reserved = RESERVED.includes(name) ? RESERVED_NAME : 0
  return name.includes('[') || name.includes(']') ? reserved | BRACKETED_NAME : reserved
}

/** All names that are known. A scan keeps those of its time. */
class NameTable {
  readonly all: KnownName[] = []
  readonly buckets: KnownName[][] = Array.from({ length: BUCKETS }, () => [])
  has_full_bucket = false
  /** Those at the top level. */
  readonly top = new Map<string, KnownName>()
  /** The first one of the last text. */
  first: KnownName | undefined
}

/** Where the members of an object stand in its text. */
export interface Scan {
  readonly names: NameTable
  /** From `start`, `STRIDE` numbers for each of the `count` members. */
  readonly members: Int32Array
  readonly start: number
  readonly count: number
  /** What is special about the names. */
  readonly traits: number
  /** Its bytes stand where its characters stand. */
  readonly is_ascii: boolean
}

// Scratch space, filled and read within one call.
let bytes = Buffer.allocUnsafeSlow(16 * 1024)
let view = new DataView(bytes.buffer)
/** Where a scan stands that failed. */
const FAILED = -1

/** So that nobody knows which names fall into one bucket. */
const SEED = Math.trunc(Math.random() * 2 ** 31)
let names = new NameTable()
let stamp = 0
let slab = new Int32Array(SLAB_LENGTH)
let slab_used = 0
/** Of the object that is being scanned. */
let slab_start = 0
let traits = 0
/** Whether the string that was scanned last had escapes, and any in the value. */
let escapes = 0

/**
 * Scans the text of one object, from brace to brace, in one pass that checks everything: what it takes is JSON in one
 * line, and no name comes twice in any of its objects. `undefined` for what is not, and for what is rare and better parsed:
 * names with escapes, escaped halves of characters, and what is over the limits above.
 */
export function scanObject(text: string): Scan | undefined {
  const { length } = text
  if (length > TEXT_LENGTH_MAX) return undefined
  if (length * 3 + SLACK_BYTES > bytes.length) grow(length * 3 + SLACK_BYTES)
  const size = bytes.write(text, 0)
  if (size !== length && !text.isWellFormed()) return undefined
  // No byte of a text is zero where one may follow, so nothing runs past it.
  bytes[size] = 0
  if (names.all.length > NAMES_MAX || names.has_full_bucket || stamp > STAMP_MAX) {
    names = new NameTable()
    stamp = 0
  }
  slab_start = slab_used
  traits = 0
  if (bytes[0] !== OPEN_BRACE || endOfObject(0, 0, undefined) !== size) {
    slab_used = slab_start
    return undefined
  }
  const count = (slab_used - slab_start) / STRIDE
  if (size !== length) countUnits()
  return { names, members: slab, start: slab_start, count, traits, is_ascii: size === length }
}

function grow(size: number): void {
  bytes = Buffer.allocUnsafeSlow(size * 2)
  view = new DataView(bytes.buffer)
}

/** Makes offsets in the bytes offsets in the text, whose units are of two bytes. */
function countUnits(): void {
  let units = 0
  let at = 0
  for (let index = slab_start; index < slab_used; index++) {
    if ((index - slab_start) % STRIDE === 0) continue
    const end = slab[index] ?? 0
    for (; at < end; at++) {
      const byte = bytes[at] ?? 0
      if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1
    }
    slab[index] = units
  }
}

function note(name: KnownName, start: number, end: number): void {
  if (slab_used + STRIDE > slab.length) {
    const larger = new Int32Array(Math.max(SLAB_LENGTH, (slab_used - slab_start) * 2 + STRIDE))
    larger.set(slab.subarray(slab_start, slab_used))
    slab_used -= slab_start
    slab_start = 0
    slab = larger
  }
  name.place = slab_used - slab_start
  slab[slab_used] = name.number * 2 + escapes
  slab[slab_used + 1] = start
  slab[slab_used + 2] = end
  slab_used += STRIDE
  traits |= name.traits
}

/** Where the object that opens at `open` has ended. `parent`: the name that it is the value of. */
function endOfObject(open: number, depth: number, parent: KnownName | undefined): number {
  let at = afterBlanks(open + 1)
  if (bytes[at] === CLOSE_BRACE) return at + 1
  const own = ++stamp
  let last: KnownName | undefined
  let expected = depth === 0 ? names.first : parent?.first
  for (;;) {
    let name: KnownName | undefined
    if (expected !== undefined && stands(expected, at)) {
      name = expected
      at += name.bytes.length
    } else {
      name = findName(at, depth)
      if (name === undefined) return FAILED
      at = afterBlanks(at + name.bytes.length - 1)
      if (bytes[at] !== COLON) return FAILED
      at++
      if (last !== undefined) last.next = name
      else if (parent !== undefined) parent.first = name
      else names.first = name
    }
    if (name.seen === own) return FAILED
    name.seen = own
    last = name
    expected = name.next
    const start = afterBlanks(at)
    if (depth === 0) escapes = 0
    at = endOfValue(start, depth, name)
    if (at < 0) return FAILED
    if (depth === 0) note(name, start, at)
    at = afterBlanks(at)
    const code = bytes[at]
    if (code === COMMA) at = afterBlanks(at + 1)
    else return code === CLOSE_BRACE ? at + 1 : FAILED
  }
}

function endOfList(open: number, depth: number, parent: KnownName): number {
  let at = afterBlanks(open + 1)
  if (bytes[at] === CLOSE_BRACKET) return at + 1
  for (;;) {
    at = endOfValue(at, depth, parent)
    if (at < 0) return FAILED
    at = afterBlanks(at)
    const code = bytes[at]
    if (code === COMMA) at = afterBlanks(at + 1)
    else return code === CLOSE_BRACKET ? at + 1 : FAILED
  }
}

function endOfValue(at: number, depth: number, parent: KnownName): number {
  const code = bytes[at] ?? 0
  if (code === QUOTE) return endOfString(at + 1)
  if (isDigit(code) || code === MINUS) return endOfNumber(at)
  if (code === 0x74) return view.getInt32(at, true) === TRUE ? at + 4 : FAILED
  if (code === 0x6e) return view.getInt32(at, true) === NULL ? at + 4 : FAILED
  if (code === 0x66) return view.getInt32(at + 1, true) === ALSE ? at + 5 : FAILED
  if (depth >= DEPTH_MAX) return FAILED
  if (code === OPEN_BRACE) return endOfObject(at, depth + 1, parent)
  return code === OPEN_BRACKET ? endOfList(at, depth + 1, parent) : FAILED
}

/** `at`: behind the opening quote. */
function endOfString(at: number): number {
  // A variable of the module is read anew at every turn of a loop.
  const text = bytes
  for (;;) {
    let kind = KINDS[text[at] ?? 0]
    while (kind === PLAIN) kind = KINDS[text[++at] ?? 0]
    if (kind === 1) return at + 1
    if (kind !== 2) return FAILED
    escapes = 1
    const code = text[at + 1] ?? 0
    if (ESCAPED[code] === 1) at += 2
    else {
      at = code === 0x75 ? endOfUnit(at + 2) : FAILED
      if (at < 0) return FAILED
    }
  }
}

/** Four hexadecimal digits that are no half of a character. */
function endOfUnit(at: number): number {
  const first = hexOf(bytes[at] ?? 0)
  const second = hexOf(bytes[at + 1] ?? 0)
  if ((first | second | hexOf(bytes[at + 2] ?? 0) | hexOf(bytes[at + 3] ?? 0)) < 0) return FAILED
  return first === 0xd && second >= 8 ? FAILED : at + 4
}

function hexOf(code: number): number {
  if (isDigit(code)) return code - ZERO
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function endOfNumber(at: number): number {
  let code = bytes[at] ?? 0
  if (code === MINUS) code = bytes[++at] ?? 0
  if (code === ZERO) code = bytes[++at] ?? 0
  else if (isDigit(code))
    do code = bytes[++at] ?? 0
    while (isDigit(code))
  else return FAILED
  if (code === 0x2e) {
    code = bytes[++at] ?? 0
    if (!isDigit(code)) return FAILED
    do code = bytes[++at] ?? 0
    while (isDigit(code))
  }
  if (code !== 0x65 && code !== 0x45) return at
  code = bytes[++at] ?? 0
  if (code === 0x2b || code === MINUS) code = bytes[++at] ?? 0
  if (!isDigit(code)) return FAILED
  do code = bytes[++at] ?? 0
  while (isDigit(code))
  return at
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= 0x39
}

function afterBlanks(at: number): number {
  let code = bytes[at] ?? 0
  while (code === BLANK || code === 0x09) code = bytes[++at] ?? 0
  return at
}

/** Whether `"name":` stands there. */
function stands({ words, tail, tail_at }: KnownName, at: number): boolean {
  const here = view
  if (tail_at < 0 || here.getInt32(at + tail_at, true) !== tail) return false
  for (let index = 0; index < words.length; index++) {
    if (here.getInt32(at + 4 * index, true) !== words[index]) return false
  }
  return true
}

/** The name whose quote opens at `at`, known or not; `undefined` where none opens, or one with escapes or over a limit. */
function findName(at: number, depth: number): KnownName | undefined {
  if (bytes[at] !== QUOTE) return undefined
  let hash = SEED + depth
  let end = at + 1
  let code = bytes[end] ?? 0
  for (; KINDS[code] === PLAIN; code = bytes[++end] ?? 0) hash = Math.imul(hash ^ code, 0x01000193)
  if (code !== QUOTE || end - at > NAME_BYTES_MAX) return undefined
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash ^= hash >>> 13
  const bucket = names.buckets[hash & (BUCKETS - 1)] ?? []
  for (const name of bucket) if (name.hash === hash && name.depth === depth && isSame(name, at, end + 1)) return name
  if (bucket.length >= BUCKET_LENGTH_MAX) {
    names.has_full_bucket = true
    return undefined
  }
  const copy = Buffer.alloc(end + 2 - at, COLON)
  bytes.copy(copy, 0, at, end + 1)
  const name = new KnownName(copy, depth, names.all.length, hash)
  names.all.push(name)
  bucket.push(name)
  if (depth === 0) names.top.set(name.text, name)
  return name
}

function isSame(name: KnownName, start: number, end: number): boolean {
  const { bytes: own } = name
  if (own.length - 1 !== end - start) return false
  for (let index = end - start - 1; index >= 0; index--) if (own[index] !== bytes[start + index]) return false
  return true
}
