import { expect, test } from 'vitest'
import { INDEX_TEMPLATES } from '../src/sinks/elasticsearch/index-templates.ts'
import { AlertChannels } from './helpers/alert-channels.ts'
import { AlertPipeline, captured, webhook } from './helpers/alert-pipeline.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

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
    await using channels = await AlertChannels.start()
    await using data = await temporaryFolder()
    await using alerts = await AlertPipeline.start(channels, data.path, { ELASTICSEARCH_URL: elasticsearch.url })
    const annotations = { summary: 'API P99 latency > 1s', description: 'API P99 latency is 1.5s' }
    // A label that no index can have.
    const odd = await webhook({ labels: { ' ': 'a blank' }, annotations, fingerprint: 'odd' })
    const sent = [await captured('0.31.1-firing'), await captured('0.31.1-resolved'), odd]
    for (const body of sent) expect((await alerts.send(body)).status).toBe(200)
    const stored = (): Tree[] =>
      [...elasticsearch.documents.values()].flatMap((all) => [...all.values()].map((text) => JSON.parse(text) as Tree))
    await alerts.program.waitUntil('the alerts to be kept', () => stored().length === sent.length)
    expect((await alerts.program.stop()).code).toBe(0)

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
