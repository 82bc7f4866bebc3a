import type { KnownName } from './known-names.ts'

/** Shapes of more members are no gain: the function would be too large to be compiled well. */
const MEMBERS_MAX = 64
/** Longer ones hold blanks for the eye. */
const FRAGMENT_BYTES_MAX = 256
/**
 * So many lines must not fit before the shape of one is learned; then twice as many, and so on, up to a bound: what has no shape costs
 * little. From the bound on there are many batches between two times, so that it does not matter what came last.
 */
const LEARNED_AFTER = 64
const LEARNED_AFTER_MAX = 8_192
/** Less by chance, at most by this part: of lines that take turns another one is learned each time. */
const JITTER = 0.5
/** A shape stays where for so many lines that do not fit one does. */
const USEFUL_PART = 4

const QUOTE = 0x22
const MINUS = 0x2d
const ZERO = 0x30
const NINE = 0x39

/** What generated code calls where a value is not of the plainest kind. Each returns where the value has ended, or a number below 0. */
export interface ValueEnds {
  /** What a byte is inside a string: 0 for a plain one, 1 for the quote. */
  readonly kinds: Uint8Array
  /** Of a string, from its first byte that is not plain on. */
  string(at: number): number
  number(at: number): number
  any(at: number, name: KnownName): number
}

/**
 * Compares a text with the shape, member by member, and puts those that fit into the table: for each its name's number, doubled,
 * and one more where its value has escapes; where its value begins and ends. Returns how many did.
 */
type Match = (bytes: Uint8Array, view: DataView, table: Int32Array, used: number) => number

/** A member of a line that a shape is learned from. */
export interface LearnedMember {
  readonly name: KnownName
  /** Where its value begins and ends. */
  readonly start: number
  readonly end: number
}

/**
 * The members of lines that are all alike: their names, their order, the kinds of their values and the blanks between them. All that
 * stands between two values is the same in such lines and is compared in words of four bytes, by a function that is made for it;
 * only the values are looked at byte by byte. A line that fits is checked as fully as any other: behind a fragment that is the same,
 * a parser would be in the same state.
 */
export class LineShape {
  readonly names: readonly KnownName[]
  /** Of all names together. */
  readonly traits: number
  readonly match: Match

  private constructor(members: readonly LearnedMember[], match: Match) {
    this.names = members.map(({ name }) => name)
    this.traits = this.names.reduce((traits, name) => traits | name.traits, 0)
    this.match = match
  }

  /** The shape of a line that was found to be sound. `undefined` where it is not worth it. */
  static of(bytes: Uint8Array, members: readonly LearnedMember[], ends: ValueEnds): LineShape | undefined {
    if (members.length === 0 || members.length > MEMBERS_MAX) return undefined
    let code = ''
    let at = 0
    for (const [index, { name, start, end }] of members.entries()) {
      const first = bytes[start] ?? 0
      const is_string = first === QUOTE
      const fragment = bytes.subarray(at, is_string ? start + 1 : start)
      if (fragment.length > FRAGMENT_BYTES_MAX) return undefined
      code += fragmentCode(fragment, index)
      const is_number = first === MINUS || (first >= ZERO && first <= NINE)
      code += is_string ? stringCode(index) : is_number ? numberCode(index) : otherCode(index)
      code += noteCode(index, name.number * 2, is_string)
      at = end
    }
    const names = members.map(({ name }) => name)
    // oxlint-disable-next-line typescript/no-implied-eval -- made of numbers only
    const make = new Function('kinds', 'ends', 'names', matchCode(code, members.length)) as MakeMatch
    return new LineShape(members, make(ends.kinds, ends, names))
  }
}

type MakeMatch = (kinds: Uint8Array, ends: ValueEnds, names: readonly KnownName[]) => Match

// Only numbers go into the code, never text of a line.

function matchCode(body: string, count: number): string {
  return `return (bytes, view, table, used) => {
let at = 0, start = 0, escapes = 0, code = 0
${body}return ${count}
}`
}

/** Compares what stands there; words one after the other, so that none is read behind the text's end, which is a zero. */
function fragmentCode(fragment: Uint8Array, index: number): string {
  const { length } = fragment
  const view = new DataView(fragment.buffer, fragment.byteOffset, length)
  const tests: string[] = []
  if (length < 4) for (let at = 0; at < length; at++) tests.push(`bytes[at + ${at}] !== ${fragment[at] ?? 0}`)
  else {
    for (let at = 0; at + 4 <= length; at += 4) tests.push(`view.getInt32(at + ${at}, true) !== ${view.getInt32(at, true)}`)
    if (length % 4 !== 0) tests.push(`view.getInt32(at + ${length - 4}, true) !== ${view.getInt32(length - 4, true)}`)
  }
  return `if (${tests.join(' || ')}) return ${index}\nat += ${length}\n`
}

/** `at`: behind the opening quote. */
function stringCode(index: number): string {
  return `start = at - 1
escapes = 0
code = kinds[bytes[at]]
while (code === 0) code = kinds[bytes[++at]]
if (code === 1) at++
else {
  escapes = 1
  at = ends.string(at)
  if (at < 0) return ${index}
}
`
}

/** Whole numbers that begin with no zero are walked over here. */
function numberCode(index: number): string {
  return `start = at
code = bytes[at]
if (code > ${ZERO}) while (code >= ${ZERO} && code <= ${NINE}) code = bytes[++at]
if (code !== 0x2c && code !== 0x7d || at === start) {
  at = ends.number(start)
  if (at < 0) return ${index}
}
`
}

/** Any value but a string, whose escapes would have to be noted. */
function otherCode(index: number): string {
  return `start = at
if (bytes[at] === ${QUOTE}) return ${index}
at = ends.any(at, names[${index}])
if (at < 0) return ${index}
`
}

function noteCode(index: number, number: number, is_string: boolean): string {
  const place = index * 3
  return `table[used + ${place}] = ${number}${is_string ? ' + escapes' : ''}
table[used + ${place + 1}] = start
table[used + ${place + 2}] = at
`
}

/** A place for the shape of lines that begin alike. */
export class ShapeSlot {
  shape: LineShape | undefined
  #fits = 0
  #misfits = 0
  #span = LEARNED_AFTER
  #learned_after = LEARNED_AFTER

  /** To be called for a line that fitted as a whole. */
  fits(): void {
    this.#fits++
  }

  /**
   * To be called for a sound line that did not fit as a whole. True where its shape is to be learned: a shape that many lines
   * fit stays, whatever comes between them (an envelope in random order begins as the line in it does).
   */
  misfits(): boolean {
    if (++this.#misfits < this.#learned_after) return false
    const is_useful = this.#fits * USEFUL_PART >= this.#misfits
    this.#fits = 0
    this.#misfits = 0
    this.#span = Math.min(this.#span * 2, LEARNED_AFTER_MAX)
    this.#learned_after = this.#span * (1 - JITTER * Math.random())
    return !is_useful
  }
}

const SLOT_BITS = 6
/** 2^32 by the golden ratio: the upper bits of its product with a number differ where the number does. */
const SPREAD = 0x9e3779b1

/** The shapes of lines, by how these begin: one program's lines begin alike, those of another one otherwise. */
export class ShapeTable {
  readonly #slots = Array.from({ length: 2 ** SLOT_BITS }, () => new ShapeSlot())

  /** @param word four letters of the first name */
  slotFor(word: number): ShapeSlot {
    return this.#slots[Math.imul(word, SPREAD) >>> (32 - SLOT_BITS)] as ShapeSlot
  }
}
