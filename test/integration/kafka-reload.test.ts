import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { beforeAll, expect, test } from 'vitest'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { settledBooks, sum } from '../helpers/books.ts'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import { Program } from '../helpers/program.ts'
import { FIRST_START_TIMEOUT_MS, orSkip } from '../helpers/servers.ts'
import { sharedKafka } from '../helpers/shared-servers.ts'
import { startStubElasticsearch } from '../helpers/stub-elasticsearch.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'

const PARTITIONS = 3
const BATCH = 30
const RELOADS = 3

let kafka: Awaited<ReturnType<typeof sharedKafka>>

beforeAll(async () => {
  patchKafkajs()
  kafka = await sharedKafka()
}, FIRST_START_TIMEOUT_MS)

test('a config that changes while a group is read: nothing is lost or read twice, and joining again is told', async (context) => {
  const { brokers } = orSkip(context, kafka)
  const topic = `topic-${randomUUID()}`
  await using folder = await temporaryFolder()
  const stub = await startStubElasticsearch()
  const path = join(folder.path, 'pipeline.json')
  const write = async (mark: number): Promise<void> => {
    const input = {
      bootstrap_servers: brokers.join(','),
      topics: [topic],
      group_id: topic,
      auto_offset_reset: 'earliest',
      session_timeout_ms: 6_000,
      heartbeat_interval_ms: 2_000,
      codec: 'json',
    }
    const config = {
      inputs: [{ kafka: input }],
      filters: [{ mutate: { add_field: { mark: `m${mark}` } } }],
      outputs: [{ elasticsearch: { hosts: [stub.url], index: 'kafka-reload' } }],
    }
    await writeFile(path, JSON.stringify(config))
  }
  const client = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
  const [admin, producer] = [client.admin(), client.producer(EACH_ONCE)]
  await Promise.all([admin.connect(), producer.connect()])
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }], waitForLeaders: true })

  let produced = 0
  const over = new AbortController()
  const producing = (async () => {
    while (!over.signal.aborted) {
      const values = Array.from({ length: BATCH }, (_, index) => produced + index)
      const messages = values.map((number) => ({ value: `{"number":${number}}`, partition: number % PARTITIONS }))
      await producer.send({ topic, messages })
      produced += BATCH
    }
  })()

  await write(0)
  await using program = await Program.start({ args: ['-f', path] })
  const sources = (): string[] => [...(stub.documents.get('kafka-reload')?.values() ?? [])]
  const until = (mark: number): Promise<unknown> =>
    program.waitUntil(`events of ${mark}`, () => sources().some((source) => source.includes(`"m${mark}"`)), 60_000)
  await until(0)
  for (let mark = 1; mark <= RELOADS; mark++) {
    await write(mark)
    const response = await fetch(`${program.apiUrl}/api/pipeline`, { method: 'PUT' })
    expect(await response.json()).toMatchObject({ result: 'loaded' })
    await until(mark)
  }
  over.abort()
  await producing

  const books = await settledBooks(program, produced, 60_000)
  expect(books).toMatchObject({ received: produced, states: { stored: produced } })
  const numbers = sources().map((source) => Number(/"number":(\d+)/.exec(source)?.[1]))
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: produced }, (_, number) => number))
  expect(await program.stop()).toEqual({ code: 0, signal: null })
  // Lines of one kind that come close together are folded into one, which has one of their texts and their count.
  const told = program.stderr.split('\n').filter((line) => line.includes('"kind":"kafka_group"'))
  expect(sum(told.map((line) => (JSON.parse(line) as { count?: number }).count ?? 1))).toBeGreaterThan(1)
  const [committed] = await admin.fetchOffsets({ groupId: topic, topics: [topic] })
  expect(committed?.partitions.map(({ offset }) => Number(offset)).reduce((a, b) => a + b)).toBe(produced)
  await Promise.all([admin.disconnect(), producer.disconnect()])
  await stub.close()
}, 240_000)
