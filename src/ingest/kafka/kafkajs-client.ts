import type { Admin, Consumer, EachBatchPayload, Kafka } from 'kafkajs'
import type { Log } from '../../core/context.ts'
import { createKafka } from '../../kafka/connection.ts'
import {
  type ClientSettings,
  type Consumption,
  type KafkaClient,
  LEAVE_MS,
  type PartitionOffset,
  type PartitionPosition,
  type RecordBatch,
  type TopicPartition,
} from './client.ts'

/**
 * How many partitions are handled side by side. A fetch is not repeated before all its batches are through, so a
 * partition that waits for a worker holds up the others; a worker costs nothing while it waits.
 */
const PARTITIONS_AT_ONCE = 64

/** Makes a client on kafkajs. */
export async function createKafkajsClient(settings: ClientSettings, log: Log): Promise<KafkaClient> {
  return new KafkajsClient(await createKafka(settings, log), settings, log)
}

class KafkajsClient implements KafkaClient {
  readonly #settings: ClientSettings
  readonly #log: Log
  readonly #admin: Admin
  readonly #consumer: Consumer
  #joining: Promise<void> = Promise.resolve()
  /** Commits for the current generation without trying again; only a batch gives it. */
  #commitNow: EachBatchPayload['commitOffsetsIfNecessary'] | undefined
  #member_id: string | undefined
  #heartbeat: (() => Promise<void>) | undefined
  #heartbeatTimer: NodeJS.Timeout | undefined
  /** Aborts the batches at work when a heartbeat fails, with its error as the reason. A new one with each fetch. */
  #interrupt = new AbortController()
  #batches = 0
  /** When each broker was asked for records that it has not sent yet, at first and at last, by `performance.now()`. */
  readonly #asked = new Map<string, { readonly first_ms: number; readonly last_ms: number }>()
  #is_over = false

  constructor(kafka: Kafka, settings: ClientSettings, log: Log) {
    this.#settings = settings
    this.#log = log
    this.#admin = kafka.admin()
    this.#consumer = kafka.consumer({
      groupId: settings.group_id,
      sessionTimeout: settings.session_timeout_ms,
      heartbeatInterval: settings.heartbeat_interval_ms,
      rebalanceTimeout: settings.rebalance_timeout_ms,
      metadataMaxAge: settings.metadata_max_age_ms,
      maxBytesPerPartition: settings.max_partition_fetch_bytes,
      maxBytes: settings.fetch_max_bytes,
      minBytes: settings.fetch_min_bytes,
      maxWaitTimeInMs: settings.fetch_max_wait_ms,
      readUncommitted: settings.reads_uncommitted,
      rackId: settings.client_rack,
      allowAutoTopicCreation: false,
      // The input itself starts anew after a crash, with back-off and with a message.
      retry: { restartOnFailure: () => Promise.resolve(false) },
    })
  }

  async connect(): Promise<void> {
    await this.#admin.connect()
    await this.#consumer.connect()
  }

  topics(): Promise<readonly string[]> {
    return this.#admin.listTopics()
  }

  async positions(topics: readonly string[]): Promise<readonly PartitionPosition[]> {
    const committed = await this.#admin.fetchOffsets({ groupId: this.#settings.group_id, topics: [...topics] })
    const positions: PartitionPosition[] = []
    for (const { topic, partitions } of committed) {
      const bounds = await this.#admin.fetchTopicOffsets(topic)
      for (const { partition, low, high } of bounds) {
        const offset = Number(partitions.find((known) => known.partition === partition)?.offset ?? -1)
        positions.push({ topic, partition, committed: offset < 0 ? undefined : offset, low: Number(low), high: Number(high) })
      }
    }
    return positions
  }

  async consume(topics: readonly string[], consumption: Consumption): Promise<void> {
    const { GROUP_JOIN, REBALANCING, CRASH, FETCH_START, FETCH } = this.#consumer.events
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      this.#asked.clear()
      const is_same_member = payload.memberId === this.#member_id
      this.#member_id = payload.memberId
      if (!this.#is_over) consumption.assigned(partitionsOf(payload.memberAssignment), is_same_member)
    })
    this.#consumer.on(REBALANCING, () => {
      this.#asked.clear()
      if (!this.#is_over) consumption.rebalancing()
    })
    this.#consumer.on(CRASH, ({ payload }) => consumption.crashed(payload.error))
    this.#consumer.on(FETCH_START, ({ payload }) => {
      const last_ms = performance.now()
      const { first_ms = last_ms } = this.#asked.get(String(payload.nodeId)) ?? {}
      this.#asked.set(String(payload.nodeId), { first_ms, last_ms })
      if (this.#interrupt.signal.aborted) this.#interrupt = new AbortController()
    })
    this.#consumer.on(FETCH, ({ payload }) => void this.#asked.delete(String(payload.nodeId)))
    await this.#consumer.subscribe({ topics: [...topics], fromBeginning: this.#settings.reads_from_start })
    this.#joining = this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
      eachBatch: (payload) => this.#eachBatch(payload, consumption),
    })
    await this.#joining
  }

  async #eachBatch(payload: EachBatchPayload, consumption: Consumption): Promise<void> {
    if (this.#is_over) return
    const interrupted = this.#interrupt.signal
    // kafkajs hands over all batches of a fetch, also after the group has called for a new division.
    interrupted.throwIfAborted()
    this.#commitNow = (offsets) => payload.commitOffsetsIfNecessary(offsets)
    this.#heartbeat = () => payload.heartbeat()
    this.#batches++
    this.#heartbeatTimer ??= setInterval(() => void this.#beat(), this.#settings.heartbeat_interval_ms / 2)
    try {
      await consumption.batch(recordBatch(payload), interrupted)
    } finally {
      this.#batches--
      if (this.#batches === 0) {
        clearInterval(this.#heartbeatTimer)
        this.#heartbeatTimer = undefined
      }
    }
    // kafkajs joins again when this error comes out of a batch.
    interrupted.throwIfAborted()
  }

  /** kafkajs sends one only when the last one is an interval ago. Never rejects. */
  async #beat(): Promise<void> {
    const interrupt = this.#interrupt
    try {
      await this.#heartbeat?.()
    } catch (thrown) {
      interrupt.abort(thrown)
    }
  }

  async commit(offsets: readonly PartitionOffset[]): Promise<void> {
    const list = offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset: String(offset) }))
    if (this.#commitNow === undefined) return this.#consumer.commitOffsets(list)
    const topics = list.map(({ topic, ...partition }) => ({ topic, partitions: [partition] }))
    await this.#commitNow({ topics: joinTopics(topics) })
  }

  seek({ topic, partition, offset }: PartitionOffset): void {
    this.#consumer.seek({ topic, partition, offset: String(offset) })
  }

  owed_ms(): number {
    const { fetch_max_wait_ms, request_timeout_ms } = this.#settings
    const now_ms = performance.now()
    let owed_ms = 0
    for (const [broker, { first_ms, last_ms }] of this.#asked) {
      // That request has failed, and no other followed: the broker has no partitions of ours any more.
      if (now_ms - last_ms > request_timeout_ms + fetch_max_wait_ms) this.#asked.delete(broker)
      else owed_ms = Math.max(owed_ms, now_ms - first_ms - fetch_max_wait_ms)
    }
    return owed_ms
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#consumer.pause(partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] })))
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#consumer.resume(partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] })))
  }

  async disconnect(): Promise<void> {
    this.#is_over = true
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, LEAVE_MS)
    await Promise.race([this.#leave(), late])
    clearTimeout(timer)
  }

  /** A member that is still joining cannot leave: kafkajs would go on joining behind our back. Never rejects. */
  async #leave(): Promise<void> {
    try {
      await this.#joining.catch(() => {})
      await this.#consumer.disconnect()
      await this.#admin.disconnect()
    } catch (thrown) {
      this.#log.debug('kafka_client', `leaving the group failed: ${String(thrown)}`)
    }
  }
}

function partitionsOf(assignment: { readonly [topic: string]: readonly number[] }): TopicPartition[] {
  return Object.entries(assignment).flatMap(([topic, partitions]) => partitions.map((partition) => ({ topic, partition })))
}

interface TopicOffsets {
  readonly topic: string
  readonly partitions: { readonly partition: number; readonly offset: string }[]
}

function joinTopics(offsets: readonly TopicOffsets[]): TopicOffsets[] {
  const byTopic = Map.groupBy(offsets, ({ topic }) => topic)
  return [...byTopic].map(([topic, parts]) => ({ topic, partitions: parts.flatMap(({ partitions }) => partitions) }))
}

function recordBatch(payload: EachBatchPayload): RecordBatch {
  const { batch } = payload
  return {
    topic: batch.topic,
    partition: batch.partition,
    high_watermark: Number(batch.highWatermark),
    records: batch.messages,
    last_offset: Number(batch.lastOffset()),
    handledUpTo: (offset) => payload.resolveOffset(offset),
    isStale: () => !payload.isRunning() || payload.isStale(),
  }
}
