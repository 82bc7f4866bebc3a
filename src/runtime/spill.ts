import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../core/context.ts'
import type { Sink } from '../core/contracts.ts'
import { MillraceError } from '../core/errors.ts'
import type { Event, EventState } from '../core/event.ts'
import { DurableQueue } from '../storage/durable-queue.ts'
import { decodeEvent, encodeEvent, type StoredEvent } from '../storage/stored-event.ts'
import type { Backlog } from './waiting-room.ts'

/** More keys at once stay in memory, and hold the senders back: keys come from event data. */
const KEYS_MAX = 100
const FOLDER_NAME_MAX = 100

export interface SpillSettings {
  /** Left out: nothing is put on the disk. */
  readonly folder: string | undefined
  readonly sink: Sink
  readonly log: Log
  /** Of all keys together. */
  readonly max_bytes: number
}

/** Where an event stood when it was put on the disk. */
export interface Standing {
  /** The input that it came from. */
  readonly input: string
  /** Other outputs have not said yet what became of it. */
  readonly lives_on: boolean
  /** The worst of what they made of it, where they have. */
  readonly worst: EventState
}

export interface ReadBack {
  readonly events: readonly StoredEvent[]
  /** Records that this output can make nothing of: `forget` is for once they are kept elsewhere. */
  readonly unreadable: readonly { readonly payload: Buffer; readonly forget: () => void }[]
}

/**
 * The events of one output that wait on the disk, in one queue for each key that they were parked with, and one (the key '')
 * for those that the output as a whole did not take. What was put there survives the program.
 */
export class Spill implements Backlog, AsyncDisposable {
  readonly #settings: SpillSettings
  readonly #queues = new Map<string, DurableQueue>()
  /** Queues that are being removed. */
  readonly #leaving = new Map<string, Promise<void>>()
  /** Keys that events are being put to. */
  readonly #putting = new Set<string>()
  /** Events that were read back, and have no outcome yet. */
  readonly #restored = new Map<Event, { readonly key: string; readonly sequence: bigint }>()
  /** Read back and given up again at the end of the program: they are still on the disk. */
  #returned = 0
  #opened = false
  #closed = false

  constructor(settings: SpillSettings) {
    this.#settings = settings
  }

  /** Nothing can be put or read before. */
  get isOpen(): boolean {
    return this.#opened && !this.#closed
  }

  /**
   * Opens what an earlier run left, and returns how many events there are.
   * @throws MillraceError STORAGE_CORRUPT
   */
  async open(): Promise<number> {
    const { folder } = this.#settings
    if (folder === undefined) return 0
    const queues = new Map<string, DurableQueue>()
    for (const name of await foldersIn(folder)) {
      const queue = await this.#openQueue(name)
      if (queue.isDone) await queue.remove()
      // Without its label it is read back all the same, as a key of its own.
      else queues.set(queue.label ?? name, queue)
    }
    // At once, so that whoever counts them has them in the same turn.
    for (const [key, queue] of queues) this.#queues.set(key, queue)
    this.#opened = true
    return this.length
  }

  /** Events on the disk that are not in memory too. */
  get length(): number {
    if (this.#closed) return 0
    let length = this.#returned
    for (const { unread } of this.#queues.values()) length += unread
    return length
  }

  get size_bytes(): number {
    let size = 0
    for (const { size_bytes } of this.#queues.values()) size += size_bytes
    return size
  }

  /** Keys that have events to read back. */
  get keys(): string[] {
    return [...this.#queues].filter(([, { unread }]) => unread > 0).map(([key]) => key)
  }

  sequenceOf(event: Event, key: string): bigint | undefined {
    const place = this.#restored.get(event)
    return place?.key === key ? place.sequence : undefined
  }

  isBehind(key: string): boolean {
    return this.#putting.has(key) || (this.#queues.get(key)?.unread ?? 0) > 0
  }

  /**
   * Puts events on the disk. Once they are fsynced, `kept` is called for each of them in the same turn of the loop.
   * @throws MillraceError STORAGE_FULL, STORAGE_WRITE_FAILED: none was kept
   */
  async put(
    key: string,
    events: readonly Event[],
    standing: (event: Event) => Standing,
    kept: (event: Event, standing: Standing) => void,
  ): Promise<void> {
    const { sink, max_bytes, folder } = this.#settings
    const standings = events.map(standing)
    const payloads = events.map((event, index) => {
      const { input, lives_on = true, worst } = standings[index] ?? {}
      const own = event.hasLetFieldsGo ? sink.saved?.save(event) : undefined
      return encodeEvent(event, { key, input, worst: lives_on ? undefined : worst, own })
    })
    const bytes = payloads.reduce((sum, { length }) => sum + length, 0)
    if (this.size_bytes + bytes > max_bytes) {
      throw new MillraceError('STORAGE_FULL', `${folder}: the spilled events have reached spill_max_bytes, ${max_bytes} bytes`)
    }
    this.#putting.add(key)
    try {
      const queue = await this.#queueOf(key)
      await queue.append(payloads)
    } finally {
      this.#putting.delete(key)
    }
    for (const [index, event] of events.entries()) {
      // It may have been read back from another queue, which is done with it now.
      this.done(event)
      sink.saved?.forget(event)
      kept(event, standings[index] as Standing)
    }
  }

  /** The next events of a key, oldest first. */
  async read(key: string, events_max: number, bytes_max: number): Promise<ReadBack> {
    const queue = this.#queues.get(key)
    const events: StoredEvent[] = []
    const unreadable: { payload: Buffer; forget: () => void }[] = []
    const { saved } = this.#settings.sink
    for (const { sequence, payload } of (await queue?.read(events_max, bytes_max)) ?? []) {
      const stored = decodeEvent(payload)
      if (stored === undefined || (stored.own !== undefined && saved?.restore(stored.event, stored.own) !== true)) {
        unreadable.push({ payload, forget: () => this.#done(key, sequence) })
        continue
      }
      this.#restored.set(stored.event, { key, sequence })
      events.push(stored)
    }
    return { events, unreadable }
  }

  /** An event has its outcome: if it was read back from here, it is not needed here any more. */
  done(event: Event): void {
    const place = this.#restored.get(event)
    if (place === undefined) return
    this.#restored.delete(event)
    this.#done(place.key, place.sequence)
  }

  /** An event that was read back will not be tried any more by this run of the program. */
  giveBack(event: Event): void {
    if (!this.#restored.delete(event)) return
    this.#settings.sink.saved?.forget(event)
    this.#returned++
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#leaving.values(), ...[...this.#queues.values()].map((queue) => queue[Symbol.asyncDispose]())])
  }

  #done(key: string, sequence: bigint): void {
    const queue = this.#queues.get(key)
    queue?.done(sequence)
    if (queue === undefined || !queue.isDone || this.#putting.has(key)) return
    this.#queues.delete(key)
    const leaving = queue.remove().catch(() => {
      // What is left of it holds nothing, and is removed at the next start.
    })
    this.#leaving.set(
      key,
      leaving.finally(() => this.#leaving.delete(key)),
    )
  }

  async #queueOf(key: string): Promise<DurableQueue> {
    await this.#leaving.get(key)
    const present = this.#queues.get(key)
    if (present !== undefined) return present
    if (this.#queues.size >= KEYS_MAX) {
      throw new MillraceError('STORAGE_FULL', `${this.#settings.folder}: events of ${KEYS_MAX} keys are here already`)
    }
    const queue = await this.#openQueue(folderName(key), key)
    this.#queues.set(key, queue)
    return queue
  }

  async #openQueue(name: string, label?: string): Promise<DurableQueue> {
    const { folder = '', max_bytes, log } = this.#settings
    const queue = await DurableQueue.open(join(folder, name), {
      max_bytes,
      ...(label === undefined ? {} : { label }),
      report: (path, torn_bytes, why) =>
        log.error('spill_damaged', `${path}: ${torn_bytes} bytes of spilled events cannot be read: ${why}`),
    })
    if (queue.lost > 0) log.error('spill_lost', `${queue.folder}: damage took ${queue.lost} spilled events`)
    if (queue.repair !== undefined) {
      const { path, cut_bytes } = queue.repair
      log.warn(
        'spill_repaired',
        `${path}: the last ${cut_bytes} bytes were half written when the program ended, and were cut off`,
      )
    }
    return queue
  }
}

/** Below it a folder for each pipeline, with one for each output. */
export function spillFolder(data: string): string {
  return join(data, 'spill')
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return []
    throw thrown
  })
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

/** A folder name for any text: readable where that is possible. */
export function folderName(text: string): string {
  if (text === '') return '_all'
  const name = encodeURIComponent(text.toWellFormed()).replace(/^[._]/, (first) => `%${first.charCodeAt(0).toString(16)}`)
  if (name.length <= FOLDER_NAME_MAX) return name
  return `${name.slice(0, FOLDER_NAME_MAX)}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
}
