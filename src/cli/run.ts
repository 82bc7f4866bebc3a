import { constants } from 'node:os'
import { resolve } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { ConfigError, formatPosition, MillraceError, messageOf } from '../core/errors.ts'
import { LedgerHistory } from '../ops/ledger.ts'
import { StatusMonitor } from '../ops/monitor.ts'
import { type Ops, startOps } from '../ops/server.ts'
import { StatusLine } from '../ops/status-line.ts'
import { DeadLetterBox, limitsOf } from '../runtime/dead-letter-box.ts'
import { lockFolder } from '../storage/folder-lock.ts'
import { createLog, type ProgramLog } from '../telemetry/log.ts'
import { MetricsRegistry } from '../telemetry/metrics.ts'
import { registerProcessMetrics } from '../telemetry/process.ts'
import { Terminal } from '../telemetry/terminal.ts'
import type { RunRequest } from './arguments.ts'
import { listening, PipelineStatus } from './pipeline-status.ts'
import { Pipelines } from './pipelines.ts'
import { preparePipelines } from './prepare-pipeline.ts'
import { Reloader } from './reload.ts'
import { type RunCommand, resolveCommand } from './run-command.ts'
import { openTracer } from './tracing.ts'
import { version } from './version.ts'

/**
 * Runs the pipelines of a config until their inputs end or a signal comes. Returns the exit code.
 * The first SIGTERM or SIGINT drains, a second one leaves at once; SIGHUP reads the config again.
 */
export async function run(request: RunRequest): Promise<number> {
  const command = await resolveCommand(request)
  const terminal = new Terminal()
  // A check says what is wrong and nothing else.
  const level = command.is_test && command.log_level === 'info' ? 'warn' : command.log_level
  const log = createLog({ level, terminal, format: command.log_format })
  try {
    return await runLogged(request, command, terminal, log)
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

async function runLogged(request: RunRequest, command: RunCommand, terminal: Terminal, log: ProgramLog): Promise<number> {
  const metrics = new MetricsRegistry()
  for (const [index, warning] of command.warnings.entries()) log.warn(`setting_${index + 1}`, warning)
  const read = await loadConfig(command.config)
  await using tracer = command.is_test ? undefined : openTracer(command.tracing, metrics, log)
  const prepared = await preparePipelines(read, { log, metrics, data: command.data, spans: tracer })
  const { ready, refused } = prepared
  for (const { at, message } of ready.flatMap(({ compiled }) => compiled.warnings)) {
    log.warn(`config_${formatPosition(at)}`, `${formatPosition(at)}: ${message}`)
  }
  // A check tells everything; a run goes on with the pipelines that are right, as long as there is one.
  if (refused.length > 0 && (command.is_test || ready.length === 0)) {
    throw new ConfigError(refused.flatMap(({ error }) => error.problems))
  }
  if (command.is_test) {
    process.stdout.write('Configuration OK\n')
    return 0
  }
  await using _lock = await lockFolder(resolve(command.data))
  const limits = limitsOf(ready.map(({ plan }) => plan.settings))
  await using deadLetters = await DeadLetterBox.open(resolve(command.data), metrics, log, limits)
  const { drain_timeout_ms, data } = command
  const pipelines = new Pipelines(prepared, { log, metrics, data, spans: tracer, deadLetters, drain_timeout_ms })
  const reloader = new Reloader({ request, read, pipelines, metrics, log })
  return await runPipelines({ command, terminal, log, metrics, pipelines, reloader })
}

interface Running {
  readonly command: RunCommand
  readonly terminal: Terminal
  readonly log: ProgramLog
  readonly metrics: MetricsRegistry
  readonly pipelines: Pipelines
  readonly reloader: Reloader
}

async function runPipelines({ command, terminal, log, metrics, pipelines, reloader }: Running): Promise<number> {
  const ended = new AbortController()
  registerProcessMetrics(metrics, version, ended.signal)
  const status = new PipelineStatus({ pipelines, reloader, data: command.data, version })
  const monitor = new StatusMonitor(status, metrics, ended.signal)
  const ledger = new LedgerHistory(() => status.books(), ended.signal)
  let ops: Ops | undefined
  let statusLine: StatusLine | undefined
  const stop = stopSignal(log, command.drain_timeout_ms, () => pipelines.held)
  try {
    if (command.api !== undefined)
      ops = await startOps({ ...command.api, monitor, ledger, metrics, log, reload: () => reloader.reload() })
    pipelines.start()
    const running = pipelines.run(stop, command.reload.automatic)
    process.on('SIGHUP', () => {
      if (stop.aborted) return
      log.info('reload_asked', 'SIGHUP: reading the config again')
      // It tells itself what comes of it.
      reloader.reload().catch((thrown: unknown) => log.error('reload_failed', `could not read the config: ${messageOf(thrown)}`))
    })
    // The greeting names addresses, so inputs get a turn to begin listening.
    await Promise.race([Promise.all(pipelines.members.map(({ compiled, factory }) => listening(compiled, factory))), running])
    statusLine = new StatusLine({ monitor, terminal, log, page_url: ops?.url })
    // It ends with the stop, and tells what goes wrong itself.
    if (command.reload.automatic) void reloader.watch(command.reload.interval_ms, stop)
    const left = await running
    if (left === 0) return pipelines.failed.size === 0 ? 0 : 1
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

/** Aborts at the first SIGTERM or SIGINT; at the second one the process ends at once. */
function stopSignal(log: ProgramLog, drain_timeout_ms: number, held: () => number): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
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
