import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { CompressionCodecs, CompressionTypes, Kafka, logLevel, type Message, type Producer } from 'kafkajs'
import { afterAll, beforeAll, expect, test, type TestContext as VitestContext } from 'vitest'
import { json } from '../../src/codecs/json.ts'
import { plain } from '../../src/codecs/plain.ts'
import type { Deliver, Settled } from '../../src/core/contracts.ts'
import { parseFieldRef } from '../../src/core/field-ref.ts'
import { kafka as kafkaInput } from '../../src/ingest/kafka/kafka.ts'
import { loadCodecs } from '../../src/kafka/compression.ts'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { readSamples } from '../helpers/books.ts'
import { type TestContext, testContext } from '../helpers/context.ts'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import { buildInput, Collector, type RunningInput, startInput } from '../helpers/run-input.ts'
import { FIRST_START_TIMEOUT_MS, orSkip, startKafka } from '../helpers/servers.ts'
import { sharedKafka } from '../helpers/shared-servers.ts'
import { waitFor } from '../helpers/wait-for.ts'

const WAIT = { timeout_ms: 100_000 }
const METADATA = parseFieldRef('[@metadata][kafka]')

let shared: Awaited<ReturnType<typeof sharedKafka>>

beforeAll(async () => {
  shared = await sharedKafka()
  patchKafkajs()
  const registry: { [type: number]: () => unknown } = CompressionCodecs
  for (const [type, codec] of Object.entries(await loadCodecs())) registry[Number(type)] = () => codec
}, FIRST_START_TIMEOUT_MS)

/** A broker with what tests ask of it beside the input. */
class Workbench implements AsyncDisposable {
  readonly brokers: readonly string[]
  readonly topic = `topic-${randomUUID()}`
  readonly group = `group-${randomUUID()}`
  readonly producer: Producer
  readonly #admin

  constructor(brokers: readonly string[]) {
    this.brokers = brokers
    const client = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING, retry: { retries: 20, maxRetryTime: 1_000 } })
    this.#admin = client.admin()
    this.producer = client.producer(EACH_ONCE)
  }

  async connect(partitions: number): Promise<this> {
    await this.#admin.connect()
    if (partitions > 0) await this.createTopic(partitions)
    await this.producer.connect()
    return this
  }

  async createTopic(partitions: number): Promise<void> {
    await this.#admin.createTopics({ topics: [{ topic: this.topic, numPartitions: partitions }], waitForLeaders: true })
  }

  /** `values` go to a partition in turn, or all to the first one. */
  async send(values: readonly string[], compression = CompressionTypes.None, partitions = 1): Promise<void> {
    const sent: Message[] = values.map((value, index) => ({ value, key: `key-${index}`, partition: index % partitions }))
    await this.producer.send({ topic: this.topic, messages: sent, compression })
  }

  /** What the group has committed for each partition, -1 for nothing. */
  async committed(): Promise<number[]> {
    const [topic] = await this.#admin.fetchOffsets({ groupId: this.group, topics: [this.topic] })
    const offsets = (topic?.partitions ?? []).toSorted((a, b) => a.partition - b.partition)
    return offsets.map(({ offset }) => Number(offset))
  }

  async memberIds(): Promise<string[]> {
    const { groups } = await this.#admin.describeGroups([this.group])
    return (groups[0]?.members ?? []).map(({ memberId }) => memberId)
  }

  start(
    collector: Collector,
    options: { readonly [name: string]: unknown } = {},
    deliver?: Deliver,
    context: TestContext = testContext(),
  ): RunningInput {
    const all = {
      bootstrap_servers: this.brokers.join(','),
      topics: [this.topic],
      group_id: this.group,
      auto_offset_reset: 'earliest',
      auto_commit_interval_ms: 100,
      ...options,
    }
    const source = buildInput(kafkaInput, [plain, json], all, collector, context)
    return startInput(
      deliver === undefined ? source : { run: (_, stop, abandon) => source.run(deliver, stop, abandon) },
      collector,
      context,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.producer.disconnect()
    await this.#admin.disconnect()
  }
}

function workbench(context: VitestContext, partitions: number): Promise<Workbench> {
  return new Workbench(orSkip(context, shared).brokers).connect(partitions)
}

function numbered(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => `line ${from + index}`)
}

function messages(collector: Collector): unknown[] {
  return collector.documents.map((document) => document['message'])
}

/** What is told of the topic's partitions, in their order. */
async function lags(bench: Workbench, { context }: RunningInput): Promise<string> {
  const samples = readSamples(await context.metrics.text())
  const own = samples.filter(({ name, labels }) => name === 'kafka_consumer_lag' && labels['topic'] === bench.topic)
  return own
    .toSorted((a, b) => Number(a.labels['partition']) - Number(b.labels['partition']))
    .map(({ value }) => value)
    .join()
}

async function untilLags(bench: Workbench, input: RunningInput, expected: readonly number[]): Promise<void> {
  const details = (): Promise<string> => lags(bench, input)
  await waitFor(`lag of ${expected.join()}`, async () => (await details()) === expected.join(), { ...WAIT, details })
}

async function untilCommitted(bench: Workbench, expected: readonly number[]): Promise<void> {
  await waitFor(`commit of ${expected.join()}`, async () => (await bench.committed()).join() === expected.join(), {
    ...WAIT,
    details: async () => (await bench.committed()).join(),
  })
}

test('four partitions are read, settled and committed to their ends, with their places in the metadata', async (context) => {
  await using bench = await workbench(context, 4)
  await bench.send(numbered(4_000), CompressionTypes.GZIP, 4)
  const collector = new Collector()
  await using input = bench.start(collector, { decorate_events: 'extended' })
  await collector.until(() => collector.events.length >= 4_000)
  expect(new Set(messages(collector))).toEqual(new Set(numbered(4_000)))
  expect(new Set(collector.events.map((event) => event.stableId())).size).toBe(4_000)
  const third = collector.events.find((event) => event.origin?.describe() === `${bench.topic}/3@7`)
  expect(third?.get(METADATA)).toMatchObject({
    topic: bench.topic,
    consumer_group: bench.group,
    partition: 3,
    offset: 7,
    key: 'key-31',
    headers: {},
  })
  await untilCommitted(bench, [1_000, 1_000, 1_000, 1_000])
  expect(await lags(bench, input)).toBe('0,0,0,0')
  const labels = `consumer_group="${bench.group}",topic="${bench.topic}"`
  expect(await input.context.metrics.text()).toContain(`kafka_consumer_messages_consumed_total{${labels}} 4000`)
})

test('after a restart only what was not committed comes again, and nothing is missing', async (context) => {
  await using bench = await workbench(context, 1)
  await bench.send(numbered(1_000))
  const before = new Collector()
  before.settleAs = undefined
  {
    await using _input = bench.start(before, { max_poll_records: 100 })
    await before.until(() => before.batches.length === 4)
    // The third piece is not stored: what is behind it must not be committed.
    for (const index of [3, 1, 0]) before.batches[index]?.settle('stored')
    await untilCommitted(bench, [200])
  }
  const after = new Collector()
  await using _input = bench.start(after)
  await after.until(() => after.events.length >= 800)
  expect(messages(after)).toEqual(numbered(800, 200))
})

test('a stop commits what settles while it waits, and leaves the group', async (context) => {
  await using bench = await workbench(context, 1)
  await bench.send(numbered(50))
  const collector = new Collector()
  collector.settleAs = undefined
  await using input = bench.start(collector, { auto_commit_interval_ms: 600_000 })
  await collector.until(() => collector.events.length === 50)
  const stopped = input.stop()
  for (const batch of collector.batches) batch.settle('stored')
  await stopped
  expect(await bench.committed()).toEqual([50])
  expect(await bench.memberIds()).toEqual([])
})

test('an output that takes nothing for longer than the session timeout does not cost the membership', async (context) => {
  await using bench = await workbench(context, 2)
  await bench.send(numbered(200), CompressionTypes.None, 2)
  const collector = new Collector()
  const room = Promise.withResolvers<void>()
  const deliver: Deliver = async (events) => {
    await room.promise
    return collector.deliver(events)
  }
  await using input = bench.start(collector, { session_timeout_ms: 6_000, heartbeat_interval_ms: 1_000 }, deliver)
  const before = await waitFor('a member', async () => (await bench.memberIds())[0], WAIT)
  await delay(9_000) // The passing of the session timeout is the condition.
  expect(await bench.memberIds()).toEqual([before])
  room.resolve()
  await collector.until(() => collector.events.length >= 200)
  await untilCommitted(bench, [100, 100])
  expect(collector.events.length).toBe(200)
  expect(input.context.lines.filter((line) => line.includes('in group'))).toHaveLength(1)
})

test('a stored that comes after the partition went to another member is not committed', async (context) => {
  await using bench = await workbench(context, 4)
  await bench.send(numbered(400), CompressionTypes.None, 4)
  const first = new Collector()
  first.settleAs = undefined
  const second = new Collector()
  second.settleAs = undefined
  await using one = bench.start(first)
  await first.until(() => first.events.length === 400)
  await untilCommitted(bench, [0, 0, 0, 0])
  expect(await lags(bench, one)).toBe('100,100,100,100')
  await using _two = bench.start(second)
  await second.until(() => second.events.length === 200, 90_000)
  const taken = new Set(second.events.map((event) => (event.origin?.describe() ?? '').split(/[/@]/)[1]))
  const left = [0, 1, 2, 3].map((partition) => (taken.has(String(partition)) ? 0 : 100))
  await untilLags(bench, one, left)
  for (const batch of first.batches) batch.settle('stored')
  await untilCommitted(bench, left)
  // What the first member kept is not read again, for nobody else had it.
  expect(first.events.length).toBe(400)
  for (const batch of second.batches) batch.settle('stored')
  await untilCommitted(bench, [100, 100, 100, 100])
})

test('a member that comes while the output takes nothing gets its partitions', async (context) => {
  await using bench = await workbench(context, 2)
  await bench.send(numbered(20), CompressionTypes.None, 2)
  const held = new Collector()
  const never: Deliver = () => Promise.withResolvers<{ readonly settled: Promise<Settled> }>().promise
  await using _one = bench.start(held, {}, never)
  await waitFor('a member', async () => (await bench.memberIds()).length === 1, WAIT)
  const second = new Collector()
  await using _two = bench.start(second)
  await second.until(() => second.events.length === 10, 90_000)
})

test.for([
  ['gzip', CompressionTypes.GZIP],
  ['snappy', CompressionTypes.Snappy],
  ['lz4', CompressionTypes.LZ4],
  ['zstd', CompressionTypes.ZSTD],
] as const)('%s is read', async ([, compression], context) => {
  await using bench = await workbench(context, 1)
  await bench.send(numbered(500), compression)
  const collector = new Collector()
  await using _input = bench.start(collector)
  await collector.until(() => collector.events.length >= 500)
  expect(messages(collector)).toEqual(numbered(500))
})

test('a batch that inflates beyond the limit becomes a dead letter, and reading goes on behind it', async (context) => {
  await using bench = await workbench(context, 1)
  const bomb = 'x'.repeat(1024 * 1024)
  await bench.send(
    Array.from({ length: 65 }, () => bomb),
    CompressionTypes.GZIP,
  )
  await bench.send(['after the bomb'])
  const collector = new Collector()
  await using input = bench.start(collector)
  await collector.until(() => collector.events.length > 0, 90_000)
  expect(messages(collector)).toEqual(['after the bomb'])
  expect(collector.deadLetters.map(({ reason }) => reason)).toEqual(['unreadable_batch'])
  expect(input.context.lines.find((line) => line.startsWith('error'))).toContain(`${bench.topic}/0@0 cannot become an event`)
  await untilCommitted(bench, [66])
})

test("Filebeat's payload keeps its time, and its @metadata becomes the event's", async (context) => {
  await using bench = await workbench(context, 1)
  const payload = {
    '@timestamp': '2026-01-01T23:59:59.123Z',
    '@metadata': { beat: 'filebeat', type: '_doc', version: '8.17.0' },
    log: { offset: 0, file: { path: '/var/log/exchange/a.log' } },
    message: 'order accepted 0',
  }
  await bench.send([JSON.stringify(payload)], CompressionTypes.GZIP)
  const collector = new Collector()
  await using _input = bench.start(collector, { codec: 'json', decorate_events: true })
  await collector.until(() => collector.events.length === 1)
  const { '@metadata': _metadata, ...visible } = payload
  expect(collector.documents[0]).toEqual({ ...visible, '@version': '1' })
  expect(collector.events[0]?.metadata).toMatchObject({ beat: 'filebeat', version: '8.17.0', kafka: { offset: 0, key: 'key-0' } })
})

test('a first start at latest commits where it starts, so that a restart skips nothing', async (context) => {
  await using bench = await workbench(context, 2)
  await bench.send(numbered(10), CompressionTypes.None, 2)
  const none = new Collector()
  {
    await using _input = bench.start(none, { auto_offset_reset: 'latest' })
    await untilCommitted(bench, [5, 5])
  }
  await bench.send(numbered(6, 100), CompressionTypes.None, 2)
  const collector = new Collector()
  await using _input = bench.start(collector, { auto_offset_reset: 'latest' })
  await collector.until(() => collector.events.length >= 6)
  expect(none.events).toEqual([])
  expect(new Set(messages(collector))).toEqual(new Set(numbered(6, 100)))
})

test('a topic that does not exist is told of, not created, and read as soon as it is there', async (context) => {
  await using bench = await workbench(context, 0)
  const collector = new Collector()
  await using input = bench.start(collector)
  await waitFor('a warning', () => input.context.lines.some((line) => line.includes(`there is no topic ${bench.topic}`)), WAIT)
  await bench.createTopic(1)
  await bench.send(['at last'])
  await collector.until(() => collector.events.length === 1, 90_000)
})

test('a topic that appears and fits the pattern is read too', async (context) => {
  await using bench = await workbench(context, 1)
  await bench.send(['from the first'])
  const collector = new Collector()
  await using _input = bench.start(collector, { topics_pattern: `${bench.topic}(-more)?`, metadata_max_age_ms: 500 })
  await collector.until(() => collector.events.length === 1)
  await bench.producer.send({ topic: `${bench.topic}-more`, messages: [{ value: 'from the second' }] })
  await collector.until(() => collector.events.length >= 2, 90_000)
  expect(messages(collector)).toEqual(['from the first', 'from the second'])
})

test('a broker that is killed and comes back costs no record, and the lag stays meanwhile', {
  timeout: FIRST_START_TIMEOUT_MS,
}, async (context) => {
  await using server = orSkip(context, await startKafka())
  await using bench = await new Workbench(server.brokers).connect(1)
  await bench.send(numbered(100))
  const collector = new Collector()
  collector.settleAs = undefined
  const options = { session_timeout_ms: 6_000, heartbeat_interval_ms: 1_000, max_poll_records: 25 }
  await using input = bench.start(collector, options)
  await collector.until(() => collector.events.length === 100)
  for (const batch of collector.batches.slice(0, 2)) batch.settle('stored')
  await untilCommitted(bench, [50])
  await server.kill()
  const isDown = (line: string): boolean => /cannot reach Kafka.*trying again in/.test(line)
  await waitFor('the end of the session', () => input.context.lines.some(isDown), { timeout_ms: 60_000 })
  expect(await lags(bench, input)).toBe('50')
  collector.settleAs = 'stored'
  for (const batch of collector.batches) batch.settle('stored')
  await server.start()
  await bench.send(numbered(100, 100))
  await collector.until(() => new Set(messages(collector)).size >= 200, 90_000)
  await untilCommitted(bench, [200])
  await untilLags(bench, input, [0])
})

test('a broker that is not there at the start is waited for, and a stop does not wait for it', async () => {
  const collector = new Collector()
  const absent = new Workbench(['127.0.0.1:1'])
  await using input = absent.start(collector)
  await waitFor('a warning', () => input.context.lines.some((line) => line.startsWith('warn kafka_unreachable')), WAIT)
  await input.stop()
})

let timers = 0
const warnings: string[] = []
const noteWarning = (warning: Error): void => {
  warnings.push(warning.name)
}
process.on('warning', noteWarning)
afterAll(() => {
  process.off('warning', noteWarning)
})

test("kafkajs' idle connections arm no timer and give no warning", async (context) => {
  await using _bench = await workbench(context, 0)
  const arm = globalThis.setTimeout
  globalThis.setTimeout = ((...parameters: Parameters<typeof setTimeout>) => {
    timers++
    return arm(...parameters)
  }) as typeof setTimeout
  try {
    await delay(500) // An idle connection of kafkajs arms about 400 timers in this time.
  } finally {
    globalThis.setTimeout = arm
  }
  expect(timers).toBeLessThan(50)
  expect(warnings).not.toContain('TimeoutNegativeWarning')
})
