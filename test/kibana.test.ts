import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { closeClusters, clusterFor } from './helpers/elasticsearch-cluster.ts'
import { eventFrom, NEVER } from './helpers/elasticsearch-sink.ts'
import {
  type Aggregations,
  countsOf,
  KIBANA_OBJECTS,
  KIBANA_TEXT,
  layerOf,
  objectOf,
  queryOf,
  requestOf,
} from './helpers/kibana-objects.ts'
import { FIRST_START_TIMEOUT_MS } from './helpers/servers.ts'

const KIBANA = join(import.meta.dirname, '../deploy/kibana')
const run = promisify(execFile)

test('there are the data views, the three searches and the two charts, and each names what is there', () => {
  expect(KIBANA_OBJECTS.map(({ type, attributes }) => `${type}: ${attributes.title}`)).toEqual([
    'index-pattern: exchange-logs-*',
    'index-pattern: exchange-alerts-*',
    'search: Errors of exchange-api (Lucene)',
    'search: Orders that user 1001 placed (Lucene)',
    'search: Slow requests to /api/orders (Lucene)',
    'lens: Errors per minute (Lucene)',
    'lens: Slow queries by endpoint (Lucene)',
  ])
  const ids = KIBANA_OBJECTS.map(({ type, id }) => `${type}/${id}`)
  for (const { references } of KIBANA_OBJECTS) for (const { type, id } of references) expect(ids).toContain(`${type}/${id}`)
  for (const object of KIBANA_OBJECTS.filter(({ type }) => type !== 'index-pattern')) {
    expect(queryOf(object).language).toBe('lucene')
    expect(object.attributes.description).toMatch(/^Lucene\b/)
    expect(object.references).toHaveLength(1)
  }
  for (const object of KIBANA_OBJECTS.filter(({ type }) => type === 'lens')) {
    const { columns, columnOrder } = layerOf(object)
    expect([...columnOrder].sort()).toEqual(Object.keys(columns).sort())
    const { accessors, xAccessor, splitAccessor } = object.attributes.state?.visualization.layers[0] ?? {}
    for (const id of [accessors, xAccessor, splitAccessor ?? xAccessor].flat()) expect(columnOrder).toContain(id)
  }
})

const TIMES = ['2026-01-02T03:04:05Z', '2026-01-02T03:04:55Z', '2026-01-02T03:06:05Z'] as const
const LOG: { readonly [id: string]: { readonly [name: string]: unknown } } = {
  a: { level: 'error', service: 'exchange-api', user_id: 1001, action: 'place_order', duration: 12, endpoint: '/api/orders' },
  b: { level: 'error', service: 'exchange-web', user_id: 10010, action: 'place_order', duration: 1000, endpoint: '/api/orders' },
  c: {
    level: 'info',
    service: 'exchange-api',
    user_id: 1001,
    action: 'place_order_late',
    duration: 1001,
    endpoint: '/api/orders',
  },
  d: { level: 'info', service: 'wallet', user_id: 1001, action: 'withdraw', duration: 4000, endpoint: '/api/orders/7' },
  e: { level: 'info', service: 'api', user_id: 1001, action: 'place_order', duration: 2000.5, endpoint: '/api/balances' },
  f: { level: 'error', service: 'exchange-api', user_id: 7, action: 'cancel_order', duration: 1500, endpoint: '/api/orders' },
  g: { msg: 'level:error service:exchange-api', note: 'api orders' },
}

afterEach(closeClusters)

describe.each([8, 9] as const)('Elasticsearch %i', (major) => {
  test('the searches and charts find what they say', { timeout: FIRST_START_TIMEOUT_MS }, async (context) => {
    const cluster = await clusterFor(context, major)
    const sink = await cluster.open()
    const events = Object.entries(LOG).map(([id, fields], index) =>
      eventFrom({ ...fields, '@timestamp': TIMES[index % 3] ?? '' }, id),
    )
    expect((await sink.write(events, NEVER)).outcomes.map(({ kind }) => kind)).toEqual(events.map(() => 'stored'))
    const found = async (id: string): Promise<string[]> => await cluster.find(queryOf(objectOf(id)).query)
    expect(await found('exchange-errors-of-api')).toEqual(['a', 'f'])
    expect(await found('exchange-orders-of-user')).toEqual(['a', 'e'])
    expect(await found('exchange-slow-orders')).toEqual(['c', 'f'])
    const counts = async (id: string): Promise<{ [key: string]: number }> => {
      const answer = await cluster.call('POST', `/${cluster.index}/_search`, requestOf(objectOf(id)))
      return countsOf(answer['aggregations'] as Aggregations)
    }
    expect(await counts('exchange-errors-per-minute')).toEqual({
      [`exchange-api ${Date.UTC(2026, 0, 2, 3, 4)}`]: 1,
      [`exchange-api ${Date.UTC(2026, 0, 2, 3, 6)}`]: 1,
      [`exchange-web ${Date.UTC(2026, 0, 2, 3, 4)}`]: 1,
    })
    expect(await counts('exchange-slow-queries')).toEqual({ '/api/orders': 2, '/api/balances': 1, '/api/orders/7': 1 })
  })
})

interface Call {
  readonly request: string
  readonly headers: { readonly [name: string]: unknown }
  readonly body: string
}

/** Records what it is asked. `statuses`: what /api/status answers, the last one for ever. */
async function startStubKibana(statuses: number[], imported: { readonly status?: number; readonly body: string }) {
  const calls: Call[] = []
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      calls.push({ request: `${request.method} ${request.url}`, headers: request.headers, body: body.toString() })
      if (request.method === 'GET') response.writeHead((statuses.length > 1 ? statuses.shift() : statuses[0]) ?? 200).end('{}')
      else response.writeHead(imported.status ?? 200, { 'content-type': 'application/json' }).end(imported.body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    calls,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

async function install(args: readonly string[], env: { readonly [name: string]: string } = {}) {
  const result = await run('bash', [join(KIBANA, 'install.sh'), ...args], { env: { PATH: process.env['PATH'], ...env } }).catch(
    (error: Error & { code: number; stderr: string; stdout: string }) => error,
  )
  return { code: 'code' in result ? result.code : 0, stdout: result.stdout, stderr: result.stderr }
}

const TAKEN = { body: '{"successCount":7,"success":true,"warnings":[]}' }

describe('install.sh', () => {
  test('waits until Kibana is there, and sends the objects once', async () => {
    await using kibana = await startStubKibana([503, 200], TAKEN)
    expect(await install([`${kibana.url}/`])).toMatchObject({ code: 0, stdout: expect.stringContaining('installed 7 objects') })
    expect(kibana.calls.map(({ request }) => request)).toEqual([
      'GET /api/status',
      'GET /api/status',
      'POST /api/saved_objects/_import?overwrite=true',
    ])
    const { headers, body } = kibana.calls[2] ?? { headers: {}, body: '' }
    expect(headers).toMatchObject({ 'kbn-xsrf': 'millrace', 'content-type': expect.stringContaining('multipart/form-data') })
    expect(headers).not.toHaveProperty('authorization')
    expect(body).toContain('name="file"; filename="exchange.ndjson"')
    expect(body).toContain(KIBANA_TEXT)
  })

  test.each([
    [{ KIBANA_USER: 'elastic', KIBANA_PASSWORD: 'a"\\b $c' }, `Basic ${Buffer.from('elastic:a"\\b $c').toString('base64')}`],
    [{ KIBANA_API_KEY: 'abc==' }, 'ApiKey abc=='],
  ])('logs in with %j, into a space', async (env, authorization) => {
    await using kibana = await startStubKibana([200], TAKEN)
    expect(await install([], { ...env, KIBANA_URL: kibana.url, KIBANA_SPACE: 'trading' })).toMatchObject({ code: 0 })
    expect(kibana.calls[1]).toMatchObject({
      request: 'POST /s/trading/api/saved_objects/_import?overwrite=true',
      headers: { authorization },
    })
  })

  test.each([
    ['a log-in that is refused', [401], TAKEN, 'refuses the log-in (401): set KIBANA_API_KEY'],
    ['a Kibana that never is ready', [503], TAKEN, 'does not answer (status 503)'],
    ['objects that are refused', [200], { status: 413, body: 'too large' }, '(status 413): too large'],
    ['a part that is refused', [200], { body: '{"successCount":6,"success":false}' }, '"success":false'],
  ])('tells of %s and ends with 1', async (_what, statuses, imported, message) => {
    await using kibana = await startStubKibana([...statuses], imported)
    const { code, stderr } = await install([kibana.url], { KIBANA_WAIT_S: '0' })
    expect(code).toBe(1)
    expect(stderr).toContain(message)
  })
})
