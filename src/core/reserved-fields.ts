import { notSettable } from './field-path.ts'
import type { FieldRef } from './field-ref.ts'
import { type Fields, Timestamp, type Value } from './values.ts'

export const TIMESTAMP = '@timestamp'

/** Fields that mean something to every event: at its birth they are read. */
export const RESERVED: readonly string[] = [TIMESTAMP, '@metadata', '@version', 'tags']

/** `RESERVED.includes`, in a tenth of the time. */
export function isReserved(name: string): boolean {
  return name === TIMESTAMP || name === '@version' || name === 'tags' || name === '@metadata'
}

/** Whether other fields than these are among them. */
export function holdsOthers(fields: Fields): boolean {
  for (const name in fields) if (fields[name] !== undefined && !isReserved(name)) return true
  return false
}

/** @throws MillraceError FIELD_NOT_SETTABLE for a value that such a field may not have */
export function checkReserved(ref: FieldRef, value: Value): void {
  const first = ref.path[0]
  if (first === 'tags' && (ref.path.length > 1 || !areTags(value))) {
    throw notSettable(ref, 'the reserved tags field takes text or a list of texts')
  }
  if (first === TIMESTAMP && (ref.path.length > 1 || !(value instanceof Timestamp))) {
    throw notSettable(ref, 'the reserved @timestamp field takes a timestamp')
  }
}

export function areTags(value: Value): boolean {
  return typeof value === 'string' || (Array.isArray(value) && value.every((tag) => typeof tag === 'string'))
}
