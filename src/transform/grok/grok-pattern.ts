import type { Event } from '../../core/event.ts'
import { type FieldRef, isFieldRef, parseFieldRef } from '../../core/field-ref.ts'
import { assertRubyRegex, textRequiredBy } from '../../core/regex/regex.ts'
import type { Value } from '../../core/values.ts'
import { type Capture, Expander } from '../../grok/expand.ts'
import type { KnownPatterns } from '../../grok/pattern-sets.ts'
import { floatOf, integerOf } from '../mutate/convert.ts'
import { compileSearch, type Search } from './searcher.ts'

export interface GrokSettings {
  readonly patterns: KnownPatterns
  readonly named_captures_only: boolean
  readonly keep_empty_captures: boolean
  /** As in the option: fields that are replaced instead of becoming lists. */
  readonly overwrite: readonly string[]
  readonly target: string | undefined
}

interface Setter {
  readonly name: string
  /** `undefined` where the name is no field reference: then nothing can be set. */
  readonly ref: FieldRef | undefined
  readonly overwrites: boolean
  readonly convert: ((text: string) => Value) | undefined
  /** Numbers of the groups `g0`, `g1`… */
  readonly groups: readonly number[]
}

/** One pattern of a grok filter: finds it in a text, and sets what it captured. */
export class GrokPattern {
  /** As the user wrote it. */
  readonly text: string
  readonly #source: string
  readonly #setters: readonly Setter[]
  readonly #keep_empty: boolean
  #required: string | undefined
  #search: Search | undefined

  /**
   * What the user wrote of the regular expression is read here; all of it is compiled when first used, which takes far longer.
   * @throws MillraceError REGEX_INVALID
   */
  constructor(text: string, settings: GrokSettings) {
    this.text = text
    const { source, outline, captures } = new Expander(settings.patterns, settings.named_captures_only).expand(text)
    this.#source = source
    assertRubyRegex(outline, 'm')
    this.#setters = captures.map((capture) => setterOf(capture, settings))
    this.#keep_empty = settings.keep_empty_captures
  }

  /** The fields that a match may set. */
  get fields(): readonly FieldRef[] {
    return this.#setters.flatMap(({ ref }) => ref ?? [])
  }

  /** Compiles what a search in this text needs: to be called before, outside of the limit. */
  makeReadyFor(text: string): void {
    if (this.#search !== undefined) return
    this.#required ??= textRequiredBy(this.#source, 'm')
    if (text.includes(this.#required)) this.#search = compileSearch(this.#source)
  }

  /** May take very long: to be run under a limit. */
  exec(text: string): RegExpExecArray | null {
    if (this.#search === undefined || !text.includes(this.#required ?? '')) return null
    return this.#search(text)
  }

  /** @throws MillraceError FIELD_NOT_SETTABLE, FIELD_REFERENCE_INVALID; what was set before stays */
  apply(event: Event, match: RegExpExecArray): void {
    const named = match.groups
    for (const { name, ref, overwrites, convert, groups } of this.#setters) {
      for (const group of groups) {
        const text = (named === undefined ? match[group + 1] : named[`g${group}`]) ?? null
        const value = text === null || convert === undefined ? text : convert(text)
        if ((value === null || value === '') && !this.#keep_empty) continue
        set(event, ref ?? parseFieldRef(name), value, overwrites)
      }
    }
  }
}

function set(event: Event, ref: FieldRef, value: Value, overwrites: boolean): void {
  const present = overwrites ? null : (event.get(ref) ?? null)
  if (present === null) event.set(ref, value)
  else if (Array.isArray(present)) event.set(ref, [...present, value])
  else if (typeof present === 'string') event.set(ref, [present, value])
}

function setterOf({ field, conversion, groups }: Capture, { overwrite, target }: GrokSettings): Setter {
  const name = target === undefined ? field : inside(target) + inside(field)
  return {
    name,
    ref: isFieldRef(name) ? parseFieldRef(name) : undefined,
    overwrites: overwrite.includes(field) || overwrite.includes(name),
    convert: conversion === undefined ? undefined : CONVERSIONS[conversion],
    groups,
  }
}

function inside(name: string): string {
  return name.startsWith('[') ? name : `[${name}]`
}

/** More digits than any number in a log; longer ones stay text. */
const DIGITS_MAX = 1_000

/** As Ruby's `to_i` and `to_f`: the number that a text begins with, 0 where it begins with none. */
const CONVERSIONS: { readonly [name in 'int' | 'float']: (text: string) => Value } = {
  int: (text) => {
    const digits = /^\s*([+-]?\d+(?:_\d+)*)/.exec(text)?.[1]?.replaceAll('_', '') ?? '0'
    return digits.length > DIGITS_MAX ? text : digits.length < 16 ? Number(digits) : integerOf(BigInt(digits))
  },
  float: (text) => {
    const number = /^\s*([+-]?(?:\d+(?:_\d+)*(?:\.\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+)?)/.exec(text)?.[1] ?? '0'
    return floatOf(Number(number.replaceAll('_', '')))
  },
}
