import { defineCodec } from '../core/component.ts'
import * as option from '../core/options/options.ts'
import { createLineDecoder, DELIMITER, LINE_SIZE_LIMIT } from './line-stream.ts'
import { textEvent } from './plain.ts'
import { DEFAULT_FORMAT, LINE_CHARSET } from './text.ts'

export const line = defineCodec({
  name: 'line',
  summary: 'Each line of a stream is one event with its text in the field `message`.',
  description:
    'The last line counts also where no delimiter ends it. With `ecs_compatibility` the text is also kept in `[event][original]`.',
  options: {
    charset: LINE_CHARSET,
    delimiter: DELIMITER,
    decode_size_limit_bytes: LINE_SIZE_LIMIT,
    format: option.template('The text of an event on its way out, without the delimiter. Without it: time, host and message.'),
  },
  examples: [
    { title: 'One line for each event', options: { format: '%{@timestamp} %{service} %{message}' } },
    { title: 'Records that end with a zero byte', options: { delimiter: '\u0000' } },
  ],
  createDecoder: (options, context) => {
    const ecs = context.ecs_compatibility !== 'disabled'
    return createLineDecoder(options, context, (text) => [textEvent(text, ecs)])
  },
  createEncoder: ({ format = DEFAULT_FORMAT, delimiter }) => ({ encode: (event) => format.format(event) + delimiter }),
})
