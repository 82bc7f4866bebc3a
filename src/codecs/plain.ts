import { defineCodec } from '../core/component.ts'
import type { Decoded } from '../core/contracts.ts'
import * as option from '../core/options/options.ts'
import { CHARSET, createTextReader, DEFAULT_FORMAT, keepOriginal } from './text.ts'

export const plain = defineCodec({
  name: 'plain',
  summary: 'Each message is one event with its text in the field `message`.',
  description: 'With `ecs_compatibility` the text is also kept in `[event][original]`.',
  options: {
    charset: CHARSET,
    format: option.template('The text of an event on its way out. Without it: time, host and message.'),
  },
  examples: [{ title: 'Text in another character set', options: { charset: 'ISO-8859-1' } }],
  createDecoder: (options, context) => {
    const readText = createTextReader(options.charset, context)
    const ecs = context.ecs_compatibility !== 'disabled'
    return {
      keeps_text: !ecs,
      decode: (piece) => [textEvent(readText(piece), ecs)],
      flush: () => [],
    }
  },
  createEncoder: ({ format = DEFAULT_FORMAT }) => ({ encode: (event) => format.format(event) }),
})

/** An event of plain text. */
export function textEvent(text: string, ecs: boolean): Decoded {
  const fields = { message: text }
  if (ecs) keepOriginal(fields, text)
  return { fields, exact: false }
}
