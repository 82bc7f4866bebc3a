import type { Event } from '../../core/event.ts'
import type { FieldRef } from '../../core/field-ref.ts'
import { guardedRegex, type RegexLimits } from '../../core/regex/guard.ts'
import type { Template } from '../../core/template.ts'
import type { Value } from '../../core/values.ts'

export interface Substitution {
  readonly ref: FieldRef
  readonly pattern: Template
  readonly replacement: Template
}

/** Replaces in one text. */
type Replace = (text: string) => string

/**
 * One triple of the option `gsub`. Pattern and replacement are compiled at load where they hold no `%{field}`.
 * Texts and the texts in lists are changed; other values stay.
 * @throws MillraceError REGEX_INVALID for a pattern that is none, at load or (with `%{field}`) by event; REGEX_TIMEOUT by event
 */
export function compileGsub({ ref, pattern, replacement }: Substitution, limits: RegexLimits): (event: Event) => void {
  const replaceOf = compileReplace(pattern, replacement, limits)
  return (event) => {
    const value = event.get(ref)
    if (typeof value === 'string') {
      const replaced = replaceOf(event)(value)
      if (replaced !== value) event.set(ref, replaced)
    } else if (Array.isArray(value)) {
      const replace = replaceOf(event)
      event.set(
        ref,
        value.map((item): Value => (typeof item === 'string' ? replace(item) : item)),
      )
    }
  }
}

function compileReplace(pattern: Template, replacement: Template, limits: RegexLimits): (event: Event) => Replace {
  if (pattern.constant === undefined || replacement.constant === undefined) {
    return (event) => replacer(pattern.format(event), replacement.format(event), limits)
  }
  const replace = replacer(pattern.constant, replacement.constant, limits)
  return () => replace
}

function replacer(pattern: string, replacement: string, limits: RegexLimits): Replace {
  const regex = guardedRegex(pattern, 'g', limits)
  if (!replacement.includes('\\')) {
    // A `$` means nothing in Ruby's replacements and must not begin to.
    const literal = replacement.replaceAll('$', '$$$$')
    return (text) => regex.replace(text, literal)
  }
  const pieces = parseReplacement(replacement)
  return (text) => regex.replace(text, (...found) => pieces.map((piece) => piece(found)).join(''))
}

/** What String.replace hands over: the match, the numbered groups, the place, the whole text, the named groups if any. */
type Found = readonly unknown[]
type Piece = (found: Found) => string

/** Ruby's replacements: `\0` and `\&` the match, `\1` to `\9`, `\k<name>`, `` \` `` and `\'` around it, `\\` a backslash. */
function parseReplacement(text: string): Piece[] {
  const pieces: Piece[] = []
  let at = 0
  for (const match of text.matchAll(/\\(?:k<([^>]+)>|([0-9&`'\\]))/g)) {
    const before = text.slice(at, match.index)
    if (before.length > 0) pieces.push(() => before)
    pieces.push(match[1] === undefined ? escapePiece(match[2] ?? '') : namedPiece(match[1]))
    at = match.index + match[0].length
  }
  const rest = text.slice(at)
  if (rest.length > 0) pieces.push(() => rest)
  return pieces
}

function escapePiece(char: string): Piece {
  if (char === '\\') return () => '\\'
  if (char === '0' || char === '&') return (found) => textAt(found, 0)
  if (char === '`') return (found) => wholeText(found).slice(0, placeOf(found))
  if (char === "'") return (found) => wholeText(found).slice(placeOf(found) + textAt(found, 0).length)
  const group = Number(char)
  // Where groups have names, Logstash finds nothing under their numbers.
  return (found) => (namedGroups(found) === undefined && group < numberOfGroups(found) ? textAt(found, group) : '')
}

function namedPiece(name: string): Piece {
  return (found) => {
    const groups = namedGroups(found)
    return groups !== undefined && Object.hasOwn(groups, name) ? (groups[name] ?? '') : ''
  }
}

function namedGroups(found: Found): { readonly [name: string]: string | undefined } | undefined {
  const last = found[found.length - 1]
  return typeof last === 'object' && last !== null ? (last as { [name: string]: string | undefined }) : undefined
}

/** The match itself counts as one. */
function numberOfGroups(found: Found): number {
  return found.findIndex((item) => typeof item === 'number')
}

function placeOf(found: Found): number {
  return found[numberOfGroups(found)] as number
}

function wholeText(found: Found): string {
  return textAt(found, numberOfGroups(found) + 1)
}

function textAt(found: Found, index: number): string {
  const text = found[index]
  return typeof text === 'string' ? text : ''
}
