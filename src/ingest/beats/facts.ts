import { type FoundFields, textIn, valueIn } from '../../core/decoded.ts'
import { parseJson } from '../../core/json/json.ts'
import { type Fields, isFields, isNumber, member, type Value } from '../../core/values.ts'
import { KnownTexts } from './known-texts.ts'

/** What `log` tells of the file that a line is from, and of its place in it. */
export interface LogFacts {
  readonly path: string | undefined
  readonly offset: string | undefined
  readonly device: string | undefined
  readonly inode: string | undefined
  readonly fingerprint: string | undefined
}

const OFFSET = '"offset":'
const PLAIN_OFFSET = /^(?:0|[1-9]\d{0,14})$/
const NO_DIGIT = /\D/g
const ENDS = new Set([',', '}'])

const knownLogs = new KnownTexts((text) => factsOf(parseJson(text).value))
const knownNames = new KnownTexts((text) => nameIn(parseJson(text).value))

/** `undefined` where there is no `log`, or it is no map. */
export function logFacts(frame: FoundFields): LogFacts | undefined {
  const text = textIn(frame, 'log')
  return text === undefined ? factsOf(valueIn(frame, 'log')) : factsOfText(text)
}

/** The name of the sending host: a line's own `host` takes that field's place, so the agent is asked first. */
export function hostName(frame: FoundFields, beat: Fields | undefined): string | undefined {
  const agent = textIn(frame, 'agent')
  const of_agent = agent === undefined ? undefined : knownNames.of(agent)
  if (of_agent !== undefined) return of_agent
  const value = valueIn(frame, 'agent')
  const name = nameIn(isFields(value) ? value : beat)
  if (name !== undefined) return name
  const host = valueIn(frame, 'host')
  return isFields(host) ? (textAt(host, 'name') ?? textAt(host, 'hostname')) : undefined
}

/** Lines of one file differ in their offset only: that is read by itself, and the rest is known. */
function factsOfText(text: string): LogFacts | undefined {
  const found = text.indexOf(OFFSET)
  const start = found + OFFSET.length
  NO_DIGIT.lastIndex = start
  const end = found < 0 ? -1 : (NO_DIGIT.exec(text)?.index ?? -1)
  const digits = text.slice(start, end)
  const is_plain = end > start && ENDS.has(text[end] ?? '') && PLAIN_OFFSET.test(digits) && text.indexOf(OFFSET, end) < 0
  const facts = is_plain ? knownLogs.of(`${text.slice(0, start)}0${text.slice(end)}`) : undefined
  // The only member of this name may be inside of another one.
  return facts?.offset === '0' ? { ...facts, offset: digits } : factsOf(parseJson(text).value)
}

function factsOf(log: Value | undefined): LogFacts | undefined {
  if (!isFields(log)) return undefined
  const given = member(log, 'file')
  const file = isFields(given) ? given : {}
  return {
    path: textAt(file, 'path'),
    offset: textAt(log, 'offset'),
    device: textAt(file, 'device_id'),
    inode: textAt(file, 'inode'),
    fingerprint: textAt(file, 'fingerprint'),
  }
}

function nameIn(agent: Value | undefined): string | undefined {
  if (!isFields(agent)) return undefined
  return textAt(agent, 'name') ?? textAt(agent, 'hostname') ?? textAt(agent, 'id')
}

function textAt(fields: Fields, name: string): string | undefined {
  return asText(member(fields, name))
}

/** A text or a number as text. */
export function asText(value: Value | undefined): string | undefined {
  if (typeof value === 'string') return value
  return isNumber(value) ? String(value) : undefined
}
