import { MillraceError } from './errors.ts'
import type { FieldRef } from './field-ref.ts'
import { type Fields, isFields, member, setMember, type Value } from './values.ts'

/** An index further out than this is refused: `[a][999999999]` from a hostile line would fill the memory. */
const LIST_LENGTH_MAX = 10_000

/** The index that a segment means in a list of that length; -1 where it means none. */
export function listIndex(segment: string, length: number): number {
  if (!/^-?\d{1,9}$/.test(segment)) return -1
  const index = Number(segment)
  return index < 0 ? length + index : index
}

export function descend(holder: Fields | Value[], segment: string, ref: FieldRef): Fields | Value[] {
  const next = Array.isArray(holder) ? holder[listIndex(segment, holder.length)] : member(holder, segment)
  if (Array.isArray(next) || isFields(next)) return next
  if (next !== undefined) throw notSettable(ref, `"${segment}" is not a map`)
  const made: Fields = {}
  put(holder, segment, made, ref)
  return made
}

export function put(holder: Fields | Value[], segment: string, value: Value, ref: FieldRef): void {
  if (!Array.isArray(holder)) return setMember(holder, segment, value)
  const index = listIndex(segment, holder.length)
  if (index < 0 || index > LIST_LENGTH_MAX) {
    throw notSettable(ref, `"${segment}" is not an index of a list (0 to ${LIST_LENGTH_MAX})`)
  }
  while (holder.length < index) holder.push(null)
  holder[index] = value
}

export function notSettable(ref: FieldRef, why: string): MillraceError {
  return new MillraceError('FIELD_NOT_SETTABLE', `Could not set field '${ref.text}': ${why}`)
}

/** The value at the end of a path from `from` on. */
export function below(value: Value | undefined, path: readonly string[], from: number): Value | undefined {
  let found = value
  for (let depth = from; depth < path.length; depth++) {
    const segment = path[depth] ?? ''
    if (Array.isArray(found)) found = found[listIndex(segment, found.length)]
    else if (isFields(found)) found = member(found, segment)
    else return undefined
  }
  return found
}

export function isHolder(value: Value | undefined): value is Fields | Value[] {
  return typeof value === 'object' && (Array.isArray(value) || isFields(value))
}
