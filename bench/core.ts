// Claim: our core (events, filters, metrics, bulk bytes) costs a quarter of the CPU of a loop that parses and prints and does
// both as well as one can by hand, and less than a naive one.
// One line of the exchange log in, the bytes of its bulk item out, in events per second of CPU.
import { LRUCache } from 'lru-cache'
import { type CityResponse, open } from 'maxmind'
import { json } from '../src/codecs/json.ts'
import { linkChain } from '../src/compile/chain/chain.ts'
import { compilePipeline } from '../src/compile/pipeline.ts'
import { loadCatalog } from '../src/components.ts'
import { readPipelineJson } from '../src/config/pipeline-json/read-pipeline.ts'
import { Event } from '../src/core/event.ts'
import { componentsOf } from '../src/core/plan.ts'
import { compileTemplate } from '../src/core/template.ts'
import { Timestamp } from '../src/core/values.ts'
import { requestLog } from '../src/sample/request-log.ts'
import { compileAction, isAction, writeLine } from '../src/sinks/elasticsearch/action.ts'
import { BodyPool } from '../src/sinks/elasticsearch/body.ts'
import { testContext } from '../test/helpers/context.ts'
import { type Comparison, compare } from './harness/compare.ts'
import { located, SAMPLE_DATABASE } from './harness/located.ts'
import { printTable, type Row } from './harness/table.ts'

const LINES = 20_000
const BATCH = 2_048
/** Events that the filters get at once: the lines of 256 KB, as much as is read of a file at a time. */
const DELIVERED = 512

const FILTERS = [
  { date: { match: ['ts', 'ISO8601'] } },
  { mutate: { add_field: { '[@metadata][index]': 'exchange-logs-%{+YYYY.MM.dd}' } } },
  { if: '[ip]', then: [{ geoip: { source: 'ip', database: SAMPLE_DATABASE } }] },
  {
    if: '[level] == "error"',
    then: [{ metric: { type: 'counter', name: 'errors_total', help: 'e', labels: { service: '%{service}' } } }],
  },
  {
    if: '[duration] and [duration] > 1000',
    then: [{ metric: { type: 'counter', name: 'slow_total', help: 's', labels: { endpoint: '%{endpoint}' } } }],
  },
]

interface CoreComparisons {
  readonly to_naive: Comparison
  readonly to_careful: Comparison
}

/** Compares two loops with ours over the same lines, all giving one bulk body per 2,048 events. */
export async function benchCore(): Promise<CoreComparisons> {
  const lines = [...requestLog({ seed: 7, count: LINES, start_ms: Date.UTC(2026, 0, 2) })].map((line) => Buffer.from(line))
  const own = { name: 'our core', run: await ours(lines) }
  return {
    to_naive: await compare({ name: 'naive loop', run: await naive(lines) }, own, lines.length),
    to_careful: await compare({ name: 'parse and print done well', run: await careful(lines) }, own, lines.length),
  }
}

async function naive(lines: readonly Buffer[]): Promise<() => number> {
  const reader = await open<CityResponse>(SAMPLE_DATABASE)
  const errors = new Map<string, number>()
  const slow = new Map<string, number>()
  let bytes = 0
  let items: string[] = []
  const flush = (): void => {
    bytes += Buffer.from(`${items.join('\n')}\n`).length
    items = []
  }
  return overLines(
    lines,
    (line) => {
      const event = JSON.parse(line.toString()) as { [name: string]: unknown }
      const time = new Date(event['ts'] as string).toISOString()
      event['@timestamp'] = time
      event['@version'] = '1'
      if (typeof event['ip'] === 'string') event['geoip'] = located(event['ip'], reader.get(event['ip']))
      if (event['level'] === 'error') increment(errors, String(event['service']))
      if ((event['duration'] as number) > 1000) increment(slow, String(event['endpoint']))
      const index = `exchange-logs-${time.slice(0, 10).replaceAll('-', '.')}`
      items.push(JSON.stringify({ create: { _index: index } }), JSON.stringify(event))
      if (items.length >= 2 * BATCH) flush()
    },
    () => {
      flush()
      return bytes
    },
  )
}

/** A way's round. The loop is a function of its own: else what is compiled for it would be thrown away at its end, in each. */
function overLines(lines: readonly Buffer[], take: (line: Buffer) => void, finish: () => number): () => number {
  return () => {
    takeEach(lines, take)
    return finish()
  }
}

function takeEach(lines: readonly Buffer[], take: (line: Buffer) => void): void {
  for (const line of lines) take(line)
}

/**
 * What one would write who knows Node well: what is known about an address is looked up once, a field that is to go becomes
 * `undefined`, and each document is written into one buffer that is used again.
 */
async function careful(lines: readonly Buffer[]): Promise<() => number> {
  const reader = await open<CityResponse>(SAMPLE_DATABASE)
  const known = new LRUCache<string, { [name: string]: unknown }>({ max: 10_000 })
  const errors = new Map<string, number>()
  const slow = new Map<string, number>()
  const body = Buffer.allocUnsafeSlow(4 * 1024 * 1024)
  let day = ''
  let action = ''
  let bytes = 0
  let used = 0
  let items = 0
  return overLines(
    lines,
    (line) => {
      const event = JSON.parse(line.toString()) as { [name: string]: unknown }
      const time = new Date(event['ts'] as string).toISOString()
      event['@timestamp'] = time
      event['@version'] = '1'
      const { ip } = event
      if (typeof ip === 'string') {
        let found = known.get(ip)
        if (found === undefined) {
          found = located(ip, reader.get(ip))
          known.set(ip, found)
        }
        event['geoip'] = found
      }
      if (event['level'] === 'error') increment(errors, String(event['service']))
      if ((event['duration'] as number) > 1000) increment(slow, String(event['endpoint']))
      if (!time.startsWith(day) || day === '') {
        day = time.slice(0, 10)
        action = `{"create":{"_index":"exchange-logs-${day.replaceAll('-', '.')}"}}\n`
      }
      used += body.write(action, used, 'latin1')
      used += body.write(JSON.stringify(event), used)
      body[used++] = NEWLINE
      if (++items < BATCH) return
      bytes += used
      used = items = 0
    },
    () => bytes + used,
  )
}

const NEWLINE = 0x0a

function increment(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

async function ours(lines: readonly Buffer[]): Promise<() => number> {
  const context = testContext({ clock: { now: () => Date.now(), timestamp: () => new Timestamp(Date.now()) } })
  const config = { inputs: [{ stdin: {} }], filters: FILTERS, outputs: [{ null: {} }] }
  const plan = readPipelineJson(JSON.stringify(config), 'bench', {})
  const compiled = await compilePipeline(plan, await loadCatalog(componentsOf(plan)), {
    context: () => context,
    input: () => ({ max_event_bytes: 1e7, max_in_flight_bytes: 64 * 1024 * 1024, deadLetter: () => Promise.resolve() }),
  })
  const actionOf = compileAction({
    index: compileTemplate('%{[@metadata][index]}'),
    document_id: compileTemplate('auto'),
    action: undefined,
    routing: undefined,
    pipeline: undefined,
  })
  const decoder = json.createDecoder({ charset: 'UTF-8', target: undefined }, context)
  const pool = new BodyPool(2)
  let body = pool.take()
  const chain = linkChain(compiled.chain, {
    // What an output does with an event as soon as it has passed the filters.
    passed: (event) => {
      const action = actionOf(event)
      if (!isAction(action)) return
      writeLine(body.writer, action)
      event.print(body.writer)
      body.writer.byte(NEWLINE)
      body.close(body.count, action.index)
    },
    dropped: () => {},
    failed: (_event, _filter, _where, thrown) => {
      throw thrown
    },
    created: () => {},
    flushFailed: () => {},
  })
  const signal = new AbortController().signal
  const now = new Timestamp(Date.UTC(2026, 0, 2))
  let incoming: Event[] = []
  const deliver = (): void => {
    // These filters wait for nothing.
    void chain.run(incoming, signal)
    for (const event of incoming) event.settle('stored')
    incoming = []
  }
  let bytes = 0
  const flush = (): void => {
    bytes += body.sizeOf(0, body.count)
    pool.giveBack(body)
    body = pool.take()
  }
  return overLines(
    lines,
    (line) => {
      const [decoded] = decoder.decode(line)
      if (decoded !== undefined) incoming.push(Event.from(decoded.fields, now, decoded))
      if (incoming.length >= DELIVERED) deliver()
      if (body.count >= BATCH) flush()
    },
    () => {
      deliver()
      flush()
      return bytes
    },
  )
}

export const CORE_TITLE = '(a) A line of the exchange log in, the bytes of its bulk item out: events in a second of CPU'

export function coreRows({ to_naive, to_careful }: CoreComparisons): Row[] {
  return [
    { what: to_naive.base.name, unit: '', figures: to_naive.base },
    { what: to_careful.base.name, unit: '', figures: to_careful.base },
    { what: to_careful.other.name, unit: '', figures: to_careful.other },
    { what: 'ours to the naive', unit: '', digits: 2, figures: to_naive.ratio, claim: { at_least: 1 } },
    { what: 'ours to parse and print', unit: '', digits: 2, figures: to_careful.ratio, claim: { at_least: 4 } },
  ]
}

if (import.meta.main) printTable(CORE_TITLE, coreRows(await benchCore()))
