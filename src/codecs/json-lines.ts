import { defineCodec } from '../core/component.ts'
import * as option from '../core/options/options.ts'
import { createJsonReader, readAsciiObject } from './json-events.ts'
import { createLineDecoder, DELIMITER, LINE_SIZE_LIMIT } from './line-stream.ts'
import { LINE_CHARSET } from './text.ts'

export const jsonLines = defineCodec({
  name: 'json_lines',
  summary: 'Each line of a stream is one JSON object, or a list of objects which gives one event each (NDJSON).',
  description:
    'Numbers keep the text they were written in, however long. A line that is not JSON becomes an event with the text in ' +
    '`message` and the tag `_jsonparsefailure`. The last line counts also where no delimiter ends it; blank lines are skipped.',
  options: {
    charset: LINE_CHARSET,
    delimiter: DELIMITER,
    decode_size_limit_bytes: LINE_SIZE_LIMIT,
    target: option.fieldRef('The field that takes the decoded object. Without it the object is the event.'),
  },
  examples: [{ title: 'The decoded object in a field of its own', options: { target: '[document]' } }],
  createDecoder: (options, context) => {
    const read = createJsonReader({ target: options.target, keeps_original: false }, context)
    const takes_bytes = options.charset === 'UTF-8' && options.target === undefined
    return createLineDecoder(options, context, read, takes_bytes ? readAsciiObject : undefined)
  },
  createEncoder: ({ delimiter }) => ({ encode: (event) => event.toJsonText() + delimiter }),
})
