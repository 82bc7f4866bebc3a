import { expect, test } from 'vitest'
import { buildOutput, eventOf } from '../../../test/helpers/build-output.ts'
import { testContext } from '../../../test/helpers/context.ts'
import { freePort } from '../../../test/helpers/free-port.ts'
import { plain } from '../../codecs/plain.ts'
import { kafka } from './kafka.ts'
import { choosePartitioner } from './partitioner.ts'

const signal = new AbortController().signal
const build = (options: { readonly [name: string]: unknown }, context = testContext()) =>
  buildOutput(kafka, [plain], options, context)

test('what has no valid topic, or is too large, needs no broker to be refused', async () => {
  const sink = build({ topic_id: '%{t}', max_request_size: 2_000 })
  const events = [
    '{}',
    '{"t":"a b"}',
    '{"t":".."}',
    JSON.stringify({ t: 'x'.repeat(250) }),
    JSON.stringify({ t: 't', message: 'x'.repeat(2_000) }),
  ]
  const { outcomes } = await sink.write(events.map(eventOf), signal)
  const invalid = { kind: 'reject', reason: 'kafka_topic_invalid' }
  expect(outcomes).toEqual([invalid, invalid, invalid, invalid, { kind: 'reject', reason: 'kafka_too_large' }])
  await sink.close()
})

test('brokers that are away are told as such', async () => {
  const bootstrap_servers = `127.0.0.1:${await freePort()}`
  const sink = build({ topic_id: 't', bootstrap_servers, connection_timeout_ms: 500 })
  await expect(sink.write([eventOf('{}')], signal)).rejects.toMatchObject({
    code: 'OUTPUT_UNREACHABLE',
    message: expect.stringContaining(`cannot reach Kafka at ${bootstrap_servers}`) as string,
  })
  await sink.close()
})

test('the deadline breaks off connecting', async () => {
  const sink = build({ topic_id: 't', bootstrap_servers: `127.0.0.1:${await freePort()}` })
  const abandon = new AbortController()
  const writing = sink.write([eventOf('{}')], abandon.signal)
  abandon.abort(new Error('leaving'))
  await expect(writing).rejects.toThrow('leaving')
  await sink.close()
})

test('in turn means each partition of a topic after the other', () => {
  const choose = choosePartitioner('round_robin')()
  const partitionMetadata = [0, 1, 2].map((partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: 1,
    replicas: [1],
    isr: [1],
  }))
  const message = { key: 'same', value: '' }
  const chosen = Array.from({ length: 5 }, () => choose({ topic: 'a', partitionMetadata, message }))
  expect(chosen).toEqual([0, 1, 2, 0, 1])
  expect(choose({ topic: 'b', partitionMetadata, message })).toBe(0)
})

test.each([
  [{}, 'missing the required option topic_id'],
  [{ topic_id: 't', bootstrap_servers: 'kafka' }, 'bootstrap_servers: expected host:port'],
  [{ topic_id: 't', security_protocol: 'SASL_SSL' }, 'needs sasl_mechanism'],
  [{ topic_id: 't', acks: 2 }, 'expected one of 0, 1, all'],
  [{ topic_id: 't', kerberos_config: 'x' }, 'cannot be honoured: Kerberos'],
  [{ topic_id: 't', value_serializer: 'my.Serializer' }, 'cannot be honoured'],
])('%j is refused', (options, message) => {
  expect(() => build(options)).toThrow(message)
})
