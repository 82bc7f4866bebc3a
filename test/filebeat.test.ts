import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readSamples, settledBooks } from './helpers/books.ts'
import { decodedFilebeatEvent, filebeatEvent, startDefaultPipeline } from './helpers/default-pipeline.ts'
import { encodeWindow } from './helpers/lumberjack-client.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'

const FILEBEAT = join(import.meta.dirname, '../deploy/filebeat')

interface FilebeatConfig {
  readonly 'filebeat.inputs': readonly { readonly [name: string]: unknown }[]
  readonly [name: string]: unknown
}

async function read(name: string): Promise<FilebeatConfig> {
  return parse(await readFile(join(FILEBEAT, name), 'utf8')) as FilebeatConfig
}

test.each([
  ['filebeat.yml', 'output.logstash', { hosts: ['${MILLRACE_BEATS:millrace:5044}'] }],
  ['filebeat-kafka.yml', 'output.kafka', { hosts: ['${KAFKA_BROKERS:kafka:19092}'], topic: 'exchange-logs', required_acks: -1 }],
])('%s ships undecoded lines to %s, with an input that Filebeat 8 and 9 have', async (name, output, options) => {
  const config = await read(name)
  expect(Object.keys(config).filter((key) => key.startsWith('output.'))).toEqual([output])
  expect(config[output]).toMatchObject(options)
  expect(config['filebeat.inputs']).toHaveLength(1)
  const [input] = config['filebeat.inputs']
  const fields = { service: '${SERVICE:exchange-api}', env: '${ENVIRONMENT:production}' }
  expect(input).toMatchObject({ type: 'filestream', id: 'exchange', paths: ['/var/log/exchange/*.log'], fields })
  for (const decoding of ['parsers', 'json.keys_under_root', 'processors']) expect(input).not.toHaveProperty([decoding])
})

test('both forms read the same files in the same way', async () => {
  expect((await read('filebeat-kafka.yml'))['filebeat.inputs']).toEqual((await read('filebeat.yml'))['filebeat.inputs'])
})

const LINE =
  '{"ts":"2026-03-01T12:00:00.5Z","level":"error","service":"exchange-api","action":"place_order","order_id":12345678901234567890,' +
  '"session_id":123456789012345678,"duration":1500,"endpoint":"/api/orders","ip":"81.2.69.160","msg":"balance too low"}'
const BAD_LINE = 'panic: no JSON'
/** As zap writes it in production: its time in seconds. */
const ZAP_LINE =
  '{"level":"info","ts":1772366400.0282,"caller":"api/order.go:42","msg":"order placed","order_id":"a-1","user_id":1001,' +
  '"symbol":"BTC-USDT","side":"buy","price":64321.5,"quantity":0.25}'

test('what Filebeat decoded itself is stored like what Millrace decoded, but for numbers beyond 64 bits', async () => {
  const stub = await startStubElasticsearch()
  await using pipeline = await startDefaultPipeline({ elasticsearch_url: stub.url })
  await using client = await pipeline.connect()
  await client.send(
    encodeWindow([
      { ...filebeatEvent(LINE, 0), fields: { service: 'exchange-api' } },
      { ...decodedFilebeatEvent(LINE, 1), fields: { service: 'exchange-api' } },
      // json.add_error_key
      filebeatEvent(ZAP_LINE, 3),
      decodedFilebeatEvent(ZAP_LINE, 4),
      { ...filebeatEvent(BAD_LINE, 2), error: { type: 'json', message: 'Error decoding JSON: invalid character' } },
    ]),
  )
  const { states } = await settledBooks(pipeline.program, 5)
  expect(states).toEqual({ stored: 5 })
  const texts = [...stub.documents].flatMap(([index, stored]) => [...stored.values()].map((source) => `${index} ${source}`))
  const find = (part: string): { [name: string]: unknown } => {
    const text = texts.find((one) => one.includes(part)) ?? ''
    expect(text).toMatch(/^exchange-logs-2026\.03\.01 /)
    return JSON.parse(text.slice(text.indexOf('{'))) as { [name: string]: unknown }
  }
  const { message, tags, log: _there, order_id: _exact, ...undecoded } = find('"offset":0')
  const { log: _elsewhere, order_id: _rounded, tags: _raw, ...decoded } = find('"offset":1')
  expect(message).toBe(LINE)
  expect(tags).toEqual(['beats_input_codec_plain_applied'])
  expect(decoded).toEqual(undecoded)
  expect(decoded).toMatchObject({ geoip: { country_code2: 'GB' }, '@timestamp': '2026-03-01T12:00:00.500Z' })
  const textOf = (part: string): string => texts.find((text) => text.includes(part)) ?? ''
  for (const offset of ['"offset":0', '"offset":1']) expect(textOf(offset)).toContain('"session_id":123456789012345678,')
  expect(textOf('"offset":0')).toContain('"order_id":12345678901234567890')
  expect(textOf('"offset":1')).toContain('"order_id":12345678901234567000')
  expect(find('"offset":2')).toMatchObject({
    message: BAD_LINE,
    error: { type: 'json' },
    tags: expect.arrayContaining(['_jsonparsefailure']),
  })
  for (const offset of ['"offset":3', '"offset":4'])
    expect(find(offset)).toMatchObject({ '@timestamp': '2026-03-01T12:00:00.028Z', ts: 1_772_366_400.0282, user_id: 1_001 })
  for (const offset of ['"offset":3', '"offset":4']) expect(textOf(offset)).not.toContain('failure')
  const counted = readSamples(await pipeline.program.metrics()).filter(({ name }) => name.startsWith('exchange_'))
  expect(counted.map(({ name, value }) => [name, value])).toEqual([
    ['exchange_log_errors_total', 2],
    ['exchange_slow_queries_total', 2],
  ])
  await stub.close()
})
