import { Timestamp } from '../../src/core/values.ts'
import { type DeadLetter, DeadLetters, deadLettersFolder } from '../../src/storage/dead-letters.ts'
import { runTool } from './run-tool.ts'

const TIME = Date.UTC(2026, 0, 2, 3, 4, 5)

let count = 0

/** One dead letter of an Elasticsearch output, a second younger than the one before, with an id of its own. */
export function letterOf(reason: string, document = '{}', more: Partial<DeadLetter> = {}): DeadLetter {
  return {
    time: new Timestamp(TIME + count++ * 1_000),
    pipeline: 'main',
    component: 'output_elasticsearch_1 (a.conf:3:5)',
    plugin_type: 'elasticsearch',
    reason,
    origin: `logs/3@${count}`,
    stable_id: `logs:3:${count}`,
    content: { kind: 'document', document, metadata: '{"index":"logs"}', size_bytes: document.length },
    ...more,
  }
}

/** Puts letters into a data folder, as the program would. */
export async function keepLetters(data: string, letters: readonly DeadLetter[], segment_bytes?: number): Promise<void> {
  const options = segment_bytes === undefined ? {} : { segment_bytes }
  await using kept = await DeadLetters.open(deadLettersFolder(data), options)
  for (const letter of letters) await kept.append([letter])
}

interface Listed {
  readonly letters: number
  readonly groups: readonly { readonly [name: string]: unknown }[]
}

/** What `millrace dlq ls --json` says. */
export async function listLetters(data: string, ...flags: string[]): Promise<Listed> {
  const { code, stdout, stderr } = await runTool(['dlq', 'ls', '--json', '--path.data', data, ...flags])
  if (code !== 0) throw new Error(`dlq ls ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as Listed
}
