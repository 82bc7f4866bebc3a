import { type Exact, isFields, isNumber, member, setMember, type Value } from '../values.ts'
import { numberOf } from './exact-number.ts'
import { scanFlatJson } from './flat-json.ts'
import { emptyIllFormed, mayHoldHalves } from './ill-formed-text.ts'
import { endOfString } from './json-string.ts'

/** What a JSON text holds, and whether a bigint or a number with its text is inside (then printing it costs more). */
export interface ParsedJson {
  readonly value: Value
  readonly exact: Exact
}

/** Deeper JSON is refused: Elasticsearch's own reader stops at 1,000 too, and printing recurses. */
export const JSON_DEPTH_MAX = 1_000

/**
 * Numbers that JavaScript may not print as they were written, or may not keep: 16 and more digits, a point, an exponent,
 * a minus zero. They stand after a name's quote, a comma or a bracket; a backslash before the quote makes it one of JSON
 * inside a text. An expression may hit inside a text: then only time is lost.
 */
const SOURCE_NUMBER = String.raw`(?:-?\d(?:\d{15}|\d*[.eE])|-0)`
const SOURCE_NUMBER_GUARD = new RegExp(String.raw`[:,[]\s*${SOURCE_NUMBER}`, 'g')

/**
 * Parses JSON without changing what it says: integers of any size stay exact (`bigint`), other numbers that
 * JavaScript would print differently keep their text (`SourceNumber`); `decimals`: all with a point or an exponent do, and
 * are decimals as those of Logstash's json filter. Of a name that comes twice the last one wins. A text that holds half a
 * character becomes empty.
 * @throws SyntaxError for text that is not JSON or is nested deeper than `JSON_DEPTH_MAX`
 */
export function parseJson(text: string, decimals = false): ParsedJson {
  // A text needs two characters a level, so short lines need not be measured.
  if (text.length > JSON_DEPTH_MAX * 2 && isTooDeep(text)) {
    throw new SyntaxError(`expected JSON nested at most ${JSON_DEPTH_MAX} levels deep`)
  }
  const value = JSON.parse(text) as Value
  if (mayHoldHalves(text)) return restoreNumbers(text, emptyIllFormed(value), decimals)
  const flat = isFields(value) ? scanFlatJson(text, value, decimals) : undefined
  return flat === undefined ? restoreNumbers(text, value, decimals) : { value, exact: flat }
}

function restoreNumbers(text: string, value: Value, decimals: boolean): ParsedJson {
  if (!mayHoldSourceNumber(text)) return { value, exact: false }
  const restorer = new NumberRestorer(text, decimals)
  const restored = restorer.restore(value)
  return { value: restored, exact: restorer.exact }
}

/** Whether a number may need its text. JSON inside a text (`{\\"id\\":12345678901234567890}`) does not count. */
function mayHoldSourceNumber(text: string): boolean {
  if (isNumberCode(text.trimStart().charCodeAt(0))) return true
  SOURCE_NUMBER_GUARD.lastIndex = 0
  for (let found = SOURCE_NUMBER_GUARD.exec(text); found !== null; found = SOURCE_NUMBER_GUARD.exec(text)) {
    const { index } = found
    const isAfterEscapedQuote =
      text.charCodeAt(index) === COLON && text.charCodeAt(index - 1) === QUOTE && text.charCodeAt(index - 2) === BACKSLASH
    // An even number of backslashes before the quote escapes nothing; the walk finds out.
    if (!isAfterEscapedQuote || text.charCodeAt(index - 3) === BACKSLASH) return true
  }
  return false
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

/**
 * The index after the object or list that begins at `start` (blanks before it are skipped), or -1 where none begins or
 * ends there. Looks at brackets and strings only, so what it finds still has to be parsed.
 */
export function endOfJson(text: string, start: number): number {
  let depth = 0
  for (let index = start; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === 0x7b || code === 0x5b) depth++
    else if (code === 0x7d || code === 0x5d) {
      if (--depth <= 0) return depth < 0 ? -1 : index + 1
    } else if (depth === 0) {
      if (!isBlank(code)) return -1
    } else if (code === QUOTE) {
      index = endOfString(text, index)
      if (index < 0) return -1
    }
  }
  return -1
}

function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d)
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c

/**
 * Walks a text that JSON.parse has accepted, beside the value it made of it, and puts the numbers that lost
 * something back. The walk checks nothing and looks at names only where a number has to be put back, so it costs
 * less than the parse (a reviver with source access: four times the parse).
 */
class NumberRestorer {
  exact = false
  readonly #text: string
  readonly #decimals: boolean
  /** By depth: where the name begins that the next value belongs to, or -1 - index inside a list. */
  readonly #steps: number[] = []
  #depth = -1
  /** By depth: the object or list there, found when a number first asks, so that each is looked up once. */
  readonly #holders: (Value | undefined)[] = []
  /** The deepest holder that is still the right one. */
  #held = 0

  constructor(text: string, decimals: boolean) {
    this.#text = text
    this.#decimals = decimals
  }

  /** Mends `root` in place; a root that is a number itself is returned anew. */
  restore(root: Value): Value {
    const text = this.#text
    this.#holders[0] = root
    let at = 0
    while (at < text.length) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) {
        const close = endOfString(text, at)
        // Names overwrite one another and a value's text is overwritten by the next name, so both may be noted.
        if (this.#depth >= 0 && (this.#steps[this.#depth] ?? 0) >= 0) this.#noteName(at, close)
        at = close + 1
      } else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
        const end = endOfNumber(text, at)
        if (this.#depth < 0) return this.#rootNumber(text.slice(at, end))
        // One that was put back may be that of an earlier member of the same name, whose value this one has in other digits.
        if (this.exact || mayNeedSource(text, at, end)) this.#restoreAt(text.slice(at, end))
        at = end
      } else {
        if (code === 0x7b) this.#steps[++this.#depth] = 0
        else if (code === 0x5b) this.#steps[++this.#depth] = -1
        else if (code === 0x7d || code === 0x5d) this.#depth--
        else if (code === COMMA && (this.#steps[this.#depth] ?? 0) < 0) this.#step((this.#steps[this.#depth] ?? 0) - 1)
        at++
      }
    }
    return root
  }

  #rootNumber(text: string): Value {
    const value = numberOf(text, this.#decimals)
    if (typeof value !== 'number') this.exact = true
    return value
  }

  #noteName(open: number, close: number): void {
    const next = this.#text.charCodeAt(close + 1)
    if (
      next === COLON ||
      (next <= 0x20 &&
        this.#text
          .slice(close + 1)
          .trimStart()
          .startsWith(':'))
    )
      this.#step(open)
  }

  /** The next value is another one: what was held below belongs to the last one. */
  #step(step: number): void {
    this.#steps[this.#depth] = step
    if (this.#held > this.#depth) this.#held = this.#depth
  }

  #restoreAt(text: string): void {
    for (; this.#held < this.#depth; this.#held++) {
      this.#holders[this.#held + 1] = this.#child(this.#holders[this.#held], this.#steps[this.#held] ?? 0)
    }
    const holder = this.#holders[this.#depth]
    const last = this.#steps[this.#depth] ?? 0
    const parsed = this.#child(holder, last)
    const value = numberOf(text, this.#decimals)
    // A name that comes twice keeps its last value only: another value than this text's is not ours to mend.
    if (typeof value !== 'number') this.exact = true
    if (!isNumber(parsed) || Number(parsed) !== Number(text) || value === parsed) return
    if (Array.isArray(holder)) holder[-1 - last] = value
    else if (isFields(holder)) setMember(holder, this.#nameAt(last), value)
  }

  #child(holder: Value | undefined, step: number): Value | undefined {
    if (step < 0) return Array.isArray(holder) ? holder[-1 - step] : undefined
    return isFields(holder) ? member(holder, this.#nameAt(step)) : undefined
  }

  #nameAt(open: number): string {
    const raw = this.#text.slice(open + 1, endOfString(this.#text, open))
    return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw
  }
}

function endOfNumber(text: string, start: number): number {
  let at = start + 1
  while (isNumberCode(text.charCodeAt(at))) at++
  return at
}

/** Short whole numbers are what they are; the others are looked at closely. */
function mayNeedSource(text: string, start: number, end: number): boolean {
  if (end - start >= 16) return true
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x2e || code === 0x65 || code === 0x45) return true
  }
  return text.charCodeAt(start) === 0x2d
}

function isNumberCode(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x2d || code === 0x2b || code === 0x65 || code === 0x45
}
