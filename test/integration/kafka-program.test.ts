import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { beforeAll, expect, test } from 'vitest'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { readSamples, settledBooks, sum } from '../helpers/books.ts'
import { freePort } from '../helpers/free-port.ts'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import { Program } from '../helpers/program.ts'
import { FIRST_START_TIMEOUT_MS, orSkip } from '../helpers/servers.ts'
import { sharedKafka } from '../helpers/shared-servers.ts'
import { startStubElasticsearch } from '../helpers/stub-elasticsearch.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'

const MESSAGES = 100

let kafka: Awaited<ReturnType<typeof sharedKafka>>

beforeAll(async () => {
  patchKafkajs()
  kafka = await sharedKafka()
}, FIRST_START_TIMEOUT_MS)

function configOf(brokers: readonly string[], topic: string, elasticsearch_url: string): string {
  return JSON.stringify({
    inputs: [
      {
        kafka: {
          bootstrap_servers: brokers.join(','),
          topics: [topic],
          group_id: topic,
          auto_offset_reset: 'earliest',
          codec: 'json',
        },
      },
    ],
    filters: [],
    outputs: [{ elasticsearch: { hosts: [elasticsearch_url], index: 'kafka-program' } }],
  })
}

/** What is told of a group that has the name of its topic: the lag by partition, and what was consumed. */
async function consumerMetrics(program: Program, topic: string): Promise<{ lag: string; consumed: number }> {
  const samples = readSamples(await program.metrics())
  const of = (name: string): typeof samples =>
    samples.filter(
      (sample) => sample.name === name && sample.labels['topic'] === topic && sample.labels['consumer_group'] === topic,
    )
  const lag = of('kafka_consumer_lag').map(({ labels, value }) => `${labels['partition']}: ${value}`)
  return { lag: lag.sort().join(', '), consumed: sum(of('kafka_consumer_messages_consumed_total').map(({ value }) => value)) }
}

test('a topic that does not exist is told, waited for, and read once it is there', async (context) => {
  const { brokers } = orSkip(context, kafka)
  const topic = `topic-${randomUUID()}`
  await using folder = await temporaryFolder()
  const stub = await startStubElasticsearch()
  const path = join(folder.path, 'pipeline.json')
  await writeFile(path, configOf(brokers, topic, stub.url))
  await using program = await Program.start({ args: ['-f', path] })
  await program.waitUntil('a line about it', () => program.stderr.includes(`there is no topic ${topic}`))
  expect(program.stderr).toContain('create it (this program never does)')
  const up = async (): Promise<string | undefined> => /^millrace_input_up\{.*\} (\d)$/m.exec(await program.metrics())?.[1]
  await program.waitUntil('an input that is down', async () => (await up()) === '0')

  const client = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
  const admin = client.admin()
  const producer = client.producer(EACH_ONCE)
  await Promise.all([admin.connect(), producer.connect()])
  await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true })
  const messages = Array.from({ length: MESSAGES }, (_, number) => ({ value: `{"number":${number}}`, partition: number % 2 }))
  // Bad input of another kind among them: it is stored with a tag.
  messages.push({ value: 'no JSON', partition: 0 })
  const gate = Promise.withResolvers<void>()
  stub.onBulk = () => ({ until: gate.promise })
  await producer.send({ topic, messages })

  // What is read and not stored is behind still.
  await program.waitUntil('the lag of what was sent', async () => {
    const { lag, consumed } = await consumerMetrics(program, topic)
    return lag === '0: 51, 1: 50' && consumed >= messages.length
  })
  expect(await up()).toBe('1')
  gate.resolve()
  const books = await settledBooks(program, messages.length, 60_000)
  expect(books).toMatchObject({ received: messages.length, states: { stored: messages.length } })
  const stored = [...(stub.documents.get('kafka-program')?.values() ?? [])]
  expect(stored.filter((source) => source.includes('"number"'))).toHaveLength(MESSAGES)
  await program.waitUntil('no lag', async () => (await consumerMetrics(program, topic)).lag === '0: 0, 1: 0')
  expect(stored.filter((source) => source.includes('_jsonparsefailure') && source.includes('no JSON'))).toHaveLength(1)
  expect(await program.stop()).toEqual({ code: 0, signal: null })
  const [committed] = await admin.fetchOffsets({ groupId: topic, topics: [topic] })
  expect(committed?.partitions.map(({ offset }) => Number(offset)).reduce((a, b) => a + b)).toBe(messages.length)

  await Promise.all([admin.disconnect(), producer.disconnect()])
  await stub.close()
}, 240_000)

test('two workers are two members of the group, and every message is stored once', async (context) => {
  const { brokers } = orSkip(context, kafka)
  const topic = `topic-${randomUUID()}`
  await using folder = await temporaryFolder()
  const stub = await startStubElasticsearch()
  const client = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
  const admin = client.admin()
  const producer = client.producer(EACH_ONCE)
  await Promise.all([admin.connect(), producer.connect()])
  await admin.createTopics({ topics: [{ topic, numPartitions: 4 }], waitForLeaders: true })
  const path = join(folder.path, 'pipeline.json')
  await writeFile(path, configOf(brokers, topic, stub.url))
  await using program = await Program.start({ args: ['-f', path, '-w', '2'] })
  await program.waitUntil('two members', async () => {
    const { groups } = await admin.describeGroups([topic])
    const [group] = groups
    return group?.state === 'Stable' && group.members.length === 2
  })
  const messages = Array.from({ length: MESSAGES }, (_, number) => ({ value: `{"number":${number}}`, partition: number % 4 }))
  await producer.send({ topic, messages })
  const books = await settledBooks(program, MESSAGES, 60_000)
  expect(books).toMatchObject({ received: MESSAGES, states: { stored: MESSAGES } })
  expect(stub.documents.get('kafka-program')?.size).toBe(MESSAGES)
  for (const worker of [0, 1]) {
    expect(await program.metrics()).toContain(`millrace_worker_events_received_total{worker="${worker}"} ${MESSAGES / 2}`)
  }
  expect(await program.stop()).toEqual({ code: 0, signal: null })
  await Promise.all([admin.disconnect(), producer.disconnect()])
  await stub.close()
}, 240_000)

test('brokers that are not there are told with their address; the program lives, and stops when it is told', async () => {
  await using folder = await temporaryFolder()
  const stub = await startStubElasticsearch()
  const broker = `127.0.0.1:${await freePort()}`
  const path = join(folder.path, 'pipeline.json')
  await writeFile(path, configOf([broker], 'exchange-logs', stub.url))
  await using program = await Program.start({ args: ['-f', path] })
  await program.waitUntil('a line about it', () => program.stderr.includes(`cannot reach Kafka at ${broker}`))
  expect(program.stderr).toContain('start it, or correct bootstrap_servers')
  expect(await program.metrics()).toMatch(/^millrace_input_up\{[^}]*input="input_kafka_1"[^}]*\} 0$/m)
  expect((await fetch(`${program.apiUrl}/livez`)).status).toBe(200)
  expect(await program.stop()).toEqual({ code: 0, signal: null })
  await stub.close()
})
