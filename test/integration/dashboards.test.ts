import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { settledBooks } from '../helpers/books.ts'
import { exchangeFigures, type Figures } from '../helpers/exchange-figures.ts'
import { freePort } from '../helpers/free-port.ts'
import { Program } from '../helpers/program.ts'
import { prometheusTool, reasonAgainst } from '../helpers/prometheus.ts'
import { runTool } from '../helpers/run-tool.ts'
import { orSkip } from '../helpers/servers.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'
import { waitFor } from '../helpers/wait-for.ts'

const ROOT = join(import.meta.dirname, '../..')

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[]
}

/** What /metrics says at two times: the log's first half, and all of it. */
interface Scrapes {
  readonly lines: readonly string[]
  readonly half: number
  readonly texts: readonly [string, string]
}

async function scrapeTwice(): Promise<Scrapes> {
  await using folder = await temporaryFolder()
  const { stdout } = await runTool(['sample', '--count', '12000', '--rate', '0', '--start', '2026-03-01T12:00:00Z'])
  const lines = stdout.trimEnd().split('\n')
  const half = 6_000
  const path = join(folder.path, 'app.log')
  const env = { ELASTICSEARCH_URL: '', KAFKA_BROKERS: '', EXCHANGE_LOG: path, BEATS_PORT: String(await freePort()) }
  const grow = async (from: number, to: number): Promise<void> => {
    const added = lines.slice(from, to).map((line) => `${line}\n`)
    await appendFile(path, added.join(''))
  }
  await grow(0, half)
  await using program = await Program.start({ args: ['-f', join(ROOT, 'config/exchange.json')], env })
  await settledBooks(program, half)
  const first = await program.metrics()
  await grow(half, lines.length)
  await settledBooks(program, lines.length)
  return { lines, half, texts: [first, await program.metrics()] }
}

const DAY_S = 86_400
/** Each window of the panels, and when it ends: so far apart that none sees the samples of another. */
const ENDS_S: { readonly [window: string]: number } = { '1m': DAY_S, '5m': 3 * DAY_S, '24h': 6 * DAY_S }
const LENGTHS_S: { readonly [window: string]: number } = { '1m': 60, '5m': 300, '24h': DAY_S }
const EPOCH_S = 1_770_000_000

/** Both scrapes at the beginning and end of each window, a millisecond within it, for backfilling. */
function openMetrics({ texts }: Scrapes): string {
  const rows = Object.entries(ENDS_S).flatMap(([window, end_s]) =>
    texts.flatMap((text, index) => {
      const at_s = EPOCH_S + end_s - (index === 0 ? (LENGTHS_S[window] ?? 0) - 0.001 : 0)
      return text
        .split('\n')
        .filter((line) => line.startsWith('exchange_'))
        .map((line) => `${line} ${at_s.toFixed(3)}`)
    }),
  )
  return `${rows.join('\n')}\n# EOF\n`
}

/** Series -> value: the labels that are left, as JSON. */
type Values = Map<string, number>

async function query(url: string, expr: string): Promise<Values> {
  const window = /\[(\w+)\]/.exec(expr)?.[1] ?? '1m'
  const time = String(EPOCH_S + (ENDS_S[window] ?? 0))
  const answer = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query: expr, time }).toString()}`)
  const { data } = (await answer.json()) as {
    data: { result: { metric: { [label: string]: string }; value: [number, string] }[] }
  }
  return new Map(
    data.result.map(({ metric: { __name__: _name, ...labels }, value }) => [JSON.stringify(labels), Number(value[1])]),
  )
}

interface Series {
  readonly labels: { readonly [label: string]: string }
  readonly value: number
}

function seriesOf({ exact }: Figures, name: string): Series[] {
  return [...exact].flatMap(([key, value]) => {
    const [, own, labels = ''] = /^(\w+)\{(.*)\}$/.exec(key) ?? []
    if (own !== name) return []
    return [
      {
        labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', text = '']) => [label, text])),
        value,
      },
    ]
  })
}

/** What the panels must show, worked out from the log alone. */
class Expected {
  readonly #before: Figures
  readonly #after: Figures

  constructor({ lines, half }: Scrapes) {
    this.#before = exchangeFigures(lines.slice(0, half))
    this.#after = exchangeFigures(lines)
  }

  /** How much it grew, by one label or all in one. A series that was not there at the beginning has no growth that Prometheus could know. */
  grown(name: string, by: string | undefined, divisor = 1): Values {
    const before = new Map(seriesOf(this.#before, name).map(({ labels, value }) => [JSON.stringify(labels), value]))
    const sums: Values = new Map()
    for (const { labels, value } of seriesOf(this.#after, name)) {
      const old = before.get(JSON.stringify(labels))
      if (old === undefined) continue
      const key = JSON.stringify(by === undefined ? {} : { [by]: labels[by] })
      sums.set(key, (sums.get(key) ?? 0) + (value - old) / divisor)
    }
    return sums
  }

  stands(name: string): Values {
    return new Map(seriesOf(this.#after, name).map(({ labels, value }) => [JSON.stringify(labels), value]))
  }

  /** Of a histogram's growth, by its label: within the bucket where it lies, in proportion. */
  quantile(name: string, share: number, by: string): Values {
    const before = new Map(seriesOf(this.#before, `${name}_bucket`).map(({ labels, value }) => [JSON.stringify(labels), value]))
    const buckets = Map.groupBy(seriesOf(this.#after, `${name}_bucket`), ({ labels }) => labels[by] ?? '')
    const quantiles: Values = new Map()
    for (const [label, series] of buckets) {
      const grown = series
        .map(({ labels, value }) => ({
          le: Number(labels['le']?.replace('+Inf', 'Infinity')),
          count: value - (before.get(JSON.stringify(labels)) ?? 0),
        }))
        .sort((a, b) => a.le - b.le)
      const rank = share * (grown.at(-1)?.count ?? 0)
      const at = grown.findIndex(({ count }) => count >= rank)
      const { le: from = 0, count: below = 0 } = grown[at - 1] ?? {}
      const { le: to = 0, count: within = 0 } = grown[at] ?? {}
      const value = to === Number.POSITIVE_INFINITY ? from : from + ((to - from) * (rank - below)) / (within - below)
      quantiles.set(JSON.stringify({ [by]: label }), value)
    }
    return quantiles
  }
}

test('each panel of Exchange Overview shows the number that the log gives', { timeout: 180_000 }, async (context) => {
  const promtool = orSkip(context, await prometheusTool('promtool'))
  orSkip(context, (await reasonAgainst('prometheus')) ?? {})
  await using folder = await temporaryFolder()
  const scrapes = await scrapeTwice()
  const data = join(folder.path, 'data')
  await mkdir(data)
  await writeFile(join(folder.path, 'samples.txt'), openMetrics(scrapes))
  await promtool.run(['tsdb', 'create-blocks-from', 'openmetrics', join(folder.path, 'samples.txt'), data])
  await writeFile(join(folder.path, 'prometheus.yml'), '{}\n')
  const listen = `127.0.0.1:${await freePort()}`
  const flags = [
    '--config.file',
    join(folder.path, 'prometheus.yml'),
    '--storage.tsdb.path',
    data,
    '--web.listen-address',
    listen,
  ]
  const server = spawn('prometheus', [...flags, '--storage.tsdb.retention.time', '100y'], { stdio: 'ignore' })
  const exited = once(server, 'exit')
  try {
    const url = `http://${listen}`
    await waitFor('Prometheus to be ready', async () => (await fetch(`${url}/-/ready`)).ok)
    const expected = new Expected(scrapes)
    const wanted: { readonly [title: string]: Values } = {
      'API QPS': expected.grown('exchange_api_requests_total', 'endpoint', 60),
      'API Latency (P99)': expected.quantile('exchange_api_duration_seconds', 0.99, 'endpoint'),
      'Orders Per Second': expected.grown('exchange_orders_total', 'symbol', 60),
      'Active Orders': expected.stands('exchange_active_orders'),
      'Trading Volume (24h)': expected.grown('exchange_trade_volume', 'symbol'),
      'Fee Revenue (24h)': expected.grown('exchange_fee_revenue', undefined),
      'Online Users': expected.stands('exchange_online_users'),
      'Database Connections': expected.stands('exchange_db_connections'),
    }
    const file = await readFile(join(ROOT, 'deploy/grafana/dashboards/exchange-overview.json'), 'utf8')
    const { panels } = JSON.parse(file) as Dashboard
    expect(panels.map(({ title }) => title)).toEqual(Object.keys(wanted))
    for (const { title, targets } of panels) {
      const shown = await query(url, targets[0]?.expr ?? '')
      expect([...shown.keys()].sort(), title).toEqual([...(wanted[title]?.keys() ?? [])].sort())
      expect(shown.size, title).toBeGreaterThan(0)
      for (const [key, value] of shown) {
        const { [key]: right = Number.NaN } = Object.fromEntries(wanted[title] ?? [])
        expect(Math.abs(value - right), `${title} ${key}: ${value}, not ${right}`).toBeLessThanOrEqual(Math.abs(right) * 1e-4)
      }
    }
  } finally {
    server.kill()
    await exited
  }
})
