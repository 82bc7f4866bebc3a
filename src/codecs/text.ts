import { CHARSETS, type Charset, decoderOf, LINE_CHARSETS } from '../core/charset.ts'
import type { Context } from '../core/context.ts'
import * as option from '../core/options/options.ts'
import { compileTemplate } from '../core/template.ts'
import { type Fields, isFields, member, setMember, type Value } from '../core/values.ts'

const SUMMARY = 'The character set of the data. Bytes that are not valid in it become U+FFFD, with a warning.'

/** For codecs that decode whole messages. */
export const CHARSET = option.oneOf(SUMMARY, CHARSETS, { default: 'UTF-8' })
/** For codecs that cut a byte stream into lines. */
export const LINE_CHARSET = option.oneOf(SUMMARY, LINE_CHARSETS, { default: 'UTF-8' })

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
        `${context.where}: Received an event that has a different character encoding than you configured: it is not ${charset}; its invalid bytes became U+FFFD: set the codec's charset to what the sender writes`,
      )
    }
    return text
  }
}

/** U+FFFD as it stands in UTF-8: where the sender wrote it, nothing was replaced here. */
const ENCODED_REPLACEMENT = Buffer.from('\ufffd')

/** How Logstash prints an event that no format was given for. */
export const DEFAULT_FORMAT = compileTemplate('%{@timestamp} %{host} %{message}')

/** Keeps the raw text in `[event][original]`, as ECS wants it, unless something stands there. */
export function keepOriginal(fields: Fields, text: string): void {
  setIfMissing(fields, ['event', 'original'], text)
}

/** Sets a value in decoded fields unless there is one; where a scalar stands in the way, nothing happens. */
export function setIfMissing(fields: Fields, path: readonly string[], value: Value): void {
  let holder = fields
  const depth = path.length - 1
  for (let at = 0; at < depth; at++) {
    const segment = path[at] ?? ''
    const present = member(holder, segment)
    const next: Fields = isFields(present) ? present : {}
    if (present === undefined || present === null) setMember(holder, segment, next)
    else if (next !== present) return
    holder = next
  }
  const last = path[depth] ?? ''
  if (member(holder, last) === undefined) setMember(holder, last, value)
}
