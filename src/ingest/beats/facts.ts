import { type FoundFields, textIn, valueIn } from '../../core/decoded.ts'
import { parseJson } from '../../core/json/json.ts'
import { copyOf } from '../../core/text-copy.ts'
import { type Fields, isFields, isNumber, member, type Value } from '../../core/values.ts'
import { KnownTexts } from './known-texts.ts'

/** What `log` tells of the file that a line is from. */
export interface LogFile {
  readonly path: string | undefined
  readonly device: string | undefined
  readonly inode: string | undefined
  readonly fingerprint: string | undefined
}

export interface LogFacts {
  /** The same object for lines of one file that come one after the other. */
  readonly file: LogFile
  /** Where in the file the line stands. */
  readonly offset: string | undefined
}

const OFFSET = '"offset":'
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39

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

/** The text of a `log` around its offset, and what it tells. */
interface KnownLog {
  readonly before: string
  readonly after: string
  readonly file: LogFile
}

/** So many files are remembered, the latest first. A Beat that reads more of them at once has more of their lines read as a whole. */
const KNOWN_LOGS_MAX = 16
const KNOWN_LOG_CHARS_MAX = 4_096
const knownLogs: KnownLog[] = []

/** Lines of one file differ in their offset only: that is read by itself, and the rest is known. */
function factsOfText(text: string): LogFacts | undefined {
  for (let at = 0; at < knownLogs.length; at++) {
    const known = knownLogs[at] as KnownLog
    const end = text.length - known.after.length
    if (!text.startsWith(known.before) || !text.endsWith(known.after) || !isPlainOffset(text, known.before.length, end)) continue
    if (at > 0) {
      knownLogs.splice(at, 1)
      knownLogs.unshift(known)
    }
    return { file: known.file, offset: text.slice(known.before.length, end) }
  }
  return newFacts(text)
}

/** Whether digits stand there, and nothing else that an offset would be read from. */
function isPlainOffset(text: string, start: number, end: number): boolean {
  const length = end - start
  if (length < 1 || length > 15 || (length > 1 && text.charCodeAt(start) === DIGIT_0)) return false
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code < DIGIT_0 || code > DIGIT_9) return false
  }
  return true
}

/** Of a text that is not known, and is from here on. */
function newFacts(text: string): LogFacts | undefined {
  const found = text.indexOf(OFFSET)
  const start = found + OFFSET.length
  let end = start
  while (end < text.length && isPlainOffset(text, end, end + 1)) end++
  const is_plain = found >= 0 && isPlainOffset(text, start, end) && text.indexOf(OFFSET, end) < 0
  const facts = factsOf(parseJson(text).value)
  // The only member of this name may be inside of another one: then it does not tell the offset.
  if (!is_plain || facts?.offset !== text.slice(start, end) || text.length > KNOWN_LOG_CHARS_MAX) return facts
  const other = factsOf(parseJson(`${text.slice(0, start)}0${text.slice(end)}`).value)
  if (other?.offset !== '0') return facts
  if (knownLogs.length >= KNOWN_LOGS_MAX) knownLogs.pop()
  knownLogs.unshift({ before: copyOf(text.slice(0, start)), after: copyOf(text.slice(end)), file: facts.file })
  return facts
}

function factsOf(log: Value | undefined): LogFacts | undefined {
  if (!isFields(log)) return undefined
  const given = member(log, 'file')
  const file = isFields(given) ? given : {}
  return {
    file: {
      path: textAt(file, 'path'),
      device: textAt(file, 'device_id'),
      inode: textAt(file, 'inode'),
      fingerprint: textAt(file, 'fingerprint'),
    },
    offset: textAt(log, 'offset'),
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
