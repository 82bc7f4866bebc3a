import { constants } from 'node:os'
import { dirname, resolve } from 'node:path'
import { type CompiledPipeline, compilePipeline } from '../compile/pipeline.ts'
import { catalog } from '../components.ts'
import { loadConfig } from '../config/load.ts'
import { ConfigError, formatPosition, MillraceError, messageOf, type Problem } from '../core/errors.ts'
import type { Plan } from '../core/plan.ts'
import { StatusMonitor } from '../ops/monitor.ts'
import { type Ops, startOps } from '../ops/server.ts'
import { StatusLine } from '../ops/status-line.ts'
import { DeadLetterBox } from '../runtime/dead-letter-box.ts'
import { Pipeline } from '../runtime/pipeline.ts'
import { lockFolder } from '../storage/folder-lock.ts'
import { createLog, type ProgramLog } from '../telemetry/log.ts'
import { MetricsRegistry } from '../telemetry/metrics.ts'
import { registerProcessMetrics } from '../telemetry/process.ts'
import { Terminal } from '../telemetry/terminal.ts'
import type { RunCommand } from './arguments.ts'
import { ContextFactory } from './context-factory.ts'
import { listening, PipelineStatus } from './pipeline-status.ts'
import { version } from './version.ts'

/**
 * Runs a pipeline from its config until its inputs end or a signal comes. Returns the exit code.
 * The first SIGTERM or SIGINT drains, a second one leaves at once.
 */
export async function run(command: RunCommand): Promise<number> {
  const terminal = new Terminal()
  // A check says what is wrong and nothing else.
  const level = command.is_test && command.log_level === 'info' ? 'warn' : command.log_level
  const log = createLog({ level, terminal })
  try {
    return await runLogged(command, terminal, log)
  } catch (thrown) {
    if (thrown instanceof ConfigError) {
      terminal.writeLine(`The given configuration is invalid:\n${thrown.message}`)
    } else if (thrown instanceof MillraceError) {
      terminal.writeLine(`millrace cannot run: ${thrown.message} [${thrown.code}]`)
    } else {
      throw thrown
    }
    return 1
  } finally {
    log.close()
  }
}

async function runLogged(command: RunCommand, terminal: Terminal, log: ProgramLog): Promise<number> {
  const metrics = new MetricsRegistry()
  // Configs may name the data folder, wherever it was chosen.
  const variables = { ...process.env, MILLRACE_DATA: resolve(command.data) }
  const [loaded] = await loadConfig({ path: command.config, variables })
  if (loaded === undefined) return 1
  const { plan, problems } = loaded
  const factory = new ContextFactory({
    log,
    metrics,
    ecs_compatibility: plan.settings.ecs_compatibility,
    paths: { data: resolve(command.data), config: dirname(resolve(command.config)) },
  })
  let pipeline: Pipeline | undefined
  const compiling = compilePipeline(plan, catalog, {
    context: (id, where, node) => factory.create(id, where, node),
    input: (id) => ({
      max_event_bytes: plan.settings.max_event_bytes,
      deadLetter: async (raw, reason, origin, size_bytes) => await pipeline?.deadLetterRaw(id, raw, reason, origin, size_bytes),
    }),
  })
  const compiled = await withProblems(problems, compiling)
  for (const { at, message } of compiled.warnings) log.warn(`config_${at.line}`, `${at.file}:${at.line}:${at.column}: ${message}`)
  if (command.is_test) {
    process.stdout.write('Configuration OK\n')
    return 0
  }
  if (command.workers > 1) log.warn('workers', `-w ${command.workers}: one worker runs; more than one is not supported`)
  await using _lock = await lockFolder(resolve(command.data))
  await using deadLetters = await DeadLetterBox.open(resolve(command.data), plan.settings.id, metrics, log)
  pipeline = new Pipeline(compiled, plan.settings, {
    context: (id) => factory.of(id),
    deadLetters,
    drain_timeout_ms: command.drain_timeout_ms,
    listening: () => listening(compiled, factory),
  })
  return await runPipeline({ command, terminal, log, metrics, plan, compiled, pipeline, factory })
}

/**
 * What was compiled of a plan that was read with these problems.
 * @throws ConfigError with all problems of reading and compiling at once, without those that follow from another
 */
async function withProblems(problems: readonly Problem[], compiling: Promise<CompiledPipeline>): Promise<CompiledPipeline> {
  if (problems.length === 0) return await compiling
  const further = await compiling.then(
    () => [],
    (thrown: unknown) => {
      if (thrown instanceof ConfigError) return thrown.problems
      throw thrown
    },
  )
  const told = new Set(problems.map(({ at }) => formatPosition(at)))
  // A component that was given a variable's name instead of its value fails for that reason.
  const is_unresolved = problems.some(({ code }) => code === 'CONFIG_UNRESOLVED_VARIABLE')
  const is_own = ({ code, at }: Problem): boolean =>
    !(is_unresolved && code === 'CONFIG_CANNOT_START') && !told.has(formatPosition(at))
  throw new ConfigError([...problems, ...further.filter(is_own)])
}

interface Running {
  readonly command: RunCommand
  readonly terminal: Terminal
  readonly log: ProgramLog
  readonly metrics: MetricsRegistry
  readonly plan: Plan
  readonly compiled: CompiledPipeline
  readonly pipeline: Pipeline
  readonly factory: ContextFactory
}

async function runPipeline({ command, terminal, log, metrics, plan, compiled, pipeline, factory }: Running): Promise<number> {
  const ended = new AbortController()
  registerProcessMetrics(metrics, version, ended.signal)
  const status = new PipelineStatus({ pipeline, compiled, plan, factory, data: command.data, version })
  const monitor = new StatusMonitor(status, metrics, ended.signal)
  let ops: Ops | undefined
  let statusLine: StatusLine | undefined
  const stop = stopSignal(log, command.drain_timeout_ms, () => pipeline.held)
  try {
    if (command.api !== undefined) ops = await startOps({ ...command.api, monitor, metrics, log })
    const running = pipeline.run(stop)
    // The greeting names addresses, so inputs get a turn to begin listening.
    await Promise.race([listening(compiled, factory), running])
    statusLine = new StatusLine({ monitor, terminal, log, page_url: ops?.url })
    const left = await running
    if (left === 0) return 0
    log.error(
      'stopped_early',
      `stopped after ${command.drain_timeout_ms / 1000} s with ${left} events not stored. They were not acknowledged: Filebeat, Kafka and files bring them again, a pipe does not`,
    )
    return 1
  } finally {
    statusLine?.close()
    ended.abort()
    await ops?.close()
  }
}

/** Aborts at the first SIGTERM, SIGINT or SIGHUP; at the second one the process ends at once. */
function stopSignal(log: ProgramLog, drain_timeout_ms: number, held: () => number): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) {
        log.warn('stopped_at_once', `${signal} again: left with ${held()} events not stored; they were not acknowledged`)
        log.close()
        process.exit(128 + constants.signals[signal])
      }
      log.info(
        'stopping',
        `${signal}: reading no more; ${held()} events are on their way and have up to ${drain_timeout_ms / 1000} s. Once more to leave at once`,
      )
      stop.abort()
    })
  }
  process.on('uncaughtException', (thrown) => {
    // A fault of ours must not take the other events with it; what it held stays unacknowledged and comes again.
    log.error('unexpected', `unexpected error, please report it: ${messageOf(thrown)}`, {
      stack: thrown instanceof Error ? thrown.stack : undefined,
    })
  })
  return stop.signal
}
