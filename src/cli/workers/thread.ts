import { parentPort, workerData } from 'node:worker_threads'
import { stepsOf } from '../../compile/chain/nodes.ts'
import type { LoadedPipeline } from '../../config/load.ts'
import { SourceText } from '../../config/source-text.ts'
import { messageOf } from '../../core/errors.ts'
import { keepSecret } from '../../core/secret.ts'
import { unlessAborted } from '../../core/waiting.ts'
import { readDatabasesBy } from '../../geoip/database-file.ts'
import { listeners } from '../../network/listeners.ts'
import type { Entry } from '../../runtime/dead-letter-box.ts'
import { TurnGuard } from '../../runtime/turn-guard.ts'
import { createThreadLog } from '../../telemetry/log.ts'
import { MetricsRegistry } from '../../telemetry/metrics.ts'
import { registerThreadMetrics } from '../../telemetry/process.ts'
import { listening, PipelineStatus } from '../pipeline-status.ts'
import { type Candidate, Pipelines } from '../pipelines.ts'
import {
  bindingsOf,
  type Prepared,
  type PreparedPipelines,
  preparePipelines,
  type WorkerPlace,
  whyAlone,
} from '../prepare-pipeline.ts'
import { openTracer } from '../tracing.ts'
import { workerFolder } from './adopt-leftovers.ts'
import type { MainCalls, PlainPipeline, Preparation, Snapshot, Traits, WorkerCalls, WorkerTask } from './calls.ts'
import { Channel } from './channel.ts'

/** A worker: the whole pipeline in a thread of its own. What the program has once (log, dead letters, pages) it asks the main thread for. */
class WorkerThread {
  readonly #task: WorkerTask
  readonly #main: Channel<MainCalls, WorkerCalls>
  readonly #metrics = new MetricsRegistry()
  readonly #stop = new AbortController()
  readonly #place: { -readonly [P in keyof WorkerPlace]: WorkerPlace[P] }
  readonly #candidates = new Map<string, Candidate>()
  readonly #tracer: ReturnType<typeof openTracer>
  readonly #surroundings: Parameters<typeof preparePipelines>[1]
  #prepared: PreparedPipelines | undefined
  #pipelines: Pipelines | undefined
  #status: PipelineStatus | undefined

  constructor(task: WorkerTask, port: NonNullable<typeof parentPort>) {
    const { index, count, is_alone, data } = task
    this.#task = task
    const guard = new TurnGuard(task.turn_memory)
    guard.watch(task.watch)
    this.#place = { index, count, is_alone, guard }
    this.#main = new Channel<MainCalls, WorkerCalls>(port, {
      run: async (asked) => await this.#run(asked.count),
      listening: async () => await this.#listening(),
      stop: () => this.#stop.abort() as undefined,
      watch: (watch) => guard.watch(watch) as undefined,
      snapshot: ({ with_families }) => this.#snapshot(with_families),
      outlook: ({ read, changed_files }) => {
        const { removed, changed } = this.#running.outlook(read.map(revive), new Set(changed_files))
        return { removed, changed: changed.map(({ plan }) => plan.settings.id) }
      },
      prepare: async (asked) => await this.#prepare(asked),
      takeOver: async ({ id, removed }) => {
        await this.#candidate(id)?.takeOver(removed)
        return undefined
      },
      cancel: async ({ id }) => {
        await this.#candidate(id)?.cancel()
        return undefined
      },
      // Without it the thread has nothing to wait for.
      leave: () => {
        setImmediate(() => port.close())
        return undefined
      },
      remove: ({ id }) => this.#running.remove(id) as undefined,
    })
    readDatabasesBy((path) => this.#main.ask('database', path))
    const log = createThreadLog(task.log_level, (line, count_of_it) => this.#main.tell('log', { line, count: count_of_it }))
    // Two that wrote into one file would spoil it.
    const own = workerFolder(data, index)
    this.#tracer = openTracer(task.tracing, this.#metrics, log)
    this.#surroundings = { log, spans: this.#tracer, metrics: this.#metrics, data: own, worker: this.#place }
  }

  /** Makes everything and tells what came of it. */
  async prepare(): Promise<void> {
    this.#prepared = await preparePipelines(this.#task.read.map(revive), this.#surroundings)
    const { ready, refused } = this.#prepared
    const told: Preparation = {
      ready: ready.map(traitsOf),
      refused: refused.map(({ id, error }) => ({ id, problems: error.problems })),
    }
    await this.#main.ask('prepared', told)
  }

  /** Tells what is known, for nothing more will come from here. */
  crash(thrown: unknown): void {
    const stack = thrown instanceof Error ? thrown.stack : undefined
    this.#main.tell('crashed', { message: messageOf(thrown), stack, snapshot: this.#pipelines && this.#snapshot(true) })
  }

  get #running(): Pipelines {
    if (this.#pipelines === undefined) throw new Error('the worker does not run yet')
    return this.#pipelines
  }

  async #run(count: number): Promise<number> {
    if (this.#prepared === undefined) throw new Error('the worker is not prepared yet')
    this.#place.count = count
    const { drain_timeout_ms, waits, version, data } = this.#task
    registerThreadMetrics(this.#metrics, this.#stop.signal)
    const deadLetters = { keep: this.#keep.bind(this) }
    this.#pipelines = new Pipelines(this.#prepared, { ...this.#surroundings, deadLetters, drain_timeout_ms })
    this.#status = new PipelineStatus({ pipelines: this.#pipelines, reloader: { last: undefined }, data, version })
    await using _tracer = this.#tracer
    this.#pipelines.start()
    return await this.#pipelines.run(this.#stop.signal, waits)
  }

  async #listening(): Promise<undefined> {
    await Promise.all(this.#running.members.map(({ compiled, factory }) => listening(compiled, factory)))
    return undefined
  }

  #snapshot(with_families: boolean): Snapshot {
    const pipelines = this.#running
    if (this.#status === undefined) throw new Error('the worker does not run yet')
    return {
      status: this.#status.status(),
      books: this.#status.books(),
      reasons: this.#status.reasonsNotReady(),
      failed: [...pipelines.failed.keys()],
      held: pipelines.held,
      derived: this.#metrics.derivedTotals(),
      files: pipelines.files,
      families: with_families ? this.#metrics.snapshot() : undefined,
    }
  }

  async #prepare({ loaded, secrets, ...preparing }: WorkerCalls['prepare']['asks']): Promise<Traits> {
    for (const secret of secrets) keepSecret(secret)
    this.#place.is_alone = preparing.is_alone
    const candidate = await this.#running.prepare(revive(loaded), preparing)
    this.#candidates.set(loaded.plan.settings.id, candidate)
    return traitsOf(candidate.prepared)
  }

  #candidate(id: string): Candidate | undefined {
    const candidate = this.#candidates.get(id)
    this.#candidates.delete(id)
    return candidate
  }

  async #keep(pipeline: string, entries: readonly Entry[], abandon: AbortSignal): Promise<boolean> {
    // Rejects when this program leaves, or the main thread does.
    return await unlessAborted(this.#main.ask('keep', { pipeline, entries }), abandon).catch(() => false)
  }
}

function revive(loaded: PlainPipeline): LoadedPipeline {
  return { ...loaded, sources: loaded.sources.map(({ file, text }) => new SourceText(file, text)) }
}

function traitsOf({ plan, compiled }: Prepared): Traits {
  const remembers = stepsOf(compiled.chain).filter((step) => step.remembers)
  return {
    id: plan.settings.id,
    why_alone: whyAlone(compiled),
    remembers: remembers.map(({ id, where }) => `${id} (${where})`),
    warnings: compiled.warnings,
    bindings: bindingsOf(compiled),
  }
}

if (parentPort === null) throw new Error('this module is the beginning of a thread')
const task = workerData as WorkerTask
for (const secret of task.secrets) keepSecret(secret)
listeners.share()
const thread = new WorkerThread(task, parentPort)
process.on('uncaughtException', (thrown) => {
  // What is spoilt ends here. The main thread starts another worker, and what this one held comes again.
  thread.crash(thrown)
  process.exit(1)
})
await thread.prepare()
