import type { TopicPartition } from './client.ts'
import { SettledOffsets } from './offsets.ts'

/**
 * Pieces of one partition that are handed on and not settled. Reading goes on while others are stored, and memory does
 * not grow with the backlog.
 */
const UNSETTLED_PIECES_MAX = 4

/** One partition over all its assignments to this process. */
export class Partition implements TopicPartition {
  readonly topic: string
  readonly partition: number
  /** What the group has committed, as far as we know. */
  committed = 0
  high_watermark = 0
  #offsets: SettledOffsets | undefined
  /** What was left when it was closed. */
  #kept_lag = 0
  #unsettled = 0
  #room: PromiseWithResolvers<void> | undefined

  constructor({ topic, partition }: TopicPartition) {
    this.topic = topic
    this.partition = partition
  }

  /** How far it is read and settled in the current assignment; `undefined` while it is not ours, or not opened yet. */
  get offsets(): SettledOffsets | undefined {
    return this.#offsets
  }

  /** It is ours, and read from `offset` on: what the group has committed. */
  open(offset: number, high_watermark: number): void {
    this.#offsets = new SettledOffsets(offset)
    this.committed = offset
    this.high_watermark = high_watermark
  }

  /** It is not read for now. Its lag stays as it was: who takes nothing in has not caught up. */
  close(): void {
    this.#kept_lag = this.lag
    this.#offsets = undefined
  }

  /** Another member has it, or its topic is gone: its lag is not ours to tell. */
  leave(): void {
    this.#offsets = undefined
    this.#kept_lag = 0
  }

  /** Records that are not settled yet, as far as we know. 0 where another member has to tell. */
  get lag(): number {
    return this.#offsets === undefined ? this.#kept_lag : Math.max(0, this.high_watermark - this.#offsets.settled)
  }

  /** Pieces on their way, also those of an assignment that is over: they take memory all the same. */
  get unsettled(): number {
    return this.#unsettled
  }

  /** A piece is handed on. */
  hold(): void {
    this.#unsettled++
  }

  /** A piece is settled, or will never be. */
  release(): void {
    this.#unsettled--
    this.#room?.resolve()
    this.#room = undefined
  }

  /** Resolves when there is room for one more piece, or the signal aborts. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#unsettled >= UNSETTLED_PIECES_MAX && !signal.aborted) await orAborted(this.#released(), signal)
  }

  /** Resolves when nothing is on its way, or the signal aborts. */
  async emptied(signal: AbortSignal): Promise<void> {
    while (this.#unsettled > 0 && !signal.aborted) await orAborted(this.#released(), signal)
  }

  #released(): Promise<void> {
    this.#room ??= Promise.withResolvers<void>()
    return this.#room.promise
  }
}

/** Waits for a promise that never rejects, or for the signal, whichever comes first. */
export async function orAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise: abortion, resolve } = Promise.withResolvers<void>()
  const listener = (): void => resolve()
  signal.addEventListener('abort', listener, { once: true })
  await Promise.race([promise, abortion])
  signal.removeEventListener('abort', listener)
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return orAborted(Promise.withResolvers<void>().promise, signal)
}

/** `exchange-logs/0,1,3 audit/0`, for messages. */
export function describePartitions(partitions: readonly TopicPartition[]): string {
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic)
  const parts = [...byTopic].map(
    ([topic, list]) =>
      `${topic}/${list
        .map(({ partition }) => partition)
        .sort((a, b) => a - b)
        .join(',')}`,
  )
  return parts.length === 0 ? 'no partition' : parts.join(' ')
}

/** All partitions that were ever ours, made on first use. */
export class Partitions {
  readonly #byName = new Map<string, Partition>()
  readonly #onNew: (partition: Partition) => void

  constructor(onNew: (partition: Partition) => void) {
    this.#onNew = onNew
  }

  of(place: TopicPartition): Partition {
    const name = `${place.topic}/${place.partition}`
    let partition = this.#byName.get(name)
    if (partition === undefined) {
      partition = new Partition(place)
      this.#byName.set(name, partition)
      this.#onNew(partition)
    }
    return partition
  }

  all(): Partition[] {
    return [...this.#byName.values()]
  }

  /** Of topics that are gone nothing is left to read. */
  keepOnly(topics: readonly string[]): void {
    const existing = new Set(topics)
    for (const partition of this.#byName.values()) if (!existing.has(partition.topic)) partition.leave()
  }
}
