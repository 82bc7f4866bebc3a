import { randomUUID } from 'node:crypto'
import { type Admin, Kafka, logLevel, type Producer } from 'kafkajs'
import { beforeAll, expect, test } from 'vitest'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { type Books, settledBooks } from '../helpers/books.ts'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import { Program } from '../helpers/program.ts'
import { FIRST_START_TIMEOUT_MS, orSkip } from '../helpers/servers.ts'
import { sharedElasticsearch, sharedKafka } from '../helpers/shared-servers.ts'
import { waitFor } from '../helpers/wait-for.ts'

let kafka: Awaited<ReturnType<typeof sharedKafka>>
let elasticsearch: Awaited<ReturnType<typeof sharedElasticsearch>>

beforeAll(async () => {
  patchKafkajs()
  kafka = await sharedKafka()
  elasticsearch = await sharedElasticsearch(8)
}, FIRST_START_TIMEOUT_MS)

const READ_TIMEOUT_MS = 60_000
const MIDNIGHT_MS = Date.UTC(2026, 2, 2)

/** One record: 10 elements of a list, each with 3 parts that a filter makes events of. */
function recordOf(batch: string): string {
  const elements = Array.from({ length: 10 }, (_, element) => ({
    batch,
    part: [0, 1, 2].map((part) => `${batch}-${element}-${part}`),
  }))
  return JSON.stringify(elements)
}

function partsOf(...batches: readonly string[]): string[] {
  const elements = Array.from({ length: 10 }, (_, element) => [0, 1, 2].map((part) => `${element}-${part}`)).flat()
  return batches.flatMap((batch) => elements.map((element) => `${batch}-${element}`)).sort()
}

interface Servers {
  readonly brokers: readonly string[]
  readonly url: string
}

/** Reads a topic from its beginning, in a group of its own, until so many records have their end. */
async function readAll({ brokers, url }: Servers, topic: string, received: number): Promise<Books> {
  const config = `
    input { kafka { bootstrap_servers => "${brokers.join(',')}" topics => ["${topic}"] group_id => "${randomUUID()}"
                    auto_offset_reset => "earliest" codec => json } }
    filter { split { field => "part" } }
    output { elasticsearch { hosts => ["${url}"] index => "exchange-${topic}-%{+YYYY.MM.dd}" } }`
  await using program = await Program.start({ args: ['-e', config, '--pipeline.ecs_compatibility', 'disabled'] })
  const books = await settledBooks(program, received, READ_TIMEOUT_MS)
  await program.stop()
  return books
}

/** Index -> the parts of its documents, in order. */
async function partsIn({ url }: Servers, topic: string): Promise<{ readonly [day: string]: string[] }> {
  const prefix = `exchange-${topic}-`
  await fetch(`${url}/${prefix}*/_refresh`, { method: 'POST' })
  const response = await fetch(`${url}/${prefix}*/_search?size=1000&_source=part`)
  const found = (await response.json()) as { hits: { hits: { _index: string; _source: { part: string } }[] } }
  const byDay = Object.groupBy(found.hits.hits, ({ _index }) => _index.slice(prefix.length))
  return Object.fromEntries(
    Object.entries(byDay).map(([day, hits = []]) => [day, hits.map(({ _source }) => _source.part).sort()]),
  )
}

/**
 * Makes a topic with the name of one that is gone, or new. Without a limit its records would go at the broker's first look at
 * their age, for their times are long past.
 */
async function createTopic(admin: Admin, topic: string): Promise<void> {
  await waitFor('the old topic gone', async () => !(await admin.listTopics()).includes(topic))
  await admin.createTopics({
    topics: [{ topic, numPartitions: 1, configEntries: [{ name: 'retention.ms', value: '-1' }] }],
    waitForLeaders: false,
  })
  const isThere = (): Promise<boolean> =>
    admin.fetchTopicOffsets(topic).then(
      ([partition]) => partition?.high === '0',
      () => false,
    )
  await waitFor('the new topic', isThere)
}

async function send(
  producer: Producer,
  topic: string,
  records: readonly (readonly [value: string, at_ms: number])[],
): Promise<void> {
  const messages = records.map(([value, at_ms]) => ({ value, partition: 0, timestamp: String(at_ms) }))
  await producer.send({ topic, messages })
}

test('records of several events, read twice across midnight, then a topic made again: nothing missing, nothing twice', async (context) => {
  const servers: Servers = { ...orSkip(context, kafka), ...orSkip(context, elasticsearch) }
  const topic = `topic-${randomUUID()}`
  const client = new Kafka({ brokers: [...servers.brokers], logLevel: logLevel.NOTHING })
  const admin = client.admin()
  const producer = client.producer(EACH_ONCE)
  await Promise.all([admin.connect(), producer.connect()])

  await createTopic(admin, topic)
  await send(producer, topic, [
    [recordOf('late'), MIDNIGHT_MS - 1],
    [recordOf('early'), MIDNIGHT_MS],
  ])
  const expected = { '2026.03.01': partsOf('late'), '2026.03.02': partsOf('early') }
  expect((await readAll(servers, topic, 20)).states).toEqual({ stored: 60, consumed: 20 })
  expect(await partsIn(servers, topic)).toEqual(expected)

  // The days on which they are read are others than those of the records, and the same indices get them.
  expect((await readAll(servers, topic, 20)).states).toEqual({ already_there: 60, consumed: 20 })
  expect(await partsIn(servers, topic)).toEqual(expected)

  // Offsets begin at 0 again, for other records.
  await admin.deleteTopics({ topics: [topic] })
  await createTopic(admin, topic)
  await send(producer, topic, [[recordOf('anew'), MIDNIGHT_MS + 1]])
  expect((await readAll(servers, topic, 10)).states).toEqual({ stored: 30, consumed: 10 })
  expect(await partsIn(servers, topic)).toEqual({ ...expected, '2026.03.02': partsOf('anew', 'early') })

  await Promise.all([admin.disconnect(), producer.disconnect()])
}, 240_000)
