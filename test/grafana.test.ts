import { globSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { prometheusTool } from './helpers/prometheus.ts'
import { orSkip } from './helpers/servers.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '..')
const GRAFANA = join(ROOT, 'deploy/grafana')

interface Panel {
  readonly id: number
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource: { readonly type: string; readonly uid: string }
  readonly targets: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[]
}

interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly panels: readonly Panel[]
}

const FILES = globSync('dashboards/*.json', { cwd: GRAFANA })

async function read(file: string): Promise<Dashboard> {
  return JSON.parse(await readFile(join(GRAFANA, file), 'utf8')) as Dashboard
}

test('Exchange Overview has the panels and expressions of the exchange’s own description', async () => {
  const { title, panels } = await read('dashboards/exchange-overview.json')
  expect(title).toBe('Exchange Overview')
  expect(panels.map(({ title: name, targets }) => [name, targets.map(({ expr }) => expr)])).toEqual([
    ['API QPS', ['sum(rate(exchange_api_requests_total[1m])) by (endpoint)']],
    ['API Latency (P99)', ['histogram_quantile(0.99, rate(exchange_api_duration_seconds_bucket[5m]))']],
    ['Orders Per Second', ['sum(rate(exchange_orders_total[1m])) by (symbol)']],
    ['Active Orders', ['sum(exchange_active_orders) by (symbol)']],
    ['Trading Volume (24h)', ['sum(increase(exchange_trade_volume[24h])) by (symbol)']],
    ['Fee Revenue (24h)', ['sum(increase(exchange_fee_revenue[24h]))']],
    ['Online Users', ['exchange_online_users']],
    ['Database Connections', ['exchange_db_connections']],
  ])
})

test.each(FILES)('%s: its panels ask Prometheus and have places of their own', async (file) => {
  const { panels } = await read(file)
  for (const [index, panel] of panels.entries()) {
    expect(panel.datasource).toEqual({ type: 'prometheus', uid: 'prometheus' })
    expect(panel.targets.map(({ refId }) => refId)).toEqual(['A', 'B', 'C'].slice(0, panel.targets.length))
    for (const other of panels.slice(index + 1)) {
      expect(other.id).not.toBe(panel.id)
      expect(overlap(panel.gridPos, other.gridPos), `${panel.title} and ${other.title}`).toBe(false)
    }
  }
})

function overlap(a: Panel['gridPos'], b: Panel['gridPos']): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
}

test.for(FILES)('%s: every expression parses', async (file, context) => {
  const promtool = orSkip(context, await prometheusTool('promtool'))
  await using folder = await temporaryFolder()
  const { panels } = await read(file)
  const rules = panels.flatMap(({ targets }) => targets).map(({ expr }, index) => ({ alert: `expression${index}`, expr }))
  const path = join(folder.path, 'rules.json')
  // YAML's younger brother is YAML too.
  await writeFile(path, JSON.stringify({ groups: [{ name: 'panels', rules }] }))
  expect(await promtool.run(['check', 'rules', path])).toContain(`SUCCESS: ${rules.length} rules found`)
})

test('every metric of the panels about the program is one that it has', async () => {
  const sources = globSync('src/**/*.ts', { cwd: ROOT }).map((path) => readFile(join(ROOT, path), 'utf8'))
  const known = new Set((await Promise.all(sources)).join('\n').match(/(?<=')[a-z]+_[a-z0-9_]+(?=')/g))
  const { panels } = await read('dashboards/millrace.json')
  for (const { title, targets } of panels) {
    for (const name of targets.flatMap(({ expr }) => expr.match(/\b(?:millrace|kafka|process|nodejs)_\w+/g) ?? [])) {
      expect(known, title).toContain(name.replace(/_(?:bucket|sum|count)$/, ''))
    }
  }
})

test('what is provisioned names the folder and the data source that the dashboards are in and ask', async () => {
  const readYaml = async (path: string): Promise<unknown> => parse(await readFile(join(GRAFANA, 'provisioning', path), 'utf8'))
  expect(await readYaml('datasources/datasources.yml')).toMatchObject({
    datasources: [
      { uid: 'prometheus', type: 'prometheus' },
      { uid: 'jaeger', type: 'jaeger' },
    ],
  })
  expect(await readYaml('dashboards/dashboards.yml')).toMatchObject({
    providers: [{ type: 'file', options: { path: '/etc/grafana/dashboards' } }],
  })
})
