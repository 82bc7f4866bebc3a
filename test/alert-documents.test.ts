import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { INDEX_TEMPLATES } from '../src/sinks/elasticsearch/index-templates.ts'
import { freePort } from './helpers/free-port.ts'
import { Program } from './helpers/program.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'

const CONFIG = join(import.meta.dirname, '../config/alerts.json')
const WEBHOOKS = join(import.meta.dirname, 'captures/webhooks')
// A program is started, which takes long on a busy machine.
const TIMEOUT_MS = 240_000

const BLANK_NAME = {
  status: 400,
  type: 'document_parsing_exception',
  reason: '[1:17] field name cannot contain only whitespace',
}

interface Tree {
  readonly [name: string]: unknown
}

interface Template {
  readonly template: { readonly mappings: { readonly properties: { readonly [name: string]: { readonly properties?: object } } } }
}

/** What Alertmanager says when an alert fires and when it is over, and one alert with a label that no index can have. */
async function bodies(): Promise<Tree[]> {
  const [firing, resolved] = await Promise.all(
    ['0.31.1-firing', '0.31.1-resolved'].map(async (name) => {
      const { body } = JSON.parse(await readFile(join(WEBHOOKS, `alertmanager-${name}.json`), 'utf8')) as { body: Tree }
      return body
    }),
  )
  const annotations = { summary: 'API P99 latency > 1s', description: 'API P99 latency is 1.5s' }
  const odd = { status: 'firing', labels: { ' ': 'a blank' }, annotations, startsAt: '2026-11-22T12:00:00Z', fingerprint: 'odd' }
  return [firing ?? {}, resolved ?? {}, { ...firing, alerts: [odd] }]
}

/** The paths of a document's fields, down to two levels, as `labels.severity`. */
function pathsOf(document: Tree): string[] {
  return Object.entries(document).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.keys(value).map((inner) => `${name}.${inner}`)
      : [name],
  )
}

test(
  'the template exchange-alerts has each field that the alert pipeline writes, and no other',
  async () => {
    const elasticsearch = await startStubElasticsearch({
      onBulk: () => ({ item: ({ source }) => (source.includes('{" ":"a blank"}') ? BLANK_NAME : undefined) }),
    })
    const port = await freePort()
    const sent = await bodies()
    await using program = await Program.start({
      args: ['-f', CONFIG],
      env: { ELASTICSEARCH_URL: elasticsearch.url, ALERTS_PORT: String(port) },
    })
    for (const body of sent) {
      const headers = { 'content-type': 'application/json' }
      const options = { method: 'POST', headers, body: JSON.stringify(body) }
      expect((await fetch(`http://127.0.0.1:${port}/webhook`, options)).status).toBe(200)
    }
    const stored = (): Tree[] =>
      [...elasticsearch.documents.values()].flatMap((all) => [...all.values()].map((text) => JSON.parse(text) as Tree))
    await program.waitUntil('the alerts to be kept', () => stored().length === sent.length)
    expect((await program.stop()).code).toBe(0)

    const body = INDEX_TEMPLATES.find(({ name }) => name === 'exchange-alerts')?.body as Template | undefined
    const mapped = Object.entries(body?.template.mappings.properties ?? {}).flatMap(([name, { properties }]) =>
      properties === undefined ? [name] : Object.keys(properties).map((inner) => `${name}.${inner}`),
    )
    const written = new Set(stored().flatMap(pathsOf))
    expect(mapped.filter((path) => !written.has(path))).toEqual([])
    // Labels and annotations are whatever a rule has.
    expect([...written].filter((path) => !mapped.includes(path))).toEqual(['labels.service'])
    await elasticsearch.close()
  },
  TIMEOUT_MS,
)
