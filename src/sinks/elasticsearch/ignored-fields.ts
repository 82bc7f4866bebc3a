import { type Fields, isFields, member, setMember, stringify, type Value } from '../../core/values.ts'
import type { AsideReason } from './refused-field.ts'

/** The field that holds what was set aside, as texts. */
export const IGNORED_FIELDS = '_ignored_fields'

/**
 *     flattened   {"_ignored_fields":{"duration":"a while","host.name":["a","b"]}}
 *     list        {"_ignored_fields":["duration=a while","host.name=[\"a\",\"b\"]"]}
 *
 * The first where the index maps the field so. The second is one more field wherever it goes: a map would be many.
 */
export type AsideForm = 'flattened' | 'list'

/** Longer texts are cut into several: a keyword takes 32,766 bytes, and a character is three at most for each UTF-16 unit. */
const PIECE_LENGTH_MAX = 8_000
/** A longer name goes in front of its value. */
const NAME_LENGTH_MAX = 500
const LONG_NAMES = 'long names'

export interface Aside {
  readonly path: string
  readonly value: Value
}

/**
 * Takes the values at a path out of a document, or those of them that `isRefused`: `host.name` is `{"host":{"name":1}}` and
 * `{"host.name":1}`, in each element of lists on the way. A path takes what is below it along: `{"host.name":1}` is an object
 * at `host`.
 */
export function takePath(fields: Fields, path: string, isRefused?: (value: Value) => boolean): Value[] {
  const taken: Value[] = []
  const visit = (holder: Value | undefined, rest: string): void => {
    if (Array.isArray(holder)) {
      for (const item of holder) visit(item, rest)
      return
    }
    if (!isFields(holder)) return
    for (const name of Object.keys(holder)) {
      const value = member(holder, name)
      if (value === undefined) continue
      if (name === rest) take(holder, name, value)
      // What the refusal calls an object is written with a dot.
      else if (name.startsWith(`${rest}.`)) take(holder, name, { [name.slice(rest.length + 1)]: value })
      else if (rest.startsWith(`${name}.`)) visit(value, rest.slice(name.length + 1))
    }
  }
  const take = (holder: Fields, name: string, value: Value): void => {
    if (isRefused !== undefined && !isRefused(value)) return
    taken.push(value)
    setMember(holder, name, undefined)
  }
  visit(fields, path)
  return taken
}

/** Takes out fields with names that Elasticsearch takes nowhere: empty, blank, or with nothing between two dots. */
export function takeBadNames(fields: Fields): Aside[] {
  const taken: Aside[] = []
  const visit = (holder: Value | undefined, above: string): void => {
    if (Array.isArray(holder)) {
      for (const item of holder) visit(item, above)
      return
    }
    if (!isFields(holder)) return
    for (const name of Object.keys(holder)) {
      const value = member(holder, name)
      if (value === undefined) continue
      const path = `${above}${name}`
      if (name.split('.').every((part) => part.trim() !== '')) visit(value, `${path}.`)
      else {
        taken.push({ path, value })
        setMember(holder, name, undefined)
      }
    }
  }
  visit(fields, '')
  return taken
}

/** Puts what was taken out into the one field, and the reason among the tags where the document can have one. */
export function putAside(fields: Fields, asides: readonly Aside[], why: AsideReason, form: AsideForm, can_tag: boolean): void {
  const entries = asides.map(({ path, value }): [string, string[]] => {
    const text = typeof value === 'string' ? value : stringify(value)
    return path.length <= NAME_LENGTH_MAX ? [path, piecesOf(text)] : [LONG_NAMES, piecesOf(`${path}=${text}`)]
  })
  const present = member(fields, IGNORED_FIELDS)
  setMember(fields, IGNORED_FIELDS, shaped([...entriesOf(present), ...entries], form))
  if (can_tag) addTag(fields, `_ignored_${why}`)
}

/** The same in the other form. */
export function reshapeAside(fields: Fields, form: AsideForm): void {
  setMember(fields, IGNORED_FIELDS, shaped(entriesOf(member(fields, IGNORED_FIELDS)), form))
}

function shaped(entries: readonly (readonly [string, readonly string[]])[], form: AsideForm): Value {
  if (form === 'list') return entries.flatMap(([path, pieces]) => pieces.map((piece) => `${path}=${piece}`))
  const map: Fields = {}
  for (const [path, pieces] of entries) {
    const before = member(map, path)
    const all = [...(before === undefined ? [] : [before].flat()), ...pieces]
    setMember(map, path, all.length === 1 ? (all[0] ?? '') : all)
  }
  return map
}

/** What the field holds already, in either form: an event that is read back from the dead letters may bring it along. */
function entriesOf(present: Value | undefined): [string, string[]][] {
  if (present === undefined || present === null) return []
  const textOf = (value: Value): string => (typeof value === 'string' ? value : stringify(value))
  if (isFields(present)) {
    return Object.keys(present).map((path) => [path, [member(present, path) ?? null].flat().map((value) => textOf(value))])
  }
  return [present].flat().map((entry) => {
    const text = textOf(entry)
    const at = text.indexOf('=')
    return at < 0 ? ['', [text]] : [text.slice(0, at), [text.slice(at + 1)]]
  })
}

function piecesOf(text: string): string[] {
  const pieces: string[] = []
  let at = 0
  do {
    let end = Math.min(text.length, at + PIECE_LENGTH_MAX)
    // Not between the two halves of a character.
    if (end < text.length && (text.charCodeAt(end) & 0xfc00) === 0xdc00) end--
    pieces.push(text.slice(at, end))
    at = end
  } while (at < text.length)
  return pieces
}

function addTag(fields: Fields, tag: string): void {
  const tags = member(fields, 'tags')
  if (tags === undefined || tags === null) setMember(fields, 'tags', [tag])
  else if (typeof tags === 'string') setMember(fields, 'tags', [tags, tag])
  else if (Array.isArray(tags) && !tags.includes(tag)) tags.push(tag)
}
