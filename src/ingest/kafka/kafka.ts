import { setTimeout as delay } from 'node:timers/promises'
import { Backoff } from '../../core/backoff.ts'
import { defineInput } from '../../core/component.ts'
import type { Deliver, InputContext, Source } from '../../core/contracts.ts'
import { MillraceError } from '../../core/errors.ts'
import { describeTrouble } from '../../kafka/client-log.ts'
import { readConnection } from '../../kafka/connection.ts'
import { type ClientSettings, type KafkaClient, LEAVE_MS } from './client.ts'
import { RecordDecoder } from './decode.ts'
import { GroupReader, type ReaderSettings } from './group-reader.ts'
import { createKafkajsClient } from './kafkajs-client.ts'
import { KAFKA_OPTIONS, type KafkaOptions, REFUSED_OPTIONS } from './options.ts'
import { orAborted, Partitions } from './partition.ts'
import { byName, byPattern, type ChooseTopics } from './topics.ts'

export const kafka = defineInput({
  name: 'kafka',
  summary: 'Reads topics as a member of a Kafka consumer group.',
  description:
    'An offset is committed when everything before it in its partition is stored, dropped by a filter, or among the dead letters; ' +
    'so nothing is lost, and what is read again after a crash gets the same document id. Compressed topics (gzip, snappy, lz4, zstd) ' +
    "are read as they are, and `@metadata` in the payload, as Filebeat's Kafka output writes it, becomes the event's metadata. " +
    'Brokers that are away are waited for.',
  default_codec: 'plain',
  options: KAFKA_OPTIONS,
  renamed: { topic_id: 'topics' },
  refused: REFUSED_OPTIONS,
  examples: [
    {
      title: 'JSON logs from one topic',
      options: { bootstrap_servers: 'kafka-1:9092,kafka-2:9092', topics: ['exchange-logs'], group_id: 'millrace', codec: 'json' },
    },
    {
      title: 'Log-in with SCRAM over TLS',
      options: {
        bootstrap_servers: 'kafka-1:9093',
        topics_pattern: 'exchange-.*',
        security_protocol: 'SASL_SSL',
        sasl_mechanism: 'SCRAM-SHA-512',
        // biome-ignore lint: the placeholder is the config language's, not JavaScript's
        sasl_jaas_config:
          'org.apache.kafka.common.security.scram.ScramLoginModule required username="logs" password="${KAFKA_PASSWORD}";',
        codec: 'json',
      },
    },
  ],
  create: (options, context) => new KafkaSource(options, context),
})

/** Waits between sessions that fail, doubled each time. */
const RETRY_FIRST_MS = 1_000
const RETRY_LAST_MS = 30_000
/** A session that lasted so long was a good one: the next failure waits shortly again. */
const SOUND_SESSION_MS = 60_000
/** How often a topic that does not exist is looked for. */
const MISSING_TOPIC_MS = 5_000

class KafkaSource implements Source {
  readonly spreads = true
  readonly #context: InputContext
  readonly #client: ClientSettings
  readonly #reader: ReaderSettings
  readonly #choose: ChooseTopics
  /** What `topics` or `topics_pattern` says, for messages. */
  readonly #wanted: string
  readonly #decoder: RecordDecoder
  readonly #partitions: Partitions

  constructor(options: KafkaOptions, context: InputContext) {
    this.#context = context
    const { group_id, auto_offset_reset, topics_pattern } = options
    this.#client = readClientSettings(options, context)
    this.#choose =
      topics_pattern === undefined ? byName(options.topics) : byPattern(topics_pattern, options.exclude_internal_topics)
    this.#wanted = topics_pattern === undefined ? options.topics.join(', ') : `that fits ${topics_pattern}`
    this.#reader = {
      group_id,
      auto_offset_reset,
      commit_interval_ms: options.auto_commit_interval_ms,
      piece_events_max: options.max_poll_records,
    }
    const { decorate_events: decorate, timestamp } = options
    const decorate_events = decorate === 'true' ? 'basic' : decorate === 'false' ? 'none' : decorate
    this.#decoder = new RecordDecoder(context, { group_id, decorate_events, timestamp })
    this.#partitions = new Partitions((partition) => {
      const labels = { consumer_group: group_id, topic: partition.topic, partition: String(partition.partition) }
      const help =
        'Records of a partition that are not stored yet, as last known while the input is down; 0 where it belongs to another member.'
      context.metrics.gauge('kafka_consumer_lag', help, labels, () => partition.lag)
    })
  }

  async run(deliver: Deliver, stop: AbortSignal, abandon: AbortSignal): Promise<void> {
    using _following = this.#client.tls?.follow('kafka')
    const backoff = new Backoff(RETRY_FIRST_MS, RETRY_LAST_MS)
    while (!stop.aborted) {
      const started = performance.now()
      try {
        await this.#session(deliver, stop, abandon)
        backoff.reset()
      } catch (thrown) {
        if (stop.aborted) return
        if (performance.now() - started > SOUND_SESSION_MS) backoff.reset()
        const wait_ms = backoff.next()
        this.#tell(thrown, wait_ms)
        await delay(wait_ms, undefined, { signal: stop }).catch(() => {})
      }
    }
  }

  #tell(thrown: unknown, wait_ms: number): void {
    const { kind, level, message } = describeTrouble(thrown, this.#client.brokers.join(','))
    this.#context.health.unwell(message)
    this.#context.log[level](kind, `${this.#context.where}: ${message}; trying again in ${(wait_ms / 1000).toFixed(1)} s`)
  }

  /** From connecting to leaving. Also ends, without a fault, when other topics are to be read. */
  async #session(deliver: Deliver, stop: AbortSignal, abandon: AbortSignal): Promise<void> {
    const client = await createKafkajsClient(this.#client, this.#context.log)
    const changed = new AbortController()
    const over = new AbortController()
    let watching: Promise<void> = Promise.resolve()
    try {
      this.#context.health.unwell(`connecting to ${this.#client.brokers.join(',')}`)
      if ((await unlessAborted(client.connect(), stop)) === undefined) return
      const topics = await this.#awaitTopics(client, stop)
      if (topics === undefined) return
      watching = this.#watchTopics(client, topics, changed, AbortSignal.any([stop, over.signal]))
      const reader = new GroupReader({
        context: this.#context,
        client,
        decoder: this.#decoder,
        deliver,
        partitions: this.#partitions,
        consumed: (topic) => this.#consumed(topic),
        settings: this.#reader,
      })
      await reader.run(topics, changed.signal, stop, abandon)
    } finally {
      over.abort()
      await client.disconnect()
      await orAborted(watching, AbortSignal.timeout(LEAVE_MS))
    }
  }

  #consumed(topic: string) {
    const help = 'Records read from a topic, those read again included.'
    return this.#context.metrics.counter('kafka_consumer_messages_consumed_total', help, {
      consumer_group: this.#reader.group_id,
      topic,
    })
  }

  /** Waits until there is a topic to read. `undefined`: stopped before there was one. */
  async #awaitTopics(client: KafkaClient, stop: AbortSignal): Promise<readonly string[] | undefined> {
    for (;;) {
      const existing = await unlessAborted(client.topics(), stop)
      if (existing === undefined) return undefined
      this.#partitions.keepOnly(existing.result)
      const { present, missing } = this.#choose(existing.result)
      if (missing.length > 0 || present.length === 0) this.#tellMissing(missing)
      if (present.length === 0) this.#context.health.unwell('waiting for its topics: none of them exists')
      if (present.length > 0) return present
      await delay(MISSING_TOPIC_MS, undefined, { signal: stop }).catch(() => {})
    }
  }

  #tellMissing(missing: readonly string[]): void {
    const what = missing.length === 0 ? `no topic ${this.#wanted}` : `no topic ${missing.join(', ')}`
    const message =
      `${this.#context.where}: there is ${what} at ${this.#client.brokers.join(',')}: create it (this program never does), ` +
      'correct topics, or grant this user DESCRIBE on it; it is read as soon as it is there'
    this.#context.log.warn('kafka_topic_missing', message)
  }

  /** Aborts `changed` when topics are to be read that were not there before. Never rejects. */
  async #watchTopics(client: KafkaClient, topics: readonly string[], changed: AbortController, over: AbortSignal): Promise<void> {
    const known = new Set(topics)
    const missing = this.#choose([]).missing.some((topic) => !known.has(topic))
    const interval_ms = missing ? MISSING_TOPIC_MS : this.#client.metadata_max_age_ms
    while (!over.aborted) {
      await delay(interval_ms, undefined, { signal: over }).catch(() => {})
      if (over.aborted) return
      // A broker that is away is told of by the reader.
      const existing = await client.topics().catch((): readonly string[] => [])
      const added = this.#choose(existing).present.filter((topic) => !known.has(topic))
      if (added.length === 0) continue
      this.#context.log.info('kafka_topics', `now there is ${added.join(', ')} to read too`)
      return changed.abort()
    }
  }
}

/** Waits for work that may go on alone when the signal comes first: then there is no result. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<{ readonly result: T } | undefined> {
  const outcome = work.then(
    (result) => ({ result }),
    (thrown: unknown) => ({ thrown }),
  )
  await orAborted(outcome, signal)
  if (signal.aborted) return undefined
  const done = await outcome
  if ('thrown' in done) throw done.thrown
  return done
}

/** One fetch may bring a sixteenth of the budget for events, on top of it: 4 MiB unless told otherwise. Inflated it is often ten times as much. */
const FETCHED_PART = 16

function readClientSettings(options: KafkaOptions, context: InputContext): ClientSettings {
  const { session_timeout_ms, heartbeat_interval_ms } = options
  if (heartbeat_interval_ms * 2 > session_timeout_ms) {
    const message = `heartbeat_interval_ms (${heartbeat_interval_ms}) must be at most half of session_timeout_ms (${session_timeout_ms})`
    throw new MillraceError('INPUT_CANNOT_START', message)
  }
  return {
    ...readConnection(options, context, 'INPUT_CANNOT_START'),
    group_id: options.group_id,
    reads_from_start: options.auto_offset_reset === 'earliest',
    session_timeout_ms,
    heartbeat_interval_ms,
    rebalance_timeout_ms: options.max_poll_interval_ms,
    max_partition_fetch_bytes: options.max_partition_fetch_bytes,
    fetch_max_bytes: Math.min(options.fetch_max_bytes, Math.ceil(context.max_in_flight_bytes / FETCHED_PART)),
    fetch_min_bytes: options.fetch_min_bytes,
    fetch_max_wait_ms: options.fetch_max_wait_ms,
    reads_uncommitted: options.isolation_level === 'read_uncommitted',
    client_rack: options.client_rack,
  }
}
