import { isUtf8 } from 'node:buffer'
import { CHARSETS, type Charset, decoderOf } from '../core/charset.ts'
import { defineFilter } from '../core/component.ts'
import { messageOf } from '../core/errors.ts'
import { fieldRefOf } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'
import { type Fields, isFields, setMember, type Value } from '../core/values.ts'
import { inspectText } from './ruby-text.ts'

export const urldecode = defineFilter({
  name: 'urldecode',
  summary: 'Decodes percent-encoded text, as in URLs.',
  description: `
Each \`%41\` becomes the byte it stands for; a \`+\` stays, and so does a \`%\` that no two hexadecimal digits follow. In lists
and maps all texts are decoded, names not. Then the bytes are read in \`charset\`: those that are not UTF-8 become text such
as \`\\xE9\` (and the rest of that text is written as Ruby prints it), those that are not valid in another character set
U+FFFD. As in Logstash, a field that is missing becomes null, and the common options act also after a failure.
`.trim(),
  options: {
    field: option.fieldRef('Field with the text.', { default: 'message' }),
    all_fields: option.boolean('Decodes all fields instead, metadata not.', { default: false }),
    charset: option.oneOf('The character set of the decoded bytes.', CHARSETS, { default: 'UTF-8' }),
    tag_on_failure: option.list('Tags of an event whose field could not be set.', { default: ['_urldecodefailure'] }),
  },
  examples: [
    {
      title: 'A query',
      options: { field: 'query' },
      before: { query: 'city=K%C3%B6ln+a%20b&rate=50%' },
      after: { query: 'city=Köln+a b&rate=50%' },
    },
    {
      title: 'Another character set',
      options: { field: 'query', charset: 'ISO-8859-1' },
      before: { query: 'caf%E9' },
      after: { query: 'café' },
    },
  ],
  compile({ field, all_fields, charset, tag_on_failure }, context) {
    const decodeText = charset === 'UTF-8' ? decodeUtf8 : decodeIn(charset)
    return (event) => {
      try {
        if (all_fields) for (const [name, value] of event.entries()) event.set(fieldRefOf([name]), decodeValue(value, decodeText))
        else event.set(field, decodeValue(event.get(field) ?? null, decodeText))
      } catch (thrown) {
        for (const tag of tag_on_failure) event.tag(tag)
        context.log.warn('urldecode_failure', `${context.where}: the urldecode filter failed: ${messageOf(thrown)}`)
      }
      context.matched(event)
    }
  },
})

function decodeValue(value: Value, decodeText: (text: string) => string): Value {
  if (typeof value === 'string') return decodeText(value)
  if (Array.isArray(value)) return value.map((item) => decodeValue(item, decodeText))
  if (!isFields(value)) return value
  const decoded: Fields = {}
  for (const [name, inner] of Object.entries(value)) {
    if (inner !== undefined) setMember(decoded, name, decodeValue(inner, decodeText))
  }
  return decoded
}

function decodeIn(charset: Charset): (text: string) => string {
  const decode = decoderOf(charset)
  return (text) => decode(unescape(text))
}

function decodeUtf8(text: string): string {
  if (!text.includes('%')) return text
  return decodeSound(text) ?? readUtf8(unescape(text))
}

/** A percent sign that no two hexadecimal digits follow. */
const STRAY_PERCENT = /%(?![0-9a-fA-F]{2})/

/** What most texts become, at a tenth of the price; `undefined` where the bytes have to be looked at. */
function decodeSound(text: string): string | undefined {
  if (STRAY_PERCENT.test(text) || !text.isWellFormed()) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** The bytes of a text, escapes decoded. */
function unescape(text: string): Buffer {
  const parts = text.split(/((?:%[0-9a-fA-F]{2})+)/)
  return Buffer.concat(
    parts.map((part, index) => (index % 2 === 0 ? Buffer.from(part) : Buffer.from(part.replaceAll('%', ''), 'hex'))),
  )
}

function readUtf8(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString() : inspectBytes(bytes)
}

/** What Ruby's `inspect` makes of a text that is not valid: `caf\xE9`. */
function inspectBytes(bytes: Buffer): string {
  let text = ''
  let start = 0
  const printUntil = (end: number): void => {
    text += inspectText(bytes.toString('utf8', start, end)).slice(1, -1)
  }
  for (let index = 0; index < bytes.length; ) {
    const length = lengthOfCharacter(bytes[index] ?? 0)
    if (index + length <= bytes.length && isUtf8(bytes.subarray(index, index + length))) {
      index += length
      continue
    }
    printUntil(index)
    text += `\\x${bytes.toString('hex', index, index + 1).toUpperCase()}`
    index++
    start = index
  }
  printUntil(bytes.length)
  return text
}

function lengthOfCharacter(first: number): number {
  if (first < 0xc0) return 1
  if (first < 0xe0) return 2
  return first < 0xf0 ? 3 : 4
}
