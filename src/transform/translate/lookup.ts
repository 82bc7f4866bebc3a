import type { GuardedRegex, RegexLimits } from '../../core/regex/guard.ts'
import { guardedRegex } from '../../core/regex/guard.ts'
import { cloneValue, type Value } from '../../core/values.ts'
import { rubyText } from '../ruby-text.ts'

/** Texts and what they are translated to, in their order. */
export type Dictionary = ReadonlyMap<string, Value>

/** The translation of a text, the caller's own to change; `undefined` where there is none. */
export type Lookup = (text: string) => Value | undefined

/** The text as a whole is an entry. */
export function exactLookup(dictionary: Dictionary): Lookup {
  return (text) => {
    const value = dictionary.get(text)
    return value === undefined ? undefined : cloneValue(value)
  }
}

/**
 * The first entry whose regular expression matches somewhere in the text.
 * @throws MillraceError REGEX_INVALID, and later REGEX_TIMEOUT from the look-up
 */
export function regexLookup(dictionary: Dictionary, limits: RegexLimits): Lookup {
  const rules = Array.from(dictionary, ([source, value]): [GuardedRegex, Value] => [guardedRegex(source, '', limits), value])
  return (text) => {
    for (const [regex, value] of rules) if (regex.test(text)) return cloneValue(value)
    return undefined
  }
}

/** Entries wherever they are part of the text, each replaced; of those that begin at one place the first of the dictionary. */
export function partsLookup(dictionary: Dictionary): Lookup {
  const order = new Map(Array.from(dictionary.keys(), (key, index) => [key, index]))
  const empty = dictionary.get('')
  const lengths = lengthsByFirst(dictionary)
  const entryAt = (text: string, at: number): string | undefined => {
    let found = empty === undefined ? undefined : ''
    for (const length of lengths.get(text.charCodeAt(at)) ?? []) {
      const part = text.slice(at, at + length)
      const rank = part.length === length ? order.get(part) : undefined
      if (rank !== undefined && (found === undefined || rank < (order.get(found) ?? 0))) found = part
    }
    return found
  }
  return (text) => {
    let translated = ''
    let at = 0
    while (at <= text.length) {
      const entry = entryAt(text, at)
      if (entry !== undefined) translated += rubyText(dictionary.get(entry) ?? null)
      if (entry === undefined || entry === '') translated += text.slice(at, at + 1)
      at += entry === undefined || entry === '' ? 1 : entry.length
    }
    return translated === text ? undefined : translated
  }
}

/** The different lengths of the entries that begin with a letter. */
function lengthsByFirst(dictionary: Dictionary): ReadonlyMap<number, readonly number[]> {
  const lengths = new Map<number, number[]>()
  for (const key of dictionary.keys()) {
    if (key === '') continue
    const first = key.charCodeAt(0)
    const known = lengths.get(first)
    if (known === undefined) lengths.set(first, [key.length])
    else if (!known.includes(key.length)) known.push(key.length)
  }
  return lengths
}
