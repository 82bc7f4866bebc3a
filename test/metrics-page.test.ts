import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSamples, settledBooks } from './helpers/books.ts'
import { filebeatEvent, startDefaultPipeline } from './helpers/default-pipeline.ts'
import { encodeWindow } from './helpers/lumberjack-client.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'

interface Row {
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
  readonly meaning: string
}

const root = join(import.meta.dirname, '..')
const page = readFileSync(join(root, 'docs/metrics.md'), 'utf8')

/** Rows of the tables with the program's own metrics: name, type, labels, meaning. */
const rows = [...page.matchAll(/^\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*) \| ([^|]+) \|(?: [^|]+ \|)?$/gm)]
  .map(([, name = '', type = '', labels = '', meaning = '']): Row => {
    return { name, type, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label), meaning }
  })
  .filter(({ name }) => !name.startsWith('exchange_'))

/** How the source names metrics: whole, or with a part that is put in. */
function namesInSource(): RegExp[] {
  const files = globSync('src/**/*.ts', { cwd: root }).filter((file) => !file.endsWith('.test.ts'))
  const texts = files.filter((file) => !file.includes('/logstash/')).map((file) => readFileSync(join(root, file), 'utf8'))
  const names = texts.flatMap((text) => [...text.matchAll(/['`]((?:millrace|kafka_consumer|nodejs|process)_[\w.${}]+)['`]/g)])
  const told = new Set(names.map(([, name = '']) => name).filter((name) => name !== ELASTICSEARCH_ERROR))
  return [...told].map((name) => new RegExp(`^${name.replace(/\$\{[^}]*\}/g, '\\w+')}$`))
}

/** What a histogram's samples, and all under Logstash's names, have besides. */
const COMMON_LABELS: ReadonlySet<string> = new Set(['le', 'hostname'])

/** The one text of that form that is no metric. */
const ELASTICSEARCH_ERROR = 'process_cluster_event_timeout_exception'

test('the page lists each metric of the source, once, and no other', () => {
  const names = rows.map(({ name }) => name)
  const sources = namesInSource()
  expect(sources.length).toBeGreaterThan(70)
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  expect(sources.filter((source) => !names.some((name) => source.test(name)))).toEqual([])
  const own = names.filter((name) => !name.startsWith('logstash_'))
  expect(own.filter((name) => !sources.some((source) => source.test(name)))).toEqual([])
})

test('what a program tells has the type, the labels and the text of the page', async () => {
  const stub = await startStubElasticsearch()
  await using pipeline = await startDefaultPipeline({
    elasticsearch_url: stub.url,
    config: join(root, 'config/exchange.json'),
  })
  await using client = await pipeline.connect()
  await client.send(encodeWindow([filebeatEvent('{"level":"error"}', 1)]))
  await settledBooks(pipeline.program, 1)
  const metrics = await pipeline.program.metrics()
  const samples = readSamples(metrics)
  const told = [...metrics.matchAll(/^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)$/gm)]
    .map(([, name = '', meaning = '', type = '']): Row => {
      const own = samples.filter((sample) => sample.name.replace(/_(?:bucket|sum|count)$/, '') === name || sample.name === name)
      const labels = new Set(own.flatMap((sample) => Object.keys(sample.labels)).filter((label) => !COMMON_LABELS.has(label)))
      return { name, type, labels: [...labels].sort(), meaning }
    })
    .filter(({ name }) => !name.startsWith('exchange_'))
  expect(told.length).toBeGreaterThan(80)
  const inOrder = (some: readonly Row[]): Row[] => some.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const names = new Set(told.map(({ name }) => name))
  expect(inOrder(told)).toEqual(inOrder(rows.filter(({ name }) => names.has(name))))
  // No config has been read again.
  const expected = rows.map(({ name }) => name).filter((name) => /^logstash_(?!.*_timestamp$)/.test(name))
  expect(expected.filter((name) => !names.has(name))).toEqual([])
  await stub.close()
}, 240_000)
