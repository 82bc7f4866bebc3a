import { MillraceError } from '../core/errors.ts'
import type { KnownPatterns, Patterns } from './pattern-sets.ts'

/** What is made of the text of some groups. */
export interface Capture {
  readonly field: string
  readonly conversion: 'int' | 'float' | undefined
  /** Numbers of the groups `g0`, `g1`… in the order of the pattern. */
  readonly groups: readonly number[]
}

export interface Expanded {
  /** In Ruby's syntax. Every group that captures is called `g` and its number, for the names of fields are no names of groups. */
  readonly source: string
  /**
   * As `source`, without what the program's own patterns stand for: sound where `source` is, for those are, and read in a
   * tenth of the time.
   */
  readonly outline: string
  /** In the order in which the fields are set. */
  readonly captures: readonly Capture[]
}

/** Puts what they stand for in the place of `%{NAME}`, `%{NAME:field}`, `%{NAME:field:int}` and `%{NAME=definition}`. */
export class Expander {
  readonly #builtIn: Patterns
  readonly #own: Map<string, string>
  readonly #named_only: boolean
  readonly #groups: string[] = []
  readonly #open: string[] = []

  /** @param named_only references without a field capture nothing; else they capture under the name of the pattern */
  constructor({ builtIn, own }: KnownPatterns, named_only: boolean) {
    this.#builtIn = builtIn
    this.#own = new Map(own)
    this.#named_only = named_only
  }

  /** @throws MillraceError REGEX_INVALID for a pattern that is not there, or that holds itself */
  expand(pattern: string): Expanded {
    const { source, outline } = this.#expand(pattern)
    return { source, outline: looksInside(pattern) ? source : outline, captures: capturesOf(this.#groups) }
  }

  #expand(text: string): Expansion {
    let source = ''
    let outline = ''
    let is_ours = true
    let at = 0
    for (let found = nextReference(text, 0); found !== undefined; found = nextReference(text, found.end)) {
      const before = this.#renameGroups(text.slice(at, found.start))
      const inside = this.#reference(found)
      source += before + inside.source
      outline += before + inside.outline
      is_ours &&= inside.is_ours
      at = found.end
    }
    const rest = this.#renameGroups(text.slice(at))
    return { source: source + rest, outline: outline + rest, is_ours }
  }

  #reference({ written, name, field, definition }: Reference): Expansion {
    if (definition !== undefined) this.#own.set(name, definition)
    const own = this.#own.get(name)
    const pattern = own ?? this.#builtIn.get(name)
    if (pattern === undefined) throw new MillraceError('REGEX_INVALID', `pattern ${written} not defined`)
    if (this.#open.includes(name)) throw new MillraceError('REGEX_INVALID', `the pattern %{${name}} holds itself`)
    const captures = field !== undefined || !this.#named_only
    const group = captures ? this.#addGroup(field === undefined ? name : `${name}:${field}`) : undefined
    this.#open.push(name)
    const inside = this.#expand(pattern)
    this.#open.pop()
    const opening = group === undefined ? '(?:' : `(?<${group}>`
    const is_ours = own === undefined && inside.is_ours
    return { source: `${opening}${inside.source})`, outline: `${opening}${is_ours ? '' : inside.outline})`, is_ours }
  }

  #addGroup(name: string): string {
    this.#groups.push(name)
    return `g${this.#groups.length - 1}`
  }

  /** `(?<[a][b]>…)` captures the field `[a][b]`; `\k<…>` means the last group of that name. */
  #renameGroups(text: string): string {
    return text.replace(NAMED_GROUP, (all, opened?: string, quoted?: string, called?: string) => {
      const name = opened ?? quoted
      if (name !== undefined) return `(?<${this.#addGroup(name)}>`
      const known = called === undefined ? -1 : this.#groups.lastIndexOf(called)
      return known < 0 ? all : `\\${all.charAt(1)}<g${known}>`
    })
  }
}

interface Expansion extends Pick<Expanded, 'source' | 'outline'> {
  /** Whether nothing in it is the user's. */
  readonly is_ours: boolean
}

/** Whether soundness also rests on what references stand for: in brackets, behind a look-behind, called by name or number. */
function looksInside(pattern: string): boolean {
  return /\\[kg\d]|\(\?<[=!]|\[[^\]]*%\{/.test(pattern.replace(/\\[^kg\d]/g, ''))
}

const NAMED_GROUP = /\(\?<(?![=!])([^>]+)>|\(\?'([^']+)'|\\[kg]<([^>]+)>|\\[\s\S]/g

interface Reference {
  readonly written: string
  readonly start: number
  readonly end: number
  readonly name: string
  readonly field: string | undefined
  readonly definition: string | undefined
}

/** As Logstash reads them: what stands behind the name and the field up to the brace is passed over. */
const REFERENCE = /%\{(?<name>[\w[\\\]^`]+)(?::(?<field>[@[\\\]^`\w:.-]+))?/g

function nextReference(text: string, from: number): Reference | undefined {
  REFERENCE.lastIndex = from
  for (let found = REFERENCE.exec(text); found !== null; found = REFERENCE.exec(text)) {
    const behind = found.index + found[0].length
    const close = text[behind] === '=' ? endOfDefinition(text, behind + 1) : -1
    const brace = close < 0 ? text.indexOf('}', behind) : close
    if (brace < 0) continue
    return {
      written: text.slice(found.index, brace + 1),
      start: found.index,
      end: brace + 1,
      name: found.groups?.['name'] ?? '',
      field: found.groups?.['field'],
      definition: close < 0 ? undefined : text.slice(behind + 1, close),
    }
  }
  return undefined
}

/** The place of the brace that closes a reference with a definition, whose own braces are in pairs; -1 where there is none. */
function endOfDefinition(text: string, from: number): number {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const char = text[at]
    if (char === '\\') at++
    else if (char === '{') depth++
    else if (char === '}' && depth-- === 0) return at > from ? at : -1
  }
  return -1
}

/** Groups of one name come together, where the first of them is; names are `PATTERN`, `PATTERN:field` or `PATTERN:field:int`. */
function capturesOf(groups: readonly string[]): Capture[] {
  const byName = new Map<string, number[]>()
  for (const [group, name] of groups.entries()) {
    const same = byName.get(name)
    if (same === undefined) byName.set(name, [group])
    else same.push(group)
  }
  return [...byName].map(([name, numbers]) => {
    const [pattern = '', field = pattern, conversion] = name.split(':')
    return { field, conversion: conversion === 'int' || conversion === 'float' ? conversion : undefined, groups: numbers }
  })
}
