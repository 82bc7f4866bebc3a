import { availableParallelism, constants } from 'node:os'
import { resolve } from 'node:path'
import { type LoadedPipeline, loadConfig } from '../config/load.ts'
import { ConfigError, formatPosition, MillraceError, messageOf } from '../core/errors.ts'
import { LedgerHistory } from '../ops/ledger.ts'
import { StatusMonitor } from '../ops/monitor.ts'
import { type Ops, startOps } from '../ops/server.ts'
import type { ReloadReport, StatusSource } from '../ops/status.ts'
import { StatusLine } from '../ops/status-line.ts'
import { DeadLetterBox, limitsOf } from '../runtime/dead-letter-box.ts'
import { lockFolder } from '../storage/folder-lock.ts'
import { createLog, type MainLog } from '../telemetry/log.ts'
import { type Exposition, MetricsRegistry } from '../telemetry/metrics.ts'
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
import { adoptLeftovers } from './workers/adopt-leftovers.ts'

/**
 * Runs the pipelines of a config until their inputs end or a signal comes. Returns the exit code.
 * The first SIGTERM or SIGINT drains, a second one leaves at once; SIGHUP reads the config again.
 */
export async function run(request: RunRequest): Promise<number> {
  const read_at_ms = Date.now()
  const command = await resolveCommand(request)
  const terminal = new Terminal()
  // A check says what is wrong and nothing else.
  const level = command.is_test && command.log_level === 'info' ? 'warn' : command.log_level
  const log = createLog({ level, terminal, format: command.log_format })
  try {
    return await runLogged({ request, command, terminal, log, read_at_ms })
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

async function runLogged(given: Omit<Ways, 'metrics' | 'read'>): Promise<number> {
  const { command, log } = given
  const metrics = new MetricsRegistry()
  for (const [index, warning] of command.warnings.entries()) log.warn(`setting_${index + 1}`, warning)
  const read = await loadConfig(command.config)
  const ways = { ...given, metrics, read }
  const workers = command.is_test ? 1 : countWorkers(read, log)
  return workers === 1 ? await runHere(ways) : await runInWorkers(ways, workers)
}

interface Ways {
  readonly request: RunRequest
  readonly command: RunCommand
  readonly terminal: Terminal
  readonly log: MainLog
  readonly metrics: MetricsRegistry
  readonly read: readonly LoadedPipeline[]
  /** When reading that began. */
  readonly read_at_ms: number
}

/** As many as the pipeline wants that wants most. */
function countWorkers(read: readonly LoadedPipeline[], log: MainLog): number {
  const wanted = Math.max(1, ...read.map(({ plan }) => plan.settings.workers))
  if (wanted === 1) return 1
  if (!SHARED_PORTS.has(process.platform)) {
    log.warn('workers', `one worker runs: on ${process.platform} several cannot listen on one port`)
    return 1
  }
  const cores = availableParallelism()
  if (wanted > cores)
    log.warn('workers', `${wanted} workers are more than the ${cores} cores here: that costs memory and gains nothing`)
  return wanted
}

/** Where several sockets of a process may listen on one port. */
const SHARED_PORTS: ReadonlySet<string> = new Set(['linux', 'freebsd', 'aix', 'sunos'])

/** Everything in this thread. */
async function runHere(ways: Ways): Promise<number> {
  const { request, command, log, metrics, read, read_at_ms } = ways
  const { drain_timeout_ms, data } = command
  await using tracer = command.is_test ? undefined : openTracer(command.tracing, metrics, log)
  const prepared = await preparePipelines(read, { log, metrics, data, spans: tracer })
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
  await using kept = await openFolder(ways, ready)
  await adoptLeftovers(resolve(data), read, new Map(), log)
  const pipelines = new Pipelines(prepared, {
    log,
    metrics,
    data,
    spans: tracer,
    deadLetters: kept.deadLetters,
    drain_timeout_ms,
  })
  const reloader = new Reloader({ request, read, read_at_ms, pipelines, deadLetters: kept.deadLetters, metrics, log })
  return await operate(ways, {
    reloader,
    status: new PipelineStatus({ pipelines, reloader, data, version }),
    exposition: metrics,
    held: () => pipelines.held,
    hasFailed: () => pipelines.failed.size > 0,
    run: async (stop) => {
      pipelines.start()
      return await pipelines.run(stop, command.reload.automatic)
    },
    listening: async () => {
      await Promise.all(pipelines.members.map(({ compiled, factory }) => listening(compiled, factory)))
    },
  })
}

/** Everything in worker threads; this one has what there is once. */
async function runInWorkers(ways: Ways, count: number): Promise<number> {
  const { request, command, log, metrics, read, read_at_ms } = ways
  const { drain_timeout_ms, data, log_level, tracing, reload } = command
  const { Workers } = await import('./workers/workers.ts')
  await using kept = await openFolder(
    ways,
    read.filter(({ problems }) => problems.length === 0),
  )
  let reloader: Reloader | undefined
  const workers = await Workers.open({
    read,
    count,
    drain_timeout_ms,
    log_level,
    tracing,
    version,
    log,
    metrics,
    data: resolve(data),
    waits: reload.automatic,
    deadLetters: kept.deadLetters,
    last_reload: () => reloader?.last,
  })
  reloader = new Reloader({ request, read, read_at_ms, pipelines: workers, deadLetters: kept.deadLetters, metrics, log })
  return await operate(ways, {
    reloader,
    status: workers.figures,
    exposition: workers.figures,
    held: () => workers.held,
    hasFailed: () => workers.has_failed,
    run: async (stop) => await workers.run(stop),
    listening: async () => await workers.listening(),
    refresh: async () => await workers.refresh(true),
  })
}

/** The data folder, which is this program's from now on, and its dead letters. */
async function openFolder(
  { command, log, metrics }: Ways,
  runs: readonly Pick<LoadedPipeline, 'plan'>[],
): Promise<AsyncDisposable & { readonly deadLetters: DeadLetterBox }> {
  const folder = resolve(command.data)
  const lock = await lockFolder(folder)
  try {
    const deadLetters = await DeadLetterBox.open(folder, metrics, log, limitsOf(runs.map(({ plan }) => plan.settings)))
    return {
      deadLetters,
      [Symbol.asyncDispose]: async () => {
        await deadLetters[Symbol.asyncDispose]()
        await lock[Symbol.asyncDispose]()
      },
    }
  } catch (thrown) {
    await lock[Symbol.asyncDispose]()
    throw thrown
  }
}

/** The pipelines, wherever they run. */
interface Engine {
  readonly reloader: Reloader
  readonly status: StatusSource
  readonly exposition: Exposition
  /** Events that have no final state yet. */
  held(): number
  hasFailed(): boolean
  /** Resolves with how many events were left without an end. */
  run(stop: AbortSignal): Promise<number>
  /** Once the inputs listen. */
  listening(): Promise<void>
  /** Has the figures be those of now. */
  readonly refresh?: () => Promise<void>
}

/** Runs the pipelines, with all that is for those who operate them. */
async function operate({ command, terminal, log, metrics }: Ways, engine: Engine): Promise<number> {
  const ended = new AbortController()
  registerProcessMetrics(metrics, version, ended.signal)
  const { status, reloader, exposition } = engine
  const monitor = new StatusMonitor(status, exposition, ended.signal)
  const ledger = new LedgerHistory(() => status.books(), ended.signal)
  let ops: Ops | undefined
  let statusLine: StatusLine | undefined
  const stop = stopSignal(log, command.drain_timeout_ms, () => engine.held())
  try {
    if (command.api !== undefined) {
      const reload = async (): Promise<ReloadReport> => await reloader.reload()
      ops = await startOps({ ...command.api, monitor, ledger, metrics: exposition, log, reload, refresh: engine.refresh })
      const address = new URL(ops.url).host
      metrics.gauge('millrace_api_info', 'Always 1; the label tells where these metrics are.', { address }, () => 1)
    }
    const running = engine.run(stop)
    process.on('SIGHUP', () => {
      if (stop.aborted) return
      log.info('reload_asked', 'SIGHUP: reading the config again')
      // It tells itself what comes of it.
      reloader.reload().catch((thrown: unknown) => log.error('reload_failed', `could not read the config: ${messageOf(thrown)}`))
    })
    // The greeting names addresses, so inputs get a turn to begin listening.
    await Promise.race([engine.listening(), running])
    statusLine = new StatusLine({ monitor, terminal, log, page_url: ops?.url })
    // It ends with the stop, and tells what goes wrong itself.
    if (command.reload.automatic) void reloader.watch(command.reload.interval_ms, stop)
    const left = await running
    if (left === 0) return engine.hasFailed() ? 1 : 0
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
function stopSignal(log: MainLog, drain_timeout_ms: number, held: () => number): AbortSignal {
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
