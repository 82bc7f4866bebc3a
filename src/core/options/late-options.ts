import { messageOf, type Position } from '../errors.ts'
import type { Event } from '../event.ts'
import { type FieldRef, parseFieldRef } from '../field-ref.ts'
import { compileTemplate, type Template } from '../template.ts'
import type { Report } from './options.ts'

/**
 * Reads what Logstash finds faults in with an event only: they are a warning at the place here, and `failing` makes of the
 * fault what throws it when it is used, so that each event gets the failure tag.
 */
function attemptLate<T>(make: () => T, at: Position, report: Report, failing: (fault: unknown) => T): T {
  try {
    return make()
  } catch (thrown) {
    const message = `${messageOf(thrown)}: this will fail with every event`
    report({ code: 'CONFIG_INVALID_OPTION', at, message, is_warning: true })
    return failing(thrown)
  }
}

function rethrow(fault: unknown): () => never {
  return () => {
    throw fault
  }
}

/** A text as a template, which throws when it is used where it cannot be read. */
export function readLateTemplate(text: string, at: Position, report: Report): Template {
  const failing = (fault: unknown): Template => ({ text, constant: undefined, format: rethrow(fault) })
  return attemptLate(() => compileTemplate(text), at, report, failing)
}

/** Which field a text means for an event: read once where it holds no placeholder. */
export type RefOf = (event: Event) => FieldRef

/** A text as a field reference in which placeholders may stand. */
export function readLateRefOf(text: string, at: Position, report: Report): RefOf {
  return attemptLate(() => compileRefOf(text), at, report, rethrow)
}

function compileRefOf(text: string): RefOf {
  const template = compileTemplate(text)
  if (template.constant === undefined) return (event) => parseFieldRef(template.format(event))
  const ref = parseFieldRef(template.constant)
  return () => ref
}

/** A text as a field reference, which throws when it is used where it cannot be read. */
export function readLateFieldRef(text: string, at: Position, report: Report): FieldRef {
  const failing = (fault: unknown): FieldRef => {
    const fail = rethrow(fault)
    return Object.defineProperties({ text } as FieldRef, { in_metadata: { get: fail }, path: { get: fail } })
  }
  return attemptLate(() => parseFieldRef(text), at, report, failing)
}
