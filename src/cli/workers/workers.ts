import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { LoadedPipeline } from '../../config/load.ts'
import { Backoff } from '../../core/backoff.ts'
import { ConfigError, formatPosition } from '../../core/errors.ts'
import type { Plan } from '../../core/plan.ts'
import { keptSecrets, withoutSecrets } from '../../core/secret.ts'
import { SharedDatabaseFiles } from '../../geoip/database-file.ts'
import { formatAddress } from '../../network/address.ts'
import type { ReloadStatus } from '../../ops/status.ts'
import type { DeadLetterBox } from '../../runtime/dead-letter-box.ts'
import { createTurnMemory } from '../../runtime/turn-guard.ts'
import type { MainLog } from '../../telemetry/log.ts'
import type { MetricsRegistry } from '../../telemetry/metrics.ts'
import type { Replaced } from '../replace-pipelines.ts'
import { adoptLeftovers } from './adopt-leftovers.ts'
import type { Preparation, WorkerTask } from './calls.ts'
import { WorkersFigures } from './figures.ts'
import { Line } from './line.ts'
import { Lineup } from './lineup.ts'
import { plainOf, replaceInAll } from './replace-in-all.ts'
import { Suspects } from './suspects.ts'
import { WorkerHandle } from './worker-handle.ts'

export interface WorkersSettings {
  readonly read: readonly LoadedPipeline[]
  readonly count: number
  readonly data: string
  readonly drain_timeout_ms: number
  /** A pipeline whose inputs have ended waits for another config. */
  readonly waits: boolean
  readonly log_level: WorkerTask['log_level']
  readonly tracing: WorkerTask['tracing']
  readonly version: string
  readonly log: MainLog
  readonly metrics: MetricsRegistry
  readonly deadLetters: Pick<DeadLetterBox, 'keep'>
  readonly last_reload: () => ReloadStatus | undefined
}

const LOOK_MS = 1_000
/** Every metric is asked for when somebody scrapes, and at every so many looks besides. */
const LOOKS_PER_WHOLE = 5
const RESTART_FIRST_MS = 500
const RESTART_MAX_MS = 30_000
/** After so long without a crash the next one is a first one. */
const SOUND_MS = 60_000
/** Beyond the time for draining, which each worker keeps by itself. */
const LEAVING_MS = 3_000
/** Nobody listens there as a rule, and it does not matter whether somebody does. */
const DISCARD_PORT = 9
/** That an address is taken is known at once; that nobody answers there does not matter. */
const PROBE_MS = 1_000
/** Inputs that read what the program was given. */
const STDIN_READERS: ReadonlySet<string> = new Set(['stdin', 'generator'])

/**
 * The workers of the program: threads that each run all pipelines that can be spread, with nothing in common but the addresses
 * they listen on. One that crashes is replaced; nothing that it held was acknowledged.
 */
export class Workers {
  readonly figures: WorkersFigures
  readonly #settings: WorkersSettings
  readonly #lineup: Lineup
  readonly #suspects = new Suspects()
  readonly #stop = new AbortController()
  readonly #abandon = new AbortController()
  /** Those that run, and those whose inputs have ended, by index. */
  readonly #handles = new Map<number, WorkerHandle>()
  /** Why one that is gone is not there again, by index. */
  readonly #refusals = new Map<number, string>()
  /** A worker is being made, or a config taken over: one at a time. */
  readonly #line = new Line()
  readonly #databases = new SharedDatabaseFiles()

  private constructor(settings: WorkersSettings) {
    const { read, count, metrics, version, last_reload } = settings
    this.#settings = settings
    this.#lineup = new Lineup(read, count)
    this.figures = new WorkersFigures({
      workers: () => this.#present,
      count: () => this.#lineup.count,
      whyAbsent: (index) => this.#refusals.get(index),
      metrics,
      reload: last_reload,
      version,
    })
    metrics.gauge('millrace_workers', 'Threads that are to run.', {}, () => this.#lineup.count)
    metrics.gauge('millrace_workers_running', 'Threads that run.', {}, () => {
      return this.#present.filter(({ is_running }) => is_running).length
    })
  }

  /**
   * Makes the workers, which do nothing yet.
   * @throws ConfigError where no pipeline can run, or one cannot in all workers that it is for
   * @throws MillraceError WORKER_CRASHED
   */
  static async open(settings: WorkersSettings): Promise<Workers> {
    const workers = new Workers(settings)
    try {
      await workers.#prepare()
      return workers
    } catch (thrown) {
      await Promise.all(workers.#present.map((handle) => handle.terminate()))
      throw thrown
    }
  }

  /** Events that have no final state yet, as far as is known. */
  get held(): number {
    return this.#present.reduce((sum, { last }) => sum + (last?.held ?? 0), 0)
  }

  get has_failed(): boolean {
    return this.#present.some(({ last }) => (last?.failed.length ?? 0) > 0)
  }

  /** Files that components have read while they were made. */
  get files(): readonly string[] {
    return this.#present.flatMap(({ last }) => last?.files ?? [])
  }

  /**
   * Runs until all workers have come to their end. Returns how many events were left without one.
   * @throws MillraceError INPUT_CANNOT_START, OUTPUT_CANNOT_START where no pipeline could start
   */
  async run(stop: AbortSignal): Promise<number> {
    const begin = (): void => this.#beginToStop()
    if (stop.aborted) begin()
    else stop.addEventListener('abort', begin, { once: true })
    let looks = 0
    const looking = setInterval(() => {
      void this.refresh(looks++ % LOOKS_PER_WHOLE === 0)
      if (this.#suspects.calmedDown()) for (const { channel } of this.#present) channel.tell('watch', undefined)
    }, LOOK_MS).unref()
    try {
      for (const handle of this.#present) handle.start(this.#lineup.count)
      const left = await Promise.all(this.#present.map((handle) => this.#keepRunning(handle)))
      return left.reduce((sum, one) => sum + one, 0)
    } catch (thrown) {
      begin()
      await Promise.all(this.#present.map(({ gone }) => gone))
      throw thrown
    } finally {
      clearInterval(looking)
      this.#abandon.abort()
    }
  }

  /** Once everything that listens does so. Never rejects. */
  async listening(): Promise<void> {
    await Promise.allSettled(this.#present.map(({ channel }) => channel.ask('listening', undefined)))
    await this.refresh(true)
  }

  /** Asks all workers how they stand; one that does not answer in time is told of, and not waited for. Never rejects. */
  async refresh(with_families: boolean): Promise<void> {
    await Promise.all(this.#present.map((handle) => handle.refresh(with_families)))
  }

  /** As `Pipelines.replace`: every pipeline is made and tried in all workers before the first one lets one take its place. */
  async replace(read: readonly LoadedPipeline[], changed_files: ReadonlySet<string>): Promise<Replaced> {
    return await this.#line.take(async () => {
      // One that stays behind ends, and the next one has what is in place by then.
      const staying = this.#present.filter(({ is_outdated }) => !is_outdated)
      const replaced = await replaceInAll(read, changed_files, this.#lineup, staying)
      await this.refresh(true)
      return replaced
    })
  }

  get #present(): readonly WorkerHandle[] {
    return [...this.#handles.values()].toSorted((a, b) => a.index - b.index)
  }

  /** The first one tells what can be spread; then come the others. */
  async #prepare(): Promise<void> {
    const first = await this.#make(0)
    this.#tell(first)
    this.#lineup.place(first.ready)
    await this.#tellOfPlaces(first)
    await adoptLeftovers(this.#settings.data, this.#settings.read, this.#lineup.workers, this.#settings.log)
    const others = Array.from({ length: this.#lineup.count - 1 }, (_, index) => index + 1)
    await Promise.all(others.map(async (index) => await this.#make(index)))
  }

  #tell({ ready, refused }: Preparation): void {
    const { log } = this.#settings
    for (const { at, message } of ready.flatMap(({ warnings }) => warnings)) {
      log.warn(`config_${formatPosition(at)}`, `${formatPosition(at)}: ${message}`)
    }
    if (ready.length === 0) throw new ConfigError(refused.flatMap(({ problems }) => problems))
  }

  /** What working side by side changes. */
  async #tellOfPlaces({ ready }: Preparation): Promise<void> {
    const { log } = this.#settings
    for (const [id, why] of this.#lineup.alone) {
      log.warn(`alone_${id}`, `the pipeline ${id} runs in one worker, for ${why}`)
    }
    for (const { id, remembers } of ready) {
      if (this.#lineup.workersOf(id) === 1) continue
      for (const filter of remembers) {
        log.warn(`remembers_${filter}`, `${filter} knows of earlier events, and each worker only of its own (docs/workers.md)`)
      }
    }
    for (const { protocol, host, port } of ready.flatMap(({ bindings }) => bindings)) {
      if (protocol !== 'tcp' || port === 0 || !(await isTaken(host, port))) continue
      log.error(
        `taken_${host}_${port}`,
        `another program listens on ${formatAddress(host, port)}: where it shares the port with its own workers, each of the two gets a part of what comes there`,
      )
    }
  }

  /**
   * @throws ConfigError where it refuses what another one has made
   * @throws MillraceError WORKER_CRASHED
   */
  async #make(index: number): Promise<Preparation> {
    const { data, drain_timeout_ms, waits, log_level, tracing, version, log, deadLetters } = this.#settings
    const read = this.#lineup.readOf(index)
    const task: WorkerTask = {
      index,
      count: this.#lineup.count,
      read: read.map(plainOf),
      is_alone: this.#lineup.is_alone,
      data,
      drain_timeout_ms,
      waits,
      log_level,
      turn_memory: createTurnMemory(),
      watch: this.#suspects.watch,
      tracing,
      version,
      secrets: keptSecrets(),
    }
    const has_stdin = index === 0 && read.some(({ plan }) => readsStdin(plan))
    const handle = new WorkerHandle(task, {
      log,
      deadLetters,
      databases: this.#databases,
      abandon: this.#abandon.signal,
      has_stdin,
    })
    this.#handles.set(index, handle)
    const preparation = await handle.prepared
    const refused = preparation.refused.filter(({ id }) => this.#lineup.isMade(id))
    if (refused.length === 0) return preparation
    await handle.terminate()
    throw new ConfigError(refused.flatMap(({ problems }) => problems))
  }

  /** Sees to a worker that runs, and to another one in its place when it crashes. Returns how many events the last one left. */
  async #keepRunning(first: WorkerHandle): Promise<number> {
    const { index } = first
    const backoff = new Backoff(RESTART_FIRST_MS, RESTART_MAX_MS)
    for (let handle = first; ; ) {
      const started = performance.now()
      const end = await handle.ended
      if (end.kind === 'ended') return end.left
      if (end.kind === 'refused' && handle === first) {
        await handle.end()
        throw end.why
      }
      if (end.kind === 'refused') await handle.terminate()
      const held = handle.last?.held ?? 0
      this.figures.retire(handle)
      this.#handles.delete(index)
      let wait_ms = 0
      if (end.kind === 'outdated') this.#tellLeft(index, end.left)
      else {
        if (performance.now() - started > SOUND_MS) backoff.reset()
        wait_ms = Math.round(backoff.next())
        this.#tellCrash(handle, end.why, wait_ms)
      }
      const next = await this.#makeAgain(index, wait_ms)
      if (next === undefined) return held
      handle = next
    }
  }

  #tellLeft(index: number, left: number): void {
    if (left === 0) return
    this.#settings.log.warn(
      `worker_left_${index}`,
      `worker ${index} ended for a new config with ${left} events not stored. They were not acknowledged: Filebeat and Kafka bring them again`,
    )
  }

  #tellCrash({ index, in_filters }: WorkerHandle, why: Error, wait_ms: number): void {
    const { log, metrics } = this.#settings
    if (this.#suspects.crashed(in_filters)) {
      log.error('event_condemned', 'the event that ends workers is found: it goes to the dead letters when it comes again')
    }
    for (const { channel } of this.#present) channel.tell('watch', this.#suspects.watch)
    metrics
      .counter('millrace_worker_crashes_total', 'Times that a worker came to an end that it should not.', {
        worker: String(index),
      })
      .inc()
    log.error(
      `worker_crashed_${index}`,
      `worker ${index} crashed: ${why.message}. What it held was not acknowledged and comes again; it is started again`,
      { wait_ms, stack: why.stack },
    )
  }

  /** One that runs; `undefined` when the program stops meanwhile. */
  async #makeAgain(index: number, wait_ms: number): Promise<WorkerHandle | undefined> {
    const { signal } = this.#stop
    const backoff = new Backoff(RESTART_FIRST_MS, RESTART_MAX_MS)
    let next_ms = wait_ms
    while (!signal.aborted) {
      await wait(next_ms, undefined, { signal }).catch(() => {})
      if (signal.aborted) break
      next_ms = Math.round(backoff.next())
      try {
        return await this.#line.take(async () => await this.#startAgain(index))
      } catch (thrown) {
        if (!(thrown instanceof Error)) throw thrown
        this.#handles.delete(index)
        this.#refusals.set(index, withoutSecrets(thrown.message))
        this.#settings.log.error(`worker_not_started_${index}`, whyNotStarted(index, thrown), { wait_ms: next_ms })
      }
    }
    return undefined
  }

  async #startAgain(index: number): Promise<WorkerHandle | undefined> {
    await this.#make(index)
    const handle = this.#handles.get(index)
    this.#refusals.delete(index)
    if (this.#stop.signal.aborted) {
      await handle?.terminate()
      return undefined
    }
    // Before another config may come.
    handle?.start(this.#lineup.count)
    return handle
  }

  #beginToStop(): void {
    this.#stop.abort()
    for (const { channel } of this.#present) channel.tell('stop', undefined)
    const timer = setTimeout(() => {
      this.#abandon.abort()
      for (const handle of this.#present) void handle.terminate()
    }, this.#settings.drain_timeout_ms + LEAVING_MS)
    timer.unref()
  }
}

/**
 * Whether somebody listens there already, also one who would share the port. Found by a client that takes the address for its own end:
 * a server would let clients in for a moment, and hang up on them.
 */
async function isTaken(host: string, port: number): Promise<boolean> {
  let probe: Socket | undefined
  try {
    const { address: localAddress, family } = await lookup(host)
    const loopback = family === 6 ? '::1' : '127.0.0.1'
    const is_any = localAddress === '::' || localAddress === '0.0.0.0'
    probe = connect({ host: is_any ? loopback : localAddress, port: DISCARD_PORT, localAddress, localPort: port })
    await once(probe, 'connect', { signal: AbortSignal.timeout(PROBE_MS) })
    return false
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EADDRINUSE'
  } finally {
    probe?.destroy()
  }
}

function whyNotStarted(index: number, why: Error): string {
  const what = `worker ${index} cannot start again and is tried again by itself`
  if (!(why instanceof ConfigError)) return `${what}: ${why.message}`
  return `${what}, for its config is refused now. Put right what is said here, such as a file that is missing:\n${why.message}`
}

function readsStdin({ inputs }: Plan): boolean {
  return inputs.some((node) => node.kind === 'component' && STDIN_READERS.has(node.name))
}
