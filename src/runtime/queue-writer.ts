import { setTimeout as wait } from 'node:timers/promises'
import { Backoff } from '../core/backoff.ts'
import type { Log } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import type { DurableQueue } from '../storage/durable-queue.ts'
import { RECORD_BYTES_MAX } from '../storage/segment-format.ts'
import { encodeEvent } from '../storage/stored-event.ts'
import { ByteBudget, memoryOf } from './byte-budget.ts'
import { trackedOf } from './receipt.ts'

/** What waits goes to the disk in groups, each with one fsync: so much of it at once, as it was on the wire. */
const GROUP_EVENTS = 4_096
const GROUP_BYTES = 4 * 1024 * 1024
/** A group takes this part of the queue at most, and one record as much beside it, so that an empty queue has room for both. */
const GROUP_PART = 8
const RETRY_FIRST_MS = 50
const RETRY_MAX_MS = 2_000

/** The pipeline whose inputs put events into the queue. */
export interface Putter {
  readonly abandon: AbortSignal
  readonly now: () => number
  /** An event is on the disk, fsynced. */
  queued(event: Event): void
  /** An event has no room in any queue of this size, and goes on without. */
  oversized(event: Event): void
}

interface WriterSettings {
  /** Memory that events may stand for which wait here. */
  readonly memory_bytes_max: number
  readonly log: Log
  /** A group is on the disk. */
  written(): void
  /** Nothing waits any more. */
  idle(): void
}

interface Waiting {
  readonly events: readonly Event[]
  readonly putter: Putter
  at: number
  readonly taken: () => void
}

interface Entry {
  readonly event: Event
  readonly putter: Putter
  readonly payload: Buffer
}

/** Brings events into a queue on disk, in the order in which they come, and again and again where the disk takes none. */
export class QueueWriter {
  readonly room: ByteBudget
  readonly #settings: WriterSettings
  readonly #backoff = new Backoff(RETRY_FIRST_MS, RETRY_MAX_MS)
  readonly #waiting: Waiting[] = []
  #is_writing = false
  #writing: Promise<void> = Promise.resolve()
  #blocked_since_ms: number | undefined

  constructor(settings: WriterSettings) {
    this.#settings = settings
    this.room = new ByteBudget(settings.memory_bytes_max)
  }

  get isIdle(): boolean {
    return !this.#is_writing
  }

  /** Since when events wait because the queue or the disk has no room, by the process's clock. */
  get blocked_since_ms(): number | undefined {
    return this.#blocked_since_ms
  }

  /** Resolves when nothing waits any more. */
  get finished(): Promise<void> {
    return this.#writing
  }

  /** Resolves once all of these events are being written: there is room for more then. */
  async put(events: readonly Event[], putter: Putter, queue: DurableQueue): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push({ events, putter, at: 0, taken: resolve })
    // Never rejects.
    if (!this.#is_writing) this.#writing = this.#write(queue)
    await promise
  }

  /** Events leave without having been written. */
  release(events: readonly Event[]): void {
    for (const event of events) this.room.release(memoryOf(event))
  }

  async #write(queue: DurableQueue): Promise<void> {
    this.#is_writing = true
    while (this.#waiting.length > 0) await this.#append(this.#takeGroup(queue.max_bytes / GROUP_PART), queue)
    this.#is_writing = false
    this.#settings.idle()
  }

  /** At most so many bytes, and one record. */
  #takeGroup(bytes_max: number): Entry[] {
    const group: Entry[] = []
    let [bytes, written] = [0, 0]
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const { events, putter, at, taken } = first
      const event = events[at]
      if (event === undefined || putter.abandon.aborted) {
        this.release(events.slice(at))
        this.#waiting.shift()
        taken()
        continue
      }
      if (group.length === GROUP_EVENTS || bytes > GROUP_BYTES || written > bytes_max) break
      first.at++
      bytes += event.size_bytes
      const payload = payloadOf(event, putter, Math.min(RECORD_BYTES_MAX, bytes_max))
      if (payload === undefined) {
        this.release([event])
        putter.oversized(event)
      } else {
        written += payload.length
        group.push({ event, putter, payload })
      }
    }
    return group
  }

  /** Tries until the group is in the queue or nobody waits for it any more. */
  async #append(group: readonly Entry[], queue: DurableQueue): Promise<void> {
    let rest = group
    for (;;) {
      this.release(rest.flatMap(({ event, putter }) => (putter.abandon.aborted ? [event] : [])))
      rest = rest.filter(({ putter }) => !putter.abandon.aborted)
      if (rest.length === 0 || (await this.#tryAppend(rest, queue))) break
      this.#blocked_since_ms ??= performance.now()
      const signal = AbortSignal.any([...new Set(rest.map(({ putter }) => putter.abandon))])
      await wait(this.#backoff.next(), undefined, { signal }).catch(() => {})
    }
    this.#backoff.reset()
    this.#blocked_since_ms = undefined
  }

  async #tryAppend(entries: readonly Entry[], queue: DurableQueue): Promise<boolean> {
    const { log } = this.#settings
    const payloads = entries.map(({ payload }) => payload)
    try {
      if (!(await queue.hasRoom(payloads.reduce((sum, { length }) => sum + length, 0)))) {
        const limit = `queue.max_bytes, ${queue.max_bytes} bytes`
        const message = `${queue.folder}: the queue has reached ${limit}: senders wait until there is room`
        log.warn('queue_full', message, { waiting: queue.unread })
        return false
      }
      await queue.append(payloads)
    } catch (thrown) {
      log.error('queue_unwritable', `events cannot be put into the queue, so their senders wait: ${messageOf(thrown)}`)
      return false
    }
    for (const { event, putter } of entries) {
      this.release([event])
      putter.queued(event)
    }
    this.#settings.written()
    return true
  }
}

/** `undefined` for an event that makes no record of so many bytes. */
function payloadOf(event: Event, { now }: Putter, bytes_max: number): Buffer | undefined {
  try {
    const { input } = trackedOf(event).receipt.books
    const payload = encodeEvent(event, { input, queued_ms: now() })
    return payload.length > bytes_max ? undefined : payload
  } catch {
    // Longer than a text can be.
    return undefined
  }
}
