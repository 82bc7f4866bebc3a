import type { Context } from '../core/context.ts'
import * as option from '../core/options.ts'
import { compileTemplate } from '../core/template.ts'
import { type Fields, isFields, member, setMember, type Value } from '../core/values.ts'

/** Character sets whose line feed is the one byte 0x0A, so that a stream can be cut before it is decoded. */
// biome-ignore format: a list to look through, not to read line by line
const ASCII_BASED = [
  'UTF-8', 'US-ASCII', 'ASCII-8BIT', 'ISO-8859-1', 'ISO-8859-2', 'ISO-8859-3', 'ISO-8859-4', 'ISO-8859-5',
  'ISO-8859-6', 'ISO-8859-7', 'ISO-8859-8', 'ISO-8859-10', 'ISO-8859-13', 'ISO-8859-14', 'ISO-8859-15', 'ISO-8859-16',
  'Windows-1250', 'Windows-1251', 'Windows-1252', 'Windows-1253', 'Windows-1254', 'Windows-1255', 'Windows-1256',
  'Windows-1257', 'Windows-1258', 'KOI8-R', 'KOI8-U', 'IBM866', 'GBK', 'GB18030', 'Big5', 'EUC-JP', 'EUC-KR',
  'Shift_JIS',
] as const
const ALL = [...ASCII_BASED, 'UTF-16LE', 'UTF-16BE'] as const
export type Charset = (typeof ALL)[number]

const SUMMARY = 'The character set of the data. Bytes that are not valid in it become U+FFFD, with a warning.'

/** For codecs that decode whole messages. */
export const CHARSET = option.oneOf(SUMMARY, ALL, { default: 'UTF-8' })
/** For codecs that cut a byte stream into lines. */
export const LINE_CHARSET = option.oneOf(SUMMARY, ASCII_BASED, { default: 'UTF-8' })

export type ReadText = (piece: Buffer | string) => string

/** How bytes of a character set become text. Text stays as it is. Never throws. */
export function createTextReader(charset: Charset, context: Context): ReadText {
  const decode = decoderOf(charset)
  return (piece) => {
    if (typeof piece === 'string') return piece
    const text = decode(piece)
    if (text.includes('\ufffd') && !piece.includes(ENCODED_REPLACEMENT)) {
      context.log.warn(
        'charset',
        `${context.where}: received data that is not ${charset}: its invalid bytes became U+FFFD; set the codec's charset to what the sender writes`,
      )
    }
    return text
  }
}

/** U+FFFD as it stands in UTF-8: where the sender wrote it, nothing was replaced here. */
const ENCODED_REPLACEMENT = Buffer.from('\ufffd')

function decoderOf(charset: Charset): (bytes: Buffer) => string {
  if (charset === 'UTF-8') return (bytes) => bytes.toString('utf8')
  // TextDecoder takes both names for Windows-1252, which gives 0x80 to 0x9F another meaning.
  if (charset === 'ISO-8859-1') return (bytes) => bytes.toString('latin1')
  if (charset === 'US-ASCII' || charset === 'ASCII-8BIT') return (bytes) => bytes.toString('latin1').replace(NOT_ASCII, '\ufffd')
  const decoder = new TextDecoder(charset, { ignoreBOM: true })
  return (bytes) => decoder.decode(bytes)
}

const NOT_ASCII = /[\u0080-\u00ff]/g

/** How Logstash prints an event that no format was given for. */
export const DEFAULT_FORMAT = compileTemplate('%{@timestamp} %{host} %{message}')

/** Keeps the raw text in `[event][original]`, as ECS wants it, unless something stands there. */
export function keepOriginal(fields: Fields, text: string): void {
  setIfMissing(fields, ['event', 'original'], text)
}

/** Sets a value in decoded fields unless there is one; where a scalar stands in the way, nothing happens. */
export function setIfMissing(fields: Fields, path: readonly string[], value: Value): void {
  let holder = fields
  for (const segment of path.slice(0, -1)) {
    const present = member(holder, segment)
    const next: Fields = isFields(present) ? present : {}
    if (present === undefined || present === null) setMember(holder, segment, next)
    else if (next !== present) return
    holder = next
  }
  const last = path[path.length - 1] ?? ''
  if (member(holder, last) === undefined) setMember(holder, last, value)
}
