import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { createElasticsearchSink, eventFrom, NEVER } from '../../../test/helpers/elasticsearch-sink.ts'
import { type StubElasticsearch, type StubSettings, startStubElasticsearch } from '../../../test/helpers/stub-elasticsearch.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { TEST_AUTHORITY, TEST_AUTHORITY_FINGERPRINT, TEST_CLIENT, TEST_SERVER } from '../../../test/helpers/test-certificates.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { readRetryAfter } from './client.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function startStub(settings: StubSettings = {}): Promise<StubElasticsearch> {
  const stub = await startStubElasticsearch(settings)
  closing.push(() => stub.close())
  return stub
}

/** Writes one document and returns the request that did it. */
async function writeOne(options: { readonly [name: string]: unknown }, stub: StubElasticsearch) {
  const sink = createElasticsearchSink({ index: 'logs', ...options })
  closing.push(() => sink.close())
  await sink.open(NEVER)
  expect((await sink.write([eventFrom({}, 'a')], NEVER)).outcomes).toHaveLength(1)
  return stub.bulks.at(-1)
}

/** The first line that the output logs at its start: what is wrong. */
async function firstComplaint(options: { readonly [name: string]: unknown }): Promise<string | undefined> {
  const context = testContext()
  const sink = createElasticsearchSink({ index: 'logs', ...options }, context)
  const stop = new AbortController()
  const opened = sink.open(stop.signal)
  await waitFor('a line in the log', () => context.lines.length > 0)
  stop.abort(new Error('enough'))
  await expect(opened).rejects.toThrow('enough')
  return context.lines[0]
}

function refusal(options: { readonly [name: string]: unknown }): string {
  try {
    createElasticsearchSink({ index: 'logs', ...options })
  } catch (thrown) {
    return String(thrown)
  }
  return 'accepted'
}

const basic = (credentials: string) => `Basic ${Buffer.from(credentials).toString('base64')}`

test('user and password go as basic authentication with every request', async () => {
  const stub = await startStub()
  const bulk = await writeOne({ hosts: [stub.url], user: 'elastic', password: 'pässword' }, stub)
  expect(bulk?.headers.authorization).toBe(basic('elastic:pässword'))
  expect(stub.requests[0]?.headers.authorization).toBe(basic('elastic:pässword'))
})

test('credentials in the address are decoded, and never stand in a message', async () => {
  const stub = await startStub()
  const host = `http://us%40er:s3cr%3At@127.0.0.1:${stub.port}`
  const bulk = await writeOne({ hosts: [host] }, stub)
  expect(bulk?.headers.authorization).toBe(basic('us@er:s3cr:t'))
  await stub.close()
  const complaint = await firstComplaint({ hosts: [host] })
  expect(complaint).toContain(`http://127.0.0.1:${stub.port} cannot be reached`)
  expect(complaint).not.toContain('s3cr')
  expect(refusal({ hosts: ['http://user:s3cret@[bad'] })).not.toContain('s3cret')
})

test('an API key is taken as id:key and in its encoded form', async () => {
  const stub = await startStub()
  const encoded = Buffer.from('id:key').toString('base64')
  expect((await writeOne({ hosts: [stub.url], api_key: 'id:key' }, stub))?.headers.authorization).toBe(`ApiKey ${encoded}`)
  expect((await writeOne({ hosts: [stub.url], api_key: encoded }, stub))?.headers.authorization).toBe(`ApiKey ${encoded}`)
})

test('user, password and api_key that are empty, as of variables that are not set, ask for nothing', async () => {
  const stub = await startStub()
  const bulk = await writeOne({ hosts: [stub.url], user: '', password: '', api_key: '' }, stub)
  expect(bulk?.headers.authorization).toBeUndefined()
  const keyed = await writeOne({ hosts: [stub.url], user: '', password: '', api_key: 'id:key' }, stub)
  expect(keyed?.headers.authorization).toMatch(/^ApiKey /)
})

test('custom headers, parameters and a path stand in every bulk request', async () => {
  const stub = await startStub()
  const options = { hosts: [stub.url], custom_headers: { 'X-Tenant': 'a' }, parameters: { refresh: 'true' }, path: '/es' }
  const bulk = await writeOne(options, stub)
  expect(bulk?.headers['x-tenant']).toBe('a')
  expect(bulk?.url).toMatch(/^\/es\/_bulk\?.*refresh=true/)
})

test('a server certificate is checked against the given authority, and a client certificate is shown', async () => {
  const stub = await startStub({ tls: { ...TEST_SERVER, ca: TEST_AUTHORITY, requestCert: true } })
  await using folder = await temporaryFolder()
  const files = { ca: TEST_AUTHORITY, cert: TEST_CLIENT.cert, key: TEST_CLIENT.key }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text)
  expect(await firstComplaint({ hosts: [stub.url] })).toMatch(/cannot be reached: .*certificate/)
  const options = {
    hosts: [stub.url],
    ssl_certificate_authorities: [join(folder.path, 'ca')],
    ssl_certificate: join(folder.path, 'cert'),
    ssl_key: join(folder.path, 'key'),
  }
  expect(await writeOne(options, stub)).toBeDefined()
})

test('a certificate is accepted by the fingerprint of its authority, and unchecked where verification is off', async () => {
  const stub = await startStub({ tls: { ...TEST_SERVER, cert: TEST_SERVER.cert + TEST_AUTHORITY } })
  expect(await writeOne({ hosts: [stub.url], ca_trusted_fingerprint: TEST_AUTHORITY_FINGERPRINT }, stub)).toBeDefined()
  expect(await writeOne({ hosts: [stub.url], ssl_verification_mode: 'none' }, stub)).toBeDefined()
  expect(await firstComplaint({ hosts: [stub.url], ca_trusted_fingerprint: '0'.repeat(64) })).toContain('fingerprint')
})

test('old option names are taken: ssl, cacert and their switches', async () => {
  const stub = await startStub({ tls: TEST_SERVER })
  await using folder = await temporaryFolder()
  const authority = join(folder.path, 'ca')
  writeFileSync(authority, TEST_AUTHORITY)
  const context = testContext()
  const sink = createElasticsearchSink(
    { hosts: [`127.0.0.1:${stub.port}`], index: 'logs', ssl: true, cacert: authority, http_compression: true },
    context,
  )
  closing.push(() => sink.close())
  expect(context.lines.join('\n')).toMatch(
    /ssl is the old name of ssl_enabled[^]*cacert is the old name of ssl_certificate_authorities/,
  )
  await sink.open(NEVER)
  await sink.write([eventFrom({}, 'a')], NEVER)
  expect(stub.bulks[0]?.headers['content-encoding']).toBe('gzip')
  expect(await context.metrics.text()).toMatch(
    /^millrace_certificate_expiry_time_seconds\{component="test",file=".*\/ca"\} \d+$/m,
  )
})

test.each([
  [{ hosts: [] }, 'at least one address'],
  [{ hosts: ['http://a', 'https://b'] }, 'all hosts to be http or all https'],
  [{ hosts: ['http://a'], ssl_enabled: true }, 'make them agree'],
  [{ hosts: ['ftp://a'] }, 'cannot be read'],
  [{ hosts: [''] }, 'cannot be read'],
  [{ hosts: ['http://a:99999'] }, 'the port 99999'],
  [{ user: 'a' }, 'user and password together'],
  [{ user: 'a', password: 'b', api_key: 'c' }, 'keep one'],
  [{ ssl_certificate: 'missing.pem' }, 'ssl_certificate and ssl_key together'],
  [{ ssl_certificate_authorities: 'missing.pem' }, 'ssl_certificate_authorities can not be read: ENOENT'],
  [{ ca_trusted_fingerprint: 'ab' }, 'needs https'],
  [{ ca_trusted_fingerprint: 'ab', ssl_enabled: true }, '64 hexadecimal digits'],
  [{ ssl_enabled: true, ssl_supported_protocols: 'TLSv1.0' }, 'TLSv1.2 and TLSv1.3, got TLSv1.0'],
  [{ cloud_id: 'nonsense' }, 'cloud_id'],
  [{ dlq_custom_codes: [409] }, 'cannot be dead-lettered'],
  [{ template: 'missing.json' }, 'cannot read missing.json'],
])('%j is refused at load', (options, message) => {
  expect(refusal(options)).toContain(message)
})

test.each([
  {},
  { hosts: ['es1', 'es2:9201', '//es3', 'http://[::1]:9200/prefix'] },
  { cloud_id: `name:${Buffer.from('eu.example.com:9243$abc$def').toString('base64')}`, cloud_auth: 'a:b' },
  { data_stream: false, ilm_enabled: false, sniffing: false, template_api: 'auto', pool_max: 100 },
  { flush_size: 500, idle_flush_time: 5 },
])('%j is accepted', (options) => {
  expect(refusal(options)).toBe('accepted')
})

test('Retry-After is read as seconds and as a date', () => {
  expect(readRetryAfter('3', 0)).toBe(3000)
  expect(readRetryAfter('Fri, 02 Jan 2026 03:04:15 GMT', Date.UTC(2026, 0, 2, 3, 4, 5))).toBe(10_000)
  expect(readRetryAfter('Fri, 02 Jan 2026 03:04:15 GMT', Date.UTC(2027, 0, 1))).toBe(0)
  expect(readRetryAfter('soon', 0)).toBeUndefined()
})

test.each([
  [{}, '/_bulk?'],
  [{ bulk_path: 'own/_bulk' }, '/own/_bulk?'],
  [{ path: '/es' }, '/es/_bulk?'],
  [{ path: 'es/', bulk_path: '/es/other' }, '/es/other?'],
])('with %j bulk requests go to %s', async (options, beginning) => {
  const stub = await startStubElasticsearch()
  closing.push(() => stub.close())
  stub.onRequest = () => ({ status: 200, json: {} })
  const sink = createElasticsearchSink({ hosts: [stub.url], index: 'logs', manage_template: false, ...options })
  closing.push(() => sink.close())
  await sink.open(NEVER)
  await sink.write([eventFrom({}, 'a')], NEVER).catch(() => {})
  expect([...stub.bulks, ...stub.requests].map(({ url }) => url).filter((url) => url.startsWith(beginning))).toHaveLength(1)
})

test('requests go through the proxy, with its credentials', async () => {
  const stub = await startStubElasticsearch()
  closing.push(() => stub.close())
  const asked: string[] = []
  const clients: Socket[] = []
  const proxy = createServer()
  proxy.on('connect', (request, client: Socket) => {
    clients.push(client)
    asked.push(`${request.url} ${request.headers['proxy-authorization']}`)
    const server = connect(stub.port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      server.pipe(client).pipe(server)
    })
    server.on('error', () => client.destroy())
    client.on('error', () => server.destroy())
  })
  await new Promise<void>((resolve) => {
    proxy.listen(0, '127.0.0.1', resolve)
  })
  closing.push(
    () =>
      new Promise((resolve) => {
        proxy.close(() => resolve())
        for (const client of clients) client.destroy()
      }),
  )
  const { port } = proxy.address() as AddressInfo
  const sink = createElasticsearchSink({
    hosts: ['http://es.example:9200'],
    index: 'logs',
    manage_template: false,
    proxy: `http://logs:secret@127.0.0.1:${port}`,
    compression_level: 1,
  })
  closing.push(() => sink.close())
  await sink.open(NEVER)
  const { outcomes } = await sink.write([eventFrom({ n: 1 }, 'a')], NEVER)
  expect(outcomes).toEqual([{ kind: 'stored' }])
  expect(stub.documents.get('logs')?.size).toBe(1)
  expect(new Set(asked)).toEqual(new Set([`es.example:9200 Basic ${Buffer.from('logs:secret').toString('base64')}`]))
})
