import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Backoff } from '../core/backoff.ts'
import type { Log, Metrics } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import type { PipelineSettings } from '../core/plan.ts'
import { unlessAborted } from '../core/waiting.ts'
import { DurableQueue } from '../storage/durable-queue.ts'
import { lockFolder } from '../storage/folder-lock.ts'
import { RECORD_BYTES_MAX, type StoredRecord } from '../storage/segment-format.ts'
import { encodeEvent } from '../storage/stored-event.ts'
import { ByteBudget, memoryOf } from './byte-budget.ts'
import type { EventLedger } from './ledger.ts'
import { QueueMetrics } from './queue-metrics.ts'
import { trackedOf } from './receipt.ts'
import { folderName } from './spill.ts'

/** What waits goes to the disk in groups, each with one fsync: so much of it at once, as it was on the wire. */
const GROUP_EVENTS = 4_096
const GROUP_BYTES = 4 * 1024 * 1024
/** A group takes this part of the queue at most, and one record as much beside it, so that an empty queue has room for both. */
const GROUP_PART = 8
/** This part of the memory for events may wait for the disk. */
const MEMORY_PART = 4
const RETRY_FIRST_MS = 50
const RETRY_MAX_MS = 2_000

export interface EventQueueSettings {
  /** The pipeline's id. */
  readonly id: string
  readonly folder: string
  /** Nobody else keeps a second program out of the folder. */
  readonly is_elsewhere: boolean
  /** Memory that events may stand for which wait for the disk. */
  readonly memory_bytes_max: number
  readonly log: Log
  readonly metrics: Metrics
  readonly ledger: EventLedger
}

/** The pipeline whose inputs put events there. */
export interface Putter {
  readonly abandon: AbortSignal
  readonly now: () => number
  /** An event is on the disk, fsynced. */
  queued(event: Event): void
  /** An event has no room in any queue of this size, and goes on without. */
  oversized(event: Event): void
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

/**
 * The queue on disk between the inputs of a pipeline and its filters (`queue.type => persisted`). It goes on over a reload: the
 * pipeline that leaves and the one that comes both put events there, and one at a time reads.
 */
export class EventQueue {
  /** Memory of events that wait for the disk. */
  readonly room: ByteBudget
  readonly #settings: EventQueueSettings
  readonly #backoff = new Backoff(RETRY_FIRST_MS, RETRY_MAX_MS)
  readonly #waiting: Waiting[] = []
  /** Calls of `put` that wait for it to be open. */
  #putting = 0
  #queue: DurableQueue | undefined
  #metrics: QueueMetrics | undefined
  #opened = Promise.withResolvers<void>()
  #lock: AsyncDisposable | undefined
  #opening: Promise<void> = Promise.resolve()
  #users = 0
  /** Events that were there when it was closed. */
  #left_behind = 0
  #writing: Promise<void> | undefined
  /** Since when events wait because there is no room for them. */
  #blocked_since_ms: number | undefined
  #changed = Promise.withResolvers<void>()
  /** When what was read and is not done was put there, oldest first. */
  readonly #open_ms = new Map<bigint, number | undefined>()

  constructor(settings: EventQueueSettings) {
    this.#settings = settings
    this.room = new ByteBudget(settings.memory_bytes_max)
    settings.ledger.holds('buffered', () => this.#queue?.unread ?? this.#left_behind)
  }

  get folder(): string {
    return this.#settings.folder
  }

  /** Events in it that nobody has read, as long as it is open. */
  get unread(): number {
    return this.#queue?.unread ?? 0
  }

  get isOpen(): boolean {
    return this.#queue !== undefined
  }

  /** Nothing waits in it or for it. */
  get isEmpty(): boolean {
    return this.unread === 0 && this.#putting === 0 && this.#writing === undefined
  }

  get identity(): string {
    return this.#queue?.identity ?? ''
  }

  /** A pipeline uses it until it calls what is returned: the last one to leave closes it. `keeps`: it stays there for the next run. */
  join(): (keeps: boolean) => Promise<void> {
    this.#users++
    return async (keeps) => {
      this.#users--
      if (this.#users > 0) return
      await this.#writing
      await this.#opening.catch(() => {})
      if (this.#users === 0) await this.#close(keeps)
    }
  }

  /**
   * Opens what an earlier run left, or begins a new one where `makes` says so.
   * @throws MillraceError STORAGE_CORRUPT, STORAGE_IN_USE, STORAGE_WRITE_FAILED
   */
  async open(makes: boolean, max_bytes: number): Promise<void> {
    const opening = this.#opening.catch(() => {}).then(() => this.#open(makes, max_bytes))
    this.#opening = opening
    await opening
  }

  /** Resolves once all of these events are being put on the disk: there is room for more then. */
  async put(events: readonly Event[], putter: Putter): Promise<void> {
    this.#putting++
    try {
      await unlessAborted(this.#opened.promise, putter.abandon)
    } catch {
      for (const event of events) this.room.release(memoryOf(event))
      return
    } finally {
      this.#putting--
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push({ events, putter, at: 0, taken: resolve })
    // Never rejects.
    this.#writing ??= this.#write()
    await promise
  }

  /** The next records, as `DurableQueue.read`. */
  async read(records_max: number, bytes_max: number): Promise<StoredRecord[]> {
    return (await this.#queue?.read(records_max, bytes_max)) ?? []
  }

  /** A record that was read is an event on its way, which was put there at that time. */
  opened(sequence: bigint, queued_ms: number | undefined): void {
    this.#open_ms.set(sequence, queued_ms)
  }

  /** A record that was read need not be kept any longer. */
  done(sequence: bigint): void {
    this.#open_ms.delete(sequence)
    this.#queue?.done(sequence)
  }

  /**
   * What was read and is not done is there again for the next reader.
   * @param givenBack hears how many records that are, and returns how many of them are still counted elsewhere
   */
  async rewind(givenBack: (count: number) => number): Promise<void> {
    this.#open_ms.clear()
    const count = (await this.#queue?.rewind()) ?? 0
    if (count > 0) this.#settings.ledger.recovered(givenBack(count))
  }

  /** Resolves when there is more to read, or somebody calls `wake`. */
  async changed(): Promise<void> {
    await this.#changed.promise
  }

  wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers<void>()
  }

  async #open(makes: boolean, max_bytes: number): Promise<void> {
    const { folder, log, ledger, is_elsewhere } = this.#settings
    if (this.#queue !== undefined) {
      if (makes) this.#queue.max_bytes = max_bytes
      return
    }
    if (!makes && !(await exists(folder))) return
    if (is_elsewhere) this.#lock = await lockFolder(folder, 'path.queue')
    const metrics = new QueueMetrics(this.#settings.metrics, this.#settings.id)
    const queue = await DurableQueue.open(folder, {
      max_bytes,
      report: (path, torn_bytes, why) => {
        metrics.damaged.inc(torn_bytes)
        log.error(
          'queue_damaged',
          `${path}: ${torn_bytes} bytes of the queue cannot be read: ${why}. What is behind them goes on`,
        )
      },
    })
    if (queue.repair !== undefined) {
      const { path, cut_bytes } = queue.repair
      metrics.cut.inc(cut_bytes)
      log.warn(
        'queue_repaired',
        `${path}: the last ${cut_bytes} bytes were half written when the program ended, and were cut off`,
      )
    }
    if (queue.lost > 0) {
      metrics.lost.inc(queue.lost)
      log.error('queue_lost', `${folder}: ${queue.lost} events of the queue are lost, whose senders were told that they are safe`)
    }
    if (queue.unread > 0) log.info('queue_recovered', `${folder}: ${queue.unread} events of an earlier run follow`)
    metrics.show({ queue, oldest_ms: () => this.#oldest_ms, blocked_since_ms: () => this.#blocked_since_ms })
    this.#metrics = metrics
    // At once, so that whoever counts them has them in the same turn.
    ledger.recovered(Math.max(0, queue.unread - this.#left_behind))
    this.#left_behind = 0
    this.#queue = queue
    this.#opened.resolve()
    this.wake()
  }

  async #close(keeps: boolean): Promise<void> {
    const queue = this.#queue
    if (queue === undefined) return
    this.#left_behind = queue.unread
    this.#queue = undefined
    this.#opened = Promise.withResolvers()
    this.#open_ms.clear()
    if (queue.isDone && !keeps) await queue.remove()
    else await queue[Symbol.asyncDispose]()
    await this.#lock?.[Symbol.asyncDispose]()
    this.#lock = undefined
  }

  get #oldest_ms(): number | undefined {
    for (const queued_ms of this.#open_ms.values()) if (queued_ms !== undefined) return queued_ms
    return undefined
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup()
      if (group.length > 0) await this.#append(group)
    }
    this.#writing = undefined
    this.wake()
  }

  #takeGroup(): Entry[] {
    const max_bytes = (this.#queue?.max_bytes ?? 0) / GROUP_PART
    const group: Entry[] = []
    let [bytes, written] = [0, 0]
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const event = first.events[first.at]
      const is_full = group.length === GROUP_EVENTS || bytes > GROUP_BYTES || written > max_bytes
      if (event !== undefined && is_full) break
      if (event === undefined || first.putter.abandon.aborted) {
        for (const left of first.events.slice(first.at)) this.room.release(memoryOf(left))
        this.#waiting.shift()
        first.taken()
        continue
      }
      first.at++
      bytes += event.size_bytes
      const payload = payloadOf(event, first.putter, Math.min(RECORD_BYTES_MAX, max_bytes))
      if (payload === undefined) {
        this.room.release(memoryOf(event))
        first.putter.oversized(event)
      } else {
        written += payload.length
        group.push({ event, putter: first.putter, payload })
      }
    }
    return group
  }

  /** Tries until the group is on the disk or nobody waits for it any more. */
  async #append(group: readonly Entry[]): Promise<void> {
    let rest = group
    for (;;) {
      const left = rest.filter(({ putter }) => putter.abandon.aborted)
      for (const { event } of left) this.room.release(memoryOf(event))
      rest = left.length === 0 ? rest : rest.filter(({ putter }) => !putter.abandon.aborted)
      if (rest.length === 0) break
      if (await this.#tryAppend(rest)) {
        this.#backoff.reset()
        break
      }
      this.#blocked_since_ms ??= performance.now()
      const signal = AbortSignal.any([...new Set(rest.map(({ putter }) => putter.abandon))])
      await wait(this.#backoff.next(), undefined, { signal }).catch(() => {})
    }
    this.#blocked_since_ms = undefined
  }

  async #tryAppend(entries: readonly Entry[]): Promise<boolean> {
    const { folder, log } = this.#settings
    const queue = this.#queue
    const payloads = entries.map(({ payload }) => payload)
    try {
      if (queue === undefined) return false
      if (!(await queue.hasRoom(payloads.reduce((sum, { length }) => sum + length, 0)))) {
        const message = `${folder}: the queue has reached queue.max_bytes, ${queue.max_bytes} bytes: senders wait until there is room`
        log.warn('queue_full', message, { waiting: queue.unread })
        return false
      }
      await queue.append(payloads)
    } catch (thrown) {
      log.error('queue_unwritable', `events cannot be put into the queue, so their senders wait: ${messageOf(thrown)}`)
      return false
    }
    this.#metrics?.writes.inc()
    for (const { event, putter } of entries) {
      this.room.release(memoryOf(event))
      putter.queued(event)
    }
    this.wake()
    return true
  }
}

/** The queue of a pipeline: the one that it has already, where that lies at the same place. */
export function queueOf(
  { id, path_queue, max_in_flight_bytes }: PipelineSettings,
  { data, ...rest }: Pick<EventQueueSettings, 'log' | 'metrics' | 'ledger'> & { readonly data: string },
  present?: EventQueue,
): EventQueue {
  const folder = join(path_queue ?? join(data, 'queue'), folderName(id))
  if (present?.folder === folder) return present
  const memory_bytes_max = max_in_flight_bytes / MEMORY_PART
  return new EventQueue({ id, folder, is_elsewhere: path_queue !== undefined, memory_bytes_max, ...rest })
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

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
