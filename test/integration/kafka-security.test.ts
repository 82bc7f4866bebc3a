import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Kafka, type KafkaMessage, logLevel } from 'kafkajs'
import { expect, test } from 'vitest'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { freePort } from '../helpers/free-port.ts'
import { secureListener } from '../helpers/kafka-listeners.ts'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import { Program } from '../helpers/program.ts'
import { FIRST_START_TIMEOUT_MS, orSkip, startKafka } from '../helpers/servers.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'
import { TEST_AUTHORITY, TEST_CLIENT } from '../helpers/test-certificates.ts'

const USER = { username: 'logs', password: 'logs-pass "1"' }
const MESSAGES = 100

test('a broker with TLS, client certificates and SCRAM: read and written, and each thing that is wrong is told', {
  timeout: FIRST_START_TIMEOUT_MS,
}, async (context) => {
  patchKafkajs()
  const port = await freePort()
  await using server = orSkip(context, await startKafka({ listeners: [secureListener(port)], user: USER }))
  await using folder = await temporaryFolder()
  const file = (name: string): string => join(folder.path, name)
  await writeFile(file('authority.pem'), TEST_AUTHORITY)
  await writeFile(file('client.pem'), TEST_CLIENT.cert + TEST_CLIENT.key)
  const [from, to] = [`from-${randomUUID()}`, `to-${randomUUID()}`]

  const secure = (options: { readonly password?: string; readonly ssl_keystore_location?: string }): object => {
    const password = (options.password ?? USER.password).replaceAll('"', '\\"')
    const { ssl_keystore_location = file('client.pem') } = options
    return {
      bootstrap_servers: `127.0.0.1:${port}`,
      security_protocol: 'SASL_SSL',
      sasl_mechanism: 'SCRAM-SHA-512',
      sasl_jaas_config: `org.apache.kafka.common.security.scram.ScramLoginModule required username="${USER.username}" password="${password}";`,
      ssl_truststore_location: file('authority.pem'),
      ...(ssl_keystore_location === '' ? {} : { ssl_keystore_location }),
    }
  }
  type Wrong = Parameters<typeof secure>[0]
  const write = (wrong: { readonly input?: Wrong; readonly output?: Wrong }): Promise<void> => {
    const own = { topics: [from], group_id: from, auto_offset_reset: 'earliest', codec: 'json' }
    const input = { ...secure(wrong.input ?? {}), ...own }
    const output = { ...secure(wrong.output ?? {}), topic_id: to, codec: 'json' }
    return writeFile(
      file('pipeline.json'),
      JSON.stringify({ inputs: [{ kafka: input }], filters: [], outputs: [{ kafka: output }] }),
    )
  }

  const client = new Kafka({ brokers: [...server.brokers], logLevel: logLevel.NOTHING })
  const [admin, producer] = [client.admin(), client.producer(EACH_ONCE)]
  await Promise.all([admin.connect(), producer.connect()])
  await admin.createTopics({ topics: [from, to].map((topic) => ({ topic, numPartitions: 1 })), waitForLeaders: true })
  const messages = Array.from({ length: MESSAGES }, (_, number) => ({ value: `{"number":${number}}` }))
  await producer.send({ topic: from, messages })

  await write({ input: { password: 'wrong-pass-1' } })
  await using program = await Program.spawn({ args: ['-f', file('pipeline.json')] })
  const change = async (wrong: Parameters<typeof write>[0]): Promise<void> => {
    await write(wrong)
    const response = await fetch(`${program.apiUrl}/api/pipeline`, { method: 'PUT' })
    expect(await response.json()).toMatchObject({ result: 'loaded' })
  }
  const up = async (what: 'input' | 'output'): Promise<string | undefined> =>
    new RegExp(`^millrace_${what}_up\\{.*\\} (\\d)$`, 'm').exec(await program.metrics())?.[1]
  const told = (level: string, kind: string, by: string): string | undefined =>
    program.stderr.split('\n').find((line) => [`"level":"${level}"`, `"kind":"${kind}"`, by].every((part) => line.includes(part)))

  const refuses = `Kafka at 127.0.0.1:${port} refuses`
  await program.waitUntil('a line about the password', () => told('error', 'kafka_authentication', 'input_kafka'))
  expect(told('error', 'kafka_authentication', 'input_kafka')).toMatch(new RegExp(`${refuses}.*check .*sasl_jaas_config`))
  await program.waitUntil('an input that is down', async () => (await up('input')) === '0')

  await change({ input: { ssl_keystore_location: '' } })
  await program.waitUntil('a line about TLS', () => told('error', 'kafka_tls', 'input_kafka'))
  expect(told('error', 'kafka_tls', 'input_kafka')).toMatch(/ssl_keystore_location/)
  expect(await up('input')).toBe('0')

  await change({ output: { password: 'wrong-pass-1' } })
  await program.waitUntil('a line about the password', () => told('warn', 'output_retry', refuses))
  await program.waitUntil('an output that is down', async () => (await up('output')) === '0')
  expect(await up('input')).toBe('1')

  await change({})
  const seen: KafkaMessage[] = []
  const consumer = client.consumer({ groupId: to, maxWaitTimeInMs: 200 })
  await consumer.connect()
  await consumer.subscribe({ topic: to, fromBeginning: true })
  await consumer.run({ eachMessage: ({ message }) => Promise.resolve(void seen.push(message)) })
  await program.waitUntil('every message', () => seen.length >= MESSAGES)
  const numbers = seen.map(({ value }) => (JSON.parse(String(value)) as { number: number }).number)
  expect(numbers).toEqual(messages.map((_message, number) => number))
  expect([await up('input'), await up('output')]).toEqual(['1', '1'])
  await Promise.all([admin.disconnect(), producer.disconnect(), consumer.disconnect()])
  await program.stop()
  expect(program.stderr).not.toContain('wrong-pass')
  expect(program.stderr).not.toContain('logs-pass')
})
