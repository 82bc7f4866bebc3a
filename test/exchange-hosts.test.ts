import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readSamples, settledBooks } from './helpers/books.ts'
import { Backfill, valuesOf } from './helpers/dashboard.ts'
import { filebeatEvent, startDefaultPipeline } from './helpers/default-pipeline.ts'
import { encodeWindow } from './helpers/lumberjack-client.ts'
import { PrometheusServer, reasonAgainst } from './helpers/prometheus.ts'
import { orSkip } from './helpers/servers.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'

// Two API servers tell of their connection pools in turns, and one of the pools is exhausted.

const CONFIGS = join(import.meta.dirname, '../config')
const RULES = join(import.meta.dirname, '../deploy/prometheus/alerts.yml')
// A program and Prometheus are started, which takes long on a busy machine.
const TIMEOUT_MS = 240_000
const POOLS = {
  'api-01': { active: 20, idle: 0, waiting: 33 },
  'api-02': { active: 5, idle: 15, waiting: 0 },
} as const
/** As the exchange's handbook has it, but for the words that let Prometheus pair the states. */
const SHARE_IN_USE = `exchange_db_connections{state="active"} / ignoring(state)
  (exchange_db_connections{state="active"} + ignoring(state) exchange_db_connections{state="idle"})`

/** Filebeat's events of the lines of both servers. The second's come last; the first's name their host themselves, in place of Filebeat. */
function windows(): Buffer[] {
  return [0, 1, 2].flatMap((round) =>
    Object.entries(POOLS).map(([name, pool], index) => {
      const ts = new Date(Date.UTC(2026, 2, 1, 12, round, index * 10)).toISOString()
      const line = { ts, level: 'info', action: 'pool_stats', service: 'exchange-api', pool, ...(index === 0 && { host: name }) }
      return encodeWindow([{ ...filebeatEvent(JSON.stringify(line), round), host: { name: index === 0 ? 'proxy-01' : name } }])
    }),
  )
}

async function metricsOf(config: string): Promise<string> {
  const stub = await startStubElasticsearch()
  await using pipeline = await startDefaultPipeline({ elasticsearch_url: stub.url, config: join(CONFIGS, config) })
  await using client = await pipeline.connect()
  for (const window of windows()) await client.send(window)
  await settledBooks(pipeline.program, windows().length)
  const metrics = await pipeline.program.metrics()
  await stub.close()
  return metrics
}

async function alertExpression(name: string): Promise<string> {
  const { groups } = parse(await readFile(RULES, 'utf8')) as {
    readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
  }
  return groups.flatMap(({ rules }) => rules).find(({ alert }) => alert === name)?.expr ?? ''
}

test.for(['exchange.json', 'exchange.conf'])(
  '%s keeps the pools of two hosts apart, and the alert is true for the exhausted one only',
  { timeout: TIMEOUT_MS },
  async (config, context) => {
    const metrics = await metricsOf(config)
    const told = readSamples(metrics).filter(({ name }) => name === 'exchange_db_connections')
    const wanted = Object.entries(POOLS).flatMap(([host, pool]) =>
      Object.entries(pool).map(([state, value]) => [`${host} ${state}`, value] as const),
    )
    expect(new Map(told.map(({ labels, value }) => [`${labels['host']} ${labels['state']}`, value]))).toEqual(new Map(wanted))

    orSkip(context, (await reasonAgainst('prometheus')) ?? {})
    const backfill = new Backfill([metrics, metrics])
    await using prometheus = await PrometheusServer.start({ targets: [], scrape_interval_ms: 60_000, history: backfill.history })
    const ask = async (query: string): Promise<object> =>
      Object.fromEntries(valuesOf(await prometheus.query(query, backfill.timeOf(query))))
    const exhausted = await alertExpression('DatabaseConnectionPoolExhausted')
    expect(await ask(exhausted)).toEqual({ '{"host":"api-01","state":"waiting"}': 33 })
    expect(await ask(SHARE_IN_USE)).toEqual({ '{"host":"api-01"}': 1, '{"host":"api-02"}': 0.25 })
  },
)
