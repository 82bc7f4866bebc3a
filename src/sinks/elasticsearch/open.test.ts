import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { createElasticsearchSink, eventFrom, NEVER } from '../../../test/helpers/elasticsearch-sink.ts'
import { freePort } from '../../../test/helpers/free-port.ts'
import { type StubElasticsearch, type StubSettings, startStubElasticsearch } from '../../../test/helpers/stub-elasticsearch.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { INDEX_TEMPLATES, TEMPLATE_VERSION } from './index-templates.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function startStub(settings: StubSettings = {}): Promise<StubElasticsearch> {
  const stub = await startStubElasticsearch(settings)
  closing.push(() => stub.close())
  return stub
}

interface Opening {
  readonly lines: string[]
  readonly opened: Promise<void>
  readonly stop: AbortController
}

/** Opens the output without waiting for it. */
function open(url: string, options: { readonly [name: string]: unknown } = {}): Opening {
  const context = testContext()
  const sink = createElasticsearchSink({ hosts: [url], index: 'logs', ...options }, context)
  const stop = new AbortController()
  const opened = sink.open(stop.signal)
  // Tests that wait for something else first look at it later.
  opened.catch(() => {})
  closing.push(() => sink.close())
  return { lines: context.lines, opened, stop }
}

function starting(lines: readonly string[], beginning: string): string[] {
  return lines.filter((line) => line.startsWith(beginning))
}

test('both index templates are there before the output is open', async () => {
  const stub = await startStub()
  await open(stub.url).opened
  expect([...stub.templates.keys()]).toEqual(['exchange-logs', 'exchange-alerts'])
  expect(stub.templates.get('exchange-logs')).toMatchObject({
    index_patterns: ['exchange-logs-*'],
    priority: 300,
    _meta: { millrace: { version: TEMPLATE_VERSION } },
    template: { mappings: { properties: { order_id: { type: 'keyword' }, ip: { type: 'ip', ignore_malformed: true } } } },
  })
})

test('an absent Elasticsearch is waited for, and the log says what is wrong', async () => {
  const port = await freePort()
  const { opened, lines } = open(`http://127.0.0.1:${port}`)
  await waitFor('a line in the log', () => starting(lines, 'warn elasticsearch_not_ready').length > 0)
  expect(lines[0]).toMatch(/cannot be reached: .*ECONNREFUSED.*is Elasticsearch running there\?/)
  const stub = await startStub({ port })
  await opened
  expect(stub.templates.size).toBe(2)
})

test('waiting for an absent Elasticsearch ends with the signal', async () => {
  const { opened, lines, stop } = open(`http://127.0.0.1:${await freePort()}`)
  await waitFor('a line in the log', () => lines.length > 0)
  stop.abort(new Error('stopping'))
  await expect(opened).rejects.toThrow('stopping')
})

test('while the server starts up (503) it is waited for', async () => {
  let asked = 0
  const stub = await startStub({ onRequest: () => (++asked === 1 ? { status: 503, json: {} } : undefined) })
  const { opened, lines } = open(stub.url)
  await opened
  expect(starting(lines, 'warn elasticsearch_not_ready')).toHaveLength(1)
})

test('refused credentials are an error that names what to check, and better ones are waited for', async () => {
  let refuse = true
  const json = { error: { type: 'security_exception', reason: 'missing authentication credentials' }, status: 401 }
  const stub = await startStub({ onRequest: () => (refuse ? { status: 401, json } : undefined) })
  const { opened, lines } = open(stub.url)
  await waitFor('a line in the log', () => starting(lines, 'error elasticsearch_not_ready').length > 0)
  expect(lines[0]).toContain('check user and password or api_key')
  refuse = false
  await opened
})

test('something else than Elasticsearch is recognised and said', async () => {
  const stub = await startStub({ without_product_header: true })
  const { lines, stop } = open(stub.url)
  await waitFor('a line in the log', () => lines.length > 0)
  expect(lines[0]).toMatch(/^error elasticsearch_not_ready: .*without the header X-Elastic-Product/)
  stop.abort()
})

test('without the right to install templates the output warns and goes on', async () => {
  const json = { error: { type: 'security_exception', reason: 'unauthorized' }, status: 403 }
  const stub = await startStub({ onRequest: ({ method }) => (method === 'PUT' ? { status: 403, json } : undefined) })
  const { opened, lines } = open(stub.url)
  await opened
  expect(starting(lines, 'warn elasticsearch_template_refused')).toHaveLength(2)
  expect(lines[0]).toContain('manage_index_templates')
})

test('a newer template of ours stays, an older one is replaced, a foreign one stays with a warning', async () => {
  const stub = await startStub()
  const newer = { _meta: { millrace: { version: TEMPLATE_VERSION + 1 } } }
  stub.templates.set('exchange-logs', newer)
  stub.templates.set('exchange-alerts', { _meta: { millrace: { version: TEMPLATE_VERSION - 1 } } })
  await open(stub.url).opened
  expect(stub.templates.get('exchange-logs')).toBe(newer)
  expect(stub.templates.get('exchange-alerts')).toMatchObject(INDEX_TEMPLATES[1]?.body ?? {})

  stub.templates.set('exchange-logs', { index_patterns: ['x'] })
  const { opened, lines } = open(stub.url)
  await opened
  expect(stub.templates.get('exchange-logs')).toEqual({ index_patterns: ['x'] })
  expect(starting(lines, 'warn elasticsearch_foreign_template')).toHaveLength(1)
})

test.each([403, 405])('a server that does not answer GET / (%i) is alive all the same', async (status) => {
  const stub = await startStub({ onRequest: ({ url }) => (url.startsWith('/?') ? { status, json: {} } : undefined) })
  const { opened, lines } = open(stub.url)
  await opened
  expect(stub.templates.size).toBe(2)
  expect(starting(lines, 'warn')).toEqual([])
})

test('with manage_template off no template is asked for', async () => {
  const stub = await startStub()
  await open(stub.url, { manage_template: false }).opened
  expect(stub.requests.map(({ url }) => url)).toEqual(['/?filter_path=version.number'])
})

test("the user's own template takes the place of the built-in ones, and overwrites only when told to", async () => {
  const stub = await startStub()
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'template.json')
  writeFileSync(file, '{"index_patterns":["logs-*"],"priority":500}')
  await open(stub.url, { template: file, template_name: 'mine' }).opened
  expect([...stub.templates]).toEqual([['mine', { index_patterns: ['logs-*'], priority: 500 }]])
  stub.templates.set('mine', { old: true })
  await open(stub.url, { template: file, template_name: 'mine' }).opened
  expect(stub.templates.get('mine')).toEqual({ old: true })
  await open(stub.url, { template: file, template_name: 'mine', template_overwrite: true }).opened
  expect(stub.templates.get('mine')).toMatchObject({ priority: 500 })
})

test('a write before the output is open is a mistake of the program and says so', async () => {
  const sink = createElasticsearchSink({ hosts: ['http://127.0.0.1:9'], index: 'logs' })
  await expect(sink.write([eventFrom({})], NEVER)).rejects.toThrow('before open')
  await sink.close()
})
