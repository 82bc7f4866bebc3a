import type { IncomingMessage } from 'node:http'
import type { Decoded } from '../../core/contracts.ts'
import { type FieldRef, parseFieldRef } from '../../core/field-ref.ts'
import { cloneValue, type Fields, setMember, type Value } from '../../core/values.ts'
import { withField } from '../placed-fields.ts'

export interface Targets {
  readonly remote_host: FieldRef | undefined
  readonly request_headers: FieldRef | undefined
  readonly ecs: boolean
  /** Leaves out the header that holds the password. */
  readonly hides_authorization: boolean
}

/** Puts what a request tells beside its body into events, in Logstash's places. */
export function requestFields(
  request: IncomingMessage,
  ip: string,
  { remote_host, request_headers, ecs, hides_authorization }: Targets,
): (decoded: Decoded) => Decoded {
  const headers = headersOf(request, hides_authorization)
  const places: (readonly [FieldRef, Value])[] = ecs ? ecsPlaces(headers) : []
  places.push([request_headers ?? (ecs ? HEADERS.v8 : HEADERS.disabled), headers])
  places.push([remote_host ?? (ecs ? HOST.v8 : HOST.disabled), ip])
  return (decoded) => places.reduce((made, [ref, value]) => withField(made, ref, cloneValue(value)), decoded)
}

const HEADERS = { disabled: parseFieldRef('headers'), v8: parseFieldRef('[@metadata][input][http][request][headers]') }
const HOST = { disabled: parseFieldRef('host'), v8: parseFieldRef('[host][ip]') }

/** CGI's names for three of them, as Logstash has it; these are there in any case. */
const CGI_NAMES = { accept: 'http_accept', host: 'http_host', user_agent: 'http_user_agent' } as const

function headersOf({ headers, method, url, httpVersion }: IncomingMessage, hides_authorization: boolean): Fields {
  const fields: Fields = { http_accept: null, http_host: null, http_user_agent: null }
  for (const [header, given] of Object.entries(headers)) {
    if (given === undefined || (hides_authorization && header === 'authorization')) continue
    const name = header.replaceAll('-', '_')
    setMember(fields, CGI_NAMES[name as keyof typeof CGI_NAMES] ?? name, Array.isArray(given) ? given.join(', ') : given)
  }
  fields['request_method'] = method ?? ''
  fields['request_path'] = url ?? ''
  fields['http_version'] = `HTTP/${httpVersion}`
  return fields
}

const ECS: readonly (readonly [header: string, ref: FieldRef])[] = [
  ['http_version', parseFieldRef('[http][version]')],
  ['http_user_agent', parseFieldRef('[user_agent][original]')],
  ['request_method', parseFieldRef('[http][method]')],
  ['request_path', parseFieldRef('[url][path]')],
  ['content_length', parseFieldRef('[http][request][body][bytes]')],
  ['content_type', parseFieldRef('[http][request][mime_type]')],
]
const DOMAIN = parseFieldRef('[url][domain]')
const PORT = parseFieldRef('[url][port]')

function ecsPlaces(headers: Fields): (readonly [FieldRef, Value])[] {
  const places: (readonly [FieldRef, Value])[] = []
  for (const [header, ref] of ECS) {
    const value = headers[header]
    if (typeof value === 'string') places.push([ref, value])
  }
  const host = headers['http_host']
  if (typeof host === 'string') {
    const found = /^(?:([^:]+)|\[(.*)\]):(\d+)$/.exec(host)
    places.push([DOMAIN, found?.[1] ?? found?.[2] ?? host])
    if (found?.[3] !== undefined) places.push([PORT, Number(found[3])])
  }
  return places
}
