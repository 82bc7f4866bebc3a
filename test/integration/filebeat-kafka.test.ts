import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { Kafka, logLevel } from 'kafkajs'
import { expect, type TestContext, test } from 'vitest'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { exchangeLog } from '../../src/sample/exchange-log.ts'
import { settledBooks } from '../helpers/books.ts'
import { FILEBEAT_HOST, filebeatEvent } from '../helpers/default-pipeline.ts'
import { expectFigures } from '../helpers/exchange-figures.ts'
import { startExchangeFromKafka } from '../helpers/exchange-from-kafka.ts'
import { goTool } from '../helpers/go-tools.ts'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import { FIRST_START_TIMEOUT_MS, orSkip } from '../helpers/servers.ts'
import { sharedKafka } from '../helpers/shared-servers.ts'
import { startStubElasticsearch } from '../helpers/stub-elasticsearch.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'

// deploy/filebeat/filebeat-kafka.yml: the topic's records are Filebeat's whole events, the line undecoded in `message`.

const LINES = 3_000
/** What Filebeat's config adds: the program that wrote the line may not have named either. */
const FIELDS = { service: 'exchange-api', env: 'production' }

interface Document {
  readonly '@timestamp': string
  readonly message: string
  readonly log: { readonly offset: number }
  readonly tags?: readonly string[]
}

type Produce = (brokers: readonly string[], topic: string, records: readonly string[]) => Promise<void>

const PRODUCERS: { readonly [name: string]: (context: TestContext) => Promise<Produce> } = {
  'a producer': () => Promise.resolve(produce),
  // The library inside Filebeat with what Filebeat sets: gzip, batches of 2048, one acknowledgement, no keys.
  'the producer inside Filebeat': async (context) => {
    const { path } = orSkip(context, await goTool('fbkafka'))
    return async (brokers, topic, records) => {
      const child = spawn(path, ['-brokers', brokers.join(','), '-topic', topic], { stdio: ['pipe', 'pipe', 'inherit'] })
      child.stdin.end(records.map((record) => `${record}\n`).join(''))
      expect(JSON.parse(await text(child.stdout))).toMatchObject({ acked: records.length, failed: 0 })
    }
  },
}

async function produce(brokers: readonly string[], topic: string, records: readonly string[]): Promise<void> {
  const producer = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).producer(EACH_ONCE)
  await producer.connect()
  await producer.send({ topic, messages: records.map((value) => ({ value })) })
  await producer.disconnect()
}

async function createTopic(brokers: readonly string[]): Promise<string> {
  patchKafkajs()
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  const topic = `filebeat-${randomUUID()}`
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 3 }], waitForLeaders: true })
  await admin.disconnect()
  return topic
}

function* sampleLines(): Generator<string, void, void> {
  const log = exchangeLog({ seed: 21, start_ms: Date.UTC(2026, 2, 1, 12) })
  for (let count = 0; count < LINES; count++) yield log.next().value.line
}

test.for(Object.entries(PRODUCERS))(
  'exchange.json makes of Filebeat’s events in a topic, written by %s, what it makes of their lines',
  { timeout: FIRST_START_TIMEOUT_MS },
  async ([, producerFor], context) => {
    const { brokers } = orSkip(context, await sharedKafka())
    const send = await producerFor(context)
    const [first = '', ...rest] = sampleLines()
    const bare = first.replace(/"service":"[^"]*","env":"[^"]*",/, '')
    expect(bare).not.toBe(first)
    const lines = [bare, ...rest]
    const topic = await createTopic(brokers)
    await using folder = await temporaryFolder()
    const store = await startStubElasticsearch()
    await using program = await startExchangeFromKafka({ brokers, topic, elasticsearch_url: store.url, folder: folder.path })
    await send(
      brokers,
      topic,
      lines.map((line, offset) => JSON.stringify({ ...filebeatEvent(line, offset), fields: FIELDS })),
    )
    const { states } = await settledBooks(program, LINES, FIRST_START_TIMEOUT_MS)
    expect(states).toEqual({ stored: LINES })
    expectFigures(await program.metrics(), lines, FILEBEAT_HOST)
    await store.close()

    expect([...store.documents.keys()]).toEqual(['exchange-logs-2026.03.01'])
    const texts = [...store.documents.values()].flatMap((documents) => [...documents.values()])
    const documents = texts.map((document) => JSON.parse(document) as Document)
    const byOffset = documents.toSorted((a, b) => a.log.offset - b.log.offset)
    expect(byOffset.map(({ message }) => message)).toEqual(lines)
    expect(byOffset.map((document) => document['@timestamp'])).toEqual(
      lines.map((line) => (JSON.parse(line) as { ts: string }).ts),
    )
    expect(byOffset[0]).toMatchObject({ ...FIELDS, fields: FIELDS, host: { name: FILEBEAT_HOST } })
    // Private addresses lie nowhere; nothing else was wrong.
    expect([...new Set(documents.flatMap(({ tags = [] }) => tags))]).toEqual(['_geoip_lookup_failure'])
    const exact = texts.filter((document) => /"order_id":\d{17}(?!000)\d{3}\b/.test(document))
    expect(exact.length).toBeGreaterThan(100)
  },
)
