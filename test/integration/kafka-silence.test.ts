import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { expect, test } from 'vitest'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { FaultyProxy } from '../faults/faulty-proxy.ts'
import { freePort } from '../helpers/free-port.ts'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import { Program } from '../helpers/program.ts'
import { FIRST_START_TIMEOUT_MS, orSkip, startKafka } from '../helpers/servers.ts'
import { startStubElasticsearch } from '../helpers/stub-elasticsearch.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'

const MESSAGES = 100
/** Longer than until silence is told, 10 s. */
const REQUEST_TIMEOUT_MS = 15_000

test('connections that fall silent in the middle of an answer are told of, given up after request_timeout_ms, and reading goes on over others', {
  timeout: FIRST_START_TIMEOUT_MS,
}, async (context) => {
  patchKafkajs()
  const [port, own_port] = [await freePort(), await freePort()]
  const proxied = { name: 'PROXIED', protocol: 'PLAINTEXT', port, advertised_port: own_port } as const
  await using server = orSkip(context, await startKafka({ listeners: [proxied] }))
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
