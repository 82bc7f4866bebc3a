import { Backoff } from '../core/backoff.ts'
import type { Log } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import type { StoredEvent } from '../storage/stored-event.ts'
import type { BatchQueue } from './batch-queue.ts'
import type { Loses } from './ledger.ts'
import { PUT_OFF } from './put-off.ts'
import type { Spill, Standing } from './spill.ts'
import type { WaitingRoom } from './waiting-room.ts'

/** Between two looks, so that the disk gets events in groups. */
const INTERVAL_MS = 50
const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 10_000
/** Read back at once: for an output that takes events, and for each key that may still be closed. */
const READ_BYTES = 2 * 1024 * 1024
const PROBE_BYTES = 256 * 1024

export interface OverflowSettings {
  readonly id: string
  readonly when_blocked: 'spill' | 'block' | 'drop'
  readonly blocked_after_ms: number
  /** Memory that waiting events may stand for before `blocked_after_ms` is over. */
  readonly memory_bytes_max: number
  readonly log: Log
  readonly spill: Spill
  /** Events in line, those that are tried again, and those that wait by themselves. */
  readonly queue: BatchQueue
  readonly retries: WaitingRoom
  readonly parked: WaitingRoom
}

export interface OverflowServices {
  standing(event: Event): Standing
  /** An event is on the disk, fsynced. */
  buffered(event: Event, standing: Standing): void
  /** An event came back from the disk. */
  restored(stored: StoredEvent): void
  /** An event that came back stays on the disk for the next run of the program. */
  returned(event: Event): void
  /** An event is lost, as `when_blocked => drop` wants it. */
  dropped(event: Event): void
  /** What came back is nothing that the output knows. Resolves with true once it is among the dead letters. */
  unreadable(payload: Buffer): Promise<boolean>
  readonly loses: Loses
  /** Something changed: look again what there is to do. */
  wake(): void
}

/** When the output takes no events, and since when. */
export interface Blocked {
  readonly since_ms: number | undefined
  /** The program is being stopped. */
  readonly is_leaving: boolean
}

/**
 * Moves events of an output out of memory that waited there too long, to the disk or away, and brings those on the
 * disk back: oldest first, and before younger ones with the same key.
 */
export class Overflow {
  /** Events that are being moved out. */
  moving = 0
  readonly #settings: OverflowSettings
  readonly #services: OverflowServices
  readonly #backoff = new Backoff(RETRY_FIRST_MS, RETRY_MAX_MS)
  readonly #reading = new Set<string>()
  #moved: Promise<void> | undefined
  #not_before_ms = 0
  #read_not_before_ms = 0

  constructor(settings: OverflowSettings, services: OverflowServices) {
    this.#settings = settings
    this.#services = services
  }

  /** Moves out what waited too long. */
  heed(now_ms: number, { since_ms, is_leaving }: Blocked): void {
    const { when_blocked, queue, retries, parked, memory_bytes_max, blocked_after_ms, spill } = this.#settings
    if (!spill.isOpen) return
    if (is_leaving) this.#giveBack(since_ms !== undefined)
    if (when_blocked === 'block' || this.#moved !== undefined || now_ms < this.#not_before_ms) return
    const is_over = queue.memory_bytes + retries.memory_bytes + parked.memory_bytes > memory_bytes_max
    const until_ms = is_leaving || is_over ? now_ms : now_ms - blocked_after_ms
    const groups = parked.takeOut(until_ms, now_ms)
    if ((since_ms !== undefined && since_ms <= until_ms) || queue.oldest_ms <= now_ms - blocked_after_ms) {
      const waiting = [...retries.takeOut(now_ms, now_ms).flatMap(({ events }) => events), ...queue.takeAll(now_ms)]
      if (waiting.length > 0) groups.push({ key: '', events: waiting })
    }
    if (groups.length === 0) return
    this.#not_before_ms = now_ms + INTERVAL_MS
    for (const { events } of groups) this.moving += events.length
    if (when_blocked === 'drop') for (const { events } of groups) this.#drop(events)
    else {
      this.#moved = this.#spill(groups).finally(() => {
        this.#moved = undefined
        this.#services.wake()
      })
    }
  }

  /** When `heed` may have something to do; infinity for never. */
  due_ms({ since_ms, is_leaving }: Blocked): number {
    const { when_blocked, queue, retries, parked, blocked_after_ms, spill } = this.#settings
    if (when_blocked === 'block' || this.#moved !== undefined || !spill.isOpen) return Number.POSITIVE_INFINITY
    const waits = queue.length > 0 || retries.memory_bytes > 0
    const blocked_ms = since_ms !== undefined && waits ? since_ms : Number.POSITIVE_INFINITY
    const oldest_ms = Math.min(queue.oldest_ms, parked.oldest_ms, blocked_ms)
    return Math.max(is_leaving ? Math.min(oldest_ms, blocked_ms) : oldest_ms + blocked_after_ms, this.#not_before_ms)
  }

  /** Brings back events of each key that has none of them in memory. */
  readBack(now_ms: number, events_max: number): void {
    const { spill, retries, parked } = this.#settings
    if (now_ms < this.#read_not_before_ms) return
    for (const key of spill.keys) {
      const room = key === '' ? retries : parked
      if (this.#reading.has(key) || room.hasRestored(key)) continue
      this.#reading.add(key)
      void this.#read(key, room, events_max)
    }
  }

  /** Resolves when nothing is being moved out any more. */
  get moved(): Promise<void> {
    return this.#moved ?? Promise.resolve()
  }

  async #spill(groups: readonly { readonly key: string; readonly events: readonly Event[] }[]): Promise<void> {
    const { spill, log, id } = this.#settings
    const standingOf = (event: Event): Standing => this.#services.standing(event)
    for (const { key, events } of groups) {
      try {
        await spill.put(key, events, standingOf, (event, standing) => {
          this.moving--
          this.#services.buffered(event, standing)
        })
        this.#backoff.reset()
        const whose = key === '' ? '' : key === PUT_OFF ? ' that are put off' : ` of ${key}`
        log.warn('output_spilled', `${id}: events${whose} wait on the disk and follow by themselves once they can`, {
          spilled: events.length,
          on_disk: spill.length,
        })
      } catch (thrown) {
        this.#takeBack(key, events)
        log.error('spill_unwritable', `${id}: events cannot be put on the disk, so their senders wait: ${messageOf(thrown)}`)
      }
    }
  }

  #takeBack(key: string, events: readonly Event[]): void {
    const { retries, parked } = this.#settings
    const now_ms = performance.now()
    const room = key === '' ? retries : parked
    this.moving -= events.length
    room.add(key, events, now_ms)
    this.#not_before_ms = now_ms + this.#backoff.next()
  }

  #drop(events: readonly Event[]): void {
    const { log, id } = this.#settings
    for (const event of events) {
      this.moving--
      this.#services.dropped(event)
    }
    log.error('output_dropped', `${id} takes no events, and when_blocked => drop loses them`, { dropped: events.length })
  }

  async #read(key: string, room: WaitingRoom, events_max: number): Promise<void> {
    const { spill, log, id } = this.#settings
    try {
      const { events, unreadable } = await spill.read(key, events_max, key === '' ? READ_BYTES : PROBE_BYTES)
      for (const stored of events) this.#services.restored(stored)
      const restored = events.map(({ event }) => event)
      if (this.#services.loses('buffered')) restored.pop()
      room.restore(key, restored)
      // It stays counted as held until it is among the dead letters; at the end of the program it stays where it is.
      const keeping = unreadable.map(async ({ payload, forget }) => {
        if (await this.#services.unreadable(payload)) forget()
      })
      await Promise.all(keeping)
    } catch (thrown) {
      this.#read_not_before_ms = performance.now() + RETRY_MAX_MS
      log.error('spill_unreadable', `${id}: events on the disk cannot be read: ${messageOf(thrown)}. It is tried again`)
    } finally {
      this.#reading.delete(key)
      this.#services.wake()
    }
  }

  #giveBack(is_blocked: boolean): void {
    const { spill, retries, parked } = this.#settings
    for (const event of [...(is_blocked ? retries.takeRestored() : []), ...parked.takeRestored()]) {
      spill.giveBack(event)
      this.#services.returned(event)
    }
  }
}
