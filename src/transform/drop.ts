import { defineFilter } from '../core/component.ts'
import * as option from '../core/options/options.ts'

export const drop = defineFilter({
  name: 'drop',
  summary: 'Takes events out of the pipeline: all that reach it, or a share of them.',
  description: `
Stand it in a condition. Nothing after it sees a dropped event, not even in the same batch. Dropped events are counted
in the ledger under the place of the filter that dropped them, so that they can always be told from lost ones.
`.trim(),
  options: {
    percentage: option.number('How many of a hundred events are dropped, chosen by chance.', { default: 100, min: 0, max: 100 }),
  },
  examples: [
    { title: 'Every event', options: {}, before: { level: 'debug' }, after: null },
    { title: 'None (a share of 40 keeps 60 of a hundred)', options: { percentage: 0 }, before: { a: 1 }, after: { a: 1 } },
  ],
  compile({ percentage }, context) {
    const reason = `drop at ${context.where}`
    if (percentage >= 100) return (event) => event.cancel(reason)
    const share = percentage / 100
    return (event) => {
      if (Math.random() < share) event.cancel(reason)
    }
  },
})
