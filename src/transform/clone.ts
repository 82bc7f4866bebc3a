import { defineFilter } from '../core/component.ts'
import type { Event } from '../core/event.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'

const TYPE = parseFieldRef('type')

export const clone = defineFilter({
  name: 'clone',
  summary: 'Makes copies of an event, which go on behind it.',
  description: `
The event itself goes on first and unchanged, then one copy for each name, with the common options (\`add_field\`, …)
applied to copies only. A copy is told by its name: it is added to the \`tags\` under \`ecs_compatibility => v1\` or
\`v8\`, and is the \`type\` where that is \`disabled\`. The ledger counts copies as created events.
`.trim(),
  options: {
    clones: option.list('The names of the copies; one copy for each.', { required: true }),
  },
  examples: [
    {
      title: 'One copy, told by its type',
      options: { clones: ['audit'], ecs_compatibility: 'disabled' },
      before: { user: 'anna' },
      after: [{ user: 'anna' }, { user: 'anna', type: 'audit' }],
    },
    {
      title: 'One copy, told by a tag',
      options: { clones: ['audit'], ecs_compatibility: 'v8' },
      before: { user: 'anna' },
      after: [{ user: 'anna' }, { user: 'anna', tags: ['audit'] }],
    },
  ],
  compile({ clones }, context) {
    const name = context.ecs_compatibility === 'disabled' ? setType : addTag
    if (clones.length === 0) context.log.warn('clone_nothing', `${context.where}: clones is empty: no copies are made`)
    return (event, emit) => {
      const copies = clones.map((text) => {
        const copy = event.clone()
        name(copy, text)
        context.matched(copy)
        return copy
      })
      for (const copy of copies) emit(copy)
    }
  },
})

function setType(copy: Event, name: string): void {
  copy.set(TYPE, name)
}

function addTag(copy: Event, name: string): void {
  copy.tag(name)
}
