import { existsSync, globSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { styleText } from 'node:util'
import { loadPipeline } from '../../config/load.ts'
import type { Variables } from '../../config/variables.ts'
import { ConfigError, formatPosition } from '../../core/errors.ts'
import { readFlags, type Tool, UsageError } from '../tool.ts'
import { loadVariables, SETTINGS_FOLDER } from '../variables.ts'
import { readCaseFile } from './case-file.ts'
import { Coverage, type Gap } from './coverage.ts'
import { type CaseResult, runCase } from './run-case.ts'

/** How often a watched folder is looked at. Polling sees every kind of change, also those of mounted folders. */
const WATCH_INTERVAL_MS = 300

interface Report {
  readonly results: readonly CaseResult[]
  /** Of every config: how many parts it has and which of them no case reached. */
  readonly coverage: readonly { readonly config: string; readonly parts: number; readonly gaps: readonly Gap[] }[]
  /** Configs and case files that could not be read. */
  readonly problems: readonly string[]
  /** What the report depends on. */
  readonly files: readonly string[]
}

interface TestCommand {
  readonly settings_folder: string
  readonly folder: string
  readonly is_json: boolean
  readonly is_watching: boolean
}

export const test: Tool = {
  usage: `bin/millrace test DIR: run the cases in all files *.test.json below a folder, and tell which parts of the configs none reached

  { "config": "logstash.conf",                        without it: the config of the same name
    "variables": { "HOST": "x" },                     for \${VAR} in the config
    "ignore": ["[host]"],                             fields that do not count
    "cases": [ { "name": "an error is tagged",
                 "input": [{ "level": "error" }],     events; texts go through the codec of the input
                 "output": [{ "level": "error", "tags": ["error"] }] } ] }

      --watch               run again when a file changes
      --json                one JSON object, for machines
      --path.settings DIR   where millrace.keystore is              (config)
`,
  run: async (words) => {
    const { values, positionals } = readFlags(words, {
      watch: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      'path.settings': { type: 'string', default: SETTINGS_FOLDER },
    })
    const [folder = '.', further] = positionals
    if (further !== undefined) throw new UsageError(`expected one folder, got also ${further}`)
    return await testCases({ folder, is_json: values.json, is_watching: values.watch, settings_folder: values['path.settings'] })
  },
}

/** Runs all `*.test.json` below a folder. Exit code 0 when there are cases and all passed. */
async function testCases(command: TestCommand): Promise<number> {
  let report = await runAll(command)
  print(report, command)
  if (command.is_watching) {
    for (;;) {
      await changed([command.folder, ...report.files])
      report = await runAll(command)
      print(report, command)
    }
  }
  return report.problems.length === 0 && report.results.length > 0 && report.results.every(passed) ? 0 : 1
}

async function runAll({ folder, settings_folder }: TestCommand): Promise<Report> {
  const variables = await loadVariables(process.env, settings_folder)
  const paths = globSync('**/*.test.{json,jsonc}', { cwd: folder, exclude: ['**/node_modules/**'] }).toSorted()
  const results: CaseResult[] = []
  const problems: string[] = []
  const files: string[] = []
  const coverages = new Map<string, Coverage>()
  for (const path of paths.map((found) => join(folder, found))) {
    files.push(path)
    try {
      const file = await readCaseFile(path, existsSync)
      files.push(file.config)
      const coverage = coverages.get(file.config) ?? new Coverage()
      coverages.set(file.config, coverage)
      const { plan, problems: faults } = await loadPipeline(file.config, withOwn(variables, file.variables))
      if (faults.length > 0) throw new ConfigError(faults)
      for (const one of file.cases) {
        const differences = await runCase(one, plan, dirname(resolve(file.config)), coverage)
        results.push({ name: one.name, where: formatPosition(one.at), differences })
      }
    } catch (thrown) {
      if (!(thrown instanceof ConfigError)) throw thrown
      problems.push(thrown.message)
    }
  }
  const coverage = [...coverages].map(([config, { total, gaps }]) => ({ config: relative('.', config), parts: total, gaps }))
  return { results, coverage, problems, files }
}

/** The case's own before the others; those that are in files are read only when asked for. */
function withOwn(variables: Variables, own: Variables): Variables {
  return Object.defineProperties({}, { ...Object.getOwnPropertyDescriptors(variables), ...Object.getOwnPropertyDescriptors(own) })
}

function print(report: Report, { is_json, folder }: TestCommand): void {
  if (is_json) {
    const { results, coverage, problems } = report
    const failed = results.filter((result) => !passed(result)).length
    process.stdout.write(`${JSON.stringify({ passed: results.length - failed, failed, problems, results, coverage })}\n`)
    return
  }
  const paint = (format: 'red' | 'green' | 'yellow' | 'dim', text: string): string =>
    styleText(format, text, { stream: process.stdout })
  const lines = report.problems.map((problem) => paint('red', problem))
  for (const result of report.results) {
    if (passed(result)) lines.push(`${paint('green', 'ok')}    ${result.name}`)
    else
      lines.push(
        `${paint('red', 'fails')} ${result.name} ${paint('dim', result.where)}`,
        ...result.differences.map((line) => `      ${line}`),
      )
  }
  for (const { config, parts, gaps } of report.coverage) {
    lines.push(`${config}: ${parts - gaps.length} of ${parts} parts and branches reached`)
    lines.push(...gaps.map(({ where, what }) => `  ${paint('yellow', 'not reached')} ${where} ${what}`))
  }
  const failed = report.results.filter((result) => !passed(result)).length
  if (report.results.length === 0) lines.push(`no cases: expected files *.test.json below ${folder}`)
  lines.push(`${report.results.length - failed} passed, ${failed} failed`)
  process.stdout.write(`${lines.join('\n')}\n`)
}

function passed({ differences }: CaseResult): boolean {
  return differences.length === 0
}

/** Waits until one of the files or the folder is another than now. */
async function changed(paths: readonly string[]): Promise<void> {
  const before = await stateOf(paths)
  do await wait(WATCH_INTERVAL_MS)
  while ((await stateOf(paths)) === before)
}

async function stateOf(paths: readonly string[]): Promise<string> {
  const states = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        ({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`,
        () => 'absent',
      ),
    ),
  )
  return states.join('\n')
}
