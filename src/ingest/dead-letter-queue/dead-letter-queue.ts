import { join, resolve } from 'node:path'
import { defineInput } from '../../core/component.ts'
import { MillraceError } from '../../core/errors.ts'
import * as option from '../../core/options/options.ts'
import { parseTimestamp } from '../../core/values.ts'
import { createLetterSource } from './letter-source.ts'

export const deadLetterQueue = defineInput({
  name: 'dead_letter_queue',
  summary: 'Reads dead letters back as events, so that a pipeline can mend them and store them after all.',
  description: `
\`[@metadata][dead_letter_queue]\` says what had happened: \`plugin_type\`, \`plugin_id\`, \`reason\`, \`entry_time\`. The event keeps
its own fields, metadata and stable id, so what was stored in the meantime is recognised. What never became an event is decoded
with the codec.

An event that fails again goes to the dead letters again, with its new reason, and is never lost. It is marked there as read back
once (\`"replays": 1\`), and this input passes over it: nothing goes round in a circle, and a person finds it with
\`bin/millrace dlq ls\`. After the config is mended, \`replays_max\` lets such letters have another try.
`,
  default_codec: 'plain',
  options: {
    path: option.path(
      "The folder of the dead letters. Default: the program's own; also where the folder is missing or holds those of Logstash, which cannot be read here.",
    ),
    pipeline_id: option.string('Whose dead letters are read. Two inputs that read the same need a `sincedb_path` each.', {
      default: 'main',
    }),
    commit_offsets: option.boolean(
      'Whether the position is kept, so that the next start goes on there. It moves on when events are stored.',
      { default: true },
    ),
    sincedb_path: option.path('The file that keeps the position. Default: a file in the data folder.'),
    start_timestamp: option.string('ISO 8601: older dead letters are passed over.'),
    clean_consumed: option.boolean(
      'Whether files of dead letters are removed when all that they hold was read and stored. Files with letters that were passed over stay.',
      { default: false },
    ),
    replays_max: option.integer('Ours. How often one event is read back at most.', { default: 1, min: 1, max: 1_000 }),
  },
  examples: [
    { title: 'Read back what one pipeline could not store', options: { pipeline_id: 'main', commit_offsets: true } },
    { title: 'Only those since a day', options: { start_timestamp: '2026-03-01T00:00:00Z', clean_consumed: true } },
  ],
  create: (options, context) => {
    const { path, pipeline_id, commit_offsets, clean_consumed, sincedb_path, start_timestamp, replays_max } = options
    const start = start_timestamp === undefined ? undefined : parseTimestamp(start_timestamp)
    if (start_timestamp !== undefined && start === undefined) {
      throw new MillraceError(
        'INPUT_CANNOT_START',
        `start_timestamp: expected a time such as 2026-03-01T00:00:00Z, got "${start_timestamp}"`,
      )
    }
    if (clean_consumed && !commit_offsets) {
      throw new MillraceError('INPUT_CANNOT_START', 'clean_consumed needs commit_offsets, which is false')
    }
    const { config, data } = context.paths
    const positions =
      sincedb_path === undefined
        ? join(data, 'positions', `dead-letter-queue-${encodeURIComponent(pipeline_id)}.json`)
        : resolve(config, sincedb_path)
    return createLetterSource(
      {
        folder: path === undefined ? undefined : resolve(config, path),
        pipeline_id,
        positions_path: commit_offsets ? positions : undefined,
        clean_consumed,
        start_ms: start?.epoch_ms ?? Number.NEGATIVE_INFINITY,
        replays_max,
      },
      context,
    )
  },
})
