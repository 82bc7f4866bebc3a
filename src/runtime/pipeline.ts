import { setImmediate as nextTurnOfTheLoop, setTimeout as wait } from 'node:timers/promises'
import { linkChain } from '../compile/chain/chain.ts'
import type { Chain } from '../compile/chain/nodes.ts'
import type { CompiledInput, CompiledPipeline } from '../compile/pipeline.ts'
import { linkRoute, type Route } from '../compile/route.ts'
import { Backoff } from '../core/backoff.ts'
import type { Context, Log } from '../core/context.ts'
import type { Deliver, Settled } from '../core/contracts.ts'
import { MillraceError, messageOf } from '../core/errors.ts'
import type { Event, EventState, Origin } from '../core/event.ts'
import type { PipelineSettings } from '../core/plan.ts'
import { unlessAborted } from '../core/waiting.ts'
import type { ByteBudget } from './byte-budget.ts'
import { type DeadLetterBox, entryOfEvent, entryOfRaw } from './dead-letter-box.ts'
import { FilterTurns } from './filter-turns.ts'
import { type EventLedger, type InputBooks, type Loses, MADE_BY_FILTERS, PipelineLedgers } from './ledger.ts'
import { OutputRunner, type Rejected } from './output-runner.ts'
import { Receipt, Tracked, trackedOf } from './receipt.ts'
import type { RecentEvents } from './recent-events.ts'

/** How long an input that failed while running rests before it is started again. */
const INPUT_RESTART_FIRST_MS = 1_000
const INPUT_RESTART_MAX_MS = 30_000
/** After so long without a failure the next one is a first one. */
const INPUT_SOUND_MS = 60_000

/**
 * What a held event costs in V8's heap: itself, its origin and its receipt, and its fields, which take about three
 * times their JSON (measured: 3,560 bytes for an envelope of Filebeat of 1,050 bytes whose line was parsed).
 */
const EVENT_BYTES = 512
const HEAP_BYTES_PER_WIRE_BYTE = 3

function memoryOf({ size_bytes }: Event): number {
  return EVENT_BYTES + size_bytes * HEAP_BYTES_PER_WIRE_BYTE
}

export interface PipelineServices {
  /** The context of the pipeline itself and of its outputs, by id. */
  context(id: string): Context
  /** Resolves with true once the entries are kept, with false when `abandon` aborts before. Never rejects. */
  readonly deadLetters: Pick<DeadLetterBox, 'keep'>
  /** Of the process: all pipelines share it. */
  readonly budget: ByteBudget
  /** Of the process too: the latest events, for the live page. */
  readonly recent: RecentEvents
  /** How long events may take to reach their end after a stop. */
  readonly drain_timeout_ms: number
  /** Resolves once the inputs that listen do so: a sample begins then. */
  listening(): Promise<void>
  /** Those of the pipeline that this one takes over from. */
  readonly ledgers?: PipelineLedgers | undefined
  /** Resolves when that one has ended: what two cannot read at once (files, a Kafka group) is read from then on. */
  readonly predecessor?: Promise<unknown> | undefined
  readonly loses?: Loses
}

/**
 * One running pipeline: takes batches from inputs, runs the filters, hands events to outputs, follows each event to
 * its one final state and settles the batch's receipt when all of them have it.
 *
 *     deliver -> [intake: waits for bytes] -> filters -> route -> [output runners] -> ended -> receipt settles
 */
export class Pipeline {
  readonly ledgers: PipelineLedgers
  readonly ledger: EventLedger
  readonly outputs: readonly OutputRunner[]
  readonly #id: string
  readonly #compiled: CompiledPipeline
  readonly #services: PipelineServices
  readonly #log: Log
  readonly #chain: Chain
  readonly #route: Route
  readonly #abandon = new AbortController()
  readonly #stopYielding = new AbortController()
  readonly #unsettled = new Set<Receipt>()
  readonly #ended = new Set<string>()
  readonly #turns: FilterTurns
  readonly #leaveLedger: () => void
  readonly #loses: Loses
  readonly #taken: number[] = []
  /** Memory that its events stand for, estimated from their sizes on the wire. */
  #bytes = 0
  #inIntake = 0
  #inFilters = 0
  #inOutputs = 0
  #inDeadLetters = 0
  #whenEmpty: (() => void) | undefined

  constructor(compiled: CompiledPipeline, settings: PipelineSettings, services: PipelineServices) {
    this.#id = settings.id
    this.#compiled = compiled
    this.#services = services
    this.#loses = services.loses ?? (() => false)
    const own = services.context(settings.id)
    this.#log = own.log
    own.metrics.gauge(
      'millrace_in_flight_bytes',
      'Memory that the events stand for which the pipeline holds, estimated from their sizes on the wire.',
      { pipeline: settings.id },
      () => this.#bytes,
    )
    this.ledgers = services.ledgers ?? new PipelineLedgers(own.metrics, settings.id)
    this.ledger = this.ledgers.events
    this.#leaveLedger = this.ledger.join({
      intake: () => this.#inIntake,
      filters: () => this.#inFilters,
      outputs: () => this.#inOutputs,
      dead_letters: () => this.#inDeadLetters,
    })
    this.#route = linkRoute(compiled.routes)
    this.#chain = linkChain(compiled.chain, {
      passed: (event) => this.#passed(event),
      dropped: (event) => this.#end(event, event.isConsumed ? 'consumed' : 'dropped'),
      failed: (event, filter, where, thrown) => this.#failed(event, filter, where, thrown),
      created: (child, parent) => this.#created(child, parent),
      flushFailed: (filter, where, thrown) => {
        this.#log.error('flush_failed', `${filter} (${where}) could not give out what it held: ${messageOf(thrown)}`)
      },
    })
    this.#turns = new FilterTurns(this.#chain, settings.batch_size, this.#abandon.signal, (count) => {
      this.#inIntake -= count
      this.#inFilters += count
    })
    const outputServices = {
      batch_size: settings.batch_size,
      batch_delay_ms: settings.batch_delay_ms,
      ended: (event: Event, state: EventState) => this.#endedAtOutput(event, state),
      loses: this.#loses,
    }
    this.outputs = compiled.outputs.map(({ id, name, where, sink }) => {
      const deadLetter = (rejected: readonly Rejected[]): Promise<boolean> =>
        services.deadLetters.keep(
          settings.id,
          rejected.map(({ event, reason, document }) => entryOfEvent(event, `${id} (${where})`, reason, name, document)),
          this.#abandon.signal,
        )
      return new OutputRunner(
        sink,
        services.context(id),
        { ...outputServices, ledger: this.ledgers.output(id), deadLetter },
        this.#abandon.signal,
      )
    })
    for (const output of this.outputs) this.ledger.includes(output.ledger)
  }

  /**
   * Runs until every input has ended by itself or `stop` aborts, then until everything has its end: after a stop for
   * `drain_timeout_ms` at most. Returns how many events were left without one (their senders will repeat them).
   * @throws MillraceError INPUT_CANNOT_START, OUTPUT_CANNOT_START
   */
  async run(stop: AbortSignal): Promise<number> {
    const failed = new AbortController()
    const stopping = AbortSignal.any([stop, failed.signal])
    const deadline = this.#abandonAfter(stopping)
    const fatal: unknown[] = []
    const fail = (thrown: unknown): void => {
      if (this.#abandon.signal.aborted) return
      fatal.push(thrown)
      failed.abort()
    }
    const inputs = this.#compiled.inputs.map((input) => this.#runInput(input, stopping).catch(fail))
    // Listening comes first: some outputs load for half a second, and a sender that finds nobody waits longer than that.
    await nextTurnOfTheLoop()
    // An output that never opens must not keep a stopped program, so opening is not waited for.
    for (const output of this.outputs) output.open(this.#abandon.signal).catch(fail)
    await Promise.all(inputs)
    if (fatal.length > 0) this.#abandonAll()
    await this.#turns.finish()
    for (const output of this.outputs) output.drain()
    await this.#empty()
    clearTimeout(deadline.timer)
    const left = this.held
    this.#abandonAll()
    await this.#chain.close()
    await Promise.allSettled(this.outputs.map((output) => output.close()))
    this.#leaveLedger()
    if (fatal.length > 0) throw fatal[0]
    return left
  }

  /** Whether an input has come to its end. */
  hasEnded(input: string): boolean {
    return this.#ended.has(input)
  }

  /** Keeps what an input could not make an event of. */
  async deadLetterRaw(
    input: string,
    raw: Buffer,
    reason: string,
    origin: Origin | undefined,
    size_bytes = raw.length,
  ): Promise<void> {
    const books = this.ledger.input(input)
    books.received.inc()
    books.held++
    this.#inDeadLetters++
    const kept = await this.#services.deadLetters.keep(
      this.#id,
      [entryOfRaw(raw, input, reason, origin, size_bytes)],
      this.#abandon.signal,
    )
    if (!kept) throw this.#abandon.signal.reason as Error
    this.#inDeadLetters--
    books.held--
    books.states.dead_lettered.inc()
    this.#tellWhenEmpty()
  }

  /** Events that have no final state yet. */
  get held(): number {
    return this.#inIntake + this.#inFilters + this.#inOutputs + this.#inDeadLetters
  }

  #abandonAfter(stopping: AbortSignal): { timer: NodeJS.Timeout | undefined } {
    const deadline: { timer: NodeJS.Timeout | undefined } = { timer: undefined }
    const begin = (): void => {
      for (const output of this.outputs) output.drain()
      deadline.timer = setTimeout(() => this.#abandonAll(), this.#services.drain_timeout_ms)
    }
    if (stopping.aborted) begin()
    else stopping.addEventListener('abort', begin, { once: true })
    return deadline
  }

  #abandonAll(): void {
    this.#abandon.abort(new Error('the program stops'))
    for (const receipt of this.#unsettled) receipt.abandon()
    this.#whenEmpty?.()
  }

  async #empty(): Promise<void> {
    if (this.held === 0 || this.#abandon.signal.aborted) return
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve
    })
  }

  #tellWhenEmpty(): void {
    if (this.#whenEmpty !== undefined && this.held === 0) this.#whenEmpty()
  }

  async #runInput(input: CompiledInput, stopping: AbortSignal): Promise<void> {
    const stop = input.yields ? AbortSignal.any([stopping, this.#stopYielding.signal]) : stopping
    const deliver = this.#deliverOf(input)
    const backoff = new Backoff(INPUT_RESTART_FIRST_MS, INPUT_RESTART_MAX_MS)
    if (input.yields) await this.#services.listening()
    if (!input.listens && !input.has_room) await unlessAborted(Promise.resolve(this.#services.predecessor), stop).catch(() => {})
    while (!stop.aborted) {
      const started = performance.now()
      try {
        await input.source.run(deliver, stop, this.#abandon.signal)
        this.#ended.add(input.id)
        return
      } catch (thrown) {
        if (thrown instanceof MillraceError && thrown.code === 'INPUT_CANNOT_START') throw thrown
        if (stop.aborted) return
        if (performance.now() - started > INPUT_SOUND_MS) backoff.reset()
        const wait_ms = backoff.next()
        this.#log.error('input_failed', `${input.id} (${input.where}) stopped: ${messageOf(thrown)}. It is started again`, {
          wait_ms,
        })
        await wait(wait_ms, undefined, { signal: stop }).catch(() => {})
      }
    }
  }

  #deliverOf(input: CompiledInput): Deliver {
    const books = this.ledger.input(input.id)
    return async (events) => {
      books.received.inc(events.length)
      if (!input.yields && events.length > 0) this.#stopYielding.abort()
      return await this.#accept(events, books, input.has_room)
    }
  }

  async #accept(events: Event[], books: InputBooks, has_room: boolean): Promise<{ readonly settled: Promise<Settled> }> {
    const receipt = new Receipt(events.length, books)
    let bytes = 0
    for (const event of events) {
      event.tracking = new Tracked(receipt)
      bytes += memoryOf(event)
    }
    this.#inIntake += events.length
    this.#unsettled.add(receipt)
    if (!(await this.#admit(bytes, has_room))) receipt.abandon()
    else if (events.length > 0) {
      // An input that decoded the next batches meanwhile would only fill the memory with them.
      await this.#turns.take(this.#loses('intake') ? this.#allButOne(events) : events)
    }
    const settled = receipt.settled.finally(() => this.#unsettled.delete(receipt))
    return { settled }
  }

  #allButOne(events: readonly Event[]): readonly Event[] {
    this.#inIntake--
    return events.slice(1)
  }

  /** Waits for room. False when the program leaves before there is any. */
  async #admit(bytes: number, has_room: boolean): Promise<boolean> {
    const { budget } = this.#services
    if (this.#abandon.signal.aborted) return false
    if (has_room) budget.take(bytes)
    else {
      try {
        await budget.acquire(bytes, this.#abandon.signal)
      } catch {
        return false
      }
    }
    this.#bytes += bytes
    return true
  }

  #passed(event: Event): void {
    this.#taken.length = 0
    if (this.#loses('filters')) {
      this.#inFilters--
      return
    }
    try {
      this.#services.recent.offer(event)
      this.#route(event, (output) => this.#taken.push(output))
    } catch (thrown) {
      this.#failed(event, 'outputs', 'the conditions around outputs', thrown)
      return
    }
    if (this.#taken.length === 0) {
      this.#end(event, 'unrouted')
      return
    }
    trackedOf(event).pending = this.#taken.length
    this.#inFilters--
    this.#inOutputs++
    let isNeeded = false
    for (const output of this.#taken) if (this.outputs[output]?.push(event) !== true) isNeeded = true
    if (!isNeeded) event.letFieldsGo()
  }

  #created(child: Event, parent: Event | undefined): void {
    const receipt = parent === undefined ? new Receipt(1, this.ledger.input(MADE_BY_FILTERS)) : trackedOf(parent).receipt
    if (parent !== undefined) receipt.join()
    child.tracking = new Tracked(receipt)
    this.#services.budget.take(memoryOf(child))
    this.#bytes += memoryOf(child)
    receipt.books.created.inc()
    this.#inFilters++
  }

  #endedAtOutput(event: Event, state: EventState): void {
    const tracked = trackedOf(event)
    tracked.worsen(state)
    tracked.pending--
    if (tracked.pending > 0) return
    this.#inOutputs--
    if (!this.#loses('outputs')) this.#conclude(event, tracked.worst)
  }

  /** An event ends without having been at an output. */
  #end(event: Event, state: EventState): void {
    this.#inFilters--
    this.#conclude(event, state)
  }

  #conclude(event: Event, state: EventState): void {
    const { receipt } = trackedOf(event)
    receipt.books.states[state].inc()
    event.settle(state)
    this.#services.budget.release(memoryOf(event))
    this.#bytes -= memoryOf(event)
    receipt.leave()
    this.#tellWhenEmpty()
  }

  #failed(event: Event, filter: string, where: string, thrown: unknown): void {
    const reason = `${filter} (${where}) failed: ${messageOf(thrown)}`
    this.#log.error('filter_failed', `${reason}. The event is kept: look with bin/millrace dlq ls`)
    this.#inFilters--
    this.#inDeadLetters++
    // Neither rejects: `keep` tries until the entry is on disk or the program leaves.
    void this.#deadLetter(event, filter, reason)
  }

  async #deadLetter(event: Event, component: string, reason: string): Promise<void> {
    if (!(await this.#services.deadLetters.keep(this.#id, [entryOfEvent(event, component, reason)], this.#abandon.signal))) return
    this.#inDeadLetters--
    if (!this.#loses('dead_letters')) this.#conclude(event, 'dead_lettered')
  }
}
