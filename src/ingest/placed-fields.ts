import { setIfMissing } from '../codecs/text.ts'
import type { Decoded } from '../core/contracts.ts'
import { ownField } from '../core/decoded.ts'
import type { FieldRef } from '../core/field-ref.ts'
import { type Fields, isFields, member, setMember, type Value } from '../core/values.ts'

/** Sets a value in decoded fields unless there is one; where a scalar stands in the way, nothing happens. */
export function placeIfMissing(decoded: Decoded, path: readonly string[], value: Value): void {
  ownField(decoded, path[0] ?? '')
  setIfMissing(decoded.fields, path, value)
}

/**
 * Decoded fields with a value at a place, over what stands there. A text or list in the way of the path stays, and then
 * there is no such value. `decoded` itself is not to be used any more.
 */
export function withField(decoded: Decoded, { path, in_metadata }: FieldRef, value: Value): Decoded {
  const segments = in_metadata ? ['@metadata', ...path] : path
  ownField(decoded, segments[0] ?? '')
  let holder = decoded.fields
  for (const segment of segments.slice(0, -1)) {
    const present = member(holder, segment)
    if (present !== undefined && present !== null && !isFields(present)) return decoded
    const next: Fields = isFields(present) ? present : {}
    setMember(holder, segment, next)
    holder = next
  }
  setMember(holder, segments.at(-1) ?? '', value)
  return decoded
}
