import type { CompressionTypes, Message, Producer } from 'kafkajs'
import { defineOutput } from '../../core/component.ts'
import { type Outcome, type OutputContext, type Sink, STORED, type WriteResult } from '../../core/contracts.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { kept, keptAs } from '../../core/options/kept-options.ts'
import * as option from '../../core/options/options.ts'
import { textHash } from '../../core/options/text-hash.ts'
import { compileTemplate, type Template } from '../../core/template.ts'
import { unlessAborted } from '../../core/waiting.ts'
import { type Cause, causesOf, describeTrouble } from '../../kafka/client-log.ts'
import { type ConnectionSettings, createKafka, readConnection } from '../../kafka/connection.ts'
import { CONNECTION_OPTIONS, REFUSED_CONNECTION_OPTIONS } from '../../kafka/options.ts'
import { choosePartitioner } from './partitioner.ts'

const STRINGS = 'org.apache.kafka.common.serialization.StringSerializer'
const BYTES = 'org.apache.kafka.common.serialization.ByteArraySerializer'

const OPTIONS = {
  ...CONNECTION_OPTIONS,
  topic_id: option.template('The topic. It takes %{field}.', { required: true }),
  message_key: option.template('The key of each record: those with the same key keep their order. It takes %{field}.'),
  message_headers: textHash('Headers of each record. Values take %{field}.'),
  acks: option.oneOf(
    'When a record counts as stored: all replicas in sync have it (all), its leader has it (1), or it was sent (0). Logstash has 1.',
    ['0', '1', 'all'],
    { default: 'all' },
  ),
  compression_type: option.oneOf('How records are packed.', ['none', 'gzip', 'snappy', 'lz4', 'zstd'], { default: 'none' }),
  max_request_size: option.bytes('The most that is sent at once, unpacked. The brokers have a limit too (message.max.bytes).', {
    default: 1_048_576,
    min: 1_024,
  }),
  partitioner: option.oneOf(
    'Which partition gets a record: by its key and else any (default, uniform_sticky), or each in turn (round_robin).',
    ['default', 'round_robin', 'uniform_sticky'],
    { default: 'default' },
  ),
  retries: kept('what fails is tried again until it is stored, and nothing is given up'),
  batch_size: kept('a batch of the pipeline is sent as a whole'),
  linger_ms: kept('a batch of the pipeline is sent at once'),
  buffer_memory: kept('events that wait count as those of the pipeline do (max_in_flight_bytes)'),
  metadata_fetch_timeout_ms: kept('request_timeout_ms holds for that too'),
  key_serializer: keptAs([STRINGS, BYTES], 'Java classes cannot be loaded here'),
  value_serializer: keptAs([STRINGS, BYTES], 'Java classes cannot be loaded here: the codec makes the bytes'),
}
type Options = option.OptionValues<typeof OPTIONS>

export const kafka = defineOutput({
  name: 'kafka',
  summary: 'Writes events to topics of Kafka.',
  description: `An event counts as stored when the brokers have answered as \`acks\` asks. Brokers that are away are waited for; a topic
that cannot be written to (missing, no right) holds up its own events only; what is too large or has no valid topic goes to the dead
letters. Events of one partition keep their order unless some are tried again; after a lost answer they may be there twice.`,
  default_codec: 'plain',
  options: OPTIONS,
  refused: REFUSED_CONNECTION_OPTIONS,
  examples: [
    {
      title: 'JSON, the events of one order in their order',
      options: { bootstrap_servers: 'kafka-1:9092', topic_id: 'exchange-%{service}', message_key: '%{order_id}', codec: 'json' },
    },
  ],
  create: (options, context) => new KafkaSink(options, context),
})

/** Kafka's numbers of the compressions. */
const COMPRESSIONS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
const ACKS = { '0': 0, '1': 1, all: -1 } as const

const BATCH_EVENTS = 4_096
const BATCH_BYTES = 4 * 1024 * 1024
/** What a record costs beside its key, headers and value. */
const RECORD_BYTES = 64
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/

/** Records for one topic that fit into one request. */
interface Chunk {
  readonly topic: string
  readonly positions: number[]
  readonly messages: Message[]
  bytes: number
}

class KafkaSink implements Sink {
  // One writer: the events stay in their order.
  readonly batching = { events_max: BATCH_EVENTS, bytes_max: BATCH_BYTES, concurrency: 1 }
  readonly #options: Options
  readonly #context: OutputContext
  readonly #connection: ConnectionSettings
  readonly #headers: readonly (readonly [name: string, value: Template])[]
  #producer: Producer | undefined
  #following: Disposable | undefined

  constructor(options: Options, context: OutputContext) {
    this.#options = options
    this.#context = context
    this.#connection = readConnection(options, context, 'OUTPUT_CANNOT_START')
    this.#headers = options.message_headers.map(({ name, text }) => [name, compileTemplate(text)])
  }

  /** Brokers that are away are waited for with the first batch. */
  open(): Promise<void> {
    this.#following = this.#connection.tls?.follow('kafka')
    return Promise.resolve()
  }

  async write(events: readonly Event[], signal: AbortSignal): Promise<WriteResult> {
    const outcomes: Outcome[] = []
    const chunks = this.#chunksOf(events, outcomes)
    let is_away: MillraceError | undefined
    for (const chunk of chunks) {
      // Who is away for one topic is away for the next.
      if (is_away === undefined) is_away = await this.#send(chunk, outcomes, signal)
      else for (const position of chunk.positions) outcomes[position] = { kind: 'retry', reason: is_away.message }
    }
    // Nothing got through: the output rests as a whole.
    if (is_away !== undefined && !outcomes.some(({ kind }) => kind === 'stored')) throw is_away
    return { outcomes }
  }

  async close(): Promise<void> {
    this.#following?.[Symbol.dispose]()
    const producer = this.#producer
    this.#producer = undefined
    await producer?.disconnect()
  }

  #chunksOf(events: readonly Event[], outcomes: Outcome[]): Chunk[] {
    const chunks: Chunk[] = []
    const open = new Map<string, Chunk>()
    for (const [position, event] of events.entries()) {
      const topic = this.#options.topic_id.format(event)
      const message = this.#messageOf(event)
      const bytes = sizeOf(message)
      if (!TOPIC.test(topic) || topic === '.' || topic === '..') {
        outcomes[position] = { kind: 'reject', reason: 'kafka_topic_invalid' }
      } else if (bytes > this.#options.max_request_size) {
        outcomes[position] = { kind: 'reject', reason: 'kafka_too_large' }
      } else {
        let chunk = open.get(topic)
        if (chunk === undefined || chunk.bytes + bytes > this.#options.max_request_size) {
          chunk = { topic, positions: [], messages: [], bytes: 0 }
          chunks.push(chunk)
          open.set(topic, chunk)
        }
        chunk.positions.push(position)
        chunk.messages.push(message)
        chunk.bytes += bytes
      }
    }
    return chunks
  }

  #messageOf(event: Event): Message {
    const { message_key } = this.#options
    const headers: { [name: string]: string } = {}
    for (const [name, value] of this.#headers) headers[name] = value.format(event)
    return {
      key: message_key === undefined ? null : message_key.format(event),
      value: Buffer.from(this.#context.encoder.encode(event)),
      ...(this.#headers.length === 0 ? {} : { headers }),
    }
  }

  /** Sends a chunk and notes the outcomes of its events. Returns the fault where the brokers are away. */
  async #send(chunk: Chunk, outcomes: Outcome[], signal: AbortSignal): Promise<MillraceError | undefined> {
    const { topic, messages } = chunk
    const note = (outcome: Outcome): void => {
      for (const position of chunk.positions) outcomes[position] = outcome
    }
    const { acks, compression_type, request_timeout_ms } = this.#options
    try {
      const producer = await this.#connect(signal)
      const compression = COMPRESSIONS[compression_type] as CompressionTypes
      const sending = producer.send({ topic, messages, acks: ACKS[acks], compression, timeout: request_timeout_ms })
      await unlessAborted(sending, signal)
      note(STORED)
      return undefined
    } catch (thrown) {
      signal.throwIfAborted()
      const causes = causesOf(thrown)
      if (isTooLarge(causes) && messages.length > 1) {
        const halves = halvesOf(chunk)
        for (const half of halves) await this.#send(half, outcomes, signal)
        return undefined
      }
      const { message, kind } = describeTrouble(thrown, this.#connection.brokers.join(','), 'writing to')
      const outcome = judge(causes, topic, message)
      note(outcome)
      if (outcome.kind !== 'retry') return undefined
      const refused = kind === 'kafka_authentication' || kind === 'kafka_tls'
      return new MillraceError(refused ? 'OUTPUT_REFUSED' : 'OUTPUT_UNREACHABLE', message, { cause: thrown })
    }
  }

  async #connect(signal: AbortSignal): Promise<Producer> {
    if (this.#producer !== undefined) return this.#producer
    const kafkajs = await createKafka(this.#connection, this.#context.log)
    const producer = kafkajs.producer({
      createPartitioner: choosePartitioner(this.#options.partitioner),
      metadataMaxAge: this.#connection.metadata_max_age_ms,
      allowAutoTopicCreation: true,
      // The runtime tries again by itself, with what it knows of the other events.
      retry: { retries: 1, initialRetryTime: this.#connection.retry_backoff_ms, maxRetryTime: 1_000 },
    })
    try {
      await unlessAborted(producer.connect(), signal)
    } catch (thrown) {
      void producer.disconnect().catch(() => {}) // It never was connected.
      throw thrown
    }
    this.#producer = producer
    return producer
  }
}

function sizeOf({ key, value, headers = {} }: Message): number {
  let bytes = RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, text] of Object.entries(headers)) bytes += name.length + (text?.length ?? 0)
  return bytes
}

function halvesOf({ topic, positions, messages, bytes }: Chunk): readonly Chunk[] {
  const middle = Math.ceil(messages.length / 2)
  return [
    { topic, positions: positions.slice(0, middle), messages: messages.slice(0, middle), bytes: bytes / 2 },
    { topic, positions: positions.slice(middle), messages: messages.slice(middle), bytes: bytes / 2 },
  ]
}

const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
/** The topic cannot be written to as it is: its own events wait. */
const OF_TOPIC = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'TOPIC_AUTHORIZATION_FAILED',
  'LEADER_NOT_AVAILABLE',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'KAFKA_STORAGE_ERROR',
])
/** No other try makes these records good ones. */
const OF_RECORD = new Set([
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_RECORD',
  'CORRUPT_MESSAGE',
  'INVALID_TIMESTAMP',
  'POLICY_VIOLATION',
])

function isTooLarge(causes: readonly Cause[]): boolean {
  return causes.some(({ type }) => TOO_LARGE.has(type))
}

function judge(causes: readonly Cause[], topic: string, message: string): Outcome {
  if (isTooLarge(causes)) return { kind: 'reject', reason: 'kafka_too_large' }
  const bad = causes.find(({ type }) => OF_RECORD.has(type))
  if (bad !== undefined) return { kind: 'reject', reason: `kafka_${bad.type.toLowerCase()}` }
  if (causes.some(({ type }) => OF_TOPIC.has(type))) return { kind: 'park', key: `topic ${topic}`, reason: message }
  return { kind: 'retry', reason: message }
}
