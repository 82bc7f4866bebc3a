import { defineCodec } from '../core/component.ts'
import { MillraceError } from '../core/errors.ts'

export const dots = defineCodec({
  name: 'dots',
  summary: 'Prints a dot for each event, to see them pass. For outputs only.',
  options: {},
  examples: [],
  createDecoder: () => {
    throw new MillraceError('OPTION_INVALID', 'the codec dots only prints: take json, json_lines, line or plain for an input')
  },
  createEncoder: () => ({ encode: () => '.' }),
})
