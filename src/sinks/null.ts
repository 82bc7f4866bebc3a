import { defineOutput } from '../core/component.ts'
import { STORED } from '../core/contracts.ts'

export const nullOutput = defineOutput({
  name: 'null',
  summary: 'Throws every event away and counts it as stored. For measuring.',
  default_codec: 'plain',
  options: {},
  examples: [{ title: 'Run everything but the output', options: {} }],
  create: () => ({
    open: () => Promise.resolve(),
    write: (events) => Promise.resolve({ outcomes: events.map(() => STORED) }),
    close: () => Promise.resolve(),
  }),
})
