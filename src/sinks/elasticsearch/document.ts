import type { Event } from '../../core/event.ts'
import type { FieldRef } from '../../core/field-ref.ts'
import type { Template } from '../../core/template.ts'
import type { Value } from '../../core/values.ts'

export const OPERATIONS = ['create', 'index', 'update', 'delete'] as const
export type Operation = (typeof OPERATIONS)[number]

/** What decides about the text that stands below an action line. */
export interface DocumentOptions {
  /** A field that the document gets, for this output only; `undefined` where it has it already. */
  readonly fieldFor?: ((event: Event) => { readonly ref: FieldRef; readonly value: Value } | undefined) | undefined
  readonly join_field?: FieldRef | undefined
  readonly parent?: Template | undefined
  readonly doc_as_upsert?: boolean
  readonly upsert?: Template | undefined
  readonly script?: Template | undefined
  readonly script_type?: 'inline' | 'indexed'
  readonly script_lang?: string
  readonly script_var_name?: string
  readonly scripted_upsert?: boolean
}

/** Whether for some event there stands something else than its document as it is below the action line. */
export function mayHaveOwnText({ fieldFor, join_field }: DocumentOptions, operation: Operation): boolean {
  return fieldFor !== undefined || join_field !== undefined || operation === 'update' || operation === 'delete'
}

/**
 * What stands below the action line of an event; `undefined`: its document as it is.
 * @throws SyntaxError for an upsert that is no JSON
 */
export function textOf(options: DocumentOptions, operation: Operation, event: Event): string | undefined {
  const own = ownText(options, event)
  return operation === 'update' ? updateText(options, event, own ?? event.toJsonText()) : own
}

function ownText({ fieldFor, join_field, parent }: DocumentOptions, event: Event): string | undefined {
  const field = fieldFor?.(event)
  if (field !== undefined) return textWith(event, field.ref, field.value)
  const name = join_field === undefined || parent === undefined ? undefined : event.get(join_field)
  if (join_field === undefined || parent === undefined || name === undefined) return undefined
  return textWith(event, join_field, { name, parent: parent.format(event) })
}

/** The document with another value in one field: the event itself, which other outputs have too, stays as it is. */
function textWith(event: Event, ref: FieldRef, value: Value): string {
  const present = event.get(ref)
  event.set(ref, value)
  try {
    return event.toJsonText()
  } finally {
    if (present === undefined) event.remove(ref)
    else event.set(ref, present)
  }
}

/**
 * The body of an update:
 *
 *     {"doc":{…},"doc_as_upsert":true}      {"doc":{…},"upsert":{…}}
 *     {"script":{"source":"…","lang":"painless","params":{"event":{…}}},"scripted_upsert":true,"upsert":{}}
 */
function updateText(options: DocumentOptions, event: Event, document: string): string {
  const { script, script_lang = '', script_var_name = 'event', doc_as_upsert = false } = options
  if (script === undefined) {
    return `{"doc":${document}${doc_as_upsert ? ',"doc_as_upsert":true' : upsertPart(options, event)}}`
  }
  const source = JSON.stringify(script.format(event))
  const lang = script_lang === '' ? '' : `,"lang":${JSON.stringify(script_lang)}`
  const what = options.script_type === 'indexed' ? `"id":${source}` : `"source":${source}${lang}`
  const params = `{${JSON.stringify(script_var_name)}:${document}}`
  const rest =
    options.scripted_upsert === true
      ? ',"scripted_upsert":true,"upsert":{}'
      : doc_as_upsert
        ? `,"upsert":${document}`
        : upsertPart(options, event)
  return `{"script":{${what},"params":${params}}${rest}}`
}

function upsertPart({ upsert }: DocumentOptions, event: Event): string {
  const text = upsert?.format(event)
  if (text === undefined || text === '') return ''
  // Only to see that it is JSON, and one line: numbers keep their text.
  JSON.parse(text)
  return `,"upsert":${text.replaceAll(/[\r\n]+/g, ' ')}`
}
