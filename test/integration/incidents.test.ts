import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { exchangeLog } from '../../src/sample/exchange-log.ts'
import { INCIDENTS, type Incident } from '../../src/sample/incidents.ts'
import { AlertChannels } from '../helpers/alert-channels.ts'
import { type Expected, expectedOf, type Firing, readRules, type Status, takeExpected } from '../helpers/alert-expectations.ts'
import { AlertPipeline } from '../helpers/alert-pipeline.ts'
import { Alertmanager, type ManagedAlert } from '../helpers/alertmanager.ts'
import { freePort } from '../helpers/free-port.ts'
import { KafkaBurst } from '../helpers/kafka-burst.ts'
import { Program } from '../helpers/program.ts'
import { type ActiveAlert, PrometheusServer, reasonAgainst } from '../helpers/prometheus.ts'
import { scaleDurations, toMs } from '../helpers/scale-durations.ts'
import { orSkip } from '../helpers/servers.ts'
import { sharedKafka } from '../helpers/shared-servers.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'
import { waitFor } from '../helpers/wait-for.ts'

const ROOT = join(import.meta.dirname, '../..')
const SCALE = 60
/** Lines a second: six programs, Prometheus and Alertmanager share two cores. */
const RATE = 100
/** Beside other exchanges that are well, a burst of errors has to be seen in the sum of all requests. */
const BURST_RATE = 200
const USUAL_S = 300
const HISTORY_S = 240
/** So often Alertmanager is asked: no alert fires for so short a time. */
const WATCH_MS = 250
/** What ends before its group is told again may never be told: longer than the longest such interval, divided, and some evaluations. */
const BRIEF_MS = 10_000
/** Alone it takes two minutes. */
const TIMEOUT_MS = 600_000

const ALERTS: Readonly<Record<Incident, string>> = {
  'error-burst': 'APIHighErrorRate',
  'slow-api': 'APIHighLatency',
  'matching-slow': 'MatchingEngineSlowdown',
  'volume-spike': 'AbnormalTradingVolume',
  'db-pool': 'DatabaseConnectionPoolExhausted',
  'kafka-lag': 'KafkaConsumerLag',
}

/** With times divided by 60 a processor that is away for a second is a minute without scrapes to the rules. */
const LIVE = { timeout: TIMEOUT_MS, retry: 2 }

/** A start takes as long as ever, and in the end programs are killed: both are shorter than these alerts wait, unless that is divided. */
const ABOUT_STARTS: readonly string[] = ['MillraceInputDown', 'MillraceDown']

test(
  'each incident fires its alert, which reaches the people that the routing says, and so does its end',
  LIVE,
  async (context) => {
    for (const name of ['prometheus', 'prometheus-alertmanager'] as const) {
      const missing = await reasonAgainst(name)
      if (missing !== undefined) orSkip(context, missing)
    }
    const { brokers } = orSkip(context, await sharedKafka())
    await using folder = await temporaryFolder()
    await using stack = new AsyncDisposableStack()

    const channels = stack.use(await AlertChannels.start())
    const data = stack.use(await temporaryFolder())
    const alerts = stack.use(await AlertPipeline.start(channels, data.path))
    const alertmanager = stack.use(await Alertmanager.start(new URL(alerts.url).host, SCALE))
    const watch = stack.use(new Watch(alertmanager))

    const topic = `incidents-${randomUUID()}`
    const burst = stack.use(await KafkaBurst.prepare(brokers, topic))
    const exchanges = await startExchanges(folder.path, brokers, topic, stack)
    const rules = await readRules()
    const prometheus = stack.use(
      await PrometheusServer.start({
        targets: [...exchanges.values(), alerts.program].map(addressOf),
        scrape_interval_ms: 2_000,
        rules: scaleDurations(await rulesBesides(ABOUT_STARTS), SCALE),
        alertmanager: alertmanager.address,
        history: usualVolume(exchanges),
      }),
    )

    const firing = async (): Promise<readonly ActiveAlert[]> =>
      (await prometheus.alerts()).filter(({ state }) => state === 'firing')
    const fire = async (count: number): Promise<void> => {
      await waitFor(`${count} alerts`, async () => new Set((await firing()).map(nameOf)).size >= count, {
        timeout_ms: 200_000,
        details: async () => JSON.stringify([await prometheus.query('up'), await prometheus.alerts()]),
      })
    }
    await fire(INCIDENTS.length - 1)
    burst.begin()
    await fire(INCIDENTS.length)
    const at_last = await firing()
    // What Prometheus tells Alertmanager it tells at once, and then again and again.
    await waitFor('Alertmanager to know them', () => at_last.every(({ labels }) => watch.find(labels) !== undefined))
    for (const alert of at_last) {
      const { labels, activeAt, value } = alert
      const rule = rules.get(nameOf(alert))
      expect(labels['severity']).toBe(rule?.labels['severity'])
      const waited_ms = Date.parse(watch.find(labels)?.startsAt ?? '') - Date.parse(activeAt)
      // Of one that ended and fired again at once Alertmanager may keep the first start.
      if (waited_ms >= 0) expect(waited_ms).toBeGreaterThanOrEqual(toMs(rule?.for ?? '') / SCALE)
      if (nameOf(alert) !== ALERTS['kafka-lag']) continue
      expect(labels).toMatchObject({ consumer_group: topic, topic, instance: addressOf(exchanges.get('kafka-lag')) })
      expect(Number(value)).toBeGreaterThan(10_000)
    }

    await burst.end()
    await waitFor('the lag to go by itself', async () => !(await firing()).some((alert) => nameOf(alert) === ALERTS['kafka-lag']))
    await waitFor('the rest of it', async () => (await burst.lag()) === 0)
    await Promise.all([...exchanges.values()].map((program) => program.kill()))
    await waitFor('the end of all alerts', async () => (await alertmanager.alerts()).length === 0)
    await watch[Symbol.asyncDispose]()

    const instances = new Map([...exchanges].map(([incident, program]) => [addressOf(program), incident]))
    for (const { labels } of watch.seen) {
      const incident = instances.get(labels['instance'] ?? '')
      // The rate of errors is of all exchanges together.
      expect(labels['alertname']).toBe(ALERTS[incident ?? 'error-burst'])
    }
    const toldOf = (firings: readonly Firing[], ...statuses: readonly Status[]): readonly Expected[] =>
      firings.flatMap((one) => {
        const rule = rules.get(nameOf(one))
        return rule === undefined ? [] : statuses.flatMap((status) => expectedOf(rule, one, status))
      })
    // Where a scrape failed an alert may end and fire again at once: which of its starts Alertmanager tells is
    // a matter of when it looks, but of the last one it tells the end. One that lasted for a single evaluation it may have told
    // and not shown. One that began when the programs were about to be killed may be over before its group is told.
    const unseen = (await startsIn(prometheus)).filter((one) => !watch.seen.some((other) => isSame(one, other)))
    const isSteady = (one: ManagedAlert): boolean =>
      watch.startsOf(one).length === 1 && !hasUnseen(one) && watch.durationOf(one) >= BRIEF_MS
    const hasUnseen = ({ labels }: Firing): boolean => unseen.some((other) => isDeepStrictEqual(labels, other.labels))
    const steady = watch.latest.filter(isSteady)
    const again = watch.seen.filter((one) => !isSteady(one))
    const ends = watch.latest.filter((one) => again.includes(one) && !hasUnseen(one) && watch.durationOf(one) >= BRIEF_MS)
    const expected = [...toldOf(steady, 'firing', 'resolved'), ...toldOf(ends, 'resolved')]
    await waitFor('all notifications', () => takeExpected([...channels.received], expected).length === 0, {
      details: () => {
        const rest = [...channels.received]
        const missing = takeExpected(rest, expected).map(({ channel, text }) => `${channel} ${text.source}`)
        return JSON.stringify({ missing, rest, seen: watch.seen }, null, 1)
      },
    })
    // A text does not name its alert: that of another one that ended at the same time may have been taken for it.
    const isKept = async ({ fingerprint, labels }: ManagedAlert): Promise<boolean> =>
      (await alerts.kept()).some(
        (one) => one.fingerprint === fingerprint && one.status === 'resolved' && isDeepStrictEqual(one.labels, labels),
      )
    for (const one of [...steady, ...ends]) await waitFor('its end to be kept', async () => await isKept(one))
    expect((await alerts.program.stop()).code).toBe(0)
    const received = [...channels.received]
    expect(takeExpected(received, expected)).toEqual([])
    takeExpected(received, [
      ...toldOf(again, 'firing'),
      ...toldOf(
        again.filter((one) => !ends.includes(one)),
        'resolved',
      ),
      ...toldOf(unseen, 'firing', 'resolved'),
    ])
    expect(received).toEqual([])
    const kept = await alerts.kept()
    // Nobody waited for what became of the others.
    for (const one of [...steady, ...ends]) {
      const documents = kept.filter(
        ({ fingerprint, labels }) => fingerprint === one.fingerprint && isDeepStrictEqual(labels, one.labels),
      )
      const statuses = documents.map(({ status }) => status)
      expect(new Set(statuses), JSON.stringify(one)).toContain('resolved')
      if (steady.includes(one)) expect(statuses.toSorted(), JSON.stringify(one)).toEqual(['firing', 'resolved'])
    }
    expect(new Set(kept.filter(({ status }) => status === 'firing').map(nameOf))).toEqual(new Set(Object.values(ALERTS)))
    expect(kept.filter(({ fingerprint }) => !watch.latest.some((one) => one.fingerprint === fingerprint))).toEqual([])
  },
)

/** Every alert that an Alertmanager shows while it is watched, by its own API, once for each time that it began. */
class Watch implements AsyncDisposable {
  readonly #seen = new Map<string, ManagedAlert>()
  readonly #first_ms = new Map<string, number>()
  readonly #last_ms = new Map<string, number>()
  readonly #stop = new AbortController()
  readonly #watching: Promise<void>

  constructor(alertmanager: Alertmanager) {
    this.#watching = this.#run(alertmanager)
  }

  get seen(): readonly ManagedAlert[] {
    return [...this.#seen.values()]
  }

  /** All starts of the same one. */
  startsOf({ fingerprint }: ManagedAlert): readonly ManagedAlert[] {
    return this.seen.filter((one) => one.fingerprint === fingerprint)
  }

  /** The last start of each. */
  get latest(): readonly ManagedAlert[] {
    return [...new Map(this.seen.map((one) => [one.fingerprint, one])).values()]
  }

  /** How long it was shown. */
  durationOf(one: ManagedAlert): number {
    const key = keyOf(one)
    return (this.#last_ms.get(key) ?? 0) - (this.#first_ms.get(key) ?? 0)
  }

  find(labels: Readonly<Record<string, string>>): ManagedAlert | undefined {
    return this.latest.find((one) => isDeepStrictEqual(one.labels, labels))
  }

  async #run(alertmanager: Alertmanager): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const alert of await alertmanager.alerts()) {
        const key = keyOf(alert)
        this.#seen.set(key, alert)
        this.#last_ms.set(key, Date.now())
        if (!this.#first_ms.has(key)) this.#first_ms.set(key, Date.now())
      }
      await delay(WATCH_MS)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#watching
  }
}

function keyOf({ fingerprint, startsAt }: ManagedAlert): string {
  return `${fingerprint} ${startsAt}`
}

/** A program with config/exchange.json for each incident, which goes wrong from its first line on; one waits for lines from Kafka. */
async function startExchanges(
  folder: string,
  brokers: readonly string[],
  topic: string,
  stack: AsyncDisposableStack,
): Promise<ReadonlyMap<Incident, Program>> {
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
        .replace('"group_id": "millrace"', `"group_id": "${topic}"`),
    )
    const env = {
      KAFKA_BROKERS: incident === 'kafka-lag' ? brokers.join(',') : '',
      ELASTICSEARCH_URL: '',
      EXCHANGE_LOG: '',
      BEATS_PORT: String(await freePort()),
      MILLRACE_GEOIP_DATABASE: join(ROOT, 'config/geoip/millrace-sample.mmdb'),
    }
    // Six that start at once take their time: Prometheus finds out when they are there.
    return [incident, stack.use(await Program.spawn({ args: ['-f', path], env }))]
  }
  return new Map(await Promise.all(INCIDENTS.map(start)))
}

/** The text of deploy/prometheus/alerts.yml without some of its alerts. */
async function rulesBesides(left_out: readonly string[]): Promise<string> {
  const text = await readFile(join(ROOT, 'deploy/prometheus/alerts.yml'), 'utf8')
  const { groups } = parse(text) as { groups: { rules: { alert: string }[] }[] }
  const kept = groups.map(({ rules, ...group }) => ({ ...group, rules: rules.filter(({ alert }) => !left_out.includes(alert)) }))
  return stringify({ groups: kept })
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
    // What comes from Kafka comes as fast as it is read.
    const factor = { 'error-burst': BURST_RATE / RATE, 'kafka-lag': 20 }[incident as string] ?? 1
    for (const [symbol, volume] of volumes) {
      const rate = (volume / USUAL_S) * factor
      const series = `exchange_trade_volume{instance="${addressOf(program)}",job="millrace",symbol="${symbol}"}`
      for (let age_s = HISTORY_S; age_s >= 0; age_s -= 5) lines.push(`${series} ${rate * (HISTORY_S - age_s)} ${now_s - age_s}`)
    }
  }
  return [...lines, '# EOF', ''].join('\n')
}

/** Every start of each alert by Prometheus' own record, however short it was. */
async function startsIn(prometheus: PrometheusServer): Promise<readonly Firing[]> {
  const [firing, active] = await Promise.all(
    ['ALERTS{alertstate="firing"}[20m]', 'ALERTS_FOR_STATE[20m]'].map((query) => prometheus.query(query)),
  )
  return (firing ?? []).flatMap(({ metric, values = [] }) => {
    const labels = withoutOwn(metric)
    const own = active?.find((other) => isDeepStrictEqual(withoutOwn(other.metric), labels))
    // Time of an evaluation -> since when the expression was true.
    const since = new Map(own?.values)
    const times_s = values.map(([time_s]) => time_s)
    const starts_s = times_s.filter((time_s, index) => since.get(time_s) !== since.get(times_s[index - 1] ?? 0))
    return starts_s.map((time_s) => ({ labels, startsAt: new Date(Math.round(time_s * 1_000)).toISOString() }))
  })
}

/** The labels of an alert, of those of a series of Prometheus about it. */
function withoutOwn(metric: Firing['labels']): Firing['labels'] {
  return Object.fromEntries(Object.entries(metric).filter(([name]) => name !== '__name__' && name !== 'alertstate'))
}

function isSame(one: Firing, other: Firing): boolean {
  return one.startsAt === other.startsAt && isDeepStrictEqual(one.labels, other.labels)
}

function nameOf({ labels }: Pick<ActiveAlert, 'labels'>): string {
  return labels['alertname'] ?? ''
}

function addressOf(program: Program | undefined): string {
  return new URL(program?.apiUrl ?? '').host
}
