import type { Event } from '../../core/event.ts'
import { basicAuthorization, type Login } from '../../core/login.ts'
import { type Entry, readText } from '../../core/options/options.ts'
import type { ConfigValue } from '../../core/plan.ts'
import { compileTemplate, type Template, textOf } from '../../core/template.ts'
import type { Value } from '../../core/values.ts'
import { type Fields, setMember, stringify } from '../../core/values.ts'
import type { HttpOptions } from './options.ts'

/** The body of the request for some events: one, but for json_batch. */
export type PrintBody = (events: readonly Event[]) => string

/** @throws MillraceError TEMPLATE_INVALID */
export function compileBody({ format, mapping, message }: HttpOptions): PrintBody {
  const map = mapping === undefined ? undefined : compileMapping(mapping)
  const printJson = (event: Event): string => (map === undefined ? event.toJsonText() : stringify(map(event)))
  switch (format) {
    case 'json':
      return ([event]) => (event === undefined ? '' : printJson(event))
    case 'json_batch':
      return (events) => `[${events.map(printJson).join(',')}]`
    case 'message':
      return ([event]) => (event === undefined || message === undefined ? '' : message.format(event))
    case 'form':
      return ([event]) => (event === undefined ? '' : printForm(map === undefined ? event.entries() : Object.entries(map(event))))
  }
}

function printForm(entries: Iterable<[string, Value | undefined]>): string {
  const form = new URLSearchParams()
  for (const [name, value] of entries) if (value !== undefined) form.append(name, value === null ? '' : textOf(value))
  return form.toString()
}

type Build<T extends Value> = (event: Event) => T

function compileMapping(mapping: readonly Entry[]): Build<Fields> {
  const members = mapping.map(({ name, value }) => [name, compileValue(value)] as const)
  return (event) => {
    const fields: Fields = {}
    for (const [name, build] of members) setMember(fields, name, build(event))
    return fields
  }
}

/** Whatever a mapping holds becomes text, in maps and lists as they stand there. */
function compileValue(value: ConfigValue): Build<Value> {
  if (value.kind === 'list') {
    const items = value.items.map(compileValue)
    return (event) => items.map((build) => build(event))
  }
  if (value.kind === 'hash')
    return compileMapping(value.entries.map(({ name, at, value: inner }) => ({ name, name_at: at, value: inner })))
  const template = compileTemplate(readText(value, () => {}) ?? '')
  return (event) => template.format(event)
}

const CONTENT_TYPES = {
  json: 'application/json',
  json_batch: 'application/json',
  form: 'application/x-www-form-urlencoded',
  message: 'text/plain',
} as const

/** Names in lower case to what they are for an event. */
export function compileHeaders(options: HttpOptions, login: Login | undefined): (event: Event) => { [name: string]: string } {
  const templates = new Map<string, Template>()
  templates.set('content-type', compileTemplate(CONTENT_TYPES[options.format]))
  for (const { name, text } of options.headers) templates.set(name.toLowerCase(), compileTemplate(text))
  if (options.content_type !== undefined) templates.set('content-type', compileTemplate(options.content_type))
  const authorization = login === undefined ? undefined : basicAuthorization(login)
  return (event) => {
    const headers: { [name: string]: string } = {}
    for (const [name, template] of templates) headers[name] = template.format(event)
    if (authorization !== undefined) headers['authorization'] ??= authorization
    return headers
  }
}
