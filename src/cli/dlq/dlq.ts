import { parseArguments, wholeNumber } from '../arguments.ts'
import { resolveCommand } from '../run-command.ts'
import { readFlags, type Tool, UsageError } from '../tool.ts'
import { CHOICE_FLAGS, CHOICE_USAGE, readChoice } from './choice.ts'
import { listDeadLetters } from './list.ts'
import { replayDeadLetters } from './replay.ts'
import { showDeadLetters } from './show.ts'

const LIMIT_MAX = Number.MAX_SAFE_INTEGER

const COMMANDS: { readonly [name: string]: (words: readonly string[]) => Promise<number> } = {
  ls: async (words) => {
    const { values, positionals } = readFlags(words, CHOICE_FLAGS)
    return await listDeadLetters(await readChoice(positionals, values), values.json)
  },
  show: async (words) => {
    const { values, positionals } = readFlags(words, { ...CHOICE_FLAGS, limit: { type: 'string' } })
    const limit = values.limit === undefined ? LIMIT_MAX : wholeNumber('--limit', values.limit, 0, LIMIT_MAX)
    return await showDeadLetters(await readChoice(positionals, values), limit)
  },
  replay: async (words) => {
    const { values, positionals } = readFlags(words, { ...CHOICE_FLAGS, ...REPLAY_FLAGS })
    const { through, rate } = values
    const request = parseArguments([
      'run',
      ...['path.config', 'config.string', 'path.settings', 'path.data', 'drain.timeout'].flatMap((name) => {
        const value = values[name as keyof typeof values]
        return typeof value === 'string' ? [`--${name}`, value] : []
      }),
    ])
    if (request.kind !== 'run') throw new UsageError('expected a config: millrace dlq replay -f CONFIG')
    const { config, data, drain_timeout_ms } = await resolveCommand(request)
    return await replayDeadLetters({
      choice: await readChoice(positionals, { ...values, 'path.data': data }),
      config,
      data,
      drain_timeout_ms,
      pipeline: values['pipeline.id'],
      through,
      rate: rate === undefined ? undefined : wholeNumber('--rate', rate, 1),
      is_dry: values['dry-run'],
      is_json: values.json,
    })
  },
}

const REPLAY_FLAGS = {
  'path.config': { type: 'string', short: 'f' },
  'config.string': { type: 'string', short: 'e' },
  'path.settings': { type: 'string' },
  'pipeline.id': { type: 'string' },
  'drain.timeout': { type: 'string' },
  through: { type: 'string' },
  rate: { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
} as const

export const dlq: Tool = {
  usage: `bin/millrace dlq: the dead letters, which are events that could not be stored

  bin/millrace dlq ls                     why they are dead: one row for each cause
  bin/millrace dlq show [GROUP]           print them as NDJSON, oldest first
  bin/millrace dlq replay [GROUP] -f CONFIG [--dry-run]
                                          send them again to the outputs of CONFIG; its inputs do not run

GROUP is the id of a row of dlq ls.

${CHOICE_USAGE}      --limit N                show: at most so many
      --json                   ls, replay: one JSON object, for machines

  -f, --path.config CONFIG     replay: whose outputs and filters; a letter goes the rest of its way only: what an output gave
                               up goes to that output, anything else through the filters first
      --through FILTERS        a config with filters only, for all chosen letters, in place of CONFIG's filters
      --rate N                 at most N letters a second
      --dry-run                tell what would go where, and send nothing
      --pipeline.id ID         which pipeline, of a config with several
      --path.settings DIR      where logstash.yml, pipelines.yml and the keystore are
      --drain.timeout SECONDS  how long those on their way are waited for after Ctrl-C    (30)

The program may be running meanwhile. A replay that was broken off is started again: what is stored is not sent a second time, but
for what was on its way, which documents with ids tell. What fails again stays, with its new reason.
`,
  run: async (words) => {
    const [name = '', ...rest] = words
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
    if (command === undefined) {
      throw new UsageError(`expected dlq ${Object.keys(COMMANDS).join(', dlq ')}, got dlq ${words.join(' ')}`)
    }
    return await command(rest)
  },
}
