import { messageOf } from '../../core/errors.ts'
import { parseJson } from '../../core/json/json.ts'
import type { Plan } from '../../core/plan.ts'
import { type Fields } from '../../core/values.ts'
import { type Change, changesBetween, type Snapshot, snapshotOf, snapshotOfFields } from '../dry-run/changes.ts'
import { DryRun } from '../dry-run/dry-run.ts'
import type { Trace } from '../dry-run/trace.ts'
import type { TestCase } from './case-file.ts'
import type { Coverage } from './coverage.ts'

/** How a case went. No differences: it passed. */
export interface CaseResult {
  readonly name: string
  /** `file:line:column` of the case. */
  readonly where: string
  readonly differences: readonly string[]
}

/** Fields that count only where the expected document names them. */
const UNASKED = ['[@timestamp]', '[@version]']

/** Runs one case in a pipeline of its own, so that no case depends on another. */
export async function runCase(test: TestCase, plan: Plan, config_folder: string, coverage: Coverage): Promise<readonly string[]> {
  await using run = await DryRun.build(plan, config_folder)
  coverage.know(run.nodes, plan.inputs)
  try {
    for (const { kind, text } of test.input) {
      const event = kind === 'json' ? run.eventOf(text, test.from) : undefined
      for (const one of event === undefined ? run.decode([text], test.from) : [event]) await run.take(one)
    }
  } catch (thrown) {
    return [messageOf(thrown)]
  }
  const traces = await run.finish()
  coverage.reach(traces)
  return compare(test, traces)
}

function compare({ output, ignore }: TestCase, traces: readonly Trace[]): string[] {
  const failed = traces.flatMap(({ number, entries }) =>
    entries.flatMap((entry) =>
      entry.kind === 'filter' && entry.fate === 'failed'
        ? `event ${number} failed in ${entry.id} (${entry.where}): ${entry.reason}`
        : [],
    ),
  )
  const arrived = traces.filter(({ entries }) => entries.some(({ kind }) => kind === 'output'))
  const differences = [...failed]
  if (arrived.length !== output.length) {
    differences.push(`expected ${count(output.length)}, got ${count(arrived.length)}`)
  }
  for (let index = 0; index < Math.max(arrived.length, output.length); index++) {
    const trace = arrived[index]
    const expected = output[index]
    const changes = compareDocument(expected, trace, ignore)
    if (changes.length === 0) continue
    differences.push(`document ${index + 1}${trace === undefined ? ' did not come' : ''}:`)
    differences.push(...changes.map(printChange))
  }
  return differences
}

function count(documents: number): string {
  return documents === 1 ? '1 document' : `${documents} documents`
}

function compareDocument(expected: string | undefined, trace: Trace | undefined, ignore: readonly string[]): Change[] {
  const wanted = expected === undefined ? new Map<string, string>() : snapshotOfFields(parseJson(expected).value as Fields)
  const got = trace === undefined ? new Map<string, string>() : snapshotOf(trace.event)
  return changesBetween(wanted, got).filter(({ field }) => counts(field, wanted, ignore))
}

function counts(field: string, wanted: Snapshot, ignore: readonly string[]): boolean {
  if (UNASKED.includes(field) && !wanted.has(field)) return false
  // Metadata is compared where the expected document has some.
  if (field.startsWith('[@metadata]') && ![...wanted.keys()].some((name) => name.startsWith('[@metadata]'))) return false
  return !ignore.some((ignored) => {
    const bracketed = ignored.startsWith('[') ? ignored : `[${ignored}]`
    return field === bracketed || field.startsWith(`${bracketed}[`)
  })
}

function printChange({ field, before, after }: Change): string {
  if (after === undefined) return `  - ${field} ${before}`
  return before === undefined ? `  + ${field} ${after}` : `  ~ ${field} expected ${before}, got ${after}`
}
