import { setImmediate as nextTurnOfTheLoop } from 'node:timers/promises'
import type { Chain } from '../compile/chain/nodes.ts'
import type { CompiledInput, CompiledOutput, CompiledPipeline } from '../compile/pipeline.ts'
import { linkRoute, type Route } from '../compile/route.ts'
import type { Context, Counter, Log } from '../core/context.ts'
import type { Deliver, Settled } from '../core/contracts.ts'
import { messageOf } from '../core/errors.ts'
import type { Event, EventState, Origin } from '../core/event.ts'
import type { PipelineSettings } from '../core/plan.ts'
import type { Spans } from '../core/span.ts'
import { unlessAborted } from '../core/waiting.ts'
import { BatchTrace, tracedSink, traceTurn } from './batch-trace.ts'
import { blockedSettings } from './blocked-settings.ts'
import type { ByteBudget } from './byte-budget.ts'
import { type DeadLetterBox, type Entry, entryOfEvent, entryOfRaw } from './dead-letter-box.ts'
import type { EventQueue } from './event-queue.ts'
import { EventTracker } from './event-tracker.ts'
import { FilterTurns } from './filter-turns.ts'
import { runInput } from './input-loop.ts'
import { type EventLedger, FROM_DISK, type InputBooks, type Loses, PipelineLedgers } from './ledger.ts'
import { measurePipeline } from './measure-pipeline.ts'
import { OutputRunner } from './output-runner.ts'
import { type QueuedIntake, queuedIntake } from './queued-intake.ts'
import { type Receipt, trackedOf } from './receipt.ts'
import type { RecentEvents } from './recent-events.ts'
import { linkGuarded, type TurnGuard } from './turn-guard.ts'

export interface PipelineServices {
  /** The context of the pipeline itself, of its inputs and of its outputs, by id. */
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
  /** The queue on disk, which it may take over from that one too. */
  readonly queue?: EventQueue | undefined
  /** Resolves when that one has ended: what two cannot read at once (files, a Kafka group) is read from then on. */
  readonly predecessor?: Promise<unknown> | undefined
  readonly guard?: TurnGuard | undefined
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
  readonly #spans: Spans | undefined
  readonly #chain: Chain
  readonly #route: Route
  readonly #abandon = new AbortController()
  readonly #stopYielding = new AbortController()
  readonly #unsettled = new Set<Receipt>()
  readonly #ended = new Set<string>()
  readonly #turns: FilterTurns
  readonly #filtered: Counter
  readonly #leaveLedger: () => void
  readonly #loses: Loses
  /** Outputs that an event goes to, the first so many: a list that is emptied gives its memory away. */
  readonly #taken: number[] = []
  #taken_count = 0
  readonly #take = (output: number): void => {
    this.#taken[this.#taken_count++] = output
  }
  readonly #tracker: EventTracker
  readonly #queued: QueuedIntake | undefined
  #whenEmpty: (() => void) | undefined

  constructor(compiled: CompiledPipeline, settings: PipelineSettings, services: PipelineServices) {
    this.#id = settings.id
    this.#compiled = compiled
    this.#services = services
    this.#loses = services.loses ?? (() => false)
    const own = services.context(settings.id)
    this.#log = own.log
    this.#spans = own.spans
    const measured = { bytes: () => this.#tracker.bytes, unsettled: this.#unsettled }
    const { filter_seconds, filtered } = measurePipeline(own.metrics, settings, measured)
    this.#filtered = filtered
    this.ledgers = services.ledgers ?? new PipelineLedgers(own.metrics, settings.id)
    this.ledger = this.ledgers.events
    const tracking = { ledger: this.ledger, budget: services.budget, loses: this.#loses, left: () => this.#tellWhenEmpty() }
    this.#tracker = new EventTracker(tracking)
    this.#leaveLedger = this.ledger.join({
      intake: () => this.#tracker.intake,
      filters: () => this.#tracker.filters,
      outputs: () => this.#tracker.outputs,
      dead_letters: () => this.#tracker.dead_letters,
      buffered: () => this.buffered,
    })
    this.#route = linkRoute(compiled.routes)
    this.#chain = linkGuarded(services.guard, compiled.chain, {
      passed: (event) => this.#passed(event),
      dropped: (event) => this.#end(event, event.isConsumed ? 'consumed' : 'dropped'),
      failed: (event, filter, where, thrown) => this.#failed(event, filter, where, thrown),
      created: (child, parent) => this.#tracker.created(child, parent),
      flushFailed: (filter, where, thrown) => {
        this.#log.error('flush_failed', `${filter} (${where}) could not give out what it held: ${messageOf(thrown)}`)
      },
    })
    this.#turns = new FilterTurns(this.#chain, settings.batch_size, this.#abandon.signal, filter_seconds, (batch) => {
      this.#tracker.intake -= batch.length
      this.#tracker.filters += batch.length
      return this.#spans && traceTurn(this.#id, batch)
    })
    this.#queued = queuedIntake(settings, own, services.queue, {
      tracker: this.#tracker,
      turns: this.#turns,
      budget: services.budget,
      abandon: this.#abandon.signal,
      unreadable: (payload) => this.#deadLetterStored(payload, 'queue', 'it was in the queue on the disk, and is no event'),
      loses: this.#loses,
    })
    this.outputs = compiled.outputs.map((output) => this.#runnerOf(output, settings))
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
    const recovering = this.#recover(failed.signal).catch(fail)
    const feeding = this.#queued?.run(stopping, this.#services.predecessor).catch(fail)
    await Promise.all(inputs)
    this.#queued?.inputsEnded()
    await Promise.all([recovering, feeding])
    if (fatal.length > 0) this.#abandonAll()
    await this.#turns.finish()
    for (const output of this.outputs) output.drain(false)
    // Nobody else brings what is on the disk to its end, as long as nobody wants to stop.
    const emptied = this.#empty(() => this.held + (stop.aborted ? 0 : this.buffered) === 0)
    const stuck = this.#queued?.untilStuck(stop, () => this.outputs.every((output) => output.isStuck))
    await (stuck === undefined ? emptied : Promise.race([emptied, stuck]))
    clearTimeout(deadline.timer)
    // What came from the queue on the disk stays there.
    const left = this.held - (this.#queued?.held ?? 0)
    this.#abandonAll()
    await this.#chain.close()
    await Promise.allSettled(this.outputs.map((output) => output.close(left === 0)))
    await this.#queued?.close()
    this.#leaveLedger()
    if (fatal.length > 0) throw fatal[0]
    return left
  }

  /** Events on our disk, whose senders were told so. */
  get buffered(): number {
    return this.outputs.reduce((sum, output) => sum + output.buffered, 0)
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
    const kept = await this.#keepRaw(books, entryOfRaw(raw, input, reason, origin, size_bytes))
    if (!kept) throw this.#abandon.signal.reason as Error
  }

  /** Events that have no final state yet. */
  get held(): number {
    return this.#tracker.held
  }

  #runnerOf({ id, name, where, sink, policy }: CompiledOutput, settings: PipelineSettings): OutputRunner {
    const tracker = this.#tracker
    const context = this.#services.context(id)
    return new OutputRunner(
      this.#spans === undefined ? sink : tracedSink(sink, id),
      context,
      {
        ledger: this.ledgers.output(id),
        batch_size: settings.batch_size,
        batch_delay_ms: settings.batch_delay_ms,
        policy: blockedSettings(id, policy, settings, this.#compiled.outputs.length, context.paths),
        ended: (event, state) => tracker.endedAtOutput(event, state),
        standing: (event) => tracker.standing(event),
        buffered: (event, standing) => tracker.buffered(event, standing),
        restored: (stored) => tracker.restored(stored),
        returned: (event) => tracker.returned(event),
        unreadable: (payload) => this.#deadLetterStored(payload, id, 'it waited on the disk, and is no event of this output'),
        loses: this.#loses,
        deadLetter: (rejected) =>
          this.#services.deadLetters.keep(
            settings.id,
            rejected.map(({ event, reason, document }) => entryOfEvent(event, `${id} (${where})`, reason, name, document)),
            this.#abandon.signal,
          ),
      },
      this.#abandon.signal,
    )
  }

  /** Opens what an earlier run left on the disk. */
  async #recover(failed: AbortSignal): Promise<void> {
    const over = AbortSignal.any([failed, this.#abandon.signal])
    // As long as the one before it runs, the folders are its.
    await unlessAborted(Promise.resolve(this.#services.predecessor), over).catch(() => {})
    if (over.aborted) return
    for (const output of this.outputs) this.ledger.recovered(await output.recover())
  }

  /** Keeps a record of an earlier run that nobody can make anything of. */
  async #deadLetterStored(payload: Buffer, component: string, reason: string): Promise<boolean> {
    const books = this.ledger.input(FROM_DISK)
    books.read_back.inc()
    return await this.#keepRaw(books, entryOfRaw(payload, component, reason, undefined, payload.length))
  }

  async #keepRaw(books: InputBooks, entry: Entry): Promise<boolean> {
    books.held++
    this.#tracker.dead_letters++
    if (!(await this.#services.deadLetters.keep(this.#id, [entry], this.#abandon.signal))) return false
    this.#tracker.dead_letters--
    books.held--
    books.states.dead_lettered.inc()
    this.#tellWhenEmpty()
    return true
  }

  #abandonAfter(stopping: AbortSignal): { timer: NodeJS.Timeout | undefined } {
    const deadline: { timer: NodeJS.Timeout | undefined } = { timer: undefined }
    const begin = (): void => {
      // It has come to its end by itself.
      if (this.#abandon.signal.aborted) return
      for (const output of this.outputs) output.drain(true)
      this.#tellWhenEmpty()
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

  async #empty(isEmpty: () => boolean): Promise<void> {
    if (isEmpty() || this.#abandon.signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenEmpty = () => {
      if (this.#abandon.signal.aborted || isEmpty()) resolve()
    }
    await promise
  }

  #tellWhenEmpty(): void {
    if (this.held === 0) this.#whenEmpty?.()
  }

  async #runInput(input: CompiledInput, stopping: AbortSignal): Promise<void> {
    const stop = input.yields ? AbortSignal.any([stopping, this.#stopYielding.signal]) : stopping
    if (input.yields) await this.#services.listening()
    if (!input.listens && !input.has_room) await unlessAborted(Promise.resolve(this.#services.predecessor), stop).catch(() => {})
    const told = { log: this.#log, health: this.#services.context(input.id).health }
    if (await runInput(input, this.#deliverOf(input), stop, this.#abandon.signal, told)) this.#ended.add(input.id)
  }

  #deliverOf(input: CompiledInput): Deliver {
    const books = this.ledger.input(input.id)
    return async (events) => {
      books.received.inc(events.length)
      // Each call makes an exception, also when it was aborted before.
      if (!input.yields && events.length > 0 && !this.#stopYielding.signal.aborted) this.#stopYielding.abort()
      return await books.waiting(this.#accept(events, books, input.has_room))
    }
  }

  async #accept(events: Event[], books: InputBooks, has_room: boolean): Promise<{ readonly settled: Promise<Settled> }> {
    const { receipt, bytes } = this.#tracker.arrived(events, books)
    this.#unsettled.add(receipt)
    receipt.trace = BatchTrace.begin(this.#spans)
    receipt.trace?.receive(books.input, { pipeline: this.#id, events: events.length, bytes }, receipt.settled)
    if (!(await this.#admit(bytes, has_room))) receipt.abandon()
    else if (events.length > 0) {
      const taken = this.#loses('intake') ? this.#allButOne(events) : events
      // An input that decoded the next batches meanwhile would only fill the memory with them.
      if (this.#queued?.is_persisted === true) await this.#queued.put(taken)
      else await this.#turns.take(taken)
    }
    const settled = receipt.settled.finally(() => this.#unsettled.delete(receipt))
    return { settled }
  }

  #allButOne(events: readonly Event[]): readonly Event[] {
    this.#tracker.intake--
    return events.slice(1)
  }

  /** Waits for room. False when the program leaves before there is any. */
  async #admit(bytes: number, has_room: boolean): Promise<boolean> {
    const { budget } = this.#services
    if (this.#abandon.signal.aborted) return false
    if (this.#queued?.is_persisted === true) {
      if (!(await this.#queued.admit(bytes, has_room))) return false
    } else if (has_room) budget.take(bytes)
    else {
      try {
        await budget.acquire(bytes, this.#abandon.signal)
      } catch {
        return false
      }
    }
    this.#tracker.bytes += bytes
    return true
  }

  #passed(event: Event): void {
    this.#taken_count = 0
    if (this.#loses('filters')) {
      this.#tracker.filters--
      return
    }
    this.#filtered.inc()
    if (this.#spans !== undefined) trackedOf(event).receipt.trace?.link(event)
    try {
      this.#services.recent.offer(event)
      this.#route(event, this.#take)
    } catch (thrown) {
      this.#failed(event, 'outputs', 'the conditions around outputs', thrown)
      return
    }
    const count = this.#taken_count
    if (count === 0) return this.#end(event, 'unrouted')
    this.#tracker.routed(event, count)
    let isNeeded = false
    for (let at = 0; at < count; at++) if (this.outputs[this.#taken[at] ?? 0]?.push(event) !== true) isNeeded = true
    if (!isNeeded) event.letFieldsGo()
  }

  /** An event ends without having been at an output. */
  #end(event: Event, state: EventState): void {
    this.#tracker.filters--
    this.#tracker.conclude(event, state)
  }

  #failed(event: Event, filter: string, where: string, thrown: unknown): void {
    const reason = `${filter} (${where}) failed: ${messageOf(thrown)}`
    this.#log.error('filter_failed', `${reason}. The event is kept: look with bin/millrace dlq ls`)
    this.#tracker.filters--
    this.#tracker.dead_letters++
    // Neither rejects: `keep` tries until the entry is on disk or the program leaves.
    void this.#deadLetter(event, filter, reason)
  }

  async #deadLetter(event: Event, component: string, reason: string): Promise<void> {
    if (!(await this.#services.deadLetters.keep(this.#id, [entryOfEvent(event, component, reason)], this.#abandon.signal))) return
    this.#tracker.dead_letters--
    if (!this.#loses('dead_letters')) this.#tracker.conclude(event, 'dead_lettered')
  }
}
