import { type KnownName, NAME_BYTES_MAX, NameTable } from './known-names.ts'
import { LineShape, type ShapeSlot, ShapeTable, type ValueEnds } from './line-shape.ts'

/** A longer text is parsed: what is read of it then costs little beside the reading. */
const TEXT_LENGTH_MAX = 256 * 1024
/** Deeper objects are parsed. */
const DEPTH_MAX = 16
/** A text with so many members takes a slab of its own. */
const SLAB_LENGTH = 8_192
/** Of a member: its name's number, doubled, and one more where its value has escapes; where its value begins and ends. */
export const STRIDE = 3
/** Behind the text in the scratch space, so that names can be looked for at its end. */
const SLACK_BYTES = NAME_BYTES_MAX + 16

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const BLANK = 0x20
const TAB = 0x09
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

/** Where the members of the object stand that was scanned last. */
export interface Scan {
  names: NameTable
  /** From `start` up to `end`, `STRIDE` numbers for each member. */
  members: Int32Array
  start: number
  end: number
  /** What is special about the names. */
  traits: number
  /** Its bytes stand where its characters stand. */
  is_ascii: boolean
}

// Scratch space, filled and read within one call.
let bytes = Buffer.allocUnsafeSlow(16 * 1024)
let view = new DataView(bytes.buffer)
/** Where a scan stands that failed. */
const FAILED = -1

let names = new NameTable()
let slab = new Int32Array(SLAB_LENGTH)
let slab_used = 0
/** Of the object that is being scanned. */
let slab_start = 0
let traits = 0
/** Whether the value that was scanned last had escapes. */
let escapes = 0

let shapes = new ShapeTable()

/** What the last scan that went well has found. */
export const scan: Scan = { names, members: slab, start: 0, end: 0, traits: 0, is_ascii: true }

/**
 * Scans the text of one object, from brace to brace, in one pass that checks everything: what it takes is JSON in one
 * line, and no name comes twice in any of its objects; `scan` says where it all stands. False for what is not, and for what is rare and better parsed:
 * names with escapes, escaped halves of characters, and what is over the limits above.
 */
export function scanObject(text: string): boolean {
  const { length } = text
  if (length > TEXT_LENGTH_MAX) return false
  if (length * 3 + SLACK_BYTES > bytes.length) grow(length * 3 + SLACK_BYTES)
  const size = bytes.write(text, 0)
  if (size === length) return scanBytes(size)
  return text.isWellFormed() && scanBytes(size, countUnits)
}

/** The same for a text that is ASCII and still bytes. */
export function scanAscii(text: Buffer): boolean {
  const { length } = text
  if (length > TEXT_LENGTH_MAX) return false
  if (length + SLACK_BYTES > bytes.length) grow(length + SLACK_BYTES)
  bytes.set(text)
  return scanBytes(length)
}

/** @param settle makes places in bytes such in the text, where these are not the same */
function scanBytes(size: number, settle?: () => void): boolean {
  // No byte of a text is zero where one may follow, so nothing runs past it.
  bytes[size] = 0
  if (names.isFull) {
    names = new NameTable()
    shapes = new ShapeTable()
  }
  slab_start = slab_used
  traits = 0
  if (bytes[0] !== OPEN_BRACE || endOfRoot() !== size) {
    slab_used = slab_start
    return false
  }
  settle?.()
  scan.names = names
  scan.members = slab
  scan.start = slab_start
  scan.end = slab_used
  scan.traits = traits
  scan.is_ascii = settle === undefined
  return true
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

/** Where the object has ended that is the whole text, whose members are noted in the table. */
function endOfRoot(): number {
  // Variables of the module are read anew at every turn of a loop.
  const [text, here, known] = [bytes, view, names]
  const slot = shapes.slotFor(here.getInt32(2, true))
  const matched = slot.shape === undefined ? 0 : matchShape(slot.shape)
  const own = ++known.stamp
  let table = slab
  let used = slab_used
  let last: KnownName | undefined
  let at = 1
  traits = 0
  if (slot.shape !== undefined && matched > 0) {
    at = table[used - 1] ?? 0
    if (matched === slot.shape.names.length && text[at] === CLOSE_BRACE) {
      traits = slot.shape.traits
      slot.fits()
      return at + 1
    }
    last = takeOver(slot.shape.names, matched, own)
  }
  let seen_traits = traits
  for (;;) {
    let code = text[at] ?? 0
    if (last !== undefined) {
      if (code !== COMMA) {
        at = afterBlanks(at)
        code = text[at] ?? 0
      }
      if (code !== COMMA) break
      code = text[++at] ?? 0
    }
    if (code === BLANK || code === TAB) at = afterBlanks(at)
    if (last === undefined && text[at] === CLOSE_BRACE) break
    let name = last === undefined ? known.first : last.next
    if (name?.stands(here, at) === true) at += name.length
    else {
      name = known.find(text, at, 0)
      if (name === undefined) return FAILED
      at = behindColon(at + name.length - 1)
      if (at < 0) return FAILED
      if (last === undefined) known.first = name
      else last.next = name
    }
    if (name.seen === own) return FAILED
    name.seen = own
    last = name
    seen_traits |= name.traits
    code = text[at] ?? 0
    if (code === BLANK || code === TAB) {
      at = afterBlanks(at)
      code = text[at] ?? 0
    }
    const start = at
    escapes = 0
    if (code === QUOTE) {
      let kind = KINDS[text[++at] ?? 0]
      while (kind === PLAIN) kind = KINDS[text[++at] ?? 0]
      at = kind === 1 ? at + 1 : endOfString(at)
    } else at = endOfValue(at, 0, name)
    if (at < 0) return FAILED
    if (used + STRIDE > table.length) {
      used = moveToLargerSlab(used, STRIDE)
      table = slab
    }
    name.place = used - slab_start
    table[used] = name.number * 2 + escapes
    table[used + 1] = start
    table[used + 2] = at
    used += STRIDE
  }
  slab_used = used
  traits = seen_traits
  if (text[at] !== CLOSE_BRACE) return FAILED
  if (slot.misfits()) learnShape(slot)
  return at + 1
}

/** How many members fit, which are noted. */
function matchShape({ names: { length }, match }: LineShape): number {
  if (slab_used + length * STRIDE > slab.length) slab_used = moveToLargerSlab(slab_used, length * STRIDE)
  const matched = match(bytes, view, slab, slab_used)
  slab_used += matched * STRIDE
  return matched
}

/** Does for the names of members that fit a shape what was not done while they were matched. Returns the last one. */
function takeOver(all: readonly KnownName[], count: number, own: number): KnownName | undefined {
  let last: KnownName | undefined
  for (let index = 0; index < count; index++) {
    last = all[index]
    if (last === undefined) break
    last.seen = own
    traits |= last.traits
  }
  return last
}

function learnShape(slot: ShapeSlot): void {
  const members = []
  for (let at = slab_start; at < slab_used; at += STRIDE) {
    const name = names.all[(slab[at] ?? 0) >> 1]
    if (name !== undefined) members.push({ name, start: slab[at + 1] ?? 0, end: slab[at + 2] ?? 0 })
  }
  slot.shape = LineShape.of(bytes, members, VALUE_ENDS)
}

const VALUE_ENDS: ValueEnds = {
  kinds: KINDS,
  string: (at) => endOfString(at),
  number: (at) => endOfNumber(at),
  any: (at, name) => endOfValue(at, 0, name),
}

/** Moves the members of the object that is being scanned to where there is room for more. Returns where they end. */
function moveToLargerSlab(used: number, more: number): number {
  const larger = new Int32Array(Math.max(SLAB_LENGTH, (used - slab_start) * 2 + more))
  larger.set(slab.subarray(slab_start, used))
  const length = used - slab_start
  slab_start = 0
  slab = larger
  return length
}

/** Where the object has ended that opens at `open`. `parent`: the name that it is the value of. */
function endOfObject(open: number, depth: number, parent: KnownName): number {
  let at = afterBlanks(open + 1)
  if (bytes[at] === CLOSE_BRACE) return at + 1
  const own = ++names.stamp
  let last: KnownName | undefined
  for (;;) {
    // What came first last time may have been deeper or not so deep: the value was a list of objects then, or is one now.
    const first = parent.first?.depth === depth ? parent.first : undefined
    let name = last === undefined ? first : last.next
    if (name?.stands(view, at) === true) at += name.length
    else {
      name = names.find(bytes, at, depth)
      if (name === undefined) return FAILED
      at = behindColon(at + name.length - 1)
      if (at < 0) return FAILED
      if (last === undefined) parent.first = name
      else last.next = name
    }
    if (name.seen === own) return FAILED
    name.seen = own
    last = name
    at = endOfValue(afterBlanks(at), depth, name)
    if (at < 0) return FAILED
    at = afterBlanks(at)
    const code = bytes[at]
    if (code === COMMA) at = afterBlanks(at + 1)
    else return code === CLOSE_BRACE ? at + 1 : FAILED
  }
}

/** `at`: behind a name. */
function behindColon(at: number): number {
  const colon = afterBlanks(at)
  return bytes[colon] === COLON ? colon + 1 : FAILED
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
  while (code === BLANK || code === TAB) code = bytes[++at] ?? 0
  return at
}
