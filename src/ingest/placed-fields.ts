import type { Decoded } from '../core/contracts.ts'
import { listIndex } from '../core/field-path.ts'
import type { FieldRef } from '../core/field-ref.ts'
import { type Fields, isFields, member, setMember, type Value } from '../core/values.ts'

/**
 * Decoded fields with a value at a place, over what stands there. A text or list in the way of the path stays, and then
 * there is no such value. `decoded` itself is not to be used any more.
 */
export function withField(decoded: Decoded, { path, in_metadata }: FieldRef, value: Value): Decoded {
  const segments = in_metadata ? ['@metadata', ...path] : path
  const first = segments[0] ?? ''
  const was_there = member(decoded.fields, first) !== undefined
  let holder = decoded.fields
  for (const segment of segments.slice(0, -1)) {
    const present = member(holder, segment)
    if (present !== undefined && present !== null && !isFields(present)) return decoded
    const next: Fields = isFields(present) ? present : {}
    setMember(holder, segment, next)
    holder = next
  }
  setMember(holder, segments.at(-1) ?? '', value)
  // The text that the fields came from says something else now.
  return was_there ? { ...decoded, source: undefined } : decoded
}

/** Whether something stands at a place of decoded fields; a number in the place counts the elements of a list, from 0. */
export function hasField({ fields }: Decoded, { path, in_metadata }: FieldRef): boolean {
  let value: Value | undefined = in_metadata ? member(fields, '@metadata') : fields
  for (const segment of path) {
    if (Array.isArray(value)) value = value[listIndex(segment, value.length)]
    else value = isFields(value) ? member(value, segment) : undefined
  }
  return value !== undefined && value !== null
}
