import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readSamples, settledBooks, sum } from '../helpers/books.ts'
import { Backfill, keyOf, quantileOf, readPanels, type Values, valuesOf } from '../helpers/dashboard.ts'
import { PrometheusServer, reasonAgainst } from '../helpers/prometheus.ts'
import { FIRST_START_TIMEOUT_MS, orSkip, type Unavailable } from '../helpers/servers.ts'
import { sharedKafka } from '../helpers/shared-servers.ts'
import { STORE_DELAY_MS, ThreePipelines } from '../helpers/three-pipelines.ts'
import { waitFor } from '../helpers/wait-for.ts'

// A program is given what is counted here, and Prometheus scrapes it: each panel must show the number that comes of the counting.

/** What is sent between the two times that panels with a window compare. */
const SENT = { good: 300, again: 50, noise: 20, bad: 5, records: 100, untraced: 10 } as const
/** What the two pipelines hold that can get rid of nothing. */
const HELD = { stuck: 40, spilled: 400 } as const
/** What each event of `spilled` is at least, so that the output tries few of them at a time: 2 MiB, which are in memory then. */
const SPILLED_EVENT_BYTES = 16_384
const TRIED_BYTES = 2 * 1_024 * 1_024
const TRIED_MAX = TRIED_BYTES / SPILLED_EVENT_BYTES + 1
/** How old the lines of Filebeat and of Kafka are, each in the middle of a bucket of `millrace_log_to_stored_seconds`. */
const AGES_S = { filebeat: 500, kafka: 20_000 } as const
const AGE_BOUNDS_S = [300, 900, 3_600, 86_400] as const
/** How long the program is stopped, for its event loop to be late by almost as much. */
const STOPPED_MS = 1_000
const LATE_S = 0.9
const TICKS_PER_S = 100
const MINUTE_S = 60

interface Scene {
  readonly pipelines: ThreePipelines
  readonly prometheus: PrometheusServer
  readonly backfill: Backfill
  /** Of the store of `flow`, and of the endpoint for traces, between the two times. */
  readonly answered: ThreePipelines['answered']
  readonly spans: { readonly taken: number; readonly refused: number }
  /** Between which seconds of processor time the growth lies, as the system counts them. */
  readonly cpu_s: readonly [least: number, most: number]
  /** How late the event loop was at most, for it was stopped. */
  readonly late_s: number
  /** How long it took from the first line to the answer for the last. */
  readonly took_s: number
  /** The events of `stuck`, as text. */
  readonly stuck_bytes: number
  /** When they were sent and had come, and what Prometheus' last scrape is not older than. */
  readonly stuck_ms: { readonly sent: number; readonly came: number; readonly scraped_after: number }
}

let scene: Scene | Unavailable
let sequence = 0
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  const kafka = await sharedKafka()
  scene = (await reasonAgainst('prometheus')) ?? ('unavailable' in kafka ? kafka : await setScene(kafka.brokers))
}, FIRST_START_TIMEOUT_MS)

afterAll(() => stack.disposeAsync())

function linesOf(count: number, age_s: number, fields: object = {}): string[] {
  const ts = new Date(Date.now() - age_s * 1_000).toISOString()
  return Array.from({ length: count }, () => {
    const id = (++sequence).toString(16)
    const call = { trace_id: id.padStart(32, '0'), span_id: id.padStart(16, '0'), service: 'exchange-api', action: 'call' }
    return JSON.stringify({ ts, ...call, duration: 5, ...fields })
  })
}

async function setScene(brokers: readonly string[]): Promise<Scene> {
  const pipelines = stack.use(await ThreePipelines.start(brokers))
  const { program, receiver } = pipelines
  // Prometheus cannot tell how much a series grew that it did not see before, so all that there will be is there once.
  pipelines.putOffOnce()
  await pipelines.ship([...linesOf(1, AGES_S.filebeat), ...linesOf(1, AGES_S.filebeat, { bad: true })])
  await pipelines.sendToTopic('flow', linesOf(1, AGES_S.kafka))
  const settle = async (count: number): Promise<number> => {
    await settledBooks(program, count)
    await tracesSent(pipelines)
    return count
  }
  const warm = await settle(3)
  const known = { answered: pipelines.answered.length, spans: receiver.spans.length, refused: receiver.refused }
  const first = await scrape(pipelines)

  const began_ms = performance.now()
  pipelines.putOffOnce()
  const window = await pipelines.ship(linesOf(SENT.again, AGES_S.filebeat))
  await pipelines.ship([
    ...linesOf(SENT.good - SENT.again, AGES_S.filebeat),
    ...linesOf(SENT.noise, AGES_S.filebeat, { noise: true }),
    ...linesOf(SENT.bad, AGES_S.filebeat, { bad: true }),
  ])
  await pipelines.sendToTopic('flow', linesOf(SENT.records, AGES_S.kafka))
  const once = await settle(warm + SENT.good + SENT.noise + SENT.bad + SENT.records)
  await pipelines.shipAgain(window)
  const twice = await settle(once + SENT.again)
  receiver.status = 400
  await pipelines.ship(linesOf(SENT.untraced, AGES_S.filebeat))
  const all = await settle(twice + SENT.untraced)
  const took_s = (performance.now() - began_ms) / 1_000
  const { last, late_s } = await scrapeAfterStop(pipelines)
  const answered = pipelines.answered.slice(known.answered)
  const spans = { taken: receiver.spans.length - known.spans, refused: receiver.refused - known.refused }

  const stuck = linesOf(HELD.stuck, 0)
  const sent_ms = Date.now()
  await pipelines.sendToTopic('stuck', stuck)
  await pipelines.post(linesOf(HELD.spilled, 0, { padding: 'x'.repeat(SPILLED_EVENT_BYTES) }))
  await program.waitUntil('all events', async () => (await receivedBy(pipelines)) === all + HELD.stuck + HELD.spilled)
  const came_ms = Date.now()
  const backfill = new Backfill([first.text, last.text], 'job="millrace"')
  const targets = [new URL(program.apiUrl).host]
  const prometheus = stack.use(await PrometheusServer.start({ targets, scrape_interval_ms: 2_000, history: backfill.history }))
  const scraped_after_ms = Date.now()
  const isScraped = async (): Promise<boolean> => {
    const [series] = await prometheus.query('timestamp(up) and up == 1')
    return Number(series?.value?.[1]) * 1_000 > scraped_after_ms
  }
  await waitFor('a scrape', isScraped)
  return {
    pipelines,
    prometheus,
    backfill,
    answered,
    spans,
    cpu_s: [last.cpu_s[0] - first.cpu_s[1], last.cpu_s[1] - first.cpu_s[0]],
    late_s,
    took_s,
    stuck_bytes: sum(stuck.map((line) => line.length)),
    stuck_ms: { sent: sent_ms, came: came_ms, scraped_after: scraped_after_ms },
  }
}

interface Scrape {
  readonly text: string
  /** The processor time of the process just before, and just after. */
  readonly cpu_s: readonly [before: number, after: number]
}

async function scrape({ program }: ThreePipelines): Promise<Scrape> {
  const before = await cpuSeconds(program.pid)
  const text = await program.metrics()
  return { text, cpu_s: [before, await cpuSeconds(program.pid)] }
}

/** Stops the process for a time, which its event loop must notice, and looks. */
async function scrapeAfterStop(pipelines: ThreePipelines): Promise<{ readonly last: Scrape; readonly late_s: number }> {
  const { program } = pipelines
  process.kill(program.pid, 'SIGSTOP')
  // No waiting for something: this is what is measured.
  await delay(STOPPED_MS)
  process.kill(program.pid, 'SIGCONT')
  return await program.waitUntil('a look soon after the stop', async () => {
    const last = await scrape(pipelines)
    const late_s = readSamples(last.text).find(({ name }) => name === 'nodejs_eventloop_lag_max_seconds')?.value ?? 0
    return late_s >= LATE_S && { last, late_s }
  })
}

/** User and system, as the system counts them. */
async function cpuSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  // Behind the name in brackets come the state and, eleven further on, both times.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S
}

async function memoryOf(pid: number): Promise<{ readonly now: number; readonly most: number }> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) * 1_024
  return { now: bytes('VmRSS'), most: bytes('VmHWM') }
}

async function receivedBy({ program }: ThreePipelines): Promise<number> {
  const samples = readSamples(await program.metrics())
  return sum(samples.filter(({ name }) => name === 'millrace_events_received_total').map(({ value }) => value))
}

/** Waits until the program has no span left, and has heard what became of each. */
async function tracesSent({ program, receiver }: ThreePipelines): Promise<void> {
  await program.waitUntil('all spans to be sent', async () => {
    const came = receiver.spans.length + receiver.refused
    const samples = readSamples(await program.metrics())
    const told = (name: string): number => sum(samples.filter((sample) => sample.name === name).map(({ value }) => value))
    const done = told('millrace_spans_exported_total') + told('millrace_spans_dropped_total')
    return told('millrace_spans_queued') === 0 && done === came
  })
}

type Range = readonly [least: number, most: number]
/** What each query of a panel must show, by labels: a number, or where time and memory are measured a range. What is not here must be 0. */
type Expected = (scene: Scene, asked_ms: number) => Promise<Wanted[]> | Wanted[]
type Wanted = { readonly [key: string]: number | Range }

const alone = (value: number | Range): Wanted => ({ [keyOf({})]: value })
const of = (labels: { readonly [label: string]: string }, value: number | Range): Wanted => ({ [keyOf(labels)]: value })
const aSecond = (count: number): number => count / MINUTE_S
const shipped = SENT.good + SENT.noise + SENT.bad + SENT.again + SENT.untraced
const withStatus = ({ answered }: Scene, status: number): ThreePipelines['answered'] =>
  answered.filter((one) => one.status === status)

/** Stored in this time were two kinds of lines, whose ages lie each in one bucket. */
function ageOf(share: number): number {
  const young = SENT.good + SENT.untraced
  const [from, to, ...older] = AGE_BOUNDS_S
  return quantileOf(share, [
    [from, 0],
    [to, young],
    [older[0], young],
    [older[1], young + SENT.records],
  ])
}

/** A write waits for the store, and is shorter than all of it; the panel knows it only to the bounds of a bucket. */
function timeOfWrite({ took_s }: Scene): Range {
  const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
  const least = bounds.findLast((bound) => bound < STORE_DELAY_MS / 1_000) ?? 0
  return [least, bounds.find((bound) => bound >= took_s) ?? 60]
}

/** Panels of how things stand: asked of what is scraped now. All others are asked of the two times. */
const STANDING: { readonly [title: string]: Expected } = {
  'Books out of balance': () => [alone(0)],
  'Outputs that do not answer': () => [alone(1)],
  // From between sending and coming, until the scrape.
  'Oldest batch without an answer': ({ stuck_ms }, asked_ms) => [
    alone([(stuck_ms.scraped_after - stuck_ms.came) / 1_000, (asked_ms - stuck_ms.sent) / 1_000]),
  ],
  'On their way': () => [
    {
      ...of({ pipeline: 'stuck', holder: 'outputs' }, HELD.stuck),
      ...of({ pipeline: 'spilled', holder: 'buffered' }, [HELD.spilled - TRIED_MAX, HELD.spilled]),
      ...of({ pipeline: 'spilled', holder: 'outputs' }, [0, TRIED_MAX]),
    },
  ],
  // An estimate: events take more memory than their text, and less than ten times as much.
  'Memory of events on their way': ({ stuck_bytes }) => [
    { ...of({ pipeline: 'stuck' }, [stuck_bytes, 10 * stuck_bytes]), ...of({ pipeline: 'spilled' }, [0, 10 * TRIED_BYTES]) },
  ],
  'Kafka lag': ({ pipelines: { topics } }) => [of({ consumer_group: topics.stuck, topic: topics.stuck }, HELD.stuck)],
  'With each output': () => [
    { ...of({ pipeline: 'stuck', output: 'deaf' }, HELD.stuck), ...of({ pipeline: 'spilled', output: 'down' }, HELD.spilled) },
  ],
  'Waiting on the disk': () => [of({ pipeline: 'spilled' }, [HELD.spilled - TRIED_MAX, HELD.spilled])],
  // By the system: not more than ever before, and hardly less than now, for what is free is given back slowly.
  Memory: async ({ pipelines: { program } }) => {
    const { now, most } = await memoryOf(program.pid)
    return [alone([now / 2, most])]
  },
  'Size of the dead letters': async ({ pipelines: { program } }) => {
    const folder = join(program.data, 'dead-letters')
    const names = (await readdir(folder)).filter((name) => name.endsWith('.segment'))
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size))
    return [alone(sum(sizes)), alone(1_024 ** 3)]
  },
}

const CHANGED: { readonly [title: string]: Expected } = {
  'Dead letters, last 24 h': () => [alone(SENT.bad)],
  Received: () => [
    {
      ...of({ pipeline: 'flow', input: 'shipper' }, aSecond(shipped)),
      ...of({ pipeline: 'flow', input: 'orders' }, aSecond(SENT.records)),
    },
  ],
  'Came to their end': () => {
    const { good, records, untraced, noise: dropped, bad: dead_lettered, again: already_there } = SENT
    const states = { stored: good + records + untraced, dropped, dead_lettered, already_there }
    const wanted = Object.entries(states).map(([state, count]) => of({ pipeline: 'flow', state }, aSecond(count)))
    return [Object.assign({}, ...wanted) as Wanted]
  },
  'Kafka records read': ({ pipelines: { topics } }) => [
    of({ consumer_group: topics.flow, topic: topics.flow }, aSecond(SENT.records)),
  ],
  'From log to stored': () => [of({ pipeline: 'flow' }, ageOf(0.5)), of({ pipeline: 'flow' }, ageOf(0.99))],
  'Time of a write': (all) => [of({ output: 'store' }, timeOfWrite(all)), of({ output: 'store' }, timeOfWrite(all))],
  'Bulk requests to Elasticsearch': (all) => [
    {
      ...of({ output: 'store', status: '200' }, aSecond(withStatus(all, 200).length)),
      ...of({ output: 'store', status: '503' }, aSecond(withStatus(all, 503).length)),
    },
  ],
  'Events in a write': ({ answered }) => [of({ output: 'store' }, sum(answered.map(({ items }) => items)) / answered.length)],
  'Size of a bulk request': ({ answered }) => [
    of({ output: 'store' }, sum(answered.map(({ bytes }) => bytes)) / answered.length),
  ],
  'Tried again': (all) => [of({ output: 'store' }, aSecond(sum(withStatus(all, 503).map(({ items }) => items))))],
  // As the system counts it, in hundredths of a second, for user and system each.
  Processor: ({ cpu_s: [least, most] }) => [alone([aSecond(least - 2 / TICKS_PER_S), aSecond(most + 2 / TICKS_PER_S)])],
  'Delay of the event loop, at most': ({ late_s }) => [alone(late_s)],
  Spans: ({ spans }) => [alone(aSecond(spans.taken)), of({ reason: 'not_taken' }, aSecond(spans.refused))],
}

test('every panel is among these', async () => {
  const titles = (await readPanels('millrace')).map(({ title }) => title)
  expect([...Object.keys(STANDING), ...Object.keys(CHANGED)].sort()).toEqual(titles.toSorted())
})

/** What is wrong with an answer; `undefined` where it is right. A window is a millisecond shorter than its name. */
function faultOf(shown: Values, wanted: Wanted): string | undefined {
  for (const key of new Set([...Object.keys(wanted), ...shown.keys()])) {
    const value = shown.get(key) ?? Number.NaN
    // Nothing at all makes no mean and no quantile.
    if (!(key in wanted) && Number.isNaN(value)) continue
    const range = wanted[key] ?? 0
    const [least, most] = typeof range === 'number' ? [range * (1 - 1e-4), range * (1 + 1e-4)] : range
    if (!(value >= least && value <= most)) return `${key} is ${value}, not ${String(range)}`
  }
  return undefined
}

async function expectPanel(
  all: Scene,
  title: string,
  expected: Expected,
  timeOf: (expr: string) => number | undefined,
): Promise<void> {
  const panel = (await readPanels('millrace')).find((one) => one.title === title)
  const queries = panel?.targets.map(({ expr }) => expr) ?? []
  const fault = async (): Promise<string | undefined> => {
    const answers = await Promise.all(queries.map((expr) => all.prometheus.query(expr, timeOf(expr))))
    const wanted = await expected(all, Date.now())
    expect(wanted).toHaveLength(queries.length)
    return wanted.map((one, index) => faultOf(valuesOf(answers[index] ?? []), one)).find((found) => found !== undefined)
  }
  const is_right = async (): Promise<boolean> => (await fault()) === undefined
  await waitFor(title, is_right, { details: async () => (await fault()) ?? '' })
}

test.for(Object.entries(STANDING))('%s', async ([title, expected], context) => {
  await expectPanel(orSkip(context, scene), title, expected, () => undefined)
})

test.for(Object.entries(CHANGED))('%s', async ([title, expected], context) => {
  const all = orSkip(context, scene)
  await expectPanel(all, title, expected, (expr) => all.backfill.timeOf(expr))
})
