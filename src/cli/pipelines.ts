import { setTimeout as wait } from 'node:timers/promises'
import { closeFilters } from '../compile/chain/nodes.ts'
import type { LoadedPipeline } from '../config/load.ts'
import { MillraceError, messageOf } from '../core/errors.ts'
import { DEFAULT_SETTINGS } from '../core/plan.ts'
import { withoutSecrets } from '../core/secret.ts'
import { untilAborted } from '../core/waiting.ts'
import type { Reservation } from '../network/listeners.ts'
import { ByteBudget } from '../runtime/byte-budget.ts'
import type { DeadLetterBox } from '../runtime/dead-letter-box.ts'
import { type EventQueue, queueOf } from '../runtime/event-queue.ts'
import { PipelineLedgers } from '../runtime/ledger.ts'
import { tellOrphanedSpills } from '../runtime/orphaned-spills.ts'
import { Pipeline } from '../runtime/pipeline.ts'
import type { PipelineBus, SuccessorBus } from '../runtime/pipeline-bus.ts'
import { RecentEvents } from '../runtime/recent-events.ts'
import { PipelineMetrics } from '../telemetry/pipeline-metrics.ts'
import { listening } from './pipeline-status.ts'
import { type Prepared, type PreparedPipelines, preparePipeline, type Surroundings } from './prepare-pipeline.ts'
import { checkReloadable, hasChanged, refusal } from './reloadable.ts'
import { type Outlook, type Preparing, type Replaced, replacePipelines, type Stage, type Successor } from './replace-pipelines.ts'
import { checkAddresses, reserveAddresses } from './reserve-addresses.ts'

/** A pipeline at work. */
export interface Member extends Omit<Prepared, 'attach'> {
  readonly pipeline: Pipeline
  readonly stop: AbortController
  /** With how many events it left without an end. Never rejects. */
  readonly ended: Promise<number>
  readonly is_successor: boolean
}

interface Settings extends Surroundings {
  readonly deadLetters: Pick<DeadLetterBox, 'keep'>
  readonly drain_timeout_ms: number
}

/** A pipeline that is made, and does nothing yet. */
export interface Candidate extends Successor {
  readonly prepared: Prepared
}

interface Made {
  readonly prepared: Prepared
  readonly own: PipelineMetrics
  readonly successor: SuccessorBus
  readonly reservation: Reservation
}

/** Outputs that refuse their settings do so soon; one whose other side is away opens later. */
const OPENING_WAIT_MS = 1_000

/** The pipelines of the program at work, with one budget of bytes for all of them. */
export class Pipelines implements Stage {
  readonly budget: ByteBudget
  readonly max_in_flight_bytes: number
  readonly recent = new RecentEvents()
  /** Pipeline -> why it does not run, while others do. */
  readonly failed = new Map<string, string>()
  readonly #bus: PipelineBus
  readonly #settings: Settings
  /** In the order of the config. */
  readonly #members = new Map<string, Member>()
  /** Pipelines that were replaced or taken out, as long as they have something to bring to its end. */
  readonly #leaving = new Map<string, Member>()
  readonly #ledgers = new Map<string, PipelineLedgers>()
  /** By their folders. */
  readonly #queues = new Map<string, EventQueue>()
  readonly #running = new Set<Promise<unknown>>()
  /** Why pipelines could not start. */
  readonly #faults = new Map<Pipeline, MillraceError>()
  /** Has not taken over yet. */
  #tried: Member | undefined
  readonly #launches: readonly (() => void)[]
  #is_stopping = false
  #left = 0

  constructor({ bus, ready, refused }: PreparedPipelines, settings: Settings) {
    this.#bus = bus
    this.#settings = settings
    const share = settings.worker?.count ?? 1
    const limits = ready.map(({ plan }) => plan.settings.max_in_flight_bytes)
    // A worker whose pipelines were all taken out has none until a reload brings some.
    const limit = limits.length === 0 ? DEFAULT_SETTINGS.max_in_flight_bytes : Math.max(...limits)
    this.max_in_flight_bytes = Math.floor(limit / share)
    this.budget = new ByteBudget(this.max_in_flight_bytes)
    this.#launches = ready.map((prepared) => this.#add(prepared).launch)
    for (const { id, error } of refused) this.#fail(id, error)
  }

  /** The config names one pipeline. */
  get is_alone(): boolean {
    return this.#settings.worker?.is_alone ?? this.#members.size === 1
  }

  /** Files that components have read while they were made. */
  get files(): readonly string[] {
    return this.members.flatMap(({ factory }) => [...factory.files])
  }

  /** By pipeline: also of those that were taken out, for what they held goes on to its end. */
  get ledgers(): ReadonlyMap<string, PipelineLedgers> {
    return this.#ledgers
  }

  get members(): readonly Member[] {
    return [...this.#members.values()]
  }

  /** Events that have no final state yet. */
  get held(): number {
    return [...this.#members.values(), ...this.#leaving.values()].reduce((sum, { pipeline }) => sum + pipeline.held, 0)
  }

  /** Starts all of them. One that cannot start does not keep the others from it. */
  start(): void {
    for (const launch of this.#launches) launch()
    void this.#tellOrphans()
  }

  /**
   * Resolves when all have come to their ends: at a stop those that send to others first, for the others go on until nobody sends
   * any more. With `waits` the program waits for a new config when they have. Returns how many events were left without an end.
   * @throws MillraceError INPUT_CANNOT_START, OUTPUT_CANNOT_START where none could start
   */
  async run(stop: AbortSignal, waits: boolean): Promise<number> {
    const first = this.members
    stop.addEventListener('abort', () => this.#stop(), { once: true })
    if (stop.aborted) this.#stop()
    for (;;) {
      if (this.#running.size > 0) await Promise.race(this.#running)
      else if (waits && !stop.aborted) await untilAborted(stop)
      else return this.#left
      const faults = first.flatMap((member) => (this.members.includes(member) ? (this.#faults.get(member.pipeline) ?? []) : []))
      if (faults.length === first.length && faults[0] !== undefined) throw faults[0]
    }
  }

  outlook(read: readonly LoadedPipeline[], changed_files: ReadonlySet<string>): Outlook {
    const wanted = new Set(read.map(({ plan }) => plan.settings.id))
    return {
      removed: [...this.#members.keys(), ...this.failed.keys()].filter((id) => !wanted.has(id)),
      changed: read.filter((loaded) => {
        const { id } = loaded.plan.settings
        const present = this.#members.get(id)
        return present === undefined || this.failed.has(id) || hasChanged(present, loaded, changed_files)
      }),
    }
  }

  has(id: string): boolean {
    return this.#members.has(id)
  }

  /** Makes the pipelines those of a config that was read. */
  async replace(read: readonly LoadedPipeline[], changed_files: ReadonlySet<string>): Promise<Replaced> {
    return await replacePipelines(this.outlook(read, changed_files), this, read.length === 1)
  }

  /** One that does nothing before it is launched. */
  #add(prepared: Prepared, predecessor?: Promise<unknown>): { readonly member: Member; readonly launch: () => void } {
    const { attach, compiled, plan, factory, metrics } = prepared
    const { id } = plan.settings
    const { deadLetters, drain_timeout_ms, log, metrics: all, data } = this.#settings
    const ledgers = this.#ledgers.get(id) ?? new PipelineLedgers(all, id)
    this.#ledgers.set(id, ledgers)
    const queue = queueOf(plan.settings, { log, metrics: all, data, ledger: ledgers.events }, this.#queues)
    const pipeline = new Pipeline(compiled, plan.settings, {
      context: (component) => factory.of(component),
      deadLetters,
      budget: this.budget,
      recent: this.recent,
      drain_timeout_ms,
      listening: () => listening(compiled, factory),
      ledgers,
      queue,
      predecessor,
      guard: this.#settings.worker?.guard,
    })
    attach(pipeline)
    const { promise: ended, resolve } = Promise.withResolvers<number>()
    const is_successor = predecessor !== undefined
    const member: Member = { ...prepared, pipeline, stop: new AbortController(), ended, is_successor }
    this.#members.set(id, member)
    return {
      member,
      launch: () => {
        const running = this.#run(member).then((left) => {
          metrics.end()
          this.#running.delete(running)
          resolve(left)
        })
        this.#running.add(running)
      },
    }
  }

  /** Never rejects. */
  async #run(member: Member): Promise<number> {
    const { pipeline, plan, stop } = member
    const { id } = plan.settings
    let left = 0
    try {
      left = await pipeline.run(stop.signal)
    } catch (thrown) {
      // A pipeline that breaks in another way is a fault of ours; the others go on.
      const fault = thrown instanceof MillraceError ? thrown : new MillraceError('INPUT_CANNOT_START', messageOf(thrown))
      this.#faults.set(pipeline, fault)
    }
    if (this.#members.get(id) !== member || this.#tried === member) return left
    this.#left += left
    this.#bus.leave(id)
    const fault = this.#faults.get(pipeline)
    if (fault !== undefined && (this.#members.size > 1 || member.is_successor)) this.#fail(id, fault)
    return left
  }

  async prepare(loaded: LoadedPipeline, { is_alone, handed_on }: Preparing): Promise<Candidate> {
    const { id } = loaded.plan.settings
    const present = this.#members.get(id)
    if (present !== undefined) checkReloadable(present, loaded)
    await this.#leaving.get(id)?.ended
    const successor = this.#bus.successorOf(id, handed_on)
    const own = new PipelineMetrics(this.#settings.metrics, present?.metrics)
    const prepared = await preparePipeline(loaded, { ...this.#settings, bus: successor.bus, own, is_alone })
    let reservation: Reservation | undefined
    const cancel = async (): Promise<void> => {
      reservation?.cancel()
      await closeFilters(prepared.compiled.chain)
    }
    try {
      checkReloadable(prepared, loaded)
      checkAddresses(prepared, this.members, handed_on)
      reservation = await reserveAddresses(prepared)
    } catch (thrown) {
      await cancel()
      throw thrown
    }
    const made: Made = { prepared, own, successor, reservation }
    return {
      prepared,
      cancel,
      takeOver: async (removed) => {
        try {
          if (this.#is_stopping) throw refusal(loaded, 'the program is stopping')
          // Another one of the same config may have them by now.
          checkAddresses(prepared, this.members, removed)
          successor.takeOver(removed)
        } catch (thrown) {
          await cancel()
          throw thrown
        }
        await this.#takeOver(made, removed)
      },
    }
  }

  async #takeOver({ prepared, own, successor, reservation }: Made, removed: readonly string[]): Promise<void> {
    const { loaded } = prepared
    const { id } = loaded.plan.settings
    const present = this.#members.get(id)
    const { promise: others_ended, resolve } = Promise.withResolvers<void>()
    own.begin()
    const { member: next, launch } = this.#add(prepared, present?.ended ?? others_ended)
    if (present === undefined) {
      // One of those that go may be this one by another name: what it reads is read by one at a time.
      const going = removed.flatMap((other) => this.#members.get(other)?.ended ?? [])
      void Promise.all(going).then(() => resolve())
      next.stop.signal.addEventListener('abort', () => resolve(), { once: true })
    }
    this.#tried = next
    launch()
    // The new one has the addresses before the old one lets go of them.
    await Promise.race([this.#settled(next), next.ended])
    reservation.cancel()
    this.#tried = undefined
    const fault = this.#faults.get(next.pipeline)
    if (fault !== undefined) {
      successor.giveBack()
      if (present === undefined) {
        this.#members.delete(id)
        this.#bus.leave(id)
      } else {
        this.#members.set(id, present)
        present.metrics.begin()
      }
      throw refusal(loaded, fault.message)
    }
    this.failed.delete(id)
    if (present !== undefined) this.#leave(id, present, successor)
    if (this.#is_stopping) next.stop.abort()
  }

  /** Resolves once the inputs listen and the outputs are open, or after a while. */
  async #settled({ compiled, factory, pipeline }: Member): Promise<void> {
    await listening(compiled, factory)
    const deadline = performance.now() + OPENING_WAIT_MS
    while (performance.now() < deadline && pipeline.outputs.some((output) => !output.isOpen)) await wait(10)
  }

  #leave(id: string, old: Member, successor?: SuccessorBus): void {
    const { log } = this.#settings
    this.#leaving.set(id, old)
    old.stop.abort()
    // Never rejects.
    void old.ended.then((left) => {
      this.#leaving.delete(id)
      void this.#tellOrphans()
      successor?.standAlone()
      if (left === 0) return
      log.warn(
        `replaced_early_${id}`,
        `the pipeline ${id} as it was before the reload ended with ${left} events not stored. They were not acknowledged: Filebeat, Kafka and files bring them again`,
      )
    })
  }

  /** Takes a pipeline out: it brings to an end what it holds. */
  remove(id: string): void {
    const member = this.#members.get(id)
    this.failed.delete(id)
    this.#members.delete(id)
    this.#bus.close(id)
    if (member === undefined) return
    this.#leave(id, member)
    void member.ended.then(() => {
      if (!this.#members.has(id)) this.#bus.leave(id)
    })
  }

  /** Events on the disk that no output brings to their end. Never rejects. */
  async #tellOrphans(): Promise<void> {
    const owners = new Map<string, readonly string[] | undefined>([...this.failed.keys()].map((id) => [id, undefined]))
    for (const [id, { compiled }] of [...this.#members, ...this.#leaving]) {
      const outputs = compiled.outputs.map((output) => output.id)
      if (!this.failed.has(id)) owners.set(id, [...(owners.get(id) ?? []), ...outputs])
    }
    await tellOrphanedSpills(this.#settings.data, owners, this.#settings.log)
  }

  #stop(): void {
    this.#is_stopping = true
    for (const { stop } of this.#members.values()) stop.abort()
  }

  #fail(id: string, thrown: unknown): void {
    this.failed.set(id, withoutSecrets(messageOf(thrown)))
    this.#settings.log.error(`pipeline_failed_${id}`, `the pipeline ${id} does not run: ${messageOf(thrown)}`)
  }
}
