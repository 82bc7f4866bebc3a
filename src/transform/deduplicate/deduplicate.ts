import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { defineFilter } from '../../core/component.ts'
import * as option from '../../core/options/options.ts'
import { duration } from '../../core/time/duration.ts'
import { shortKey } from '../short-key.ts'
import { SeenKeys } from './seen-keys.ts'

export const deduplicate = defineFilter({
  name: 'deduplicate',
  summary: 'Lets the first event of a key pass and takes out those that follow within a window of time.',
  remembers: true,
  description: `
For alerts that must not ring twice: of the events whose \`key\` is the same, one passes in each \`window\`, which begins with it. The
others are dropped, and counted as such; with \`action => "tag"\` they pass, and \`add_tag\` and the like act on them.

What was seen is kept in the data folder, so that a restart does not ring again (\`persist\`). It is written every second, every 10
where keys are many, and at the end; after a crash a duplicate of the last seconds may pass. No event is lost by it: an event that
comes once more after a crash or a broken connection is no duplicate of itself, and one that every output refused, or a filter
failed at, leaves its place to the next. Where one output refuses it and another one (or another pipeline) has it, the next is a
duplicate: the other one would get it twice. So it is with the parts and copies that \`split\` and \`clone\` make of it further on.

The window is of the program's clock, not of \`@timestamp\`.
`.trim(),
  options: {
    key: option.template('What makes events duplicates: `%{fingerprint}-%{status}`.', { required: true }),
    window: duration('How long a key is remembered from its first event on: `24h`, `10 min`.', '1 hour'),
    action: option.oneOf('What happens to duplicates.', ['drop', 'tag'], { default: 'drop' }),
    max_keys: option.integer('Keys to remember at most: beyond it the oldest are forgotten.', {
      default: 100_000,
      min: 1,
      max: 10_000_000,
    }),
    persist: option.boolean('Whether keys are kept over a restart. Needs an `id` that stays the same.', { default: true }),
  },
  examples: [
    {
      title: 'One alert a day for each error and status',
      options: { key: '%{fingerprint}-%{status}', window: '24h', persist: false },
      before: { fingerprint: 'a1b2', status: 'firing' },
      after: { fingerprint: 'a1b2', status: 'firing' },
    },
  ],
  async compile({ key, window, action, max_keys, persist }, context) {
    const is_kept = persist && context.paths.dry_run !== true
    const path = is_kept ? join(context.paths.data, 'deduplicate', fileName(context.id, key.text)) : undefined
    const seen = await SeenKeys.open(path, context.clock, context.log)
    const options = { window_ms: window, keys_max: max_keys }
    return {
      step: (event) => {
        if (!seen.isSeen(shortKey(key.format(event)), event, options)) return
        if (action === 'tag') context.matched(event)
        else event.cancel('duplicate')
      },
      close: () => seen.close(),
    }
  },
})

/** With the key in it, for filters of several pipelines may have the same id. */
function fileName(id: string, key: string): string {
  return `${encodeURIComponent(id)}-${createHash('sha1').update(key).digest('hex').slice(0, 8)}.json`
}
