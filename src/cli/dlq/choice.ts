import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { compileCondition, type Predicate } from '../../compile/condition.ts'
import { ConditionError, parseCondition } from '../../config/condition-parser.ts'
import { regexLimits } from '../../core/regex/guard.ts'
import { deadLettersFolder } from '../../storage/dead-letters.ts'
import { readWaitingLetters, type WaitingLetter } from '../../storage/stored-letter.ts'
import { MetricsRegistry } from '../../telemetry/metrics.ts'
import { UsageError } from '../tool.ts'
import { causeOf } from './cause.ts'
import { eventOf } from './letter-events.ts'

/** Flags of all that look at dead letters. */
export const CHOICE_FLAGS = {
  'path.data': { type: 'string' },
  where: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

export const CHOICE_USAGE = `      --where CONDITION        only letters on which it holds: '[level] == "error"'; what had happened to a letter is in
                               [@metadata][dead_letter_queue] (plugin_type, plugin_id, reason, entry_time, pipeline, replays)
      --path.data DIR          where the program keeps its data    (data)
`

/** Which letters are meant. */
export interface Choice {
  readonly folder: string
  /** The id of a group, or its beginning. */
  readonly group: string | undefined
  readonly holds: Predicate | undefined
  readonly pipeline?: string | undefined
}

/**
 * @param words at most one: the id of a group
 * @throws UsageError
 */
export async function readChoice(
  words: readonly string[],
  { where, 'path.data': data }: { readonly where?: string | undefined; readonly 'path.data'?: string | undefined },
): Promise<Choice> {
  const [group, further] = words
  if (further !== undefined) throw new UsageError(`expected one group of bin/millrace dlq ls, got also ${further}`)
  if (group !== undefined && !/^[0-9a-f]{4,8}$/.test(group)) {
    throw new UsageError(`expected a group of bin/millrace dlq ls such as 3f2a91bc, got ${group}`)
  }
  const holds = where === undefined ? undefined : readCondition(where)
  const folder = resolve(data ?? process.env['MILLRACE_DATA'] ?? 'data')
  if (!(await isFolder(folder))) throw new UsageError(`there is no data folder ${folder}: name it with --path.data DIR`)
  return { folder: deadLettersFolder(folder), group, holds }
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

function readCondition(text: string): Predicate {
  const limits = regexLimits({ id: 'dlq', metrics: new MetricsRegistry() })
  try {
    return compileCondition(parseCondition(text), { incomparable: () => {}, interrupted: () => {}, limits })
  } catch (thrown) {
    if (!(thrown instanceof ConditionError)) throw thrown
    const hint = thrown.hint === undefined ? '' : ` (${thrown.hint})`
    throw new UsageError(`--where: ${thrown.message} at character ${thrown.offset + 1}${hint}`)
  }
}

/** Tells on stderr what of the dead letters could not be read. */
export class DamageReport {
  found = false

  readonly report = (path: string, torn_bytes: number, why: string): void => {
    this.found = true
    process.stderr.write(`${path}: ${why}; ${torn_bytes} bytes were passed over\n`)
  }
}

/** The letters that are meant, oldest first. */
export async function* chosenLetters(choice: Choice, damage: DamageReport): AsyncGenerator<WaitingLetter, void, void> {
  const { group, holds, pipeline } = choice
  for await (const waiting of readWaitingLetters(choice.folder, damage.report)) {
    if (pipeline !== undefined && waiting.letter.pipeline !== pipeline) continue
    if (group !== undefined && !causeOf(waiting).group.startsWith(group)) continue
    if (holds === undefined || holds(eventOf(waiting))) yield waiting
  }
}
