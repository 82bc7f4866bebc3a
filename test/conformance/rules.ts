import type { ConfigError, Problem } from '../../src/core/errors.ts'
import type { Plan } from '../../src/core/plan.ts'
import { hashesInJavaOrder, listsOfOneAsFields, oldGeoip, strictConditions, type Undo } from './as-logstash.ts'
import { type Case, RECORDED_MS } from './cases.ts'
import { compareOutputs } from './compare.ts'
import type { CaseRun } from './run-case.ts'

/** The classes of differences on purpose (README.md). */
export const CLASSES = ['a', 'b', 'c', 'd', 'e', 'g', 'h'] as const
export type DifferenceClass = (typeof CLASSES)[number]

export type Verdict =
  | { readonly kind: 'passed'; readonly classes: readonly DifferenceClass[] }
  | { readonly kind: 'failed'; readonly difference: string }

/** Runs the case's plan once more, changed. */
export type Rerun = (undo: Undo) => Promise<CaseRun>

const PASSED: Verdict = { kind: 'passed', classes: [] }

/** What the run of a case says, and where it differs, whether it does so on purpose. */
export async function judge(recorded: Case, run: CaseRun, rerun: Rerun): Promise<Verdict> {
  if (isStopped(recorded)) return judgeStopped(recorded, run)
  if (recorded.error !== undefined && recorded.output.length === 0) return await judgeRefused(recorded, run, rerun)
  if (run.refused !== undefined) return judgeRefusal(run.refused)
  const { difference, notations } = compareToRecorded(recorded, run)
  if (difference === undefined) return notations > 0 ? { kind: 'passed', classes: ['e'] } : PASSED
  return (await judgeUndone(recorded, run, rerun)) ?? failed(difference, run)
}

function failed(difference: string, run?: CaseRun): Verdict {
  const warnings = run === undefined ? [] : run.warnings.map((line) => `  ! ${line}`)
  return { kind: 'failed', difference: [difference, ...warnings].join('\n') }
}

function compareToRecorded({ config, output, input, volatile }: Case, run: CaseRun): ReturnType<typeof compareOutputs> {
  return compareOutputs({
    expected: output.join('\n'),
    actual: run.output,
    input: input.join('\n'),
    volatile,
    now_ms: RECORDED_MS,
    is_pretty: config.includes('rubydebug'),
  })
}

function isStopped({ outcome }: Case): boolean {
  return outcome === 'pipeline stopped by an exception'
}

/** Class a: every event comes out, and what stopped Logstash is tagged, or was a condition, which is false then. */
function judgeStopped({ config, input }: Case, run: CaseRun): Verdict {
  if (run.refused !== undefined) return failed(`  expected a running pipeline, got\n${describe(run.refused)}`)
  const events = run.output.split('\n').filter((line) => line !== '')
  if (events.length < input.length) return failed(`  expected ${input.length} events, got ${events.length}`, run)
  const isTagged = events.some((line) => (JSON.parse(line) as { tags?: string[] }).tags?.some((tag) => tag.startsWith('_')))
  if (!isTagged && !/\bif\b/.test(config)) return failed('  expected a failure tag on one of the events', run)
  return { kind: 'passed', classes: ['a'] }
}

async function judgeRefused(recorded: Case, run: CaseRun, rerun: Rerun): Promise<Verdict> {
  const error = recorded.error ?? ''
  if (run.refused !== undefined) {
    const wanted = placeIn(error)
    if (wanted === undefined || run.refused.some((problem) => placesIn(problem).includes(wanted))) return PASSED
    return failed(`  expected it to be refused at ${wanted}, got\n${describe(run.refused)}`)
  }
  if (!error.includes('GeoIP Filter in ECS-Compatiblity mode requires a `target`')) {
    return failed(`  expected it to be refused: ${error.slice(0, 500)}`)
  }
  const isWarned = run.warnings.some((line) => line.includes('geoip') && line.includes('target'))
  if (!isWarned) return failed('  expected a warning about geoip without target', run)
  const old = await rerun(oldGeoip)
  const { difference } = compareToRecorded({ ...recorded, output: [old.output] }, run)
  return difference === undefined ? { kind: 'passed', classes: ['g'] } : failed(difference, run)
}

const PLACE = /\bat (line \d+, column \d+) \(byte/

/** Where the recorded error names a place of the config. */
function placeIn(error: string): string | undefined {
  return PLACE.exec(error)?.[1]
}

/** Where a problem is, and where it says that Logstash sees it: behind a word that we point at. */
function placesIn({ at, message, hint = '' }: Problem): string[] {
  return [`line ${at.line}, column ${at.column}`, PLACE.exec(message)?.[1] ?? '', PLACE.exec(hint)?.[1] ?? '']
}

/** Plugins whose options are Ruby code. */
const RUBY_PLUGINS = ['ruby', 'aggregate']

/** Class h: refused for nothing but plugins that run Ruby code, by name. */
function judgeRefusal(problems: readonly Problem[]): Verdict {
  const isByName = ({ code, message }: Problem): boolean =>
    code !== 'CONFIG_SYNTAX' && RUBY_PLUGINS.some((name) => new RegExp(`\\b${name}\\b`).test(message))
  if (problems.length > 0 && problems.every(isByName)) return { kind: 'passed', classes: ['h'] }
  return failed(`  expected it to run, got\n${describe(problems)}`)
}

/** Each with what has to be seen beside the output, so that nothing passes by accident. */
const UNDOINGS: readonly { readonly classes: readonly DifferenceClass[]; readonly undo: Undo }[] = [
  { classes: ['b'], undo: strictConditions },
  { classes: ['c'], undo: listsOfOneAsFields },
  { classes: ['d'], undo: hashesInJavaOrder },
  { classes: ['b', 'c'], undo: (plan: Plan) => strictConditions(listsOfOneAsFields(plan)) },
  { classes: ['c', 'd'], undo: (plan: Plan) => listsOfOneAsFields(hashesInJavaOrder(plan)) },
]

/** Classes b, c and d: with the difference undone, the output is the recorded one. */
async function judgeUndone(recorded: Case, run: CaseRun, rerun: Rerun): Promise<Verdict | undefined> {
  for (const { classes, undo } of UNDOINGS) {
    if (classes.includes('b') && run.incomparable === 0) continue
    const undone = await rerun(undo)
    if (undone.refused !== undefined || compareToRecorded(recorded, undone).difference !== undefined) continue
    const isKept = !classes.includes('b') || undone.dead_lettered > 0
    if (isKept) return { kind: 'passed', classes }
  }
  return undefined
}

function describe(problems: ConfigError['problems']): string {
  return problems.map(({ at, message, code }) => `  + ${at.line}:${at.column}: ${message} [${code}]`).join('\n')
}
