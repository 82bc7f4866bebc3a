import { mutated, type Random, randomFrom } from './json-lines.ts'

/** A line as it comes: as bytes, or as a text, which may hold halves of characters. */
export type Line = Buffer | string

export interface MadeLine {
  readonly line: Line
  /** What was done to the line of a program to make it; `undefined` for that line itself. */
  readonly fault: string | undefined
}

/** What stands in front of a value and of which kind that is. */
interface Member {
  readonly name: string
  /** `"name":` with the blanks around it. */
  readonly before: string
  readonly kind: number
}

const FIRST_NAMES = ['level', 'message', '@timestamp', 'log.level', 'a', 'ключ']
// biome-ignore format: a list to look through, not to read line by line
const NAMES = [
  'a', 'b', 'c', 'd', 'k', 'level', 'message', 'tags', '_tags', '@timestamp', '_@timestamp', '@metadata', '@version',
  '__proto__', 'constructor', '', '1', 'é', '[x]', 'user agent', 'http.response.status_code', '😀',
]
const INNER_NAMES = ['é', 'a', 'x', '__proto__', '']
const ASCII_PIECES = [
  '',
  'info',
  'error',
  'a',
  ' ',
  '0',
  '{',
  '}',
  '[',
  ',',
  '\\":1',
  ':',
  '1.0',
  '\u007f',
  'GET /x?y=1 HTTP/1.1',
]
const WIDE_PIECES = ['é', 'й😀', '€', '\u2028', '\ufffd', '\ufeff', '\u0080', '\u{10ffff}']
const ESCAPES = ['\\n', '\\"', '\\\\', '\\/', '\\u00e9', '\\u0041', '\\uABCD', '\\u0000', '\\t']
const NUMBERS = ['0', '-0', '1.0', '1.50', '-12', '1e5', '1E+3', '-0.0', '0e0', '123456789', '1234567890', '12345678901234567890']
const RARE_NUMBERS = [
  '9007199254740993',
  '-9007199254740992',
  '0.1000000000000000055',
  '1e400',
  '5e-324',
  '1e-400',
  '1.7976931348623157e308',
]
const WORDS = ['true', 'false', 'null', '{}', '[]', '[ ]', '""']
const TIMES = ['"2024-01-02T03:04:05.123456Z"', '"2024-01-02T03:04:05.123Z"', '"yesterday"', '"2024-13-01T00:00:00Z"']
const BLANKS = ['', '', '', ' ', '  ', '\t']

function pick<T>(from: readonly [T, ...T[]] | readonly T[], random: Random): T {
  return from[random(from.length)] as T
}

function textOf(random: Random, is_ascii: boolean, escapes: number): string {
  let text = '"'
  for (let count = random(4); count > 0; count--) {
    if (random(8) < escapes) text += pick(ESCAPES, random)
    else text += pick(is_ascii || random(2) === 0 ? ASCII_PIECES : WIDE_PIECES, random)
  }
  if (random(128) === 0) text += pick(ASCII_PIECES, random).repeat(random(200))
  // A pair of halves is a whole character, though the scanner leaves it to the parser.
  if (random(64) === 0) text += '\\ud83d\\ude00'
  return `${text}"`
}

function nameIn(random: Random, is_ascii: boolean): string {
  // As long as the scanner takes them, and longer.
  if (random(128) === 0) return 'n'.repeat(128 + random(2))
  const name = pick(NAMES, random)
  return is_ascii && /[^ -~]/.test(name) ? 'x' : name
}

function valueOf(kind: number, random: Random, is_ascii: boolean, depth: number): string {
  switch (kind) {
    case 0:
    case 1:
      return textOf(random, is_ascii, kind * 2)
    case 2:
      return String(random(random(2) === 0 ? 10 : 1_000_000))
    case 3:
      return pick(random(4) === 0 ? RARE_NUMBERS : NUMBERS, random)
    case 4:
      return pick(WORDS, random)
    case 5:
      return pick(TIMES, random)
    default:
      return depth === 0 && random(100) === 0 ? deep(random) : holderOf(kind, random, is_ascii, depth)
  }
}

/** A list or a map. */
function holderOf(kind: number, random: Random, is_ascii: boolean, depth: number): string {
  const names = new Set<string>()
  const items: string[] = []
  for (let count = random(4); count > 0; count--) {
    const value = valueOf(random(depth < 2 ? 8 : 6), random, is_ascii, depth + 1)
    const name = pick(is_ascii ? INNER_NAMES.slice(1) : INNER_NAMES, random)
    if (kind === 6) items.push(value)
    else if (!names.has(name)) items.push(`"${name}"${pick(BLANKS, random)}:${pick(BLANKS, random)}${value}`)
    names.add(name)
  }
  const blank = pick(BLANKS, random)
  return kind === 6 ? `[${blank}${items.join(`,${blank}`)}${blank}]` : `{${blank}${items.join(`${blank},`)}}`
}

/** About as deep as the scanner goes. */
function deep(random: Random): string {
  const depth = 14 + random(5)
  return random(2) === 0 ? '['.repeat(depth) + ']'.repeat(depth) : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
}

/** What the lines of one program have in common. */
class Program {
  readonly #members: readonly Member[]
  readonly #comma: string
  readonly #is_ascii: boolean

  constructor(random: Random) {
    this.#is_ascii = random(2) === 0
    const names = new Set(random(16) === 0 ? [] : [pick(FIRST_NAMES.slice(0, this.#is_ascii ? -1 : undefined), random)])
    for (let count = random(7); count > 0; count--) names.add(nameIn(random, this.#is_ascii))
    // More than a search goes through, and more than a shape may have.
    if (random(64) === 0) for (let count = 60 + random(10); count > 0; count--) names.add(`field${count}`)
    const has_blanks = random(4) === 0
    this.#members = [...names].map((name) => {
      const before = has_blanks ? `"${name}"${pick(BLANKS, random)}:${pick(BLANKS, random)}` : `"${name}":`
      return { name, before, kind: random(8) }
    })
    this.#comma = has_blanks ? ', ' : ','
  }

  /** Most values are of the kind that those of its lines are, and most lines have all members. */
  line(random: Random): string {
    const members: string[] = []
    const left_out = random(8) === 0 ? random(this.#members.length + 1) : -1
    for (const [index, { name, before, kind }] of this.#members.entries()) {
      if (index === left_out) continue
      const own = random(24) === 0 ? random(8) : name === '@timestamp' && random(2) === 0 ? 5 : kind
      members.push(before + valueOf(own, random, this.#is_ascii, 0))
    }
    const around = random(32) === 0 ? pick(['\r\n', ' ', '\t', '\n'], random) : ''
    return `${around}{${members.join(this.#comma)}}${around}`
  }
}

const NAME = /"(?:[^"\\]|\\.)*"(?=\s*:)/g
const NUMBER = /-?\d[\d.eE+-]*/g
// biome-ignore format: a list to look through, not to read line by line
const ODD_NUMBERS = [
  '012', '-', '1.', '.5', '1e', '1e+', '+1', '00', '-01', '0x10', 'NaN', 'Infinity', '1_000', '1.e5', '1..2', '--1', '1e5.5',
  `1${'0'.repeat(400)}`, `0.${'1'.repeat(30)}`, '1e-5', '-1E5', '0.0e+00', ...NUMBERS, ...RARE_NUMBERS,
]
const HALVES = [
  '\\ud800',
  '\\uDC00',
  '\\ud83dx',
  '\\ude00\\ud83d',
  '\\ud83d\\ude00\\ud83d',
  '\ud800',
  '\udfff',
  '\\ud8',
  '\\ud83d\\n',
]
const BAD_BYTES = [
  'ff',
  'c0af',
  'eda080',
  'eda0bdedb880',
  'f4908080',
  'f8888080',
  'e282',
  'f09f98',
  '80',
  'bf',
  'c3',
  'efbbbf',
  '00',
  'fe',
]
const WIDE_CHARACTERS = [...WIDE_PIECES, '\u00a0', '\u3000', '\u0301', '“', 'Ａ']

/** The text with one place found by the pattern made another; the text itself where there is none. */
function replaced(text: string, pattern: RegExp, random: Random, make: (found: string) => string): string {
  const found = [...text.matchAll(pattern)]
  const one = found[random(found.length || 1)]
  return one === undefined ? text : text.slice(0, one.index) + make(one[0]) + text.slice(one.index + one[0].length)
}

function inserted(text: string, random: Random, piece: string): string {
  const at = random(text.length + 1)
  return text.slice(0, at) + piece + text.slice(at)
}

/** Puts a piece into a text between quotes, if there is one. */
function insertedInText(text: string, random: Random, piece: string): string {
  return replaced(text, /"(?:[^"\\]|\\.)*"/g, random, (found) => `"${inserted(found.slice(1, -1), random, piece)}"`)
}

function escapedName(name: string, random: Random): string {
  if (name.length <= 2) return name
  const at = 1 + random(name.length - 2)
  const hex = name.charCodeAt(at).toString(16).padStart(4, '0')
  return `${name.slice(0, at)}\\u${random(2) === 0 ? hex : hex.toUpperCase()}${name.slice(at + 1)}`
}

function flipped(text: string, random: Random): Buffer {
  const bytes = Buffer.from(text)
  for (let count = 1 + random(3); count > 0; count--) {
    const at = random(bytes.length)
    bytes[at] = random(2) === 0 ? (bytes[at] ?? 0) ^ (1 << random(8)) : random(256)
  }
  return bytes
}

const FAULTS: readonly (readonly [name: string, make: (text: string, random: Random) => Line])[] = [
  [
    'a name twice',
    (text, random) => replaced(text, NAME, random, (name) => `${name}:${valueOf(random(8), random, true, 2)},${name}`),
  ],
  ['a name with an escape', (text, random) => replaced(text, NAME, random, (name) => escapedName(name, random))],
  [
    'a name twice, once with an escape',
    (text, random) => replaced(text, NAME, random, (name) => `${escapedName(name, random)} : ${random(99)} ,${name}`),
  ],
  ['an odd number', (text, random) => replaced(text, NUMBER, random, () => pick(ODD_NUMBERS, random))],
  ['half a character', (text, random) => insertedInText(text, random, pick(HALVES, random))],
  ['cut', (text, random) => (random(8) === 0 ? text.slice(random(text.length)) : text.slice(0, random(text.length)))],
  ['something behind', (text, random) => text + pick([' ', text, ',', '}', ']', '\u0000', ' x', '\u00a0', '\n'], random)],
  ['pieces', mutated],
  ['bytes flipped', flipped],
  [
    'invalid UTF-8',
    (text, random) => {
      const bytes = Buffer.from(text)
      const at = random(bytes.length + 1)
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(pick(BAD_BYTES, random), 'hex'), bytes.subarray(at)])
    },
  ],
  ['a wide character in a text', (text, random) => insertedInText(text, random, pick(WIDE_CHARACTERS, random))],
  ['a wide character anywhere', (text, random) => inserted(text, random, pick(WIDE_CHARACTERS, random))],
  ['a list of lines', (text, random) => `[${text}${random(2) === 0 ? '' : `,${pick([text, '1', '{}'], random)}`}]`],
]
export const FAULT_NAMES: readonly string[] = FAULTS.map(([name]) => name)

/** A line that differs from the text; of one kind of fault, and now and then of another one too. */
function faulty(text: string, random: Random): MadeLine {
  for (;;) {
    const [fault, make] = pick(FAULTS, random)
    const once = make(text, random)
    const line = typeof once === 'string' && random(4) === 0 ? pick(FAULTS, random)[1](once, random) : once
    if (typeof line === 'string' ? line !== text : !line.equals(Buffer.from(text))) return { line, fault }
  }
}

/**
 * Pairs of lines, the same for the same seed: first one that a program wrote, then the same with a fault. They come from one
 * program, from a few, or each from another one.
 */
export function* madeLines(seed: number, pairs: number): IterableIterator<MadeLine> {
  const random = randomFrom(Math.imul(seed, 0x9e3779b1))
  const programs = Array.from({ length: [1, 3, pairs][seed % 3] ?? 1 }, () => new Program(random))
  for (let count = 0; count < pairs; count++) {
    const text = pick(programs, random).line(random)
    yield { line: random(2) === 0 ? text : Buffer.from(text), fault: undefined }
    const { line, fault } = faulty(text, random)
    yield { line: typeof line === 'string' && random(2) === 0 ? Buffer.from(line) : line, fault }
  }
}
