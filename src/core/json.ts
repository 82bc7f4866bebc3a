import { type Fields, isFields, member, SourceNumber, setMember, type Value } from './values.ts'

/** What a JSON text holds, and whether a bigint is inside (then printing it costs more). */
export interface ParsedJson {
  readonly value: Value
  readonly exact: boolean
}

/** Deeper JSON is refused: Elasticsearch's own reader stops at 1,000 too, and printing recurses. */
export const JSON_DEPTH_MAX = 1_000

/**
 * Numbers that JavaScript would not print as they were written, or would not keep: 16 and more digits,
 * a trailing zero after the point, an exponent, a minus zero, very small or very precise decimals.
 * It may hit inside a string (then only time is lost) and costs 0.3 us on a 400 B line.
 */
const SOURCE_NUMBER_GUARD = /[:,[]\s*-?(?:\d{16}|\d+\.(?:\d*0(?!\d)|\d{12}|00000)|\d+(?:\.\d+)?[eE])|[:,[]\s*-0(?![.\d])|^\s*-?\d/

/**
 * Parses JSON without changing what it says: integers of any size stay exact (`bigint`), other numbers that
 * JavaScript would print differently keep their text (`SourceNumber`). Of a name that comes twice the last one wins.
 * @throws SyntaxError for text that is not JSON or is nested deeper than `JSON_DEPTH_MAX`
 */
export function parseJson(text: string): ParsedJson {
  // A text needs two characters a level, so short lines need not be measured.
  if (text.length > JSON_DEPTH_MAX * 2 && isTooDeep(text)) {
    throw new SyntaxError(`expected JSON nested at most ${JSON_DEPTH_MAX} levels deep`)
  }
  const value = JSON.parse(text) as Value
  if (!SOURCE_NUMBER_GUARD.test(text)) return { value, exact: false }
  const restorer = new NumberRestorer(text)
  const restored = restorer.restore(value)
  return { value: restored, exact: restorer.exact }
}

function isTooDeep(text: string): boolean {
  let depth = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) {
      index = endOfString(text, index)
      if (index < 0) return false
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > JSON_DEPTH_MAX) return true
    } else if (code === 0x7d || code === 0x5d) {
      depth--
    }
  }
  return false
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** The index of the quote that closes the string opened at `open`, or -1. */
function endOfString(text: string, open: number): number {
  let close = text.indexOf('"', open + 1)
  while (close > 0 && text.charCodeAt(close - 1) === BACKSLASH) {
    let backslashes = 1
    while (text.charCodeAt(close - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) break
    close = text.indexOf('"', close + 1)
  }
  return close
}

/**
 * Walks a text that JSON.parse has accepted, beside the value it made of it, and puts the numbers that lost
 * something back. Walking needs no checks, so it costs about as much as the parse (a reviver: four times).
 */
class NumberRestorer {
  exact = false
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  restore(value: Value): Value {
    return this.#value(value) ?? value
  }

  /** Steps over one value. Returns its replacement, or `undefined` where the parsed one is right. */
  #value(parsed: Value | undefined): Value | undefined {
    this.#blanks()
    const code = this.#text.charCodeAt(this.#at)
    if (code === QUOTE) {
      this.#at = endOfString(this.#text, this.#at) + 1
      return undefined
    }
    if (code === 0x7b) {
      this.#object(isFields(parsed) ? parsed : {})
      return undefined
    }
    if (code === 0x5b) {
      this.#list(Array.isArray(parsed) ? parsed : [])
      return undefined
    }
    if (code === 0x2d || (code >= 0x30 && code <= 0x39)) return this.#number(parsed)
    this.#at += code === 0x66 ? 5 : 4 // false, or true and null
    return undefined
  }

  #object(parsed: Fields): void {
    this.#at++
    for (;;) {
      this.#blanks()
      if (this.#text.charCodeAt(this.#at) === 0x7d) break
      if (this.#text.charCodeAt(this.#at) === 0x2c) {
        this.#at++
        this.#blanks()
      }
      const open = this.#at
      const close = endOfString(this.#text, open)
      const raw = this.#text.slice(open + 1, close)
      const name = raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw
      this.#at = this.#text.indexOf(':', close) + 1
      const replacement = this.#value(member(parsed, name))
      if (replacement !== undefined) setMember(parsed, name, replacement)
    }
    this.#at++
  }

  #list(parsed: Value[]): void {
    this.#at++
    for (let index = 0; ; index++) {
      this.#blanks()
      const code = this.#text.charCodeAt(this.#at)
      if (code === 0x5d) break
      if (code === 0x2c) this.#at++
      const replacement = this.#value(parsed[index])
      if (replacement !== undefined && index < parsed.length) parsed[index] = replacement
    }
    this.#at++
  }

  #number(parsed: Value | undefined): Value | undefined {
    const start = this.#at
    while (isNumberCode(this.#text.charCodeAt(this.#at))) this.#at++
    const text = this.#text.slice(start, this.#at)
    // A name that comes twice keeps its last value only: another value than this text's is not ours to mend.
    if (Number(parsed) !== Number(text)) return undefined
    const value = numberOf(text)
    if (typeof value === 'bigint') this.exact = true
    return value
  }

  #blanks(): void {
    while (this.#text.charCodeAt(this.#at) <= 0x20) this.#at++
  }
}

function isNumberCode(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x2d || code === 0x2b || code === 0x65 || code === 0x45
}

/** The value of a JSON number's text: exact, and printing as it was written. */
export function numberOf(text: string): number | bigint | SourceNumber {
  const value = Number(text)
  if (text === '-0') return 0
  if (String(value) === text && (Number.isSafeInteger(value) || !Number.isInteger(value))) return value
  return /^-?\d+$/.test(text) ? BigInt(text) : new SourceNumber(text)
}
