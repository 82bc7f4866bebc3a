import { type Fields, SourceNumber, stringify, Timestamp, type Value } from '../values.ts'
import type { TextWriter } from './text-writer.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const BLANK = 0x20
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
/** The first code that is no ASCII character. */
const WIDE = 0x80
/** Longer texts are printed by JSON.stringify at once. */
const SHORT_LENGTH_MAX = 64

/**
 * Writes fields as the last members of an object and closes it. Its opening brace, and what else stands in front, is written
 * already.
 * @param exact whether a bigint may be inside of a field
 * @throws TypeError for a bigint where none was expected
 */
export function writeMembers(writer: TextWriter, fields: Fields, exact: boolean): void {
  // They have a plain prototype, and a list of their names need not be made.
  for (const name in fields) {
    const value = fields[name]
    if (value === undefined) continue
    writeName(writer, name)
    writeValue(writer, value, exact)
  }
  writer.byte(CLOSE_BRACE)
}

/** The name of a further member with its colon, and a comma in front of it unless it is the first one. */
export function writeName(writer: TextWriter, name: string): void {
  const bytes = printedName(name)
  // No value ends in a brace that opens.
  const is_first = writer.bytes[writer.length - 1] === OPEN_BRACE
  writer.ready(is_first ? bytes.subarray(1) : bytes)
}

function writeValue(writer: TextWriter, value: Value, exact: boolean): void {
  if (value === '1') writer.ready(ONE)
  else if (typeof value === 'string') writeString(writer, value)
  else if (value instanceof Timestamp) writer.time(value)
  else if (value instanceof SourceNumber) writer.text(value.text)
  else if (Array.isArray(value) && value.every((item) => typeof item === 'string')) writeTexts(writer, value)
  else writer.text(typeof value === 'bigint' ? value.toString() : stringify(value, exact))
}

/** Such as tags. */
function writeTexts(writer: TextWriter, texts: readonly string[]): void {
  writer.byte(OPEN_BRACKET)
  let is_first = true
  for (const text of texts) {
    if (!is_first) writer.byte(COMMA)
    is_first = false
    writeString(writer, text)
  }
  writer.byte(CLOSE_BRACKET)
}

function writeString(writer: TextWriter, text: string): void {
  const { length } = text
  if (length > SHORT_LENGTH_MAX) return writer.text(JSON.stringify(text))
  writer.reserve(length + 2)
  const { bytes } = writer
  let at = writer.length
  bytes[at++] = QUOTE
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code < BLANK || code >= WIDE || code === QUOTE || code === BACKSLASH) return writer.text(JSON.stringify(text))
    bytes[at++] = code
  }
  bytes[at++] = QUOTE
  writer.length = at
}

const printedNames = new Map<string, Buffer>()
/** Names come from event data too. */
const PRINTED_NAMES_MAX = 1_000

/** Those of nearly every event. */
const TIMESTAMP_NAME = Buffer.from(',"@timestamp":')
const VERSION_NAME = Buffer.from(',"@version":')
/** The `@version` of nearly every event. */
const ONE = Buffer.from('"1"')

/** `,"name":` */
function printedName(name: string): Buffer {
  if (name === '@timestamp') return TIMESTAMP_NAME
  if (name === '@version') return VERSION_NAME
  let bytes = printedNames.get(name)
  if (bytes === undefined) {
    if (printedNames.size >= PRINTED_NAMES_MAX) printedNames.clear()
    bytes = Buffer.from(`,${JSON.stringify(name)}:`)
    printedNames.set(name, bytes)
  }
  return bytes
}
