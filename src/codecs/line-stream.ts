import type { Charset } from '../core/charset.ts'
import type { Context } from '../core/context.ts'
import type { Decoded, Decoder } from '../core/contracts.ts'
import * as option from '../core/options/options.ts'
import { type Line, LineSplitter, TOO_LONG_KEPT_BYTES } from './line-splitter.ts'
import { createTextReader } from './text.ts'

/** The same limit as `max_event_bytes`: no event of that size goes further anyway. */
const LINE_SIZE_BYTES = 10 * 1024 * 1024

const ANY_DELIMITER = option.string('What stands between two lines.', { default: '\n' })
export const DELIMITER: typeof ANY_DELIMITER = {
  ...ANY_DELIMITER,
  schema: { ...ANY_DELIMITER.schema, minLength: 1 },
  read: (value, report) => {
    const delimiter = ANY_DELIMITER.read(value, report)
    if (delimiter !== '' || value === undefined) return delimiter
    report({ code: 'CONFIG_INVALID_OPTION', at: value.at, message: 'expected a delimiter of at least one character, got ""' })
    return undefined
  },
}
export const LINE_SIZE_LIMIT = option.bytes(
  'A longer line becomes an event with its first 64 kB and the tag `_linetoolong`; the rest of it is not kept.',
  { default: LINE_SIZE_BYTES, min: 1 },
)

interface LineOptions {
  readonly charset: Charset
  readonly delimiter: string
  readonly decode_size_limit_bytes: number
}

/** A decoder that cuts a stream into lines and hands each line's text on, unless `readBytes` does with its bytes. */
export function createLineDecoder(
  options: LineOptions,
  context: Context,
  read: (text: string) => Decoded[],
  readBytes?: (bytes: Buffer) => Decoded[] | undefined,
): Decoder {
  const splitter = new LineSplitter(Buffer.from(options.delimiter), options.decode_size_limit_bytes)
  const readText = createTextReader(options.charset, context)
  const readLine = (line: Line): Decoded[] => {
    const decoded = line.too_long ? undefined : readBytes?.(line.bytes)
    if (decoded !== undefined) return decoded
    const text = readText(line.bytes)
    if (!line.too_long) return read(text)
    context.log.warn(
      'line-too-long',
      `${context.where}: a line of ${line.size_bytes} bytes is over the limit of ${options.decode_size_limit_bytes} (decode_size_limit_bytes): only its first ${TOO_LONG_KEPT_BYTES} bytes were kept`,
    )
    return [{ fields: { message: text, tags: ['_linetoolong'] }, exact: false }]
  }
  return {
    splits_stream: true,
    get pending_bytes() {
      return splitter.held_bytes
    },
    decode: (piece) => splitter.push(typeof piece === 'string' ? Buffer.from(piece) : piece).flatMap(readLine),
    flush: () => {
      const line = splitter.flush()
      return line === undefined ? [] : readLine(line)
    },
  }
}
