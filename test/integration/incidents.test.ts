import { randomUUID } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { expect, test } from 'vitest'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { exchangeLog } from '../../src/sample/exchange-log.ts'
import { INCIDENTS, type Incident } from '../../src/sample/incidents.ts'
import { AlertChannels, type Notification } from '../helpers/alert-channels.ts'
import { Alertmanager } from '../helpers/alertmanager.ts'
import { freePort } from '../helpers/free-port.ts'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import { Program } from '../helpers/program.ts'
import { PrometheusServer, reasonAgainst } from '../helpers/prometheus.ts'
import { scaleDurations } from '../helpers/scale-durations.ts'
import { orSkip } from '../helpers/servers.ts'
import { sharedKafka } from '../helpers/shared-servers.ts'
import { startStubElasticsearch } from '../helpers/stub-elasticsearch.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'
import { waitFor } from '../helpers/wait-for.ts'

const ROOT = join(import.meta.dirname, '../..')
const SCALE = 60
/** Lines a second: six programs, Prometheus and Alertmanager share two cores. */
const RATE = 100
/** Beside other exchanges that are well, a burst of errors has to be seen in the sum of all requests. */
const BURST_RATE = 200
const LAG_LINES = 30_000
/** Less than the megabyte that a broker takes. */
const SENT_AT_ONCE = 2_000
const USUAL_S = 300
const HISTORY_S = 240
/** Alone it takes a minute. */
const TIMEOUT_MS = 360_000

const ALERTS: Readonly<Record<Incident, string>> = {
  'error-burst': 'APIHighErrorRate',
  'slow-api': 'APIHighLatency',
  'matching-slow': 'MatchingEngineSlowdown',
  'volume-spike': 'AbnormalTradingVolume',
  'db-pool': 'DatabaseConnectionPoolExhausted',
  'kafka-lag': 'KafkaConsumerLag',
}

interface Kept {
  readonly status: 'firing' | 'resolved'
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: { readonly summary: string; readonly description: string }
  readonly startsAt: string
  readonly endsAt?: string
  readonly fingerprint: string
}

test(
  'each incident fires its alert, which reaches the people that the routing says, and so does its end',
  async (context) => {
    for (const name of ['prometheus', 'prometheus-alertmanager'] as const) {
      const missing = await reasonAgainst(name)
      if (missing !== undefined) orSkip(context, missing)
    }
    const { brokers } = orSkip(context, await sharedKafka())
    await using folder = await temporaryFolder()
    await using stack = new AsyncDisposableStack()

    const channels = stack.use(await AlertChannels.start())
    const alerts_port = await freePort()
    const alerts = stack.use(
      await Program.start({
        args: ['-f', join(ROOT, 'config/alerts.json')],
        env: { ...channels.env, ELASTICSEARCH_URL: '', ALERTS_PORT: String(alerts_port) },
      }),
    )
    const rules = scaleDurations(await readFile(join(ROOT, 'deploy/prometheus/alerts.yml'), 'utf8'), SCALE)
    const alertmanager = stack.use(await Alertmanager.start(`127.0.0.1:${alerts_port}`, SCALE))

    const held = Promise.withResolvers<void>()
    const exchanges = await startExchanges(folder.path, brokers, held.promise, stack)
    const prometheus = stack.use(
      await PrometheusServer.start({
        targets: [...exchanges.values(), alerts].map(addressOf),
        scrape_interval_ms: 2_000,
        rules,
        alertmanager: alertmanager.address,
        history: usualVolume(exchanges),
      }),
    )

    const instances = new Map([...exchanges].map(([incident, program]) => [addressOf(program), incident]))
    const fired = (): Promise<Set<string>> => firedAlerts(prometheus)
    await waitFor('six alerts', async () => (await fired()).size >= INCIDENTS.length, {
      timeout_ms: 200_000,
      details: async () => JSON.stringify([await prometheus.query('up'), await prometheus.alerts()]),
    })
    const keptIn = (status: string): Promise<readonly Kept[]> => readKept(alerts.data, status)
    const names = (documents: readonly Kept[]): string[] => documents.map(({ labels }) => labels['alertname'] ?? '')
    await waitFor('six alerts on their way', async () => new Set(names(await keptIn('firing'))).size >= INCIDENTS.length, {
      timeout_ms: 60_000,
    })

    held.resolve()
    await Promise.all([...exchanges.values()].map((program) => program.kill()))
    await waitFor('the end of all alerts', async () => haveEnded(await keptIn('firing'), await keptIn('resolved')), {
      timeout_ms: 60_000,
      details: async () => JSON.stringify(await prometheus.alerts()),
    })
    const firing = await keptIn('firing')
    expect([...new Set(names(firing))].sort()).toEqual(Object.values(ALERTS).sort())
    for (const { labels } of firing) {
      const incident = instances.get(labels['instance'] ?? '')
      // The rate of errors is of all exchanges together.
      expect(labels['alertname']).toBe(incident === undefined ? ALERTS['error-burst'] : ALERTS[incident])
    }
    const expected = [...firing, ...(await keptIn('resolved'))].flatMap(notificationsOf)
    await waitFor('all notifications', () => channels.received.length >= expected.length)
    expect((await alerts.stop()).code).toBe(0)
    expect(channels.received.map(textOf).sort()).toEqual(expected.map(textOf).sort())
  },
  TIMEOUT_MS,
)

/** A program with config/exchange.json for each incident, which goes wrong from its first line on. */
async function startExchanges(
  folder: string,
  brokers: readonly string[],
  held: Promise<void>,
  stack: AsyncDisposableStack,
): Promise<ReadonlyMap<Incident, Program>> {
  const topic = `incidents-${randomUUID()}`
  await produceLag(brokers, topic)
  // The store takes what is read from Kafka and does not answer: that is why the consumer lags.
  const store = await startStubElasticsearch({ onBulk: () => ({ until: held }) })
  stack.defer(() => store.close())
  const config = await readFile(join(ROOT, 'config/exchange.json'), 'utf8')
  const start = async (incident: Incident): Promise<readonly [Incident, Program]> => {
    const rate = incident === 'error-burst' ? BURST_RATE : RATE
    const path = join(folder, `${incident}.json`)
    const sample = `"count": 1000000000, "rate": ${rate}, "incident": "${incident}"`
    await writeFile(
      path,
      config
        .replace('"count": 10000, "rate": 500', sample)
        .replace('"topics": ["exchange-logs"]', `"topics": ["${topic}"]`)
        .replace('"group_id": "millrace"', `"group_id": "${topic}"`)
        .replace('"elasticsearch": {', '"elasticsearch": { "timeout": 600,'),
    )
    const is_kafka = incident === 'kafka-lag'
    const env = {
      KAFKA_BROKERS: is_kafka ? brokers.join(',') : '',
      ELASTICSEARCH_URL: is_kafka ? store.url : '',
      EXCHANGE_LOG: '',
      BEATS_PORT: String(await freePort()),
      MILLRACE_GEOIP_DATABASE: join(ROOT, 'config/geoip/millrace-sample.mmdb'),
    }
    // Six that start at once take their time: Prometheus finds out when they are there.
    return [incident, stack.use(await Program.spawn({ args: ['-f', path], env }))]
  }
  return new Map(await Promise.all(INCIDENTS.map(start)))
}

async function produceLag(brokers: readonly string[], topic: string): Promise<void> {
  patchKafkajs()
  const client = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
  const [admin, producer] = [client.admin(), client.producer(EACH_ONCE)]
  await Promise.all([admin.connect(), producer.connect()])
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
  const log = exchangeLog({ seed: 1, start_ms: Date.now(), incident: 'kafka-lag' })
  for (let sent = 0; sent < LAG_LINES; sent += SENT_AT_ONCE) {
    await producer.send({ topic, messages: Array.from({ length: SENT_AT_ONCE }, () => ({ value: log.next().value.line })) })
  }
  await Promise.all([admin.disconnect(), producer.disconnect()])
}

/** What Prometheus would have seen of each exchange before: `HISTORY_S` of the usual volume, in OpenMetrics' text format. */
function usualVolume(exchanges: ReadonlyMap<Incident, Program>): string {
  const volumes = new Map<string, number>()
  const log = exchangeLog({ seed: 1, start_ms: 0, rate: RATE })
  for (let next = log.next().value; next.time_ms < USUAL_S * 1_000; next = log.next().value) {
    const { action, symbol, amount } = JSON.parse(next.line) as { action?: string; symbol?: string; amount?: number | string }
    if (action !== 'trade_executed' || symbol === undefined) continue
    volumes.set(symbol, (volumes.get(symbol) ?? 0) + Number(amount))
  }
  const now_s = Math.floor(Date.now() / 1_000)
  const lines = ['# TYPE exchange_trade_volume gauge']
  for (const [incident, program] of exchanges) {
    for (const [symbol, volume] of volumes) {
      const rate = (volume / USUAL_S) * (incident === 'error-burst' ? BURST_RATE / RATE : 1)
      const series = `exchange_trade_volume{instance="${addressOf(program)}",job="millrace",symbol="${symbol}"}`
      for (let age_s = HISTORY_S; age_s >= 0; age_s -= 5) lines.push(`${series} ${rate * (HISTORY_S - age_s)} ${now_s - age_s}`)
    }
  }
  return [...lines, '# EOF', ''].join('\n')
}

async function firedAlerts(prometheus: PrometheusServer): Promise<Set<string>> {
  const firing = (await prometheus.alerts()).filter(({ state }) => state === 'firing')
  return new Set(firing.map(({ labels }) => labels['alertname'] ?? ''))
}

async function readKept(data: string, status: string): Promise<readonly Kept[]> {
  const names = (await readdir(data)).filter((name) => name.startsWith('exchange-alerts-'))
  const texts = await Promise.all(names.map((name) => readFile(join(data, name), 'utf8')))
  const documents = texts.flatMap((text) => text.trimEnd().split('\n')).map((line) => JSON.parse(line) as Kept)
  return documents.filter((document) => document.status === status)
}

/**
 * Whether the latest of each alert has ended. Of one that ended and fired again at once, as where a scrape failed, Alertmanager tells
 * the second start only.
 */
function haveEnded(firing: readonly Kept[], resolved: readonly Kept[]): boolean {
  return firing.every(({ fingerprint, startsAt }) =>
    resolved.some((end) => end.fingerprint === fingerprint && Date.parse(end.startsAt) >= Date.parse(startsAt)),
  )
}

/** The routing: critical to phone, SMS and WeChat, warnings to mail and WeChat; that one is over is not told to the phone. */
function notificationsOf({ status, labels, annotations, startsAt, endsAt }: Kept): Notification[] {
  const severity = labels['severity'] ?? ''
  const { summary, description } = annotations
  const [mark, line] = status === 'resolved' ? [' (已恢复)', `\n恢复: ${endsAt}`] : ['', '']
  const wechat = `【${severity}】\n告警: ${summary}\n详情: ${description}\n时间: ${startsAt}${line}`
  const short: Notification[] =
    severity === 'critical'
      ? [...(status === 'firing' ? [{ channel: 'phone', text: summary } as const] : []), { channel: 'sms', text: summary + mark }]
      : [{ channel: 'email', text: `[${severity}] ${summary}${mark}\n\n${description}${line}` }]
  return [...short, { channel: 'wechat', text: wechat }]
}

function textOf({ channel, text }: Notification): string {
  return `${channel} ${text}`
}

function addressOf({ apiUrl }: Program): string {
  return new URL(apiUrl).host
}
