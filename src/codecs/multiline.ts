import { defineCodec } from '../core/component.ts'
import type { Context } from '../core/context.ts'
import type { Decoded, Decoder } from '../core/contracts.ts'
import { MillraceError } from '../core/errors.ts'
import { kept, keptAs } from '../core/options/kept-options.ts'
import * as option from '../core/options/options.ts'
import { isInterrupted } from '../core/regex/guard.ts'
import { compileLinePattern } from '../grok/line-pattern.ts'
import { textEvent } from './plain.ts'
import { createTextReader, LINE_CHARSET } from './text.ts'

const OPTIONS = {
  pattern: option.string(
    'A regular expression that tells which lines belong to others; grok patterns (`%{NAME}`) may stand in it.',
    {
      required: true,
    },
  ),
  what: option.oneOf('Whether a line that fits belongs to the one before it or the one behind it.', ['previous', 'next'], {
    required: true,
  }),
  negate: option.boolean('Turns it round: lines that do not fit belong to others.', { default: false }),
  multiline_tag: option.string('The tag of events of more than one line; an empty text for none.', { default: 'multiline' }),
  max_lines: option.integer('An event with more lines is handed on as it is, with the tag `multiline_codec_max_lines_reached`.', {
    default: 500,
    min: 1,
  }),
  max_bytes: option.bytes('An event of so many bytes is handed on as it is, with the tag `multiline_codec_max_bytes_reached`.', {
    default: 10 * 1024 * 1024,
    min: 1,
  }),
  auto_flush_interval: option.number(
    'After so many seconds without a line an event is complete. Without it: when its next line comes.',
    {
      min: 0.001,
    },
  ),
  patterns_dir: option.list('Folders with patterns of your own, a line each: `NAME pattern`.', { default: [] }),
  charset: LINE_CHARSET,
  delimiter: keptAs(['\n'], 'the input cuts the lines: the file input has a delimiter of its own'),
  streaming_input: kept('streams are cut into lines before'),
}
type Options = option.OptionValues<typeof OPTIONS>

export const multiline = defineCodec({
  name: 'multiline',
  summary: 'Joins lines that belong together, such as stack traces, into one event each.',
  description:
    'The last event is complete when the input ends, or after `auto_flush_interval`. The file input keeps its place before lines that ' +
    'wait for others, so a restart loses none of them. With `ecs_compatibility` the text is also kept in `[event][original]`. Beats ' +
    'cannot use it: Filebeat joins lines itself.',
  options: OPTIONS,
  examples: [
    { title: 'Indented lines belong to the line before', options: { pattern: '^\\s', what: 'previous' } },
    {
      title: 'Every event begins with a time',
      options: { pattern: '^%{TIMESTAMP_ISO8601} ', negate: true, what: 'previous', auto_flush_interval: 2 },
    },
  ],
  createDecoder: (options, context) => new MultilineDecoder(options, context),
  createEncoder: () => {
    throw new MillraceError('OPTION_INVALID', 'the codec multiline only reads: take line, plain or json_lines for an output')
  },
})

class MultilineDecoder implements Decoder {
  readonly flush_after_ms?: number
  readonly #options: Options
  readonly #context: Context
  readonly #readText: (piece: Buffer | string) => string
  readonly #fits: (line: string) => boolean
  #lines: string[] = []
  #bytes = 0

  constructor(options: Options, context: Context) {
    this.#options = options
    this.#context = context
    this.#readText = createTextReader(options.charset, context)
    const { regex } = compileLinePattern(options.pattern, options.patterns_dir, context)
    this.#fits = (line) => regex.test(line)
    if (options.auto_flush_interval !== undefined) this.flush_after_ms = options.auto_flush_interval * 1_000
  }

  get holds(): boolean {
    return this.#lines.length > 0
  }

  get pending_bytes(): number {
    return this.#bytes
  }

  decode(piece: Buffer | string): Decoded[] {
    const decoded: Decoded[] = []
    const lines = this.#readText(piece).split('\n')
    // A piece may end with the end of its last line.
    if (lines.length > 1 && lines.at(-1) === '') lines.pop()
    for (const line of lines) this.#take(line, decoded)
    return decoded
  }

  flush(): Decoded[] {
    const decoded: Decoded[] = []
    this.#complete(decoded)
    return decoded
  }

  #take(line: string, decoded: Decoded[]): void {
    const belongs = this.#belongs(line)
    if (this.#options.what === 'next') {
      this.#hold(line)
      if (!belongs || this.#isFull()) this.#complete(decoded)
    } else {
      if (!belongs || this.#isFull()) this.#complete(decoded)
      this.#hold(line)
    }
  }

  #belongs(line: string): boolean {
    try {
      return this.#fits(line) !== this.#options.negate
    } catch (thrown) {
      if (!isInterrupted(thrown)) throw thrown
      this.#context.log.warn(
        'multiline_pattern',
        `${this.#context.where}: multiline.pattern: ${thrown.message}: the line stands alone`,
      )
      return false
    }
  }

  #hold(line: string): void {
    this.#lines.push(line)
    this.#bytes += Buffer.byteLength(line)
  }

  #isFull(): boolean {
    return this.#lines.length > this.#options.max_lines || this.#bytes >= this.#options.max_bytes
  }

  #complete(decoded: Decoded[]): void {
    if (this.#lines.length === 0) return
    const { multiline_tag, max_lines, max_bytes } = this.#options
    const tags: string[] = []
    if (this.#lines.length > 1 && multiline_tag !== '') tags.push(multiline_tag)
    if (this.#bytes >= max_bytes) tags.push('multiline_codec_max_bytes_reached')
    if (this.#lines.length > max_lines) tags.push('multiline_codec_max_lines_reached')
    const event = textEvent(this.#lines.join('\n'), this.#context.ecs_compatibility !== 'disabled')
    const fields = tags.length === 0 ? event.fields : { ...event.fields, tags }
    decoded.push({ ...event, fields, size_bytes: this.#bytes })
    this.#lines = []
    this.#bytes = 0
  }
}
