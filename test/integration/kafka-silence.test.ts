import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { FaultyProxy } from '../faults/faulty-proxy.ts'
import { readBooks } from '../helpers/books.ts'
import { freePort } from '../helpers/free-port.ts'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import { encodeWindow, LumberjackClient } from '../helpers/lumberjack-client.ts'
import { Program } from '../helpers/program.ts'
import { FIRST_START_TIMEOUT_MS, orSkip, startKafka } from '../helpers/servers.ts'
import { startStubElasticsearch } from '../helpers/stub-elasticsearch.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'

const MESSAGES = 100
/** Longer than until silence is told, 10 s. */
const REQUEST_TIMEOUT_MS = 15_000

const [port, own_port] = [await freePort(), await freePort()]
let started: Awaited<ReturnType<typeof startKafka>>
beforeAll(async () => {
  patchKafkajs()
  started = await startKafka({ listeners: [{ name: 'PROXIED', protocol: 'PLAINTEXT', port, advertised_port: own_port }] })
}, FIRST_START_TIMEOUT_MS)
afterAll(async () => {
  if (!('unavailable' in started)) await started[Symbol.asyncDispose]()
})

test('connections that fall silent in the middle of an answer are told of, given up after request_timeout_ms, and reading goes on over others', {
  timeout: 240_000,
}, async (context) => {
  const server = orSkip(context, started)
  await using proxy = await FaultyProxy.start({ port, own_port, random: Math.random })
  await using folder = await temporaryFolder()
  const stub = await startStubElasticsearch()
  const topic = `topic-${randomUUID()}`
  const input = {
    bootstrap_servers: `127.0.0.1:${own_port}`,
    topics: [topic],
    group_id: topic,
    auto_offset_reset: 'earliest',
    codec: 'json',
    session_timeout_ms: 6_000,
    heartbeat_interval_ms: 2_000,
    request_timeout_ms: REQUEST_TIMEOUT_MS,
  }
  const path = join(folder.path, 'pipeline.json')
  const output = { hosts: [stub.url], index: 'silence' }
  await writeFile(path, JSON.stringify({ inputs: [{ kafka: input }], filters: [], outputs: [{ elasticsearch: output }] }))

  const client = new Kafka({ brokers: [...server.brokers], logLevel: logLevel.NOTHING })
  const [admin, producer] = [client.admin(), client.producer(EACH_ONCE)]
  await Promise.all([admin.connect(), producer.connect()])
  await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true })
  const produce = async (): Promise<unknown> =>
    producer.send({ topic, messages: Array.from({ length: MESSAGES }, (_, number) => ({ value: `{"number":${number}}` })) })
  const stored = (): number => stub.documents.get('silence')?.size ?? 0

  await using program = await Program.start({ args: ['-f', path] })
  const isUp = async (): Promise<boolean> => /^millrace_input_up\{.*\} 1$/m.test(await program.metrics())
  const status = async (): Promise<string> => (await fetch(`${program.apiUrl}/api/status`)).text()
  await produce()
  await program.waitUntil('the first messages', () => stored() === MESSAGES)

  const before = program.stderr.length
  proxy.silence()
  await produce()
  await program.waitUntil('the silence to be told', async () => /a broker's answer is 1\d s late/.test(await status()))
  expect(await isUp()).toBe(false)
  await program.waitUntil('the messages behind the silence', () => stored() === MESSAGES * 2)
  await program.waitUntil('an input that is up', isUp)
  // kafkajs itself asks six times over the silent connection, and only then the input begins anew.
  expect(program.stderr.slice(before)).toContain('kafka_silent')
  expect(program.stderr.slice(before)).not.toContain('trying again')

  await Promise.all([admin.disconnect(), producer.disconnect()])
  await stub.close()
})

/** Draining, taking leave, and a busy machine; a request alone would wait for 40 s. */
const STOP_MAX_MS = 25_000

test('an output whose broker falls silent does not keep the program', { timeout: 240_000 }, async (context) => {
  orSkip(context, started)
  await using proxy = await FaultyProxy.start({ port, own_port, random: Math.random })
  await using folder = await temporaryFolder()
  const beats_port = await freePort()
  const path = join(folder.path, 'pipeline.json')
  const inputs = [{ beats: { host: '127.0.0.1', port: beats_port } }]
  const outputs = [{ kafka: { bootstrap_servers: `127.0.0.1:${own_port}`, topic_id: `topic-${randomUUID()}`, codec: 'json' } }]
  await writeFile(path, JSON.stringify({ inputs, filters: [], outputs }))
  await using program = await Program.start({ args: ['-f', path, '--drain.timeout', '1'] })
  await using client = await LumberjackClient.connect({ host: '127.0.0.1', port: beats_port })
  await client.send(encodeWindow([{ message: 'first' }]))
  await client.until(() => client.acks.length === 1, 90_000)

  proxy.silence()
  await client.send(encodeWindow([{ message: 'second' }]))
  await program.waitUntil('the second event', async () => (await readBooks(program)).received === 2)
  const stopped_ms = performance.now()
  expect(await program.stop()).toEqual({ code: 1, signal: null })
  expect(performance.now() - stopped_ms).toBeLessThan(STOP_MAX_MS)
  expect(program.stderr).toContain('with 1 events not stored')
})
