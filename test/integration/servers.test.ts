import { Client } from '@elastic/elasticsearch'
import { Kafka, logLevel } from 'kafkajs'
import { expect, test } from 'vitest'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import { FIRST_START_TIMEOUT_MS, orSkip, type Server, startElasticsearch, startKafka } from '../helpers/servers.ts'
import { waitFor } from '../helpers/wait-for.ts'

const LONG = { timeout: FIRST_START_TIMEOUT_MS }

test('a Kafka broker for tests keeps messages over a stop and a kill', LONG, async (context) => {
  await using server = orSkip(context, await startKafka())
  const kafka = new Kafka({ brokers: [...server.brokers], logLevel: logLevel.NOTHING })
  const topic = 'servers-test'
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 4 }], waitForLeaders: true })
  await admin.disconnect()

  const askForOffsets = async (): Promise<number> => {
    const reader = kafka.admin()
    await reader.connect()
    const offsets = await reader.fetchTopicOffsets(topic)
    await reader.disconnect()
    return offsets.reduce((sum, partition) => sum + Number(partition.high), 0)
  }
  // A broker that takes connections again has yet to become the leader of its partitions.
  const countMessages = (): Promise<number> => waitFor('the offsets', askForOffsets)
  const producer = kafka.producer(EACH_ONCE)
  await producer.connect()
  await producer.send({ topic, messages: Array.from({ length: 100 }, (_, index) => ({ value: `message ${index}` })) })
  await producer.disconnect()
  expect(await countMessages()).toBe(100)

  await server.restart()
  expect(await countMessages()).toBe(100)

  await server.kill()
  await server.start()
  expect(await countMessages()).toBe(100)
})

const INTERRUPTIONS = [
  { major: 8, name: 'a restart', interrupt: (server: Server) => server.restart() },
  {
    major: 9,
    name: 'a kill',
    interrupt: async (server: Server) => {
      await server.kill()
      await server.start()
    },
  },
] as const

test.for(INTERRUPTIONS)(
  'an Elasticsearch $major for tests answers the official client and keeps documents over $name',
  LONG,
  async (run, context) => {
    await using server = orSkip(context, await startElasticsearch({ major: run.major }))
    const client = new Client({ node: server.url })
    const info = await client.info()
    expect(info.version.number).toMatch(new RegExp(`^${run.major}\\.`))

    await client.index({ index: 'servers-test', id: 'a', document: { text: 'one' }, refresh: true })
    await run.interrupt(server)
    await client.cluster.health({ wait_for_status: 'yellow', timeout: '60s' })
    expect((await client.get({ index: 'servers-test', id: 'a' }))._source).toEqual({ text: 'one' })
    expect((await client.count({ index: 'servers-test' })).count).toBe(1)
    await client.close()
  },
)

test('an Elasticsearch with security knows its users and their roles', LONG, async (context) => {
  const writer = { username: 'writer', password: 'writer-pass-1', roles: ['log_writer'] }
  const roles = { log_writer: { cluster: ['monitor'], indices: [{ names: ['logs-*'], privileges: ['create_index', 'index'] }] } }
  await using server = orSkip(context, await startElasticsearch({ major: 8, security: { users: [writer], roles } }))
  const status = async (path: string, password?: string, method = 'GET'): Promise<number> => {
    const headers = password === undefined ? {} : { authorization: `Basic ${btoa(`${writer.username}:${password}`)}` }
    const response = await fetch(`${server.url}${path}`, { method, headers })
    return response.status
  }
  expect(await status('/_cluster/health')).toBe(401)
  expect(await status('/_cluster/health', 'wrong-pass')).toBe(401)
  expect(await status('/_cluster/health', writer.password)).toBe(200)
  expect(await status('/logs-test', writer.password, 'PUT')).toBe(200)
  expect(await status('/other-test', writer.password, 'PUT')).toBe(403)
})
