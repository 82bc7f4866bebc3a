import type { ConnectionSettings } from '../../kafka/connection.ts'

/** How to reach the brokers and to be a member of the group. Times in milliseconds, sizes in bytes. */
export interface ClientSettings extends ConnectionSettings {
  readonly group_id: string
  readonly reads_from_start: boolean
  readonly session_timeout_ms: number
  readonly heartbeat_interval_ms: number
  readonly rebalance_timeout_ms: number
  readonly max_partition_fetch_bytes: number
  readonly fetch_max_bytes: number
  readonly fetch_min_bytes: number
  readonly fetch_max_wait_ms: number
  readonly reads_uncommitted: boolean
  readonly client_rack: string
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface PartitionOffset extends TopicPartition {
  readonly offset: number
}

export interface KafkaRecord {
  readonly offset: string
  /** Milliseconds since 1970, `-1` where the producer's format had none. */
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: { readonly [name: string]: unknown }
}

/** What one fetch brought of one partition. */
export interface RecordBatch extends TopicPartition {
  /** The offset after the newest record in the partition. */
  readonly high_watermark: number
  readonly records: readonly KafkaRecord[]
  /** The offset of the last entry fetched; behind the last record where transaction markers follow it. */
  readonly last_offset: number
  /** The next fetch goes on after this record. */
  handledUpTo(offset: string): void
  /** The partition was taken away or set to another offset since: nothing of this batch may be handed on any more. */
  isStale(): boolean
}

/** What the broker knows of a partition. */
export interface PartitionPosition extends TopicPartition {
  /** What the group has committed, `undefined` where it never did. */
  readonly committed: number | undefined
  /** The first offset that is still there. */
  readonly low: number
  /** The offset after the newest record. */
  readonly high: number
}

/** What the client tells while it consumes. All but `batch` are called synchronously and must not wait or throw. */
export interface Consumption {
  /**
   * The member joined the group, or joined it again. No fetch happens before this returns: `seek` and `pause` made in
   * here take effect first.
   * @param is_same_member no other member can have had the partitions that were ours before
   */
  assigned(partitions: readonly TopicPartition[], is_same_member: boolean): void
  /** The group is about to be divided anew: the last chance to commit what is ours now. */
  rebalancing(): void
  /**
   * Records to handle; of one partition one batch at a time. While it waits, the client sends heartbeats.
   * @param interrupted the group or the connection needs attention: return soon, what was not handled comes again
   */
  batch(batch: RecordBatch, interrupted: AbortSignal): Promise<void>
  /** Consuming has ended by a fault. The client is of no more use but for `disconnect`. */
  crashed(error: Error): void
}

/**
 * All that the input wants of a Kafka client. One object serves one session: connect, consume, disconnect; after a
 * crash a new one is made. Every method rejects with an Error that `describeTrouble` can read.
 */
export interface KafkaClient {
  connect(): Promise<void>
  /** The names of all topics. Makes none. */
  topics(): Promise<readonly string[]>
  /** Of all partitions of these topics. */
  positions(topics: readonly string[]): Promise<readonly PartitionPosition[]>
  /** Joins the group and consumes until `disconnect`. Resolves when joined or crashed. */
  consume(topics: readonly string[], consumption: Consumption): Promise<void>
  /** Commits for the generation that the member is in now; never tries again by itself once that one is over. */
  commit(offsets: readonly PartitionOffset[]): Promise<void>
  seek(to: PartitionOffset): void
  /** Milliseconds for which the slowest broker has owed the answer to a fetch, beyond the wait that was asked for; 0 when none does. */
  owed_ms(): number
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** Leaves the group. Never rejects and takes `LEAVE_MS` at most. */
  disconnect(): Promise<void>
}

/** Leaving takes a fetch's wait and two requests; a broker that is gone must not keep the program. */
export const LEAVE_MS = 5_000
