import { defineCodec } from '../core/component.ts'
import { MillraceError } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import * as option from '../core/options/options.ts'
import type { Fields } from '../core/values.ts'
import { setMember } from '../core/values.ts'
import { printRuby } from './ruby-print.ts'

export const rubydebug = defineCodec({
  name: 'rubydebug',
  summary: 'Prints events for people, as Ruby would, one field a line. For outputs only.',
  options: {
    metadata: option.boolean('Prints the metadata too, where there is some.', { default: false }),
  },
  examples: [{ title: 'With what no other output shows', options: { metadata: true } }],
  createDecoder: () => {
    throw new MillraceError(
      'OPTION_INVALID',
      'the codec rubydebug only prints: take json, json_lines, line or plain for an input',
    )
  },
  createEncoder: ({ metadata }) => ({ encode: (event) => `${printRuby(fieldsOf(event, metadata))}\n` }),
})

function fieldsOf(event: Event, with_metadata: boolean): Fields {
  const fields: Fields = {}
  for (const [name, value] of event.entries()) setMember(fields, name, value)
  if (with_metadata && Object.values(event.metadata).some((value) => value !== undefined)) fields['@metadata'] = event.metadata
  return fields
}
