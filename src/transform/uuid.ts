import { randomUUID } from 'node:crypto'
import { defineFilter } from '../core/component.ts'
import { messageOf } from '../core/errors.ts'
import * as option from '../core/options/options.ts'

export const uuid = defineFilter({
  name: 'uuid',
  summary: 'Puts a random id (UUID, version 4) into a field.',
  description: `
Every event gets another id, also the same line when it comes a second time: for a \`document_id\` that stays the same at
every delivery leave the output's own, or use \`fingerprint\`. A field that has a value keeps it unless \`overwrite\` is set;
a null counts as none. Where the field cannot be set, the event is tagged \`_uuid_failure\`.
`.trim(),
  options: {
    target: option.fieldRef('Field that the id is put into.', { required: true }),
    overwrite: option.boolean('Replaces a value that is there.', { default: false }),
  },
  examples: [
    {
      title: 'A value that is there stays',
      options: { target: '[event][id]' },
      before: { event: { id: 'A-7' } },
      after: { event: { id: 'A-7' } },
    },
  ],
  compile({ target, overwrite }, context) {
    return (event) => {
      try {
        if (overwrite || (event.get(target) ?? null) === null) event.set(target, randomUUID())
      } catch (thrown) {
        event.tag('_uuid_failure')
        context.log.warn('uuid_failure', `${context.where}: the uuid filter could not set ${target.text}: ${messageOf(thrown)}`)
        return
      }
      context.matched(event)
    }
  },
})
