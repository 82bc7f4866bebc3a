import { defineCodec } from '../core/component.ts'
import * as option from '../core/options/options.ts'
import { createJsonReader, readAsciiObject } from './json-events.ts'
import { CHARSET, createTextReader } from './text.ts'

export const json = defineCodec({
  name: 'json',
  summary: 'Each message is one JSON object, or a list of objects which gives one event each.',
  description:
    'Numbers keep the text they were written in, however long. What is not JSON becomes an event with the text in `message` ' +
    'and the tag `_jsonparsefailure`. With `ecs_compatibility` the text of a single object is kept in `[event][original]`.',
  options: {
    charset: CHARSET,
    target: option.fieldRef('The field that takes the decoded object. Without it the object is the event.'),
  },
  examples: [{ title: 'The decoded object in a field of its own', options: { target: '[document]' } }],
  createDecoder: (options, context) => {
    const readText = createTextReader(options.charset, context)
    const keeps_original = context.ecs_compatibility !== 'disabled'
    const readJson = createJsonReader({ target: options.target, keeps_original }, context)
    const takes_bytes = options.charset === 'UTF-8' && options.target === undefined && !keeps_original
    return {
      decode: (piece) => (takes_bytes && typeof piece !== 'string' && readAsciiObject(piece)) || readJson(readText(piece)),
      flush: () => [],
    }
  },
  createEncoder: () => ({ encode: (event) => event.toJsonText() }),
})
