import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { exchangeLog } from '../../src/sample/exchange-log.ts'
import { settledBooks, sum } from '../helpers/books.ts'
import { quantileOf } from '../helpers/dashboard.ts'
import { exchangeFigures, type Figures } from '../helpers/exchange-figures.ts'
import { startExchangeFromKafka } from '../helpers/exchange-from-kafka.ts'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import type { Program } from '../helpers/program.ts'
import { PrometheusServer, reasonAgainst, type Series } from '../helpers/prometheus.ts'
import { FIRST_START_TIMEOUT_MS, orSkip, type Unavailable } from '../helpers/servers.ts'
import { sharedKafka } from '../helpers/shared-servers.ts'
import { startStubElasticsearch } from '../helpers/stub-elasticsearch.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Lines that are there before the first scrape, and lines that come after it. */
const [BEFORE, AFTER] = [12_000, 4_000]
const SENT_AT_ONCE = 2_000
const MINUTES_5_S = 300
const DAY_S = 86_400

/** What no log tells comes from an exporter of the machine: seconds that its two cores were idle, and its memory. */
const IDLE_S = { before: [1_000, 2_000], after: [1_001, 2_003] } as const
const [MEMORY_BYTES, AVAILABLE_BYTES] = [16e9, 6e9]

/** All that Prometheus knows, and what the log says. */
interface Scene {
  readonly prometheus: PrometheusServer
  /** When queries are asked for. */
  readonly at_s: number

  readonly before: Figures['exact']
  readonly after: Figures['exact']
}

let scene: Scene | Unavailable
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  scene = (await reasonAgainst('prometheus')) ?? (await setScene(await sharedKafka()))
}, FIRST_START_TIMEOUT_MS)

afterAll(() => stack.disposeAsync())

async function setScene(kafka: Awaited<ReturnType<typeof sharedKafka>>): Promise<Scene | Unavailable> {
  if ('unavailable' in kafka) return kafka
  // With this seed nothing is seen for the first time among the later lines: Prometheus could not tell how much that grew.
  const log = exchangeLog({ seed: 7, start_ms: Date.UTC(2026, 2, 1) })
  const lines = Array.from({ length: BEFORE + AFTER }, () => log.next().value.line)
  const topic = await createTopic(kafka.brokers)
  const program = await startExchange(kafka.brokers, topic.name)
  const machine = await startExporter()

  await topic.send(lines.slice(0, BEFORE))
  await settledBooks(program, BEFORE, FIRST_START_TIMEOUT_MS)
  const targets = [new URL(program.apiUrl).host, machine.address]
  const prometheus = stack.use(await PrometheusServer.start({ targets, scrape_interval_ms: 1_000 }))
  await scrapes(prometheus, 3)

  await topic.send(lines.slice(BEFORE))
  await settledBooks(program, lines.length, FIRST_START_TIMEOUT_MS)
  machine.has_passed = true
  await scrapes(prometheus, (await scrapes(prometheus, 0)) + 3)
  const at_s = Date.now() / 1_000
  const [before, after] = [lines.slice(0, BEFORE), lines].map((some) => exchangeFigures(some).exact)
  return { prometheus, at_s, before: before ?? new Map(), after: after ?? new Map() }
}

/** Waits until each target was scraped so often; returns how often. */
async function scrapes(prometheus: PrometheusServer, count: number): Promise<number> {
  return await waitFor(`${count} scrapes`, async () => {
    const counts = await prometheus.query('sum_over_time(up[5m])')
    const least = Math.min(...counts.map(({ value }) => Number(value?.[1])))
    return counts.length === 2 && least >= count ? least : undefined
  })
}

async function createTopic(
  brokers: readonly string[],
): Promise<{ readonly name: string; send(lines: readonly string[]): Promise<void> }> {
  patchKafkajs()
  const client = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
  const [admin, producer] = [client.admin(), client.producer(EACH_ONCE)]
  await Promise.all([admin.connect(), producer.connect()])
  stack.defer(async () => void (await Promise.all([admin.disconnect(), producer.disconnect()])))
  const topic = `promql-${randomUUID()}`
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
  return {
    name: topic,
    send: async (lines) => {
      for (let from = 0; from < lines.length; from += SENT_AT_ONCE) {
        await producer.send({ topic, messages: lines.slice(from, from + SENT_AT_ONCE).map((value) => ({ value })) })
      }
    },
  }
}

async function startExchange(brokers: readonly string[], topic: string): Promise<Program> {
  const folder = stack.use(await temporaryFolder())
  const store = await startStubElasticsearch()
  stack.defer(() => store.close())
  return stack.use(await startExchangeFromKafka({ brokers, topic, elasticsearch_url: store.url, folder: folder.path }))
}

/** A stand-in for node-exporter with two cores. */
async function startExporter(): Promise<{ readonly address: string; has_passed: boolean }> {
  const exporter = { address: '', has_passed: false }
  const server = createServer((_request, response) => {
    const idle = exporter.has_passed ? IDLE_S.after : IDLE_S.before
    response.end(
      [
        ...idle.map((seconds, cpu) => `node_cpu_seconds_total{cpu="${cpu}",mode="idle"} ${seconds}`),
        ...idle.map((_seconds, cpu) => `node_cpu_seconds_total{cpu="${cpu}",mode="user"} 5`),
        `node_memory_MemTotal_bytes ${MEMORY_BYTES}`,
        `node_memory_MemAvailable_bytes ${AVAILABLE_BYTES}`,
        '',
      ].join('\n'),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(() => void server.close())
  exporter.address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return exporter
}

/**
 * What Prometheus makes of a counter that grew from the first scrape of a series in a window to its last: it takes the growth
 * to have gone on to the ends of the window where a scrape is near them, else for half the time between two scrapes.
 */
function increase(grown: number, times_s: readonly number[], at_s: number, window_s: number): number {
  const [first = 0, last = 0] = [times_s[0], times_s.at(-1)]
  const mean_s = (last - first) / (times_s.length - 1)
  const towards = (distance_s: number): number => (distance_s < 1.1 * mean_s ? distance_s : mean_s / 2)
  const covered_s = last - first + towards(first - (at_s - window_s)) + towards(at_s - last)
  return (grown * covered_s) / (last - first)
}

/** One of the queries at the end, by a label of the answer; `''` without one. */
async function answers({ prometheus, at_s }: Scene, query: string, label = ''): Promise<Map<string, number>> {
  const series = await prometheus.query(query, at_s)
  return new Map(series.map(({ metric, value }: Series) => [metric[label] ?? '', Number(value?.[1])]))
}

/** The scrapes of a metric that is always there. */
async function times({ prometheus, at_s }: Scene, metric: string): Promise<readonly number[]> {
  const [series] = await prometheus.query(`${metric}[5m]`, at_s)
  return (series?.values ?? []).map(([time_s]) => time_s)
}

/** How much the series of a counter grew between the first scrape and the last, added up by the value of a label. */
function growth({ before, after }: Scene, name: string, label: string, only = ''): Map<string, number> {
  const grown = new Map<string, number>()
  for (const [key, value] of after) {
    if (!key.startsWith(`${name}{`) || !key.includes(only)) continue
    // A series that came in between would have been seen first at some value that the log does not tell.
    expect(before.has(key), key).toBe(true)
    const group = new RegExp(`[{,]${label}="([^"]*)"`).exec(key)?.[1] ?? ''
    grown.set(group, (grown.get(group) ?? 0) + value - (before.get(key) ?? 0))
  }
  return grown
}

function expectClose(actual: ReadonlyMap<string, number>, expected: ReadonlyMap<string, number>): void {
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort())
  for (const [key, value] of expected) {
    expect(value, key).toBeGreaterThan(0)
    expect(Math.abs((actual.get(key) ?? Number.NaN) - value) / value, key).toBeLessThan(1e-6)
  }
}

const one = (value: number): Map<string, number> => new Map([['', value]])
const gauge = ({ after }: Scene, key: string): number => after.get(key) ?? Number.NaN

type Expect = (scene: Scene, of: (grown: number, window_s: number) => number) => Map<string, number>

test.for<readonly [query: string, label: string, expected: Expect]>([
  [
    'sum(rate(exchange_api_requests_total[5m])) by (endpoint)',
    'endpoint',
    (all, of) =>
      new Map(
        [...growth(all, 'exchange_api_requests_total', 'endpoint')].map(([endpoint, grown]) => [
          endpoint,
          of(grown, MINUTES_5_S) / MINUTES_5_S,
        ]),
      ),
  ],
  [
    `sum(rate(exchange_api_requests_total{status=~"5.."}[5m])) /
     sum(rate(exchange_api_requests_total[5m]))`,
    '',
    (all) => {
      const requests = growth(all, 'exchange_api_requests_total', 'status')
      const failed = [...requests].filter(([status]) => /^5..$/.test(status)).map(([, grown]) => grown)
      return one(sum(failed) / sum([...requests.values()]))
    },
  ],
  [
    'histogram_quantile(0.99, rate(exchange_order_processing_seconds_bucket[5m]))',
    '',
    (all) => {
      const grown = growth(all, 'exchange_order_processing_seconds_bucket', 'le')
      return one(
        quantileOf(
          0.99,
          [...grown].map(([le, count]) => [Number(le.replace('+Inf', 'Infinity')), count] as const),
        ),
      )
    },
  ],
  [
    'sum(increase(exchange_trade_volume[24h])) by (symbol)',
    'symbol',
    (all, of) =>
      new Map([...growth(all, 'exchange_trade_volume', 'symbol')].map(([symbol, grown]) => [symbol, of(grown, DAY_S)])),
  ],
  [
    `exchange_db_connections{state="active"} / ignoring(state)
     (exchange_db_connections{state="active"} + ignoring(state) exchange_db_connections{state="idle"})`,
    '',
    (all) => {
      const [active, idle] = ['active', 'idle'].map((state) => gauge(all, `exchange_db_connections{state="${state}"}`))
      return one((active ?? 0) / ((active ?? 0) + (idle ?? 0)))
    },
  ],
  [
    '100 - (avg(rate(node_cpu_seconds_total{mode="idle"}[5m])) * 100)',
    '',
    (_all, of) => {
      const grown = IDLE_S.after.map((seconds, cpu) => seconds - (IDLE_S.before[cpu] ?? 0))
      return one(100 - (sum(grown.map((seconds) => of(seconds, MINUTES_5_S) / MINUTES_5_S)) / grown.length) * 100)
    },
  ],
  [
    '(1 - (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)) * 100',
    '',
    () => one((1 - AVAILABLE_BYTES / MEMORY_BYTES) * 100),
  ],
  ['rate(kafka_consumer_messages_consumed_total[5m])', '', (_all, of) => one(of(AFTER, MINUTES_5_S) / MINUTES_5_S)],
])('%s', async ([query, label, expected], context) => {
  const all = orSkip(context, scene)
  const scraped = await times(all, query.includes('node_') ? 'node_memory_MemTotal_bytes' : 'exchange_online_users')
  expect(scraped.length).toBeGreaterThan(5)
  expectClose(
    await answers(all, query, label),
    expected(all, (grown, window_s) => increase(grown, scraped, all.at_s, window_s)),
  )
})

test('without ignoring(state) Prometheus finds no pairs of active and idle, and answers nothing', async (context) => {
  const all = orSkip(context, scene)
  const query = 'exchange_db_connections{state="active"} + exchange_db_connections{state="idle"}'
  expect(await answers(all, query)).toEqual(new Map())
})
