import { appendFile, readdir, readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSamples, settledBooks } from './helpers/books.ts'
import { decodedFilebeatEvent, FILEBEAT_HOST, filebeatEvent, startDefaultPipeline } from './helpers/default-pipeline.ts'
import { expectFigures } from './helpers/exchange-figures.ts'
import { freePort } from './helpers/free-port.ts'
import { encodeWindow } from './helpers/lumberjack-client.ts'
import { Program } from './helpers/program.ts'
import { runTool } from './helpers/run-tool.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

const CONFIGS = join(import.meta.dirname, '../config')
const WINDOW_LINES = 500
// Programs are started, up to four, which takes long on a busy machine.
const TIMEOUT_MS = 240_000
const FIELDS = { service: 'exchange-api', env: 'production' }

/** 2,500 usual lines and 1,500 of a bad time, as `bin/millrace sample` writes them. */
async function sampleLines(seed: number): Promise<string[]> {
  const usual = ['--seed', String(seed), '--rate', '0', '--start', '2026-03-01T12:00:00Z', '--count', '4000']
  const { stdout } = await runTool(['sample', ...usual, '--incident', 'error-burst', '--incident-after', '5'])
  return stdout.trimEnd().split('\n')
}

/** As the exchange's programs would tell them by themselves, but for the host that Prometheus would add: name, type, labels. */
const METRICS = [
  'exchange_active_orders gauge symbol',
  'exchange_api_duration_seconds histogram endpoint',
  'exchange_api_requests_total counter endpoint method status',
  'exchange_db_connections gauge host state',
  'exchange_deposits_total counter currency status',
  'exchange_fee_revenue counter currency',
  'exchange_matching_latency_seconds summary symbol',
  'exchange_online_users gauge',
  'exchange_order_processing_seconds histogram',
  'exchange_orders_total counter side symbol type',
  'exchange_total_balance gauge currency',
  'exchange_trade_volume counter symbol',
  'exchange_withdrawals_total counter currency status',
]
/** What its programs did not tell. */
const MORE_METRICS = ['exchange_log_errors_total counter service', 'exchange_slow_queries_total counter endpoint']

function describeMetrics(metrics: string): string[] {
  const samples = readSamples(metrics)
  return [...metrics.matchAll(/^# TYPE (exchange_\w+) (\w+)$/gm)].map(([, name = '', type = '']) => {
    const own = samples.filter((sample) => sample.name.replace(/_(?:bucket|sum|count)$/, '') === name)
    const labels = new Set(own.flatMap((sample) => Object.keys(sample.labels)))
    return [name, type, ...[...labels].filter((label) => label !== 'le' && label !== 'quantile').sort()].join(' ')
  })
}

test(
  'from a file: every metric of the exchange has the value that its log gives, also while the file grows',
  async () => {
    await using folder = await temporaryFolder()
    const lines = await sampleLines(11)
    const path = join(folder.path, 'app.log')
    const write = async (from: number, to: number): Promise<void> => {
      await appendFile(
        path,
        lines
          .slice(from, to)
          .map((line) => `${line}\n`)
          .join(''),
      )
    }
    await write(0, 2_000)
    const env = { ELASTICSEARCH_URL: '', KAFKA_BROKERS: '', EXCHANGE_LOG: path, BEATS_PORT: String(await freePort()) }
    await using program = await Program.start({ args: ['-f', join(CONFIGS, 'exchange.json')], env })
    await settledBooks(program, 2_000)
    expectFigures(await program.metrics(), lines.slice(0, 2_000), hostname())
    await write(2_000, lines.length)
    const { states } = await settledBooks(program, lines.length)
    expect(states).toEqual({ stored: lines.length })
    expectFigures(await program.metrics(), lines, hostname())
    expect(describeMetrics(await program.metrics()).sort()).toEqual([...METRICS, ...MORE_METRICS].sort())
    const page = await readFile(join(CONFIGS, '../docs/metrics.md'), 'utf8')
    const rows = [...page.matchAll(/^\| `(exchange_\w+)` \| (\w+)[^|]*\| ([^|]*)\|/gm)].map(([, name, type, labels = '']) =>
      [name, type, ...[...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label).sort()].join(' '),
    )
    expect(rows.sort()).toEqual([...METRICS, ...MORE_METRICS].sort())
    const [file = ''] = (await readdir(program.data)).filter((name) => name.endsWith('.ndjson'))
    expect((await readFile(join(program.data, file), 'utf8')).split('\n')).toHaveLength(lines.length + 1)
  },
  TIMEOUT_MS,
)

const FORMS = { undecoded: filebeatEvent, decoded: decodedFilebeatEvent }

interface Stored {
  readonly index: string
  readonly id: string
  readonly text: string
}

/** The documents that a config makes of what Filebeat sends, in the order of the lines, whose metrics must be those that are told. */
async function documentsOf(config: string, form: keyof typeof FORMS, lines: readonly string[]): Promise<Stored[]> {
  const stub = await startStubElasticsearch()
  await using pipeline = await startDefaultPipeline({ elasticsearch_url: stub.url, config: join(CONFIGS, config) })
  await using client = await pipeline.connect()
  for (let from = 0; from < lines.length; from += WINDOW_LINES) {
    const window = lines.slice(from, from + WINDOW_LINES)
    await client.send(encodeWindow(window.map((line, index) => ({ ...FORMS[form](line, from + index), fields: FIELDS }))))
  }
  const { states } = await settledBooks(pipeline.program, lines.length)
  expect(states).toEqual({ stored: lines.length })
  expectFigures(await pipeline.program.metrics(), lines, FILEBEAT_HOST)
  await stub.close()
  const stored = [...stub.documents].flatMap(([index, texts]) => [...texts].map(([id, text]) => ({ index, id, text })))
  return stored.toSorted((a, b) => offsetOf(a.text) - offsetOf(b.text))
}

function offsetOf(text: string): number {
  return Number(/"offset":(\d+)/.exec(text)?.[1])
}

test(
  'exchange.json and exchange.conf make the same events and the same metrics of what Filebeat sends, decoded or not',
  async () => {
    const [first = '', second = '', ...rest] = await sampleLines(12)
    // What a line does not say of its service and its environment, Filebeat's config says; and its time may be in seconds.
    const [bare, timed] = [
      first.replace('"service":"exchange-api","env":"prod",', ''),
      second.replace('"2026-03-01T12:00:00.000Z"', '1772366400'),
    ]
    expect(bare).not.toBe(first)
    expect(timed).not.toBe(second)
    const lines = [bare, timed, ...rest]
    const undecoded = await documentsOf('exchange.json', 'undecoded', lines)
    expect(await documentsOf('exchange.conf', 'undecoded', lines)).toEqual(undecoded)
    const decoded = await documentsOf('exchange.json', 'decoded', lines)
    expect(await documentsOf('exchange.conf', 'decoded', lines)).toEqual(decoded)
    expect(decoded.map(comparable)).toEqual(undecoded.map(comparable))
    expect(JSON.parse(decoded[0]?.text ?? '')).toMatchObject(FIELDS)
    expect(JSON.parse(decoded[1]?.text ?? '')).toMatchObject({ ts: 1_772_366_400, '@timestamp': '2026-03-01T12:00:00.000Z' })
    const countExact = (documents: readonly Stored[]): number =>
      documents.filter(({ text }) => /"order_id":\d{17}(?!000)\d{3}\b/.test(text)).length
    expect(countExact(undecoded)).toBeGreaterThan(100)
    expect(countExact(decoded)).toBe(0)
  },
  TIMEOUT_MS,
)

/**
 * What must be the same whoever decodes. The line itself is there undecoded only, with the tag of its codec, and makes the id;
 * order ids are beyond 64 bits, which Filebeat decodes to doubles.
 */
function comparable({ index, text }: Stored): object {
  const { message: _line, tags: _codec, order_id, ...document } = JSON.parse(text) as { readonly [name: string]: unknown }
  return { index, document, has_order_id: order_id !== undefined }
}
