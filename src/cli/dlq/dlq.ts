import { wholeNumber } from '../arguments.ts'
import { readFlags, type Tool, UsageError } from '../tool.ts'
import { CHOICE_FLAGS, CHOICE_USAGE, readChoice } from './choice.ts'
import { listDeadLetters } from './list.ts'
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
}

export const dlq: Tool = {
  usage: `bin/millrace dlq: the dead letters, which are events that could not be stored

  bin/millrace dlq ls                     why they are dead: one row for each cause
  bin/millrace dlq show [GROUP]           print them as NDJSON, oldest first

GROUP is the id of a row of dlq ls.

${CHOICE_USAGE}      --limit N                show: at most so many
      --json                   ls: one JSON object, for machines
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
