import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { buildInput, Collector } from '../../../test/helpers/run-input.ts'
import { TEST_AUTHORITY } from '../../../test/helpers/test-certificates.ts'
import { plain } from '../../codecs/plain.ts'
import { describeTrouble } from '../../kafka/client-log.ts'
import { kafka } from './kafka.ts'
import { byName, byPattern } from './topics.ts'

function build(options: { readonly [name: string]: unknown }): void {
  buildInput(kafka, [plain], options, new Collector())
}

test('a config as Logstash users write it is taken', () => {
  build({
    bootstrap_servers: 'kafka-1:9092, kafka-2:9092,[::1]:9092',
    topics: 'logs',
    consumer_threads: 4,
    decorate_events: true,
    enable_auto_commit: 'false',
    auto_offset_reset: 'earliest',
    max_poll_records: '500',
    partition_assignment_strategy: 'round_robin',
    value_deserializer_class: 'org.apache.kafka.common.serialization.ByteArrayDeserializer',
  })
  build({
    security_protocol: 'SASL_PLAINTEXT',
    sasl_mechanism: 'PLAIN',
    sasl_jaas_config: 'X required username="u" password="p";',
  })
  for (const { options } of kafka.examples) build({ ...options, codec: 'plain' })
})

test.for([
  [{ group_protocol: 'consumer' }, 'kafka.group_protocol: "consumer" cannot be honoured: the newer group protocol is not spoken'],
  [{ value_deserializer_class: 'org.example.Avro' }, 'Java classes cannot be loaded here'],
  [{ schema_registry_ssl_truststore_location: 'a' }, 'there is no schema registry client'],
  [{ sasl_login_connect_timeout_ms: 1 }, 'Java classes cannot be loaded here'],
  [{ auto_offset_reset: 'none' }, 'expected one of latest, earliest'],
  [{ kerberos_config: 'a' }, 'use sasl_mechanism PLAIN'],
  [{ schema_registry_url: 'a' }, 'there is no schema registry client'],
  [{ sasl_mechanism: 'GSSAPI' }, 'expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, got "GSSAPI"'],
  [{ security_protocol: 'SASL_SSL' }, 'security_protocol SASL_SSL needs sasl_mechanism'],
  [{ sasl_mechanism: 'PLAIN' }, 'sasl_mechanism needs security_protocol SASL_PLAINTEXT or SASL_SSL'],
  [{ security_protocol: 'SASL_SSL', sasl_mechanism: 'PLAIN' }, 'sasl_jaas_config is missing'],
  [{ bootstrap_servers: 'kafka-1' }, 'bootstrap_servers: expected host:port with commas between, got "kafka-1"'],
  [{ bootstrap_servers: 'http://kafka-1:9092' }, 'bootstrap_servers: expected host:port'],
  [{ topics_pattern: '(' }, 'topics_pattern: Invalid regular expression'],
  [
    { session_timeout_ms: 6_000, heartbeat_interval_ms: 5_000 },
    'heartbeat_interval_ms (5000) must be at most half of session_timeout_ms (6000)',
  ],
  [{ security_protocol: 'SSL', ssl_truststore_location: '/no/such/file' }, 'ssl_truststore_location can not be read: ENOENT'],
  [{ zk_connect: 'zookeeper:2181' }, 'name the brokers in bootstrap_servers'],
  [{ ssl_truststore_password: 'secret' }, 'write its certificates into a PEM file'],
] as const)('%j is refused with what to do', ([options, message]) => {
  expect(() => build(options)).toThrow(message)
})

test('the old name of topics is taken with a warning', () => {
  const context = testContext()
  buildInput(kafka, [plain], { topic_id: 'logs' }, new Collector(), context)
  expect(context.lines).toEqual([expect.stringContaining('kafka.topic_id is the old name of topics')])
})

test.for([
  'consumer_threads',
  'poll_timeout_ms',
  'check_crcs',
  'group_instance_id',
  'partition_assignment_strategy',
  'client_dns_lookup',
  'receive_buffer_bytes',
])('%s is taken with a warning that it does nothing', (name) => {
  const context = testContext()
  buildInput(kafka, [plain], { [name]: 'cooperative_sticky' }, new Collector(), context)
  expect(context.lines).toEqual([expect.stringContaining(`warn config: kafka.${name}: it changes nothing here`)])
})

test('a Java keystore is refused with the command that converts it', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'millrace-')), 'store')
  writeFileSync(file, Buffer.from('feedfeed00000002', 'hex'))
  expect(() => build({ security_protocol: 'SSL', ssl_keystore_location: file })).toThrow('-deststoretype PKCS12')
  expect(() => build({ security_protocol: 'SSL', ssl_truststore_location: file })).toThrow(
    'is a Java keystore: write them as PEM',
  )
})

test("it is shown when certificates of the brokers' authority expire", async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'millrace-')), 'ca.pem')
  writeFileSync(file, TEST_AUTHORITY)
  const context = testContext()
  buildInput(kafka, [plain], { security_protocol: 'SSL', ssl_truststore_location: file }, new Collector(), context)
  expect(await context.metrics.text()).toContain(`millrace_certificate_expiry_time_seconds{component="test",file="${file}"} `)
})

test('topics are chosen by name, and those that are missing are known', () => {
  expect(byName(['a', 'b', 'a'])(['b', 'c'])).toEqual({ present: ['b'], missing: ['a'] })
})

test('a pattern means whole names, without the internal topics', () => {
  const existing = ['logs-b', 'logs-a', 'my-logs-a', '__consumer_offsets']
  expect(byPattern('logs-.*', true)(existing)).toEqual({ present: ['logs-a', 'logs-b'], missing: [] })
  expect(byPattern('.*', true)(existing).present).not.toContain('__consumer_offsets')
  expect(byPattern('.*offsets', false)(existing).present).toEqual(['__consumer_offsets'])
})

test('a fault tells what to do, however deep its cause is', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9092'), { code: 'ECONNREFUSED' })
  expect(describeTrouble(new Error('retries exceeded', { cause: refused }), '127.0.0.1:9092')).toMatchObject({
    kind: 'kafka_unreachable',
    level: 'warn',
    message: expect.stringContaining('start it, or correct bootstrap_servers') as string,
  })
  const protocol = Object.assign(new Error('not compatible'), { type: 'INCONSISTENT_GROUP_PROTOCOL' })
  expect(describeTrouble(protocol, 'kafka:9092')).toMatchObject({ kind: 'kafka_group_protocol', level: 'error' })
  const loading = Object.assign(new Error('loading'), { type: 'GROUP_LOAD_IN_PROGRESS' })
  expect(describeTrouble(loading, 'kafka:9092')).toMatchObject({ kind: 'kafka_coordinator', level: 'info' })
  expect(describeTrouble('odd', 'kafka:9092').message).toBe('reading from Kafka at kafka:9092 failed: odd')
})

test('a fault whose causes go round in a circle is still described', () => {
  const circle = new Error('round')
  circle.cause = circle
  expect(describeTrouble(circle, 'kafka:9092').kind).toBe('kafka_fault')
})
