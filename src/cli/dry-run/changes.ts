import type { Event } from '../../core/event.ts'
import { type Fields, isFields, stringify, type Value } from '../../core/values.ts'

/** One field that a filter changed; values as JSON text. Without `before` it is new, without `after` it is gone. */
export interface Change {
  readonly field: string
  readonly before?: string
  readonly after?: string
}

/** Every value of an event that is no map, metadata among them, by its reference: `[a][b]` -> JSON text. */
export type Snapshot = ReadonlyMap<string, string>

/** The state of an event, to be compared with a later one. Values are live, so they are kept as text. */
export function snapshotOf(event: Event): Snapshot {
  const values = new Map<string, string>()
  for (const [name, value] of event.entries()) note(values, `[${name}]`, value)
  noteFields(values, '[@metadata]', event.metadata)
  return values
}

/** The same of fields that are in no event. */
export function snapshotOfFields(fields: Fields): Snapshot {
  const values = new Map<string, string>()
  noteFields(values, '', fields)
  return values
}

function noteFields(values: Map<string, string>, prefix: string, fields: Fields): void {
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) note(values, `${prefix}[${name}]`, value)
}

function note(values: Map<string, string>, field: string, value: Value): void {
  if (isFields(value)) {
    noteFields(values, field, value)
    if (Object.values(value).some((inner) => inner !== undefined)) return
  }
  values.set(field, stringify(value))
}

/** What is different in `after`: first what changed or went, in the order it was there, then what is new. */
export function changesBetween(before: Snapshot, after: Snapshot): Change[] {
  const changes: Change[] = []
  for (const [field, value] of before) {
    const now = after.get(field)
    if (now !== value) changes.push(now === undefined ? { field, before: value } : { field, before: value, after: now })
  }
  for (const [field, value] of after) if (!before.has(field)) changes.push({ field, after: value })
  return changes
}
