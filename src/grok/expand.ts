import { MillraceError } from '../core/errors.ts'
import type { Patterns } from './pattern-sets.ts'

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
  /** In the order in which the fields are set. */
  readonly captures: readonly Capture[]
}

/** Puts what they stand for in the place of `%{NAME}`, `%{NAME:field}`, `%{NAME:field:int}` and `%{NAME=definition}`. */
export class Expander {
  readonly #patterns: Map<string, string>
  readonly #named_only: boolean
  readonly #groups: string[] = []
  readonly #open: string[] = []

  /** @param named_only references without a field capture nothing; else they capture under the name of the pattern */
  constructor(patterns: Patterns, named_only: boolean) {
    this.#patterns = new Map(patterns)
    this.#named_only = named_only
  }

  /** @throws MillraceError REGEX_INVALID for a pattern that is not there, or that holds itself */
  expand(pattern: string): Expanded {
    const source = this.#expand(pattern)
    return { source, captures: capturesOf(this.#groups) }
  }

  #expand(text: string): string {
    let expanded = ''
    let at = 0
    for (let found = nextReference(text, 0); found !== undefined; found = nextReference(text, found.end)) {
      expanded += this.#renameGroups(text.slice(at, found.start)) + this.#reference(found)
      at = found.end
    }
    return expanded + this.#renameGroups(text.slice(at))
  }

  #reference({ written, name, field, definition }: Reference): string {
    if (definition !== undefined) this.#patterns.set(name, definition)
    const pattern = this.#patterns.get(name)
    if (pattern === undefined) throw new MillraceError('REGEX_INVALID', `pattern ${written} not defined`)
    if (this.#open.includes(name)) throw new MillraceError('REGEX_INVALID', `the pattern %{${name}} holds itself`)
    const captures = field !== undefined || !this.#named_only
    const group = captures ? this.#addGroup(field === undefined ? name : `${name}:${field}`) : undefined
    this.#open.push(name)
    const inside = this.#expand(pattern)
    this.#open.pop()
    return group === undefined ? `(?:${inside})` : `(?<${group}>${inside})`
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
