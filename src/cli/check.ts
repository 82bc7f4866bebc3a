import { loadConfig } from '../config/load.ts'
import { ConfigError, formatPosition, type Problem } from '../core/errors.ts'
import type { PlanWarning } from '../core/plan.ts'
import { withoutSecrets } from '../core/secret.ts'
import type { ProgramLog } from '../telemetry/log.ts'
import { MetricsRegistry } from '../telemetry/metrics.ts'
import { parseArguments } from './arguments.ts'
import { asConfigError } from './config-fault.ts'
import { preparePipelines } from './prepare-pipeline.ts'
import { resolveCommand } from './run-command.ts'
import { type Tool, UsageError } from './tool.ts'

const usage = `bin/millrace check FILE [--json]

Builds everything that a config names, without connecting to anything and without reading any event, and says what is wrong:
syntax, unknown or missing options, wrong types, bad patterns, files that are not there. FILE is a file, a folder or a glob; all
flags of a run are taken too (-e, --path.settings, --config.support_escapes and others).

  --json      { "ok": …, "pipelines": [ { "id", "problems": [ … ], "warnings": [ … ] } ] }

Exit code 0 for a config that can run, also with warnings; 1 for one that is wrong.
`

export const check: Tool = {
  usage,
  run: async (words) => {
    const is_json = words.includes('--json')
    const request = parseArguments(['run', ...words.filter((word) => word !== '--json')])
    if (request.kind !== 'run') throw new UsageError('expected a config file: millrace check FILE')
    const findings = await findingsOf(async () => await resolveCommand(request))
    if (is_json) process.stdout.write(`${JSON.stringify({ ok: isFine(findings), pipelines: findings })}\n`)
    else print(findings)
    return isFine(findings) ? 0 : 1
  },
}

/** Errors only, as they are: the program's own log costs 40 ms of a start. */
const LOG: ProgramLog = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (_kind, message) => process.stderr.write(`${withoutSecrets(message)}\n`),
  child: () => LOG,
  close: () => {},
}

/** What is wrong or odd in one pipeline; without an id what keeps all of them from being read. */
interface Findings {
  readonly id?: string
  readonly problems: readonly Problem[]
  readonly warnings: readonly PlanWarning[]
}

async function findingsOf(resolve: () => ReturnType<typeof resolveCommand>): Promise<Findings[]> {
  try {
    const { config, data } = await resolve()
    const loaded = await loadConfig(config)
    const { ready, refused } = await preparePipelines(loaded, { log: LOG, metrics: new MetricsRegistry(), data })
    return [
      ...ready.map(({ plan, compiled }) => ({ id: plan.settings.id, problems: [], warnings: compiled.warnings })),
      ...refused.map(({ id, error }) => ({ id, problems: error.problems, warnings: [] })),
    ]
  } catch (thrown) {
    return [{ problems: asConfigError(thrown).problems, warnings: [] }]
  }
}

function isFine(findings: readonly Findings[]): boolean {
  return findings.every(({ problems }) => problems.length === 0)
}

function print(findings: readonly Findings[]): void {
  for (const { problems, warnings } of findings) {
    for (const { at, message } of warnings) process.stderr.write(`${formatPosition(at)}: warning: ${message}\n`)
    if (problems.length > 0) process.stderr.write(`${new ConfigError(problems).message}\n`)
  }
  const count = findings.flatMap(({ problems }) => problems).length
  process.stdout.write(count === 0 ? 'Configuration OK\n' : `${count} ${count === 1 ? 'problem' : 'problems'}\n`)
}
