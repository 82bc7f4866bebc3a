import { setTimeout as delay } from 'node:timers/promises'
import type { Counter } from '../../core/context.ts'
import type { Deliver, InputContext, Settled } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import {
  type Consumption,
  type KafkaClient,
  type KafkaRecord,
  LEAVE_MS,
  type PartitionPosition,
  type RecordBatch,
  type TopicPartition,
} from './client.ts'
import type { DecodedRecords, RecordDecoder } from './decode.ts'
import type { Piece, SettledOffsets } from './offsets.ts'
import { aborted, describePartitions, orAborted, type Partition, type Partitions } from './partition.ts'

/** A piece ends with the record that makes it this large, so that the runtime's byte budget is asked often enough. */
const PIECE_BYTES_MAX = 4 * 1024 * 1024
/** The lag of a partition that brings nothing is looked up this often. */
const LAG_INTERVAL_MS = 15_000
/** An answer that is so late is told of: the broker is silent, or the network, or slow. Looked at this often. */
const SILENT_MS = 10_000
const SILENCE_INTERVAL_MS = 2_000
/** Before the positions of new partitions are asked for again. */
const OPEN_AGAIN_MS = 1_000
/** When the topics change, what is on its way may still settle this long, so that it need not be read again. */
const DRAIN_MS = 30_000

interface ReaderParts {
  readonly context: InputContext
  readonly client: KafkaClient
  readonly decoder: RecordDecoder
  readonly deliver: Deliver
  /** Shared by the sessions of an input. */
  readonly partitions: Partitions
  readonly consumed: (topic: string) => Counter
  readonly settings: ReaderSettings
}

export interface ReaderSettings {
  readonly group_id: string
  readonly auto_offset_reset: 'earliest' | 'latest'
  readonly commit_interval_ms: number
  /** Events handed on at once. */
  readonly piece_events_max: number
}

/**
 * One session as a member of the group: hands records on piece by piece and commits what settled.
 *
 * A piece belongs to the assignment in which it was handed on (its `SettledOffsets`). When the partition is taken away
 * the assignment is forgotten, so a `stored` that comes late moves nothing that could be committed.
 */
export class GroupReader implements Consumption {
  readonly #context: InputContext
  readonly #client: KafkaClient
  readonly #decoder: RecordDecoder
  readonly #deliver: Deliver
  readonly #partitions: Partitions
  readonly #consumed: (topic: string) => Counter
  readonly #settings: ReaderSettings
  /** No more reading. */
  readonly #stopping = new AbortController()
  /** No more of anything: the session is over. */
  readonly #ended = new AbortController()
  #failure: Error | undefined
  /** Counts the assignments, so that work for an older one notices. */
  #assignment = 0
  #ours: Partition[] = []
  #is_rebalancing = false
  #is_silent = false
  /** Why reading of new partitions cannot begin. */
  #positions_trouble: string | undefined
  #committing: Promise<void> | undefined

  constructor(parts: ReaderParts) {
    this.#context = parts.context
    this.#client = parts.client
    this.#decoder = parts.decoder
    this.#deliver = parts.deliver
    this.#partitions = parts.partitions
    this.#consumed = parts.consumed
    this.#settings = parts.settings
  }

  /**
   * Reads until `leave` or `stop`, then commits what settles until nothing is on its way: after `stop` until `abandon`,
   * after `leave` for `DRAIN_MS` at most.
   * @throws Error that ended the session
   */
  async run(topics: readonly string[], leave: AbortSignal, stop: AbortSignal, abandon: AbortSignal): Promise<void> {
    const { signal } = this.#ended
    const loops = [
      this.#every(this.#settings.commit_interval_ms, () => this.#commit()),
      this.#every(LAG_INTERVAL_MS, () => this.#lookUpLag()),
      this.#every(SILENCE_INTERVAL_MS, () => this.#tellSilence()),
    ]
    try {
      const joined = this.#client.consume(topics, this).catch((thrown: unknown) => this.#fail(thrown))
      const over = AbortSignal.any([leave, stop, signal])
      await orAborted(joined, over)
      await aborted(over)
      const deadline = stop.aborted ? abandon : AbortSignal.any([abandon, AbortSignal.timeout(DRAIN_MS)])
      if (!signal.aborted) await this.#drain(AbortSignal.any([deadline, signal]))
      if (this.#failure !== undefined) throw this.#failure
    } finally {
      this.#stopping.abort()
      this.#ended.abort()
      for (const partition of this.#partitions.all()) partition.close()
      await Promise.all(loops)
    }
  }

  async #drain(leave: AbortSignal): Promise<void> {
    this.#stopping.abort()
    if (this.#ours.length > 0) this.#client.pause(this.#ours)
    for (const partition of this.#ours) await partition.emptied(leave)
    // A broker that does not answer must not keep the program.
    await orAborted(
      this.#commit().then(() => this.#commit()),
      AbortSignal.any([this.#ended.signal, AbortSignal.timeout(LEAVE_MS)]),
    )
  }

  assigned(places: readonly TopicPartition[], is_same_member: boolean): void {
    this.#assignment++
    this.#positions_trouble = undefined
    this.#context.health.well()
    this.#is_rebalancing = false
    const before = new Set(is_same_member ? this.#ours.filter(({ offsets }) => offsets !== undefined) : [])
    this.#ours = places.map((place) => this.#partitions.of(place))
    for (const partition of this.#partitions.all()) {
      if (!this.#ours.includes(partition)) partition.leave()
      else if (!before.has(partition)) partition.close()
    }
    for (const partition of this.#ours) {
      const { topic, partition: number, offsets } = partition
      // What is on its way need not be read again: nobody else had this partition in between.
      if (offsets !== undefined) this.#client.seek({ topic, partition: number, offset: offsets.position })
    }
    this.#context.log.info('kafka_group', `in group ${this.#settings.group_id} with ${describePartitions(places)}`)
    const fresh = this.#ours.filter(({ offsets }) => offsets === undefined)
    if (this.#stopping.signal.aborted) return this.#client.pause(this.#ours)
    if (fresh.length === 0) return
    this.#client.pause(fresh)
    void this.#open(fresh, this.#assignment) // Never rejects; ends with the assignment.
  }

  /** Finds where reading starts, commits that where the group has nothing yet, and lets the partitions flow. */
  async #open(fresh: readonly Partition[], assignment: number): Promise<void> {
    const isOver = (): boolean => assignment !== this.#assignment || this.#stopping.signal.aborted
    while (!isOver()) {
      try {
        const positions = await this.#client.positions([...new Set(fresh.map(({ topic }) => topic))])
        const starts = fresh.map((partition) => this.#start(partition, positions))
        const uncommitted = starts.filter(({ offset, committed }) => offset !== committed)
        if (isOver()) return
        // Else what comes between the first start and the first commit would be skipped by a restart at `latest`.
        if (uncommitted.length > 0) await this.#client.commit(uncommitted)
        if (isOver()) return
        for (const { of: partition, offset, high, ...place } of starts) {
          partition.open(offset, high)
          this.#client.seek({ ...place, offset })
        }
        this.#positions_trouble = undefined
        this.#context.health.well()
        return this.#client.resume(fresh)
      } catch (thrown) {
        if (isOver()) return
        const message = `could not find where to start in ${describePartitions(fresh)}: ${messageOf(thrown)}`
        this.#positions_trouble = message
        this.#context.health.unwell(message)
        this.#context.log.warn('kafka_positions', `${message}; trying again`)
        await delay(OPEN_AGAIN_MS, undefined, { signal: this.#stopping.signal }).catch(() => {})
      }
    }
  }

  #start(of: Partition, positions: readonly PartitionPosition[]) {
    const { topic, partition } = of
    const position = positions.find((known) => known.topic === topic && known.partition === partition)
    if (position === undefined) throw new Error(`the broker does not tell the offsets of ${topic}/${partition}`)
    const { committed, low, high } = position
    if (committed !== undefined && committed >= low && committed <= high)
      return { of, topic, partition, offset: committed, committed, high }
    const offset = this.#settings.auto_offset_reset === 'earliest' ? low : high
    if (committed !== undefined) {
      const message =
        `${topic}/${partition}: offset ${committed} is not there any more (${low} to ${high} are); reading goes on at ${offset} ` +
        `(auto_offset_reset ${this.#settings.auto_offset_reset}): what the topic's retention deleted unread is lost, so raise it or add readers`
      this.#context.log.error('kafka_offset_out_of_range', message)
    }
    return { of, topic, partition, offset, committed, high }
  }

  rebalancing(): void {
    // Its request leaves before the one to join, with the generation that is ending.
    void this.#commit() // Never rejects.
    this.#is_rebalancing = true
  }

  crashed(error: Error): void {
    this.#fail(error)
  }

  async batch(batch: RecordBatch, interrupted: AbortSignal): Promise<void> {
    const partition = this.#partitions.of(batch)
    const { offsets } = partition
    if (offsets === undefined) return
    partition.high_watermark = batch.high_watermark
    const signal = AbortSignal.any([interrupted, this.#stopping.signal])
    const records = batch.records.filter(({ offset }) => Number(offset) >= offsets.position)
    let at = 0
    while (at < records.length) {
      await partition.room(signal)
      if (signal.aborted || partition.offsets !== offsets || batch.isStale()) return
      const decoded: DecodedRecords = { events: [], refused: [] }
      const first = at
      at = this.#decodePiece(batch, records, first, decoded)
      const last = (records[at - 1] as KafkaRecord).offset
      // Behind the last record there may be transaction markers, which are never handed out.
      const piece = offsets.handOn((at === records.length ? Math.max(Number(last), batch.last_offset) : Number(last)) + 1)
      batch.handledUpTo(last)
      this.#consumed(batch.topic).inc(at - first)
      partition.hold()
      await orAborted(this.#handOn(decoded, partition, offsets, piece), signal)
    }
    const newest = batch.records.at(-1)
    if (records.length === 0 && newest !== undefined) batch.handledUpTo(newest.offset)
  }

  /** Decodes records from `at` on until there are enough for a piece. Returns the index after the last one. */
  #decodePiece(place: TopicPartition, records: readonly KafkaRecord[], at: number, into: DecodedRecords): number {
    let index = at
    let bytes = 0
    do {
      const record = records[index] as KafkaRecord
      this.#decoder.decode(place, record, into)
      bytes += record.value?.length ?? 0
      index++
    } while (index < records.length && into.events.length < this.#settings.piece_events_max && bytes < PIECE_BYTES_MAX)
    return index
  }

  /**
   * Hands a piece on and resolves when the runtime has room for more. What becomes of it later is followed in the
   * background, also when nobody waits here any more. Never rejects: a failure ends the session, and the piece is read again.
   */
  async #handOn({ events, refused }: DecodedRecords, partition: Partition, offsets: SettledOffsets, piece: Piece): Promise<void> {
    const outcomes: Promise<Settled>[] = []
    try {
      for (const { raw, reason, origin } of refused) await this.#context.deadLetter(raw, reason, origin)
      const size = this.#settings.piece_events_max
      for (let start = 0; start < events.length; start += size) {
        // One record may hold more events than a batch takes.
        const { settled } = await this.#deliver(events.length <= size ? events : events.slice(start, start + size))
        outcomes.push(settled)
      }
    } catch (thrown) {
      this.#fail(thrown)
      return partition.release()
    }
    void this.#follow(outcomes, partition, offsets, piece) // Never rejects.
  }

  async #follow(
    outcomes: readonly Promise<Settled>[],
    partition: Partition,
    offsets: SettledOffsets,
    piece: Piece,
  ): Promise<void> {
    try {
      const settled = await Promise.all(outcomes)
      if (settled.every((one) => one === 'stored')) offsets.settle(piece)
    } catch (thrown) {
      this.#fail(thrown)
    }
    partition.release()
  }

  /** Commits what settled since the last time; one commit at a time. Never rejects. */
  #commit(): Promise<void> {
    this.#committing ??= this.#commitSettled().finally(() => {
      this.#committing = undefined
    })
    return this.#committing
  }

  async #commitSettled(): Promise<void> {
    if (this.#is_rebalancing) return
    const due = this.#ours.flatMap((of) => {
      const { topic, partition, offsets, committed } = of
      return offsets !== undefined && offsets.settled > committed
        ? [{ of, offsets, topic, partition, offset: offsets.settled }]
        : []
    })
    if (due.length === 0) return
    try {
      await this.#client.commit(due)
      for (const { of, offsets, offset } of due) if (of.offsets === offsets) of.committed = offset
    } catch (thrown) {
      const message = `could not commit ${describePartitions(due)}: ${messageOf(thrown)}; nothing is lost, some records may be read again`
      if (!this.#ended.signal.aborted) this.#context.log.info('kafka_commit', message)
    }
  }

  async #lookUpLag(): Promise<void> {
    const topics = new Set(this.#ours.map(({ topic }) => topic))
    if (topics.size === 0) return
    try {
      for (const position of await this.#client.positions([...topics])) {
        const partition = this.#ours.find(
          ({ topic, partition: number }) => topic === position.topic && number === position.partition,
        )
        if (partition !== undefined) partition.high_watermark = Math.max(partition.high_watermark, position.high)
      }
    } catch (thrown) {
      this.#context.log.debug('kafka_lag', `could not look up the lag: ${messageOf(thrown)}`)
    }
  }

  #tellSilence(): void {
    const owed_ms = this.#client.owed_ms()
    const was_silent = this.#is_silent
    this.#is_silent = owed_ms > SILENT_MS
    if (this.#is_silent) {
      const message = `a broker's answer is ${Math.round(owed_ms / 1_000)} s late`
      this.#context.health.unwell(message)
      if (was_silent) return
      const advice = 'its connection is given up after request_timeout_ms, and another one made'
      this.#context.log.warn('kafka_silent', `${this.#context.where}: ${message}; ${advice}`)
    } else if (was_silent) {
      if (this.#positions_trouble === undefined) this.#context.health.well()
      else this.#context.health.unwell(this.#positions_trouble)
    }
  }

  async #every(interval_ms: number, action: () => Promise<void> | void): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      await delay(interval_ms, undefined, { signal }).catch(() => {})
      if (!signal.aborted) await orAborted(Promise.resolve(action()), signal)
    }
  }

  #fail(thrown: unknown): void {
    this.#failure ??= thrown instanceof Error ? thrown : new Error(messageOf(thrown))
    this.#stopping.abort()
    this.#ended.abort()
  }
}
