import type { Context } from '../core/context.ts'
import type { Decoded } from '../core/contracts.ts'
import { messageOf } from '../core/errors.ts'
import type { FieldRef } from '../core/field-ref.ts'
import { endOfJson, type ParsedJson, parseJson } from '../core/json/json.ts'
import { tellParsed, WHOLE_TEXT } from '../core/json/parsing-watch.ts'
import { ScannedObject } from '../core/json/scanned-object.ts'
import { type Fields, isFields, type Value } from '../core/values.ts'
import { countListElements, MESSAGE_EVENTS_MAX } from './message-events.ts'
import { keepOriginal, setIfMissing } from './text.ts'

interface JsonReading {
  /** The field that takes the object; without it the object is the event. */
  readonly target: FieldRef | undefined
  /** Keeps the text of a single object in `[event][original]`. */
  readonly keeps_original: boolean
}

/**
 * Reads one JSON text: an object is one event, a list of objects one event each, blank text none. Everything else,
 * also a list with something else in it, becomes one event with the text in `message` and a failure tag.
 */
export function createJsonReader(reading: JsonReading, context: Context): (text: string) => Decoded[] {
  return (text) => {
    try {
      return readJson(text, reading, context)
    } catch (thrown) {
      const reason = reasonOf(thrown, text)
      context.log.warn('json-parse-failure', `${context.where}: JSON parse error, original data now in message field: ${reason}`)
      return [{ fields: { message: text, tags: ['_jsonparsefailure'] }, exact: false, failure: `no JSON object: ${reason}` }]
    }
  }
}

/** One object as bytes, as most lines are: it need not be made a text first. `undefined` for what has to be. */
export function readAsciiObject(bytes: Buffer): Decoded[] | undefined {
  const source = ScannedObject.readAscii(bytes)
  return source === undefined ? undefined : [{ fields: {}, exact: false, source }]
}

/** JSON.parse quotes what it read. */
const REASON_LENGTH_MAX = 300

/** JSON.parse says where something is wrong, but not where a text that was cut ends. */
function reasonOf(thrown: unknown, text: string): string {
  const reason = messageOf(thrown).slice(0, REASON_LENGTH_MAX)
  return reason === 'Unexpected end of JSON input' ? `${reason} at position ${text.length}` : reason
}

/** @throws SyntaxError */
function readJson(piece: string, { target, keeps_original }: JsonReading, context: Context): Decoded[] {
  // A byte order mark is no JSON, but Windows programs write one.
  const text = piece.charCodeAt(0) === 0xfeff ? piece.slice(1) : piece
  const source = target === undefined ? ScannedObject.read(text) : undefined
  if (source !== undefined && !keeps_original) return [{ fields: {}, exact: false, source }]
  if (source?.has('event') === false) return [{ fields: originalOf(text), exact: false, source }]
  if (text === '' || text.trim() === '') return []
  if (text.length > MESSAGE_EVENTS_MAX && countListElements(text, MESSAGE_EVENTS_MAX) > MESSAGE_EVENTS_MAX) {
    throw new SyntaxError(`a list of more than ${MESSAGE_EVENTS_MAX} elements: send it in parts`)
  }
  const { value, exact } = parseFirst(text, context)
  const items = Array.isArray(value) ? value : [value]
  return items.map((item) => {
    if (!isFields(item)) throw new SyntaxError('expected an object or a list of objects')
    const fields = target === undefined ? item : placeAt(target, item)
    if (keeps_original && items.length === 1) keepOriginal(fields, text)
    // The names of exact numbers hold for the top level only.
    return { fields, exact: target === undefined ? exact : exact !== false }
  })
}

function originalOf(text: string): Fields {
  const fields: Fields = {}
  keepOriginal(fields, text)
  return fields
}

/**
 * The first object or list of a text, as Logstash takes it: what stands behind it is lost, with a warning.
 * @throws SyntaxError where none begins the text
 */
function parseFirst(text: string, context: Context): ParsedJson {
  tellParsed(WHOLE_TEXT)
  try {
    return parseJson(text)
  } catch (thrown) {
    const end = endOfJson(text, 0)
    if (end < 0 || end === text.length) throw thrown
    const { value, exact } = parseJson(text.slice(0, end))
    context.log.warn('json-trailing', `${context.where}: a JSON text was followed by something else, which was not taken`)
    return { value, exact }
  }
}

/** Fields that hold the value at `target` and nothing else. */
function placeAt(target: FieldRef, value: Value): Fields {
  const fields: Fields = {}
  setIfMissing(fields, target.in_metadata ? ['@metadata', ...target.path] : target.path, value)
  return fields
}
