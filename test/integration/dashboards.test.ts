import { appendFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { settledBooks } from '../helpers/books.ts'
import { Backfill, keyOf, quantileOf, readPanels, type Values, valuesOf } from '../helpers/dashboard.ts'
import { exchangeFigures, type Figures } from '../helpers/exchange-figures.ts'
import { freePort } from '../helpers/free-port.ts'
import { Program } from '../helpers/program.ts'
import { PrometheusServer, reasonAgainst } from '../helpers/prometheus.ts'
import { runTool } from '../helpers/run-tool.ts'
import { orSkip } from '../helpers/servers.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '../..')

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
    this.#before = exchangeFigures(lines.slice(0, half), hostname())
    this.#after = exchangeFigures(lines, hostname())
  }

  /** How much it grew, by one label or all in one. A series that was not there at the beginning has no growth that Prometheus could know. */
  grown(name: string, by: string | undefined, divisor = 1): Values {
    const before = new Map(seriesOf(this.#before, name).map(({ labels, value }) => [keyOf(labels), value]))
    const sums = new Map<string, number>()
    for (const { labels, value } of seriesOf(this.#after, name)) {
      const old = before.get(keyOf(labels))
      if (old === undefined) continue
      const key = keyOf(by === undefined ? {} : { [by]: labels[by] })
      sums.set(key, (sums.get(key) ?? 0) + (value - old) / divisor)
    }
    return sums
  }

  stands(name: string): Values {
    return new Map(seriesOf(this.#after, name).map(({ labels, value }) => [keyOf(labels), value]))
  }

  /** Of a histogram's growth, by its label: within the bucket where it lies, in proportion. */
  quantile(name: string, share: number, by: string): Values {
    const before = new Map(seriesOf(this.#before, `${name}_bucket`).map(({ labels, value }) => [keyOf(labels), value]))
    const buckets = Map.groupBy(seriesOf(this.#after, `${name}_bucket`), ({ labels }) => labels[by] ?? '')
    const quantiles = [...buckets].map(([label, series]) => {
      const grown = series.map(({ labels, value }) => {
        const bound = Number(labels['le']?.replace('+Inf', 'Infinity'))
        return [bound, value - (before.get(keyOf(labels)) ?? 0)] as const
      })
      return [keyOf({ [by]: label }), quantileOf(share, grown)] as const
    })
    return new Map(quantiles)
  }
}

test('each panel of Exchange Overview shows the number that the log gives', { timeout: 180_000 }, async (context) => {
  orSkip(context, (await reasonAgainst('prometheus')) ?? {})
  const scrapes = await scrapeTwice()
  const backfill = new Backfill(scrapes.texts)
  await using prometheus = await PrometheusServer.start({ targets: [], scrape_interval_ms: 60_000, history: backfill.history })
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
  const panels = await readPanels('exchange-overview')
  expect(panels.map(({ title }) => title)).toEqual(Object.keys(wanted))
  for (const { title, targets } of panels) {
    const { expr = '' } = targets[0] ?? {}
    const shown = valuesOf(await prometheus.query(expr, backfill.timeOf(expr)))
    expect([...shown.keys()].sort(), title).toEqual([...(wanted[title]?.keys() ?? [])].sort())
    expect(shown.size, title).toBeGreaterThan(0)
    for (const [key, value] of shown) {
      const { [key]: right = Number.NaN } = Object.fromEntries(wanted[title] ?? [])
      expect(Math.abs(value - right), `${title} ${key}: ${value}, not ${right}`).toBeLessThanOrEqual(Math.abs(right) * 1e-4)
    }
  }
})
