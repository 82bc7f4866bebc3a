import type { AsciiSet } from './char-class.ts'

/** Takes a pair that was found. The value is empty where there is none. */
type TakePair = (key: string, value: string) => void

/** Finds all pairs of a text, in their order. */
export type ScanPairs = (text: string, take: TakePair) => void

export interface ScanSettings {
  /** What ends a field. */
  readonly field_split: AsciiSet
  /** What stands between a key and its value. */
  readonly value_split: AsciiSet
  readonly include_brackets: boolean
  /** Blanks around what stands between do not count. */
  readonly isLenient: boolean
}

const BACKSLASH = 0x5c
const BLANK = 0x20
const LINE_FEED = 0x0a

/**
 * Finds pairs by hand, exactly as Logstash's regular expression does with all of its backtracking, but in a time that grows
 * with the length of the text and no faster:
 *
 *     key = as many as there are of: a backslash and any character, or a character that splits nothing
 *     then what splits, then a quoted value that a field's end follows, or else all up to the field's end
 *
 * An escape that leaves nothing to be found is taken back, from the last to the first.
 */
export function compileScan(settings: ScanSettings): ScanPairs {
  const rules = new Rules(settings)
  return (text, take) => {
    const ends = text.includes('\\') ? new EscapedEnds(text, rules) : new PlainEnds(text, rules)
    for (let at = 0; at < text.length; ) {
      const end = ends.ofKey(at)
      if (end < 0) {
        at = ends.nextKey(at)
        continue
      }
      const start = rules.valueStart(text, end)
      const close = rules.closing[text.charCodeAt(start)] ?? 0
      let stop = close === 0 ? -1 : ends.ofQuoted(start + 1, close)
      if (stop >= 0) {
        take(text.slice(at, end), text.slice(start + 1, stop))
        stop++
      } else {
        stop = ends.ofValue(start)
        take(text.slice(at, end), text.slice(start, stop))
      }
      at = stop < text.length && contains(rules.field_split, text.charCodeAt(stop)) ? stop + 1 : stop
    }
  }
}

const ASCII = 128

class Rules {
  readonly field_split: AsciiSet
  readonly key_end: AsciiSet
  /** The closing quote for each opening one, 0 for what is none. */
  readonly closing: Uint8Array
  readonly #value_split: AsciiSet
  readonly #isLenient: boolean

  constructor({ field_split, value_split, include_brackets, isLenient }: ScanSettings) {
    this.field_split = field_split
    this.key_end = field_split.map((is, code) => (is === 1 || value_split[code] === 1 ? 1 : 0))
    this.closing = new Uint8Array(ASCII)
    for (const pair of include_brackets ? ['""', "''", '()', '[]', '<>'] : ['""', "''"]) {
      this.closing[pair.charCodeAt(0)] = pair.charCodeAt(1)
    }
    this.#value_split = value_split
    this.#isLenient = isLenient
  }

  /** Where the value begins that belongs to a key which ends there; -1 where it is no end of a key. */
  valueStart(text: string, at: number): number {
    let start = at
    if (this.#isLenient) while (text.charCodeAt(start) === BLANK) start++
    if (start >= text.length || !contains(this.#value_split, text.charCodeAt(start))) return -1
    start++
    if (this.#isLenient) while (text.charCodeAt(start) === BLANK) start++
    return start
  }

  /** Whether a quoted value may end before there. */
  isFieldEnd(text: string, at: number): boolean {
    if (at >= text.length) return true
    const code = text.charCodeAt(at)
    return code === LINE_FEED || contains(this.field_split, code)
  }
}

/** Finds where things end in one text. Each is -1 where there is no such end. */
interface Ends {
  ofKey(start: number): number
  /** Where a key may begin after none was found at `start`. */
  nextKey(start: number): number
  ofQuoted(start: number, close: number): number
  ofValue(start: number): number
}

/** In a text without a backslash: every run has one end. */
class PlainEnds implements Ends {
  readonly #text: string
  readonly #rules: Rules
  #key_end = -1
  /** The next place of each closing quote. */
  #closes: Map<number, number> | undefined

  constructor(text: string, rules: Rules) {
    this.#text = text
    this.#rules = rules
  }

  ofKey(start: number): number {
    const end = runEnd(this.#text, start, this.#rules.key_end)
    this.#key_end = end
    return end > start && this.#rules.valueStart(this.#text, end) >= 0 ? end : -1
  }

  nextKey(): number {
    return this.#key_end + 1
  }

  ofQuoted(start: number, close: number): number {
    this.#closes ??= new Map()
    let end = this.#closes.get(close) ?? -1
    if (end < start) {
      end = this.#text.indexOf(String.fromCharCode(close), start)
      if (end < 0) end = this.#text.length
      this.#closes.set(close, end)
    }
    return end < this.#text.length && this.#rules.isFieldEnd(this.#text, end + 1) ? end : -1
  }

  ofValue(start: number): number {
    return runEnd(this.#text, start, this.#rules.field_split)
  }
}

function runEnd(text: string, start: number, stops: AsciiSet): number {
  let at = start
  while (at < text.length && !contains(stops, text.charCodeAt(at))) at++
  return at
}

/** In a text with escapes, any of which may be taken back. */
class EscapedEnds implements Ends {
  readonly #text: string
  readonly #rules: Rules
  readonly #keys: RunSearch
  readonly #values: RunSearch
  readonly #quoted = new Map<number, RunSearch>()

  constructor(text: string, rules: Rules) {
    this.#text = text
    this.#rules = rules
    this.#keys = new RunSearch(text, rules.key_end, (at) => rules.valueStart(text, at) >= 0)
    this.#values = new RunSearch(text, rules.field_split, () => true)
  }

  ofKey(start: number): number {
    return this.#keys.find(start, 1)
  }

  nextKey(start: number): number {
    return this.#keys.nextStart(start)
  }

  ofQuoted(start: number, close: number): number {
    let search = this.#quoted.get(close)
    if (search === undefined) {
      const [text, rules] = [this.#text, this.#rules]
      search = new RunSearch(text, setOf(close), (at) => text.charCodeAt(at) === close && rules.isFieldEnd(text, at + 1))
      this.#quoted.set(close, search)
    }
    return search.find(start, 0)
  }

  ofValue(start: number): number {
    return this.#values.find(start, 0)
  }
}

function contains(set: AsciiSet, code: number): boolean {
  return code < ASCII && set[code] === 1
}

function setOf(code: number): AsciiSet {
  const set = new Uint8Array(ASCII)
  set[code] = 1
  return set
}

/**
 * Looks for ends of runs in one text: of characters outside of a set, with escapes. Remembers from where no end can be
 * reached, so that the whole of a text is looked at twice at most.
 */
class RunSearch {
  readonly #text: string
  readonly #stops: AsciiSet
  readonly #isEnd: (at: number) => boolean
  /** Places from which the search has failed, or that a run that was found lies behind. */
  #failed: Uint8Array | undefined
  /** The last run without an escape, and its end: what begins inside it ends there too. */
  #plain_start = 0
  #plain_end = -1

  constructor(text: string, stops: AsciiSet, isEnd: (at: number) => boolean) {
    this.#text = text
    this.#stops = stops
    this.#isEnd = isEnd
  }

  /** The end of the longest run from `start` that is one, or the next best; -1 for none. Shorter than `least` is none. */
  find(start: number, least: number): number {
    if (start >= this.#plain_start && start < this.#plain_end) return -1
    const escapes: number[] = []
    const end = this.#run(start, escapes)
    if (end - start >= least && this.#isEnd(end)) return end
    if (escapes.length === 0) {
      if (end >= 0) [this.#plain_start, this.#plain_end] = [start, end]
      return -1
    }
    this.#failed ??= new Uint8Array(this.#text.length + 1)
    for (let escape = escapes.pop(); escape !== undefined; escape = escapes.pop()) {
      // The backslash alone: as a plain character, or where it splits as the end.
      const isStop = contains(this.#stops, BACKSLASH)
      const next = isStop ? escape : this.#run(escape + 1, escapes)
      if (next - start >= least && this.#isEnd(next)) return next
    }
    return -1
  }

  /** Where a run may begin after none was found at `start`. */
  nextStart(start: number): number {
    return start < this.#plain_end ? this.#plain_end : start + 1
  }

  /** The end of the run from there, -1 where that is known to fail; the escapes on the way are appended. */
  #run(start: number, escapes: number[]): number {
    const text = this.#text
    const failed = this.#failed
    for (let at = start; ; at++) {
      if (failed !== undefined) {
        if (failed[at] === 1) return -1
        failed[at] = 1
      }
      if (at >= text.length) return text.length
      const code = text.charCodeAt(at)
      if (code === BACKSLASH && at + 1 < text.length && text.charCodeAt(at + 1) !== LINE_FEED) {
        escapes.push(at)
        at++
      } else if (contains(this.#stops, code)) return at
    }
  }
}
