import { randomUUID } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, test, type TestContext as VitestContext } from 'vitest'
import { json } from '../../src/codecs/json.ts'
import { line } from '../../src/codecs/line.ts'
import { plain } from '../../src/codecs/plain.ts'
import type { Outcome } from '../../src/core/contracts.ts'
import { parseFieldRef } from '../../src/core/field-ref.ts'
import { kafka as kafkaInput } from '../../src/ingest/kafka/kafka.ts'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { kafka as kafkaOutput } from '../../src/sinks/kafka/kafka.ts'
import { buildOutput, eventOf } from '../helpers/build-output.ts'
import { testContext } from '../helpers/context.ts'
import { buildInput, Collector, startInput } from '../helpers/run-input.ts'
import { FIRST_START_TIMEOUT_MS, orSkip } from '../helpers/servers.ts'
import { sharedKafka } from '../helpers/shared-servers.ts'

const METADATA = parseFieldRef('[@metadata][kafka]')
const signal = new AbortController().signal

let shared: Awaited<ReturnType<typeof sharedKafka>>
const cleanUp: (() => Promise<void>)[] = []

beforeAll(async () => {
  shared = await sharedKafka()
  patchKafkajs()
}, FIRST_START_TIMEOUT_MS)
afterAll(() => Promise.all(cleanUp.map((undo) => undo())))

/** A new topic, and its brokers as the options have them. */
async function newTopic(
  context: VitestContext,
  partitions: number,
  configEntries: { name: string; value: string }[] = [],
): Promise<{ topic: string; bootstrap_servers: string }> {
  const { brokers } = orSkip(context, shared)
  const topic = `topic-${randomUUID()}`
  const admin = new Kafka({
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    retry: { retries: 20, maxRetryTime: 1_000 },
  }).admin()
  await admin.connect()
  cleanUp.push(() => admin.disconnect())
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }], waitForLeaders: true })
  return { topic, bootstrap_servers: brokers.join(',') }
}

async function write(options: { readonly [name: string]: unknown }, documents: readonly string[]): Promise<readonly Outcome[]> {
  const sink = buildOutput(kafkaOutput, [plain, json, line], options)
  try {
    const { outcomes } = await sink.write(documents.map(eventOf), signal)
    return outcomes
  } finally {
    await sink.close()
  }
}

/** Reads a topic from its beginning until so many events have come. */
async function read(bootstrap_servers: string, topic: string, count: number): Promise<Collector> {
  const collector = new Collector()
  const context = testContext()
  const options = {
    bootstrap_servers,
    topics: topic,
    group_id: topic,
    auto_offset_reset: 'earliest',
    decorate_events: 'extended',
  }
  const source = buildInput(kafkaInput, [plain, json], { ...options, codec: 'json' }, collector, context)
  await using _input = startInput(source, collector, context)
  await collector.until(() => collector.events.length >= count, 90_000)
  return collector
}

test.for(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
  'what is written with %s is read again, with key and headers',
  async (compression_type, context) => {
    const { topic, bootstrap_servers } = await newTopic(context, 3)
    const documents = Array.from({ length: 300 }, (_, n) => JSON.stringify({ n, who: `key-${n % 7}`, text: 'é'.repeat(20) }))
    const options = { bootstrap_servers, topic_id: topic, codec: 'json', compression_type }
    const outcomes = await write({ ...options, message_key: '%{who}', message_headers: { number: 'n%{n}' } }, documents)
    expect(outcomes).toEqual(documents.map(() => ({ kind: 'stored' })))
    const { events } = await read(bootstrap_servers, topic, 300)
    expect(new Set(events.map((event) => event.get(parseFieldRef('n'))))).toEqual(new Set(documents.keys()))
    const last = new Map<unknown, number>()
    const seen = new Set<number>()
    for (const event of events) {
      const n = Number(event.get(parseFieldRef('n')))
      const { key, headers, partition } = event.get(METADATA) as unknown as { key: string; headers: object; partition: number }
      expect([key, headers]).toEqual([`key-${n % 7}`, { number: `n${n}` }])
      // After an answer that got lost records are there twice.
      if (seen.has(n)) continue
      seen.add(n)
      // Those with the same key stand in one partition, in their order.
      expect(n).toBeGreaterThan(last.get(`${key} ${partition}`) ?? -1)
      last.set(`${key} ${partition}`, n)
    }
    expect(last.size).toBe(7)
  },
)

test('records larger than the topic takes go to the dead letters, the others of their batch are stored', async (context) => {
  const { topic, bootstrap_servers } = await newTopic(context, 1, [{ name: 'max.message.bytes', value: '20000' }])
  const documents = [10, 30_000, 10, 9_000, 9_000, 9_000].map((size, n) => JSON.stringify({ n, text: 'x'.repeat(size) }))
  const outcomes = await write({ bootstrap_servers, topic_id: topic, codec: 'json' }, documents)
  const stored = { kind: 'stored' }
  expect(outcomes).toEqual([stored, { kind: 'reject', reason: 'kafka_too_large' }, stored, stored, stored, stored])
  const collector = await read(bootstrap_servers, topic, 5)
  expect(new Set(collector.documents.map(({ n }) => n))).toEqual(new Set([0, 2, 3, 4, 5]))
})

test('topics by event, in turn over their partitions', async (context) => {
  const [first, second] = [await newTopic(context, 2), await newTopic(context, 1)]
  const documents = [first, second, first, first, first].map(({ topic }, n) => JSON.stringify({ n, topic }))
  const options = {
    bootstrap_servers: first.bootstrap_servers,
    topic_id: '%{topic}',
    codec: 'json',
    partitioner: 'round_robin',
    acks: 1,
  }
  await write(options, documents)
  const collector = await read(first.bootstrap_servers, first.topic, 4)
  const partitions = collector.events.map((event) => (event.get(METADATA) as { partition: number }).partition)
  expect(partitions.filter((partition) => partition === 0)).toHaveLength(2)
  expect((await read(second.bootstrap_servers, second.topic, 1)).documents).toMatchObject([{ n: 1 }])
})
