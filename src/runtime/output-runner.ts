import pLimit, { type LimitFunction } from 'p-limit'
import { Backoff } from '../core/backoff.ts'
import type { Context } from '../core/context.ts'
import type { Batching, Outcome, Sink, WriteResult } from '../core/contracts.ts'
import { MillraceError, messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { unlessAborted } from '../core/waiting.ts'
import { BatchQueue } from './batch-queue.ts'
import type { Rejected } from './dead-letter-box.ts'
import type { DeliveryLedger } from './ledger.ts'
import { OutputMetrics } from './output-metrics.ts'
import type { OutputServices } from './output-services.ts'
import { Overflow } from './overflow.ts'
import { DEFAULT_BATCHING, Pace } from './pace.ts'
import { PUT_OFF, PutOff } from './put-off.ts'
import { Spill } from './spill.ts'
import type { DeliveryOutcome } from './target-books.ts'
import { WaitingRoom } from './waiting-room.ts'

/**
 * After so many turns of the loop without an event none is taken to be right behind the last one. A window that is handed
 * on in pieces brings one in every second turn; the turns of an idle loop are over in some microseconds.
 */
const QUIET_TURNS = 4

const RETRY_FIRST_MS = 200
const RETRY_MAX_MS = 30_000
/** The other side may ask for a longer pause, and is asked again all the same. */
const ASKED_PAUSE_MAX_MS = 5 * 60_000

/** To take leave of the other side. */
const SINK_CLOSE_MS = 5_000

/** Events for one write, and what to call when it is over. */
interface Batch {
  readonly events: Event[]
  readonly tried: () => void
}

/**
 * Brings events to one sink until each has an outcome: cuts batches, keeps several on their way, tries again what
 * may succeed later, parks what has to wait by itself, and hands what never can be stored to the dead letters.
 *
 * A batch is cut when it is full, when its oldest event is `batch_delay_ms` old, or, where nothing else is on its way, once no event
 * comes right behind the last one: then senders may wait for just these (one that always waits for its timer: 970 events a second).
 */
export class OutputRunner {
  readonly ledger: DeliveryLedger
  readonly #sink: Sink
  readonly #context: Context
  readonly #services: OutputServices
  readonly #batching: Batching
  readonly #limit: LimitFunction
  readonly #queue = new BatchQueue()
  readonly #retries: WaitingRoom
  readonly #parked: WaitingRoom
  readonly #spill: Spill
  readonly #overflow: Overflow
  readonly #put_off: PutOff
  readonly #backoff: Backoff
  readonly #pace: Pace
  readonly #abandon: AbortSignal
  readonly #leaveLedger: (gives_back: boolean) => void
  readonly #measured: OutputMetrics
  /** Events of writes on their way, dead letters included. */
  #writing = 0
  #writes = 0
  #opened = false
  #draining = false
  #leaving = false
  /** The other side has not answered since. */
  #blockedSince: number | undefined
  /** Not before: the other side does not answer at all. */
  #blockedUntil = 0
  #timer: NodeJS.Timeout | undefined
  #wakeQueued = false
  /** When the turn of the loop began in which events come: a clock for each of them would cost more than the rest of `push`. */
  #turn_ms = 0
  /** Turns of the loop since the last event came. */
  #quiet_turns = 0

  constructor(sink: Sink, context: Context, services: OutputServices, abandon: AbortSignal) {
    this.#sink = sink
    this.#context = context
    this.#services = services
    this.#abandon = abandon
    const own = sink.batching ?? DEFAULT_BATCHING
    this.#batching = { ...own, events_max: Math.min(own.events_max, services.batch_size) }
    this.#limit = pLimit(this.#batching.concurrency)
    this.#pace = new Pace(this.#batching)
    this.#pace.showIn(context.metrics, context.id, () => this.#opened && this.#backoff.attempts === 0)
    const { retry_first_ms = RETRY_FIRST_MS, retry_max_ms = RETRY_MAX_MS } = own
    this.#backoff = new Backoff(retry_first_ms, retry_max_ms)
    const { log, id } = context
    this.#measured = new OutputMetrics(context.metrics, id)
    this.#spill = new Spill({ folder: services.policy.spill_folder, sink, log, max_bytes: services.policy.spill_max_bytes })
    this.#retries = new WaitingRoom(retry_first_ms, retry_max_ms, this.#spill)
    this.#put_off = new PutOff(services.policy, this.#spill)
    this.#parked = new WaitingRoom(retry_first_ms * 5, retry_max_ms, this.#spill)
    const waiting = { queue: this.#queue, retries: this.#retries, parked: this.#parked }
    this.#overflow = new Overflow(
      { id, log, ...services.policy, spill: this.#spill, ...waiting },
      {
        ...services,
        dropped: (event) => this.#drop(event),
        unreadable: (payload) => this.#unreadable(payload),
        wake: () => this.#wake(),
      },
    )
    this.ledger = services.ledger
    this.#leaveLedger = this.ledger.join(() => this.held)
  }

  /** Events that are with this output. */
  get held(): number {
    return this.#queue.length + this.#writing + this.#retries.length + this.#parked.length + this.#overflow.moving + this.buffered
  }

  /** Those of them that wait on the disk alone. */
  get buffered(): number {
    return this.#spill.length
  }

  get isOpen(): boolean {
    return this.#opened
  }

  /** It takes no events, or has only those that it will not take now. */
  get isStuck(): boolean {
    const waits = this.#blockedSince !== undefined || this.#queue.length + this.#retries.length === 0
    return !this.#opened || (waits && this.#writing + this.#overflow.moving === 0)
  }

  /** For people: what the output is doing. */
  get state(): string {
    if (!this.#opened) return 'waiting for the other side'
    if (this.#backoff.attempts > 0) return `no answer, try ${this.#backoff.attempts + 1} follows`
    if (this.buffered > 0) return `${this.buffered} events on the disk follow`
    if (this.#parked.length > 0) return `${this.#parked.length} events parked: ${this.#parked.keys.join(', ')}`
    return this.#pace.isSlowed ? 'slowed down: the other side is overloaded' : 'open'
  }

  /** Opens what is on the disk, and returns how many events of an earlier run there are. */
  async recover(): Promise<number> {
    const count = this.ledger.found(await this.#spill.open())
    this.#wake()
    return count
  }

  /** Opens the sink; until then events wait. */
  async open(signal: AbortSignal): Promise<void> {
    this.#blockedSince = performance.now()
    await this.#sink.open(signal)
    this.#opened = true
    this.#blockedSince = undefined
    this.#wake()
  }

  /** Takes one event, for which the process's byte budget made room. True when its fields are not needed here any more. */
  push(event: Event): boolean {
    this.ledger.handed(1)
    this.#quiet_turns = 0
    this.#wake()
    if (!this.#services.loses('queue')) this.#queue.push(event, this.#turn_ms)
    return this.#sink.prepare?.(event) ?? false
  }

  /** From here on batches are cut without waiting. `is_leaving`: the program is stopped, and what is on the disk stays there. */
  drain(is_leaving: boolean): void {
    this.#draining = true
    this.#leaving ||= is_leaving
    this.#wake()
  }

  /** @param gives_back its events are elsewhere on the disk, and come again */
  async close(gives_back: boolean): Promise<void> {
    clearTimeout(this.#timer)
    await this.#overflow.moved
    this.ledger.on_disk += this.buffered
    await this.#spill[Symbol.asyncDispose]()
    const patience = AbortSignal.timeout(SINK_CLOSE_MS)
    // What it has was stored or given up before; a broker that is silent must not keep the program.
    await unlessAborted(this.#sink.close(), patience).catch((thrown: unknown) => {
      if (!patience.aborted) throw thrown
    })
    this.#leaveLedger(gives_back)
  }

  /** Once per turn of the loop: what arrives in the same turn goes into the same batch. */
  #wake(): void {
    if (this.#wakeQueued) return
    this.#wakeQueued = true
    this.#turn_ms = performance.now()
    setImmediate(() => {
      this.#wakeQueued = false
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#abandon.aborted) return
    const now = performance.now()
    const blocked = { since_ms: this.#blockedSince, is_leaving: this.#leaving }
    this.#overflow.heed(now, blocked)
    const overflow_due = this.#overflow.due_ms(blocked)
    if (!this.#opened) return this.#wakeAt(overflow_due)
    if (!this.#leaving) this.#overflow.readBack(now, this.#pace.events_max)
    if (now < this.#blockedUntil) return this.#wakeAt(Math.min(this.#blockedUntil, overflow_due))
    while (this.#writes < this.#pace.concurrency) {
      const batch = this.#nextBatch(now)
      if (batch === undefined) break
      this.#start(batch)
      // While the other side does not answer, one batch at a time finds out whether it does again.
      if (this.#backoff.attempts > 0) break
    }
    this.#wakeAt(Math.min(this.#nextDue(now), this.#overflow.due_ms(blocked)))
    if (this.#queue.length > 0 && this.#writes === 0 && this.#quiet_turns < QUIET_TURNS) {
      this.#quiet_turns++
      this.#wake()
    }
  }

  #nextBatch(now: number): Batch | undefined {
    if (this.#backoff.attempts > 0 && this.#writes > 0) return undefined
    for (const room of [this.#retries, this.#parked]) {
      const again = room.takeDue(now, this.#pace.events_max)
      if (again !== undefined) return { events: again.events, tried: () => room.tried(again.key) }
    }
    if (!this.#isCut(now)) return undefined
    return { events: this.#queue.take(this.#pace.events_max, this.#batching.bytes_max, now), tried: () => {} }
  }

  #isCut(now: number): boolean {
    const { length } = this.#queue
    // What is on the disk is older.
    if (length === 0 || this.#spill.isBehind('') || this.#retries.hasRestored('')) return false
    if (length >= this.#pace.events_max || this.#queue.bytes >= this.#batching.bytes_max) return true
    if (this.#draining || now >= this.#queue.since_ms + this.#services.batch_delay_ms) return true
    return this.#writes === 0 && this.#quiet_turns >= QUIET_TURNS
  }

  /** When there may be something to do although no event comes and no write ends. */
  #nextDue(now: number): number {
    // The end of a write pumps again.
    if (this.#writes >= this.#pace.concurrency || (this.#backoff.attempts > 0 && this.#writes > 0)) return Infinity
    const queued = this.#queue.length > 0 ? this.#queue.since_ms + this.#services.batch_delay_ms : Number.POSITIVE_INFINITY
    return Math.max(now, Math.min(queued, this.#retries.due_ms, this.#parked.due_ms))
  }

  #wakeAt(due_ms: number): void {
    clearTimeout(this.#timer)
    if (!Number.isFinite(due_ms)) return
    this.#timer = setTimeout(() => this.#pump(), Math.max(1, due_ms - performance.now()))
  }

  #start(batch: Batch): void {
    this.#writes++
    this.#writing += batch.events.length
    // `#write` handles every failure itself, so nothing is lost by not awaiting it here.
    void this.#limit(() => this.#write(batch))
  }

  async #write({ events: batch, tried }: Batch): Promise<void> {
    const result = await this.#attempt(batch)
    if (result !== undefined) {
      if (this.#backoff.attempts > 0) this.#context.health.well()
      this.#backoff.reset()
      this.#blockedSince = undefined
      this.#pace.heed(result)
      await this.#conclude(batch, result)
    }
    tried()
    this.#writes--
    this.#pump()
  }

  /** One attempt; `undefined` when it failed as a whole and the batch waits for the next one. */
  async #attempt(batch: Event[]): Promise<WriteResult | undefined> {
    try {
      const result = await this.#measured.write(batch.length, this.#sink.write(batch, this.#abandon))
      if (result.outcomes.length === batch.length) return result
      throw new MillraceError('OUTPUT_OUTCOME_COUNT', `expected ${batch.length} outcomes, got ${result.outcomes.length}`)
    } catch (thrown) {
      // At the deadline writes are broken off; their events were never acknowledged.
      if (!this.#abandon.aborted) this.#retryAll(batch, thrown)
      return undefined
    }
  }

  #retryAll(batch: Event[], thrown: unknown): void {
    this.#writing -= batch.length
    const now = performance.now()
    // Writes that were on their way together fail together, and count as one failure.
    if (now >= this.#blockedUntil) this.#blockedUntil = now + this.#backoff.next()
    this.#blockedSince ??= now
    this.#retries.add('', batch, this.#blockedUntil)
    this.#measured.retried.inc(batch.length)
    this.#context.health.unwell(messageOf(thrown))
    this.#context.log.warn(
      'output_retry',
      `${this.#context.id} could not be written to: ${messageOf(thrown)}. Nothing is lost: the events wait, the senders are held back`,
      { next_try_ms: Math.round(this.#blockedUntil - now), held: this.held },
    )
  }

  async #conclude(batch: readonly Event[], { outcomes, targets, overloaded = false }: WriteResult): Promise<void> {
    const rejected: Rejected[] = []
    const retry: Event[] = []
    let after_ms = 0
    this.ledger.targets.at(this.#context.clock.now())
    for (let index = 0; index < batch.length; index++) {
      const event = batch[index] as Event
      const outcome = outcomes[index] as Outcome
      switch (outcome.kind) {
        case 'stored':
        case 'already_there':
        case 'consumed':
        case 'drop':
          this.#end(event, outcome.kind === 'drop' ? 'dropped' : outcome.kind, targets?.[index])
          break
        case 'reject':
          rejected.push({ event, reason: outcome.reason, document: outcome.document, target: targets?.[index] })
          break
        case 'retry':
          retry.push(event)
          after_ms = Math.max(after_ms, outcome.after_ms ?? 0)
          break
        case 'park':
          this.#park(event, outcome.key, outcome.reason)
          break
      }
    }
    if (retry.length > 0) this.#retry(retry, after_ms, outcomes, overloaded)
    if (rejected.length > 0) await this.#reject(rejected)
  }

  #end(event: Event, outcome: DeliveryOutcome, target: string | undefined): void {
    this.#writing--
    if (this.#services.loses('writes')) return
    this.#spill.done(event)
    if (outcome === 'stored') this.#measured.stored(event)
    this.ledger.ended(outcome, target)
    this.#services.ended(event, outcome)
  }

  /** Of one that waited in memory. */
  #drop(event: Event): void {
    this.#sink.saved?.forget(event)
    this.ledger.ended('dropped')
    this.#services.ended(event, 'dropped')
  }

  async #unreadable(payload: Buffer): Promise<boolean> {
    this.#writing++
    const is_kept = await this.#services.unreadable(payload)
    this.#writing--
    if (is_kept) this.ledger.ended('dead_lettered')
    return is_kept
  }

  #retry(events: Event[], after_ms: number, outcomes: readonly Outcome[], overloaded: boolean): void {
    this.#writing -= events.length
    if (this.#services.loses('retries')) events.pop()
    const now = performance.now()
    const pause_ms = Math.min(after_ms, ASKED_PAUSE_MAX_MS)
    const { soon, late, late_since_ms } = this.#put_off.heed(events, now)
    if (soon.length > 0) this.#retries.fail('', soon, now, pause_ms)
    if (late.length > 0) this.#parked.fail(PUT_OFF, late, now, pause_ms, late_since_ms)
    // An overloaded other side that asks for a pause means all that goes to it.
    if (overloaded) this.#blockedUntil = Math.max(this.#blockedUntil, now + pause_ms)
    this.#measured.retried.inc(events.length)
    const reason = outcomes.find((outcome) => outcome.kind === 'retry')?.reason
    const advice = overloaded ? ' The other side is overloaded and gets less at a time; if this lasts, give it more room' : ''
    this.#context.log.warn(
      'output_retry_items',
      `${this.#context.id}: ${events.length} events are tried again: ${reason}. Nothing is lost.${advice}`,
    )
  }

  #park(event: Event, key: string, reason: string): void {
    this.#writing--
    if (!this.#services.loses('parked')) this.#parked.fail(key, [event], performance.now(), 0)
    this.#context.log.error(
      'output_parked',
      `${this.#context.id}: ${key} cannot be written to (${reason}). Its events wait and everything else goes on; they follow by themselves once it can`,
      { parked: this.#parked.length },
    )
  }

  async #reject(rejected: readonly Rejected[]): Promise<void> {
    this.#context.log.error(
      'output_rejected',
      `${this.#context.id} refuses events: ${rejected[0]?.reason}. They are kept: look with bin/millrace dlq ls`,
      { events: rejected.length },
    )
    if (!(await this.#services.deadLetter(rejected))) return
    for (const { event, target } of rejected) this.#end(event, 'dead_lettered', target)
  }
}
