import { setTimeout as wait } from 'node:timers/promises'
import type { Context, Log } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import type { PipelineSettings } from '../core/plan.ts'
import { unlessAborted, untilAborted } from '../core/waiting.ts'
import { decodeEvent } from '../storage/stored-event.ts'
import type { ByteBudget } from './byte-budget.ts'
import type { EventQueue } from './event-queue.ts'
import type { EventTracker } from './event-tracker.ts'
import type { FilterTurns } from './filter-turns.ts'
import type { Loses } from './ledger.ts'
import type { Putter } from './queue-writer.ts'
import type { Receipt } from './receipt.ts'

/** Read at once. */
const READ_BYTES = 1024 * 1024
/** How often a stop looks whether outputs take anything. */
const LOOK_MS = 250
/** After a read that failed, or that found less than there should be. */
const RETRY_MS = 5_000

interface Surroundings {
  readonly tracker: EventTracker
  readonly turns: FilterTurns
  readonly budget: ByteBudget
  readonly abandon: AbortSignal
  /** A record holds no event. Resolves with true once it is among the dead letters. */
  unreadable(payload: Buffer): Promise<boolean>
  readonly loses: Loses
}

interface IntakeServices extends Surroundings {
  readonly queue: EventQueue
  readonly log: Log
  readonly now: () => number
}

/** None where nothing may be kept. */
export function queuedIntake(
  settings: PipelineSettings,
  { log, clock, paths }: Pick<Context, 'log' | 'clock' | 'paths'>,
  queue: EventQueue | undefined,
  surroundings: Surroundings,
): QueuedIntake | undefined {
  if (queue === undefined || paths.dry_run === true) return undefined
  return new QueuedIntake(settings, { ...surroundings, queue, log, now: () => clock.now() })
}

/**
 * One pipeline's side of its queue on disk: puts there what inputs hand over, and feeds the filters from it in the same order.
 *
 *     deliver -> [room] -> disk, fsynced -> the sender is told
 *                disk -> [room] -> filters -> … -> ended -> done on the disk
 */
export class QueuedIntake implements Putter {
  readonly abandon: AbortSignal
  readonly now: () => number
  readonly #settings: PipelineSettings
  readonly #services: IntakeServices
  readonly #leave: (keeps: boolean) => Promise<void>
  /** Records on their way, by their sequence. */
  readonly #open = new Map<bigint, Receipt>()
  #inputs_ended = false

  constructor(settings: PipelineSettings, services: IntakeServices) {
    this.#settings = settings
    this.#services = services
    this.abandon = services.abandon
    this.now = services.now
    this.#leave = services.queue.join()
  }

  /** Inputs put events there; else what an earlier run left there is brought to its end. */
  get is_persisted(): boolean {
    return this.#settings.queue_type === 'persisted'
  }

  /** Events in memory that are on the disk too. */
  get held(): number {
    let held = 0
    for (const { open } of this.#open.values()) held += open
    return held
  }

  /** Waits for room. False when the program leaves before there is any. */
  async admit(bytes: number, has_room: boolean): Promise<boolean> {
    const { room } = this.#services.queue
    if (has_room) room.take(bytes)
    else {
      try {
        await room.acquire(bytes, this.abandon)
      } catch {
        return false
      }
    }
    this.#services.budget.take(bytes)
    return true
  }

  /** Resolves once there is room for more. */
  async put(events: readonly Event[]): Promise<void> {
    await this.#services.queue.put(events, this)
  }

  queued(event: Event): void {
    this.#services.tracker.queued(event)
  }

  oversized(event: Event): void {
    const { turns, log } = this.#services
    log.warn('queue_oversized', 'an event is too large for the queue: its sender is told once it is stored', {
      bytes: event.size_bytes,
    })
    // Nobody waits for it here: its receipt is still open.
    void turns.take([event])
  }

  /**
   * Opens the queue, and feeds the filters until nothing more comes: at a stop until everything is through, where the queue is to
   * drain, else at once.
   * @param predecessor reads it until it has ended
   * @throws MillraceError STORAGE_CORRUPT, STORAGE_IN_USE, STORAGE_WRITE_FAILED
   */
  async run(stop: AbortSignal, predecessor: Promise<unknown> | undefined): Promise<void> {
    const { queue, log } = this.#services
    const { queue_max_bytes, queue_drain } = this.#settings
    await queue.open(this.is_persisted, queue_max_bytes)
    const ending = queue_drain ? this.abandon : AbortSignal.any([stop, this.abandon])
    const wake = (): void => queue.wake()
    stop.addEventListener('abort', wake, { once: true })
    ending.addEventListener('abort', wake, { once: true })
    await unlessAborted(Promise.resolve(predecessor), ending).catch(() => {})
    // Of what another pipeline puts there this one would never see the end.
    const isHandedOver = (): boolean => stop.aborted && queue.isShared
    while (!ending.aborted && !isHandedOver() && !(queue.isEmpty && this.#inputs_ended)) {
      const changed = queue.changed()
      if (queue.unread === 0 || !this.#hasRoom()) {
        await changed
        continue
      }
      try {
        if (await this.#feed()) continue
      } catch (thrown) {
        log.error('queue_unreadable', `${queue.folder}: the queue cannot be read: ${messageOf(thrown)}. It is tried again`)
      }
      await wait(RETRY_MS, undefined, { signal: ending }).catch(() => {})
    }
  }

  /** No input puts anything there any more. */
  inputsEnded(): void {
    this.#inputs_ended = true
    this.#services.queue.wake()
  }

  /** After a stop that need not drain: resolves once only events of the queue are left, with outputs that take none (`isStuck`). */
  async untilStuck(stop: AbortSignal, isStuck: () => boolean): Promise<void> {
    const { tracker, queue } = this.#services
    await untilAborted(AbortSignal.any([stop, this.abandon]))
    if (this.#settings.queue_drain && !queue.isShared) return await untilAborted(this.abandon)
    while (!this.abandon.aborted && !(this.held === tracker.held && tracker.held === tracker.outputs && isStuck())) {
      await wait(LOOK_MS, undefined, { signal: this.abandon }).catch(() => {})
    }
  }

  /** What came from the queue and has no end yet stays there. */
  async close(): Promise<void> {
    const { queue, tracker } = this.#services
    await queue.rewind((count) => {
      tracker.gaveBack(this.#open.values())
      return count - this.#open.size
    })
    this.#open.clear()
    await this.#leave(this.is_persisted)
  }

  /** Half of the memory is for what comes in; something is always on its way. */
  #hasRoom(): boolean {
    const { budget } = this.#services
    return this.#open.size === 0 || budget.used < budget.max / 2
  }

  async #feed(): Promise<boolean> {
    const { queue, tracker, turns, loses } = this.#services
    const records = await queue.read(this.#settings.batch_size, READ_BYTES)
    const events: Event[] = []
    for (const { sequence, payload } of records) {
      const stored = decodeEvent(payload)
      if (stored === undefined) this.#deadLetter(sequence, payload)
      else {
        this.#follow(sequence, tracker.fed(stored))
        queue.opened(sequence, stored.queued_ms)
        events.push(stored.event)
      }
    }
    if (loses('buffered')) {
      events.shift()
      tracker.intake--
    }
    if (events.length > 0) await turns.take(events)
    return records.length > 0
  }

  #follow(sequence: bigint, receipt: Receipt): void {
    const { queue } = this.#services
    this.#open.set(sequence, receipt)
    // Never rejects.
    void receipt.settled.then(() => {
      if (!this.#open.delete(sequence)) return
      queue.done(sequence)
      queue.wake()
    })
  }

  #deadLetter(sequence: bigint, payload: Buffer): void {
    // It stays counted as held until it is among the dead letters; at the end of the program it stays where it is.
    void this.#services.unreadable(payload).then((is_kept) => {
      if (is_kept) this.#services.queue.done(sequence)
    })
  }
}
