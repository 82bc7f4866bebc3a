import { type LoadedPipeline, loadConfig } from '../../src/config/load.ts'
import type { ComponentNode, OptionNode } from '../../src/core/plan.ts'
import { DeadLetterBox } from '../../src/runtime/dead-letter-box.ts'
import { testContext } from '../helpers/context.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'
import { type Case, configOf, needsDatabases, RECORDED_MS, readCases, wasRunWithEscapes } from './cases.ts'
import { CLASSES, type DifferenceClass, judge, type Verdict } from './rules.ts'
import { type CaseRun, refusal, runPlan } from './run-case.ts'

export interface Selection {
  readonly folder: string
  /** Cases with one of these texts in their name; none: all. */
  readonly only: readonly string[]
  /** The folder of the geoip databases, where there is one. */
  readonly databases: string | undefined
}

export interface CaseResult {
  readonly name: string
  readonly verdict: Verdict | { readonly kind: 'skipped' }
}

/** Runs cases one after the other in this process. */
export async function runCases({ folder, only, databases }: Selection): Promise<CaseResult[]> {
  await using data = await temporaryFolder()
  const context = testContext()
  await using deadLetters = await DeadLetterBox.open(data.path, context.metrics, context.log)
  const results: CaseResult[] = []
  for (const recorded of readCases(folder)) {
    const { name } = recorded
    if (only.length > 0 && !only.some((text) => name.includes(text))) continue
    if (databases === undefined && needsDatabases(recorded)) results.push({ name, verdict: { kind: 'skipped' } })
    else results.push({ name, verdict: await runCase(recorded, databases ?? '', deadLetters).catch(broken) })
  }
  return results
}

/** A case that cannot even be judged must not keep the others from it. */
function broken(thrown: unknown): Verdict {
  return { kind: 'failed', difference: `  the run broke off: ${thrown instanceof Error ? thrown.stack : String(thrown)}` }
}

export async function runCase(recorded: Case, databases: string, deadLetters: DeadLetterBox): Promise<Verdict> {
  const { plan } = await readPlan(recorded, databases)
  const first = await runUnchanged(recorded, databases, deadLetters, RECORDED_MS)
  return await judge(recorded, first, (undo) => runPlan(undo(plan), recorded.input, deadLetters, RECORDED_MS))
}

/** Runs a case as it stands, at a time. */
export async function runUnchanged(
  recorded: Case,
  databases: string,
  deadLetters: DeadLetterBox,
  now_ms: number,
): Promise<CaseRun> {
  const { plan, problems } = await readPlan(recorded, databases)
  return problems.length > 0 ? refusal(problems) : await runPlan(plan, recorded.input, deadLetters, now_ms)
}

async function readPlan(recorded: Case, databases: string): Promise<LoadedPipeline> {
  const text = configOf(recorded, databases)
  const [loaded] = await loadConfig({ text, variables: {}, support_escapes: wasRunWithEscapes(recorded) })
  if (loaded === undefined) throw new Error(`${recorded.name}: expected one pipeline`)
  const { plan } = loaded
  const inputs = plan.inputs.map((node) => (node.kind === 'component' && node.name === 'beats' ? onFreePort(node) : node))
  const settings = { ...plan.settings, ecs_compatibility: recorded.ecs_compatibility, batch_delay_ms: 0 }
  return { ...loaded, plan: { ...plan, inputs, settings } }
}

function onFreePort(node: ComponentNode): ComponentNode {
  const options = node.options.map(
    (option): OptionNode =>
      option.name === 'port' ? { ...option, value: { kind: 'number', at: option.at, value: 0, text: '0' } } : option,
  )
  return { ...node, options }
}

export interface Summary {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** Cases that differ on purpose, by class. They are among the passed ones. */
  readonly classes: { readonly [name in DifferenceClass]?: number }
  /** `N passed, N failed, N skipped`, with the classes in a line before. */
  readonly text: string
}

export function summaryOf(results: readonly CaseResult[]): Summary {
  const count = (kind: CaseResult['verdict']['kind']): number => results.filter(({ verdict }) => verdict.kind === kind).length
  const classes: { [name in DifferenceClass]?: number } = {}
  for (const { verdict } of results) {
    for (const name of verdict.kind === 'passed' ? verdict.classes : []) classes[name] = (classes[name] ?? 0) + 1
  }
  const counts = { passed: count('passed'), failed: count('failed'), skipped: count('skipped') }
  const onPurpose = CLASSES.filter((name) => classes[name] !== undefined).map((name) => `${name} ${classes[name]}`)
  const note = onPurpose.length === 0 ? '' : `differ on purpose, by class: ${onPurpose.join(', ')}\n`
  return { ...counts, classes, text: `${note}${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped` }
}
