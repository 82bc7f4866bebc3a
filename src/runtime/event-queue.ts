import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log, Metrics } from '../core/context.ts'
import type { Event } from '../core/event.ts'
import type { PipelineSettings } from '../core/plan.ts'
import { unlessAborted } from '../core/waiting.ts'
import { DurableQueue } from '../storage/durable-queue.ts'
import { lockFolder } from '../storage/folder-lock.ts'
import type { StoredRecord } from '../storage/segment-format.ts'
import type { ByteBudget } from './byte-budget.ts'
import type { EventLedger } from './ledger.ts'
import { QueueMetrics } from './queue-metrics.ts'
import { type Putter, QueueWriter } from './queue-writer.ts'
import { folderName } from './spill.ts'

/** This part of the memory for events may wait for the disk. */
const MEMORY_PART = 4

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

/**
 * The queue on disk between the inputs of a pipeline and its filters (`queue.type => persisted`). It goes on over a reload: the
 * pipeline that leaves and the one that comes both put events there, and one at a time reads.
 */
export class EventQueue {
  readonly #settings: EventQueueSettings
  readonly #writer: QueueWriter
  /** Calls of `put` that wait for it to be open. */
  #putting = 0
  #queue: DurableQueue | undefined
  #metrics: QueueMetrics | undefined
  #opened = Promise.withResolvers<DurableQueue>()
  #lock: AsyncDisposable | undefined
  #opening: Promise<void> = Promise.resolve()
  #users = 0
  /** Events that were there when it was closed. */
  #left_behind = 0
  #changed = Promise.withResolvers<void>()
  /** When what was read and is not done was put there, oldest first. */
  readonly #open_ms = new Map<bigint, number | undefined>()

  constructor(settings: EventQueueSettings) {
    this.#settings = settings
    this.#writer = new QueueWriter({
      memory_bytes_max: settings.memory_bytes_max,
      log: settings.log,
      written: () => {
        this.#metrics?.writes.inc()
        this.wake()
      },
      idle: () => this.wake(),
    })
    settings.ledger.holds('buffered', () => this.#queue?.unread ?? this.#left_behind)
  }

  /** Memory of events that wait for the disk. */
  get room(): ByteBudget {
    return this.#writer.room
  }

  get folder(): string {
    return this.#settings.folder
  }

  /** Events in it that nobody has read, as long as it is open. */
  get unread(): number {
    return this.#queue?.unread ?? 0
  }

  /** Nothing waits in it or for it. */
  get isEmpty(): boolean {
    return this.unread === 0 && this.#putting === 0 && this.#writer.isIdle
  }

  /** Another pipeline uses it too: it takes over from this one. */
  get isShared(): boolean {
    return this.#users > 1
  }

  /** A pipeline uses it until it calls what is returned: the last one to leave closes it. `keeps`: it stays there for the next run. */
  join(): (keeps: boolean) => Promise<void> {
    this.#users++
    return async (keeps) => {
      this.#users--
      if (this.#users > 0) return
      await this.#writer.finished
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
    let queue: DurableQueue
    try {
      queue = await unlessAborted(this.#opened.promise, putter.abandon)
    } catch {
      this.#writer.release(events)
      return
    } finally {
      this.#putting--
    }
    await this.#writer.put(events, putter, queue)
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
    const lock = is_elsewhere ? await lockFolder(folder, 'path.queue') : undefined
    const metrics = new QueueMetrics(this.#settings.metrics, this.#settings.id)
    let queue: DurableQueue
    try {
      queue = await DurableQueue.open(folder, {
        max_bytes,
        report: (path, torn_bytes, why) => {
          metrics.damaged.inc(torn_bytes)
          const message = `${path}: ${torn_bytes} bytes of the queue cannot be read: ${why}`
          log.error('queue_damaged', message)
        },
      })
    } catch (thrown) {
      await lock?.[Symbol.asyncDispose]()
      throw thrown
    }
    await this.#tell(queue, metrics)
    metrics.show({ queue, oldest_ms: () => this.#oldest_ms, blocked_since_ms: () => this.#writer.blocked_since_ms })
    this.#metrics = metrics
    this.#lock = lock
    // At once, so that whoever counts them has them in the same turn.
    ledger.recovered(Math.max(0, queue.unread - this.#left_behind))
    this.#left_behind = 0
    this.#queue = queue
    this.#opened.resolve(queue)
    this.wake()
  }

  /** What opening it has found. */
  async #tell({ folder, repair, lost, unread, max_bytes, size_bytes }: DurableQueue, metrics: QueueMetrics): Promise<void> {
    const { log } = this.#settings
    if (repair !== undefined) {
      metrics.cut.inc(repair.cut_bytes)
      const what = `the last ${repair.cut_bytes} bytes were half written when the program ended, and were cut off`
      log.warn('queue_repaired', `${repair.path}: ${what}`)
    }
    if (lost > 0) {
      metrics.lost.inc(lost)
      log.error('queue_lost', `${folder}: damage took ${lost} events, whose senders were told that they are safe`)
    }
    if (unread > 0) log.info('queue_recovered', `${folder}: ${unread} events of an earlier run follow`)
    const { bavail, bsize } = await statfs(folder).catch(() => ({ bavail: Number.POSITIVE_INFINITY, bsize: 1 }))
    if (max_bytes - size_bytes <= bavail * bsize) return
    const message = `${folder}: the disk has ${bavail * bsize} bytes left, and queue.max_bytes allows ${max_bytes}: inputs wait when it is full`
    log.warn('queue_disk', message)
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
}

/** The queue of a pipeline: of one folder there is never a second one. */
export function queueOf(
  { id, path_queue, max_in_flight_bytes }: PipelineSettings,
  { data, ...rest }: Pick<EventQueueSettings, 'log' | 'metrics' | 'ledger'> & { readonly data: string },
  known: Map<string, EventQueue> = new Map(),
): EventQueue {
  const folder = join(path_queue ?? join(data, 'queue'), folderName(id))
  const memory_bytes_max = max_in_flight_bytes / MEMORY_PART
  const queue =
    known.get(folder) ?? new EventQueue({ id, folder, is_elsewhere: path_queue !== undefined, memory_bytes_max, ...rest })
  known.set(folder, queue)
  return queue
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
