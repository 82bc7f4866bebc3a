import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CompressionTypes, Kafka, logLevel } from 'kafkajs'
import { beforeAll, expect, test } from 'vitest'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { readSamples, settledBooks, sum } from '../helpers/books.ts'
import { type DefaultPipeline, filebeatEvent, showDeadLetters, startDefaultPipeline } from '../helpers/default-pipeline.ts'
import { goTool } from '../helpers/go-tools.ts'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import { encodeWindow, sendWindows } from '../helpers/lumberjack-client.ts'
import { Search } from '../helpers/search.ts'
import { FIRST_START_TIMEOUT_MS, orSkip, startElasticsearch } from '../helpers/servers.ts'
import { sharedKafka } from '../helpers/shared-servers.ts'
import { countBy, type StoryLine, storyLog } from '../helpers/story-log.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** What config/pipeline.json reads. */
const TOPIC = 'exchange-logs'
const GROUP = 'millrace'
const PARTITIONS = 4
const LINES = 20_000
const WINDOW_EVENTS = 250
/** A node takes its time to come back on a busy machine. */
const RESTART_MS = 240_000

let kafka: Awaited<ReturnType<typeof sharedKafka>>

beforeAll(async () => {
  patchKafkajs()
  kafka = await sharedKafka()
}, FIRST_START_TIMEOUT_MS)

/** The topic and the group of the default config, taken away at the end: the next story begins with nothing. */
class Topic implements AsyncDisposable {
  readonly #client: Kafka
  readonly #admin
  readonly #producer

  private constructor(brokers: readonly string[]) {
    this.#client = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING, retry: { retries: 20, maxRetryTime: 1_000 } })
    this.#admin = this.#client.admin()
    this.#producer = this.#client.producer(EACH_ONCE)
  }

  static async create(brokers: readonly string[]): Promise<Topic> {
    const topic = new Topic(brokers)
    await topic.#admin.connect()
    await topic.#producer.connect()
    await waitFor('the topic', () =>
      topic.#admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }], waitForLeaders: true }),
    )
    return topic
  }

  /** Spreads lines over all partitions, 250 a request. */
  async send(lines: readonly string[]): Promise<void> {
    for (let at = 0; at < lines.length; at += WINDOW_EVENTS) {
      const messages = lines.slice(at, at + WINDOW_EVENTS).map((value, index) => ({ value, partition: index % PARTITIONS }))
      await this.#producer.send({ topic: TOPIC, messages, compression: CompressionTypes.GZIP })
    }
  }

  /** Committed by the group, all partitions together. */
  async committed(): Promise<number> {
    const [topic] = await this.#admin.fetchOffsets({ groupId: GROUP, topics: [TOPIC] })
    return sum((topic?.partitions ?? []).map(({ offset }) => Math.max(0, Number(offset))))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#producer.disconnect()
    await this.#admin.deleteTopics({ topics: [TOPIC] })
    await this.#admin.deleteGroups([GROUP]).catch(() => {})
    await this.#admin.disconnect()
  }
}

/** The lines of each way into the program, and the one that no index takes. */
interface Shares {
  readonly filebeat: readonly StoryLine[]
  readonly beats: readonly StoryLine[]
  readonly kafka: readonly StoryLine[]
  readonly refused: StoryLine
  /** All but the refused one. */
  readonly stored: readonly StoryLine[]
}

/** Half over Lumberjack on two connections, half through Kafka, with the line that does not fit in the middle of it. */
function shareOut(all: readonly StoryLine[]): Shares {
  const middle = all.findIndex(({ level, duration }, index) => index > LINES / 2 && level === 'info' && duration <= 1_000)
  const lines = all.map((one, index) =>
    index === middle ? { ...one, line: one.line.replace(/"duration":\d+/, '"duration":"not a number"') } : one,
  )
  const refused = lines[middle]
  if (refused === undefined) throw new Error('the log has no line that could be refused')
  return {
    filebeat: lines.filter((_line, index) => index % 4 === 0),
    beats: lines.filter((_line, index) => index % 4 === 1),
    kafka: lines.filter((_line, index) => index % 4 >= 2),
    refused,
    stored: lines.filter((one) => one !== refused),
  }
}

function windowsOf(lines: readonly StoryLine[], first_offset = 0, path?: string): { bytes: Buffer; events: number }[] {
  const windows: { bytes: Buffer; events: number }[] = []
  for (let at = 0; at < lines.length; at += WINDOW_EVENTS) {
    const events = lines.slice(at, at + WINDOW_EVENTS)
    const frames = events.map(({ line }, index) => filebeatEvent(line, first_offset + at + index, path))
    windows.push({ bytes: encodeWindow(frames), events: events.length })
  }
  return windows
}

/**
 * Ships a file as Filebeat would, undecoded, and resolves with how many lines were acknowledged: by the library inside
 * Filebeat where Go is there to build it, else by our own client.
 */
async function shipFile(pipeline: DefaultPipeline, lines: readonly StoryLine[], folder: string): Promise<number> {
  const tool = await goTool('fbsim')
  const path = join(folder, 'api.ndjson')
  if ('unavailable' in tool) {
    await using client = await pipeline.connect()
    return await sendWindows(client, windowsOf(lines, 0, path), 2, RESTART_MS)
  }
  await writeFile(path, lines.map(({ line }) => `${line}\n`).join(''))
  const flags = ['-keys-under-root=false', `-bulk-max-size=${WINDOW_EVENTS}`, `-give-up=${RESTART_MS / 1_000}s`]
  const place = [`-paths=${path}`, `-hosts=127.0.0.1:${pipeline.beats_port}`]
  const { stdout } = await promisify(execFile)(tool.path, [...place, ...flags])
  const { acked } = JSON.parse(stdout) as { acked: number }
  return acked
}

const ids = (lines: readonly { order_id: string }[]): string[] => lines.map(({ order_id }) => order_id).sort()

test.for([8, 9] as const)(
  'the whole story with Elasticsearch %i: 20,000 logs from Filebeat and Kafka are found again, each once',
  { timeout: FIRST_START_TIMEOUT_MS },
  async (major, context) => {
    const { brokers } = orSkip(context, kafka)
    await using elasticsearch = orSkip(context, await startElasticsearch({ major }))
    await using folder = await temporaryFolder()
    await using topic = await Topic.create(brokers)
    const shares = shareOut(storyLog(LINES))
    const half = shares.beats.length / 2
    const data = join(folder.path, 'data')
    await using pipeline = await startDefaultPipeline({
      elasticsearch_url: elasticsearch.url,
      kafka_brokers: brokers.join(','),
      on_mapping_conflict: 'dead_letter',
      data,
    })
    const { program } = pipeline

    await using client = await pipeline.connect()
    const shipped = shipFile(pipeline, shares.filebeat, folder.path)
    const firstSent = sendWindows(client, windowsOf(shares.beats.slice(0, half)), 2, RESTART_MS)
    const firstProduced = topic.send(shares.kafka.slice(0, LINES / 4).map(({ line }) => line))
    await program.waitUntil('the first documents', async () => {
      const samples = readSamples(await program.metrics())
      return samples.some(
        ({ name, labels, value }) => name === 'millrace_events_total' && labels['state'] === 'stored' && value > 0,
      )
    })
    await elasticsearch.stop()
    const secondProduced = topic.send(shares.kafka.slice(LINES / 4).map(({ line }) => line))
    const secondSent = firstSent.then((acknowledged) =>
      sendWindows(client, windowsOf(shares.beats.slice(half), half), 2, RESTART_MS).then((more) => acknowledged + more),
    )
    await Promise.all([firstProduced, secondProduced])
    await elasticsearch.start()

    expect(await Promise.all([shipped, secondSent])).toEqual([shares.filebeat.length, shares.beats.length])
    const books = await settledBooks(program, LINES, RESTART_MS)
    expect(books).toMatchObject({ received: LINES, created: 0, states: { stored: LINES - 1, dead_lettered: 1 } })
    expect(books.outcomes).toEqual({ stored: LINES - 1, dead_lettered: 1 })

    const search = new Search(elasticsearch.url)
    await search.refresh()
    const found = await search.find('*')
    expect(ids(found)).toEqual(ids(shares.stored))
    expect(new Set(found.map(({ id }) => id)).size).toBe(LINES - 1)

    expect(countBy(found, ({ index }) => index)).toEqual(
      countBy(shares.stored, ({ day }) => `exchange-logs-${day.replaceAll('-', '.')}`),
    )
    expect(new Set(shares.stored.map(({ day }) => day)).size).toBe(3)

    const chosen = shares.stored.find(({ order_id }) => BigInt(order_id) !== BigInt(Number(order_id)))?.order_id ?? ''
    const [order, ...others] = await search.find(`order_id:${chosen}`)
    expect(others).toEqual([])
    expect(order === undefined ? '' : await search.source(order)).toMatch(new RegExp(`"order_id":${chosen}[,}]`))

    const queries: readonly (readonly [string, (line: StoryLine) => boolean])[] = [
      ['level:error AND service:exchange-api', ({ level, service }) => level === 'error' && service === 'exchange-api'],
      ['user_id:1001 AND action:place_order', ({ user_id, action }) => user_id === 1001 && action === 'place_order'],
      ['duration:>1000 AND endpoint:"/api/orders"', ({ duration, endpoint }) => duration > 1_000 && endpoint === '/api/orders'],
    ]
    for (const [query, holds] of queries) {
      const expected = shares.stored.filter(holds)
      expect(expected.length).toBeGreaterThan(0)
      expect(ids(await search.find(query)), query).toEqual(ids(expected))
    }

    const errors = shares.stored.filter(({ level }) => level === 'error')
    const perMinute = await search.countPerMinute('level:error')
    expect(perMinute).toEqual(countBy(errors, ({ minute }) => minute))
    const samples = readSamples(await program.metrics()).filter(({ name }) => name === 'exchange_log_errors_total')
    expect(sum(samples.map(({ value }) => value))).toBe(sum(Object.values(perMinute)))
    expect(Object.fromEntries(samples.map(({ labels, value }) => [labels['service'], value]))).toEqual(
      countBy(errors, ({ service }) => service),
    )

    const located = await search.findBy({ exists: { field: 'geoip' } })
    expect(ids(located)).toEqual(ids(shares.stored.filter(({ has_public_address }) => has_public_address)))

    expect(await program.stop()).toEqual({ code: 0, signal: null })
    expect(await topic.committed()).toBe(shares.kafka.length)
    const letters = await showDeadLetters(data)
    expect(letters).toHaveLength(1)
    expect(letters[0]).toMatchObject({ reason: expect.stringMatching(/^document_parsing_exception: .*duration/) })
    expect(JSON.stringify(letters[0]?.['document'])).toContain('"duration":"not a number"')
    expect(letters[0]?.['document']).toMatchObject({ trace_id: expect.any(String), duration: 'not a number' })
  },
)
