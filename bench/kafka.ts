// Claim: an event of Kafka costs, from the broker to Elasticsearch, at most 1.8 times what kafkajs takes to hand its message over.
// A real broker, messages compressed with gzip; the server that stores nothing is a process of its own, and so is each consumer.
import { randomUUID } from 'node:crypto'
import { CompressionTypes, Kafka, logLevel } from 'kafkajs'
import { patchKafkajs } from '../src/kafka/patches.ts'
import { requestLog } from '../src/sample/request-log.ts'
import { EACH_ONCE } from '../test/helpers/kafka-producer.ts'
import { startKafka } from '../test/helpers/servers.ts'
import { type Spread, spread } from './harness/compare.ts'
import { cpuOfFed, DEFAULT_FILTERS } from './harness/fed-program.ts'
import { cpuOfConsuming } from './harness/kafkajs-consumer.ts'
import { NullServer } from './harness/null-server.ts'
import { eventsOf, ROUNDS } from './harness/scale.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

const WARM_UP_EVENTS = eventsOf(60_000)
const EVENTS = eventsOf(80_000)
/** The measured ones end before the topic does, for its last fetches are small. */
const SPARE_EVENTS = 20_000
const BATCH = 1_000
const CLAIM = 1.8

async function benchKafka(): Promise<Row[]> {
  showProgress('a broker starts')
  const started = await startKafka()
  if ('unavailable' in started) throw new Error(started.unavailable)
  await using broker = started
  await using server = await NullServer.start()
  const { brokers } = broker
  const topic = 'exchange-logs'
  patchKafkajs()
  await fill(brokers, topic)
  const counts = { warm_up: WARM_UP_EVENTS, events: EVENTS }
  const rounds: { readonly alone: number; readonly ours: number }[] = []
  for (let round = 1; round <= ROUNDS; round++) {
    showProgress(`Kafka to null Elasticsearch: round ${round} of ${ROUNDS}`)
    const alone = await cpuOfConsuming({ brokers, topic, group: randomUUID(), ...counts })
    const ours = await cpuOfFed(server, { config: configOf(brokers, topic, server.url), ...counts })
    rounds.push({ alone, ours })
  }
  const over = (read: (round: { readonly alone: number; readonly ours: number }) => number): Spread => spread(rounds.map(read))
  return [
    { what: 'CPU of a message, kafkajs consuming only', unit: 'us', digits: 1, figures: over(({ alone }) => alone) },
    { what: 'CPU of an event, ours', unit: 'us', digits: 1, figures: over(({ ours }) => ours) },
    {
      what: 'ours to kafkajs alone',
      unit: '',
      digits: 2,
      figures: over(({ alone, ours }) => ours / alone),
      claim: { at_most: CLAIM },
    },
  ]
}

async function fill(brokers: readonly string[], topic: string): Promise<void> {
  const producer = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).producer(EACH_ONCE)
  await producer.connect()
  const count = WARM_UP_EVENTS + EVENTS + SPARE_EVENTS
  let messages: { readonly value: string }[] = []
  for (const value of requestLog({ seed: 7, count, start_ms: Date.UTC(2026, 0, 2) })) {
    messages.push({ value })
    if (messages.length < BATCH) continue
    await producer.send({ topic, compression: CompressionTypes.GZIP, messages })
    messages = []
  }
  await producer.disconnect()
}

function configOf(brokers: readonly string[], topic: string, elasticsearch_url: string): object {
  const bootstrap_servers = brokers.join(',')
  const input = { bootstrap_servers, topics: [topic], group_id: randomUUID(), auto_offset_reset: 'earliest', codec: 'json' }
  return {
    inputs: [{ kafka: input }],
    filters: DEFAULT_FILTERS,
    outputs: [{ elasticsearch: { hosts: [elasticsearch_url], index: '%{[@metadata][index]}' } }],
  }
}

const TITLE = 'Kafka in (gzip), null Elasticsearch out: the filters of the default pipeline'

printTable(TITLE, await benchKafka())
