import type { WaitingLetter } from '../../storage/stored-letter.ts'
import { printable } from '../../telemetry/terminal.ts'
import { type Cause, causeOf, latestReason } from './cause.ts'
import { type Choice, chosenLetters, DamageReport } from './choice.ts'

/** Dead letters of one cause. */
interface Group extends Cause {
  count: number
  bytes: number
  first: string
  last: string
  /** Of the letter that was sent again most often. */
  replays: number
  sample: { readonly reason: string; readonly origin: string | undefined; readonly id: string | undefined }
}

/** Reasons come from outside: so many groups are told apart, and the rest is one. */
const GROUPS_MAX = 10_000
const OTHERS = { group: 'others', pipeline: '', component: '', plugin_type: '', cause: 'further causes' }

/** Prints why letters are dead, the most frequent cause first. Exit code 1 where something could not be read. */
export async function listDeadLetters(choice: Choice, is_json: boolean): Promise<number> {
  const damage = new DamageReport()
  const groups = new Map<string, Group>()
  for await (const letter of chosenLetters(choice, damage)) add(groups, letter)
  const sorted = [...groups.values()].toSorted((a, b) => b.count - a.count || (a.group < b.group ? -1 : 1))
  const total = sorted.reduce((sum, { count }) => sum + count, 0)
  if (is_json) process.stdout.write(`${JSON.stringify({ letters: total, groups: sorted })}\n`)
  else if (total === 0) process.stderr.write(`no dead letters in ${choice.folder}\n`)
  else process.stdout.write(print(sorted, total))
  return damage.found ? 1 : 0
}

function add(groups: Map<string, Group>, waiting: WaitingLetter): void {
  const cause = causeOf(waiting)
  const known = groups.get(cause.group) ?? groups.get(groups.size < GROUPS_MAX ? '' : OTHERS.group)
  const { letter, failure, size_bytes } = waiting
  const time = failure?.time ?? letter.time.toString()
  const replays = failure?.replays ?? letter.replays
  if (known === undefined) {
    const kept = groups.size < GROUPS_MAX ? cause : OTHERS
    const sample = { reason: latestReason(waiting).reason, origin: letter.origin, id: letter.id }
    groups.set(kept.group, { ...kept, count: 1, bytes: size_bytes, first: time, last: time, replays, sample })
    return
  }
  known.count++
  known.bytes += size_bytes
  known.replays = Math.max(known.replays, replays)
  if (time < known.first) known.first = time
  if (time > known.last) known.last = time
}

/**
 *     group     letters  first                 last                  pipeline  component
 *     3f2a91bc      312  2026-03-01T12:00:00Z  2026-03-01T12:04:11Z  main      output_elasticsearch_1
 *         document_parsing_exception: failed to parse field [price] of type [long] in document
 *         such as exchange-logs/3@1205: document_parsing_exception: [1:23] failed …
 */
function print(groups: readonly Group[], total: number): string {
  const pipeline_width = Math.max(8, ...groups.map(({ pipeline }) => pipeline.length))
  const lines = [`group     letters  first                 last                  ${'pipeline'.padEnd(pipeline_width)}  component`]
  for (const { group, count, first, last, pipeline, component, cause, replays, sample } of groups) {
    const times = `${seconds(first)}  ${seconds(last)}`
    lines.push(`${group.padEnd(8)} ${String(count).padStart(8)}  ${times}  ${pipeline.padEnd(pipeline_width)}  ${component}`)
    lines.push(`    ${cause}${replays === 0 ? '' : `  (sent again ${replays === 1 ? 'once' : `${replays} times`} already)`}`)
    if (sample.reason !== cause) lines.push(`    such as ${sample.origin ?? 'one of them'}: ${sample.reason}`)
  }
  const some = groups[0]?.group ?? ''
  lines.push(
    '',
    `${total} dead ${total === 1 ? 'letter' : 'letters'}. To see them: bin/millrace dlq show ${some}`,
    `To send them again once the cause is mended: bin/millrace dlq replay ${some} -f CONFIG --dry-run, then without --dry-run`,
  )
  return `${lines.map(printable).join('\n')}\n`
}

function seconds(time: string): string {
  return `${time.slice(0, 19)}Z`
}
