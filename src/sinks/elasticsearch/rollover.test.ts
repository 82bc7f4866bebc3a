import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { createElasticsearchSink, eventFrom, NEVER } from '../../../test/helpers/elasticsearch-sink.ts'
import { type StubElasticsearch, startStubElasticsearch } from '../../../test/helpers/stub-elasticsearch.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** An Elasticsearch that has these of `policy` and `alias`. */
async function start(has: readonly ('policy' | 'alias')[]): Promise<StubElasticsearch> {
  const stub = await startStubElasticsearch()
  closing.push(() => stub.close())
  const missing = { status: 404, json: { error: { type: 'resource_not_found_exception' } } }
  stub.onRequest = ({ method, url }) => {
    if (method !== 'GET') return url.startsWith('/_index_template/') ? undefined : { status: 200, json: { acknowledged: true } }
    if (url.startsWith('/_ilm/')) return has.includes('policy') ? { status: 200, json: {} } : missing
    if (url.startsWith('/_alias/')) return has.includes('alias') ? { status: 200, json: {} } : missing
    return undefined
  }
  return stub
}

function open(stub: StubElasticsearch, options: { readonly [name: string]: unknown }, folder = '.') {
  const context = testContext({ paths: { data: folder, config: folder } })
  const sink = createElasticsearchSink({ hosts: [stub.url], ...options }, context)
  closing.push(() => sink.close())
  return { context, sink, opened: sink.open(NEVER) }
}

function puts({ requests }: StubElasticsearch): string[] {
  return requests.filter(({ method }) => method === 'PUT').map(({ url, body }) => `${decodeURIComponent(url)} ${body}`)
}

test('a rollover alias is made with template, policy and first index, and written to', async () => {
  const stub = await start([])
  const { sink, opened } = open(stub, { ilm_rollover_alias: 'shop' })
  await opened
  expect(stub.templates.get('shop')).toMatchObject({
    index_patterns: ['shop-*'],
    template: { settings: { index: { lifecycle: { name: 'logstash-policy', rollover_alias: 'shop' } } } },
  })
  expect(puts(stub).slice(-2)).toEqual([
    '/_ilm/policy/logstash-policy {"policy":{"phases":{"hot":{"actions":{"rollover":{"max_size":"50gb","max_age":"30d"}}}}}}',
    '/<shop-{now/d}-000001> {"aliases":{"shop":{"is_write_index":true}}}',
  ])
  await sink.write([eventFrom({}, 'a')], NEVER)
  expect(stub.bulks[0]?.items[0]).toMatchObject({ index: 'shop', operation: 'create', id: 'a' })
})

test('what is there stays as it is', async () => {
  const stub = await start(['policy', 'alias'])
  await open(stub, { ilm_enabled: true, ilm_policy: 'mine', manage_template: false }).opened
  expect(puts(stub)).toEqual([])
})

test("a policy of the user's own is never made: a person is told", async () => {
  const stub = await start(['alias'])
  const { context, opened } = open(stub, { ilm_rollover_alias: 'shop', ilm_policy: 'mine' })
  opened.catch(() => {})
  await waitFor('the message', () => context.lines.some((line) => line.startsWith('error')))
  expect(context.lines.join('\n')).toContain('the ILM policy mine does not exist in Elasticsearch')
})

test("the user's own template gets the alias, its other settings stay", async () => {
  await using folder = await temporaryFolder()
  const template = { index_patterns: ['x-*'], template: { settings: { index: { refresh_interval: '5s' } }, mappings: { a: 1 } } }
  writeFileSync(join(folder.path, 'template.json'), JSON.stringify(template))
  const stub = await start(['policy', 'alias'])
  await open(stub, { ilm_rollover_alias: 'shop', template: 'template.json' }, folder.path).opened
  expect(stub.templates.get('shop')).toEqual({
    index_patterns: ['shop-*'],
    template: {
      settings: { index: { refresh_interval: '5s', lifecycle: { name: 'logstash-policy', rollover_alias: 'shop' } } },
      mappings: { a: 1 },
    },
  })
})

test.each([
  [{ ilm_enabled: true }, 'logstash'],
  [{ ilm_enabled: true, ecs_compatibility: 'v8' }, 'logstash'],
  [{ ilm_enabled: false, ilm_rollover_alias: 'shop' }, 'logstash-2026.01.02'],
  [{ ilm_enabled: 'auto' }, 'logstash-2026.01.02'],
  [{ ilm_rollover_alias: 'shop', index: 'other' }, 'shop'],
])('with %j documents go to %s', async (options, index) => {
  const stub = await start(['policy', 'alias'])
  const { sink, opened } = open(stub, options)
  await opened
  await sink.write([eventFrom({}, 'a')], NEVER)
  expect(stub.bulks[0]?.items[0]?.index).toBe(index)
})
