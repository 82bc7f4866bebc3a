import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { buildOutput, eventOf } from '../../../test/helpers/build-output.ts'
import { testContext } from '../../../test/helpers/context.ts'
import { freePort } from '../../../test/helpers/free-port.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { TEST_AUTHORITY, TEST_CLIENT, TEST_SERVER } from '../../../test/helpers/test-certificates.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { plain } from '../../codecs/plain.ts'
import type { Sink } from '../../core/contracts.ts'
import { http } from './http.ts'

interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

interface Stub extends AsyncDisposable {
  readonly url: string
  readonly requests: Received[]
}

type Answer = (request: Received, response: ServerResponse, count: number) => void

/** A server that writes down what it gets; answers 200 unless told otherwise. */
async function stub(answer: Answer = (_request, response) => response.end('ok'), tls?: TlsOptions): Promise<Stub> {
  const requests: Received[] = []
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    void buffer(request).then((raw) => {
      const bytes = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw
      const received = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: bytes.toString() }
      requests.push(received)
      answer(received, response, requests.length)
    })
  }
  const server: Server = tls === undefined ? createServer(handle) : createTlsServer(tls, handle)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const build = (options: { readonly [name: string]: unknown }, context = testContext()): Sink =>
  buildOutput(http, [plain], { http_method: 'post', ...options }, context)
const signal = new AbortController().signal
const EVENT = '{"service":"api","n":1.0,"list":[1,"b"],"map":{"a":null},"none":null}'
const BORN = '"@version":"1","@timestamp":"2026-01-02T00:00:00.000Z"'

async function sendOne(options: { readonly [name: string]: unknown }, path = '/'): Promise<Received | undefined> {
  await using server = await stub()
  const sink = build({ ...options, url: server.url + path })
  expect(await sink.write([eventOf(EVENT)], signal)).toMatchObject({ outcomes: [{ kind: 'stored' }] })
  await sink.close()
  return server.requests[0]
}

test.each([
  [{}, 'application/json', `{"service":"api","n":1.0,"list":[1,"b"],"map":{"a":null},"none":null,${BORN}}`],
  [
    { mapping: { text: '%{service}!', deep: { list: ['%{n}', 5], missing: '%{no}' } } },
    'application/json',
    '{"text":"api!","deep":{"list":["1.0","5"],"missing":"%{no}"}}',
  ],
  [{ format: 'message', message: '<%{service}>' }, 'text/plain', '<api>'],
  [{ format: 'message', message: 'x', content_type: 'text/csv' }, 'text/csv', 'x'],
  [{ format: 'form', mapping: { a: 'x y&z', b: '%{service}' } }, 'application/x-www-form-urlencoded', 'a=x+y%26z&b=api'],
  [
    { format: 'form' },
    'application/x-www-form-urlencoded',
    'service=api&n=1.0&list=1%2Cb&map=%7B%22a%22%3Anull%7D&none=&%40version=1&%40timestamp=2026-01-02T00%3A00%3A00.000Z',
  ],
  [{ http_compression: true, mapping: { a: '1' } }, 'application/json', '{"a":"1"}'],
])('%j', async (options, type, body) => {
  const received = await sendOne(options)
  const form = (text: string): unknown => (type.includes('form') ? Object.fromEntries(new URLSearchParams(text)) : text)
  expect(received?.headers['content-type']).toBe(type)
  expect(form(received?.body ?? '')).toEqual(form(body))
})

test('address, method, headers and password', async () => {
  const options = {
    http_method: 'put',
    headers: { 'X-Service': 'is %{service}', 'Content-Type': 'application/vnd.x+json' },
    user: 'u',
    password: 'p',
  }
  const received = await sendOne(options, '/%{service}/x')
  expect(received).toMatchObject({ method: 'PUT', url: '/api/x' })
  expect(received?.headers).toMatchObject({
    'x-service': 'is api',
    'content-type': 'application/vnd.x+json',
    authorization: `Basic ${Buffer.from('u:p').toString('base64')}`,
  })
})

test('a batch is one list, and gets smaller when it is too large', async () => {
  await using server = await stub((_request, response, count) => {
    response.statusCode = count === 1 ? 413 : 200
    response.end()
  })
  const sink = build({ url: server.url, format: 'json_batch', mapping: { a: '%{a}' } })
  const events = [eventOf('{"a":1}'), eventOf('{"a":2}')]
  expect(await sink.write(events, signal)).toMatchObject({ outcomes: [{ kind: 'retry' }, { kind: 'retry' }], tooLarge: true })
  expect(await sink.write(events, signal)).toMatchObject({ outcomes: [{ kind: 'stored' }, { kind: 'stored' }], tooLarge: false })
  expect(server.requests[1]?.body).toBe('[{"a":"1"},{"a":"2"}]')
  await sink.close()
})

test.each([
  [204, {}, { kind: 'stored' }],
  [404, {}, { kind: 'reject', reason: 'http_404' }],
  [302, {}, { kind: 'reject', reason: 'http_302' }],
  [413, {}, { kind: 'reject', reason: 'http_413' }],
  [409, { ignorable_codes: [409] }, { kind: 'stored' }],
  [503, {}, { kind: 'retry', after_ms: 7_000 }],
  [503, { retry_failed: false }, { kind: 'reject', reason: 'http_503' }],
  [500, { retryable_codes: [503] }, { kind: 'reject', reason: 'http_500' }],
  [418, { retryable_codes: 418 }, { kind: 'retry', after_ms: 7_000 }],
  [
    200,
    { retryable_answer: '^becau' },
    { kind: 'retry', reason: expect.stringMatching(/^http_200 from .*: because$/) as string },
  ],
  [200, { retryable_answer: '^cause' }, { kind: 'stored' }],
  [404, { retryable_answer: '^becau' }, { kind: 'reject', reason: 'http_404' }],
] as const)('an answer of %i with %j', async (status, options, outcome) => {
  await using server = await stub((_request, response) => {
    response.writeHead(status, { 'retry-after': '7', location: '/elsewhere' })
    response.end('because')
  })
  const sink = build({ ...options, url: server.url })
  const { outcomes } = await sink.write([eventOf('{}')], signal)
  expect(outcomes).toMatchObject([outcome])
  expect(server.requests).toHaveLength(1)
  await sink.close()
})

test('each event has its own outcome', async () => {
  await using server = await stub((request, response) => {
    response.statusCode = request.body.includes('bad') ? 400 : request.body.includes('busy') ? 429 : 200
    response.end()
  })
  const sink = build({ url: server.url })
  const result = await sink.write(['{"a":"bad"}', '{"a":"good"}', '{"a":"busy"}'].map(eventOf), signal)
  expect(result.outcomes.map(({ kind }) => kind)).toEqual(['reject', 'stored', 'retry'])
  expect(result.overloaded).toBe(true)
  await sink.close()
})

test('nobody there: the whole output waits, unless failures are not tried again', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  await expect(build({ url }).write([eventOf('{}')], signal)).rejects.toMatchObject({ code: 'OUTPUT_UNREACHABLE' })
  await expect(build({ url, format: 'json_batch' }).write([eventOf('{}')], signal)).rejects.toThrow('ECONNREFUSED')
  expect(await build({ url, retry_failed: false }).write([eventOf('{}')], signal)).toMatchObject({
    outcomes: [{ kind: 'reject', reason: 'http_unreachable' }],
  })
})

test.each([
  [{ request_timeout: 0.1 }, 'no answer within 100 ms'],
  [{ socket_timeout: 0.1 }, 'no byte within 100 ms'],
])('a server that never answers: %j', async (options, message) => {
  const server = createTcpServer(() => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sink = build({ ...options, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  await expect(sink.write([eventOf('{}')], signal)).rejects.toThrow(message)
  await sink.close()
  server.close()
})

test('what waits for a connection is not the time of the server', async () => {
  await using server = await stub((_request, response) => void setTimeout(() => response.end('ok'), 300))
  const sink = build({ url: server.url, pool_max_per_route: 1, request_timeout: 0.5, automatic_retries: 0 })
  const events = Array.from({ length: 4 }, () => eventOf('{}'))
  expect((await sink.write(events, signal)).outcomes).toEqual(events.map(() => ({ kind: 'stored' })))
  expect(server.requests).toHaveLength(4)
  await sink.close()
})

test('an answer without end is not read to its end', async () => {
  await using server = await stub((_request, response) => {
    const write = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', write)
    write()
  })
  const sink = build({ url: server.url })
  expect(await sink.write([eventOf('{}')], signal)).toMatchObject({ outcomes: [{ kind: 'stored' }] })
  await sink.close()
})

test('the deadline breaks off what is on its way', async () => {
  await using server = await stub(() => {})
  const sink = build({ url: server.url })
  const abandon = new AbortController()
  const writing = sink.write([eventOf('{}')], abandon.signal)
  abandon.abort(new Error('leaving'))
  await expect(writing).rejects.toThrow('leaving')
  await sink.close()
})

test('get follows redirections, and tells nobody else the password', async () => {
  await using other = await stub()
  await using server = await stub((request, response) => {
    response.writeHead(302, { location: request.url === '/a' ? '/b' : `${other.url}/c` })
    response.end()
  })
  const sink = build({ url: `${server.url}/a`, http_method: 'get', user: 'u', password: 'p' })
  expect(await sink.write([eventOf('{}')], signal)).toMatchObject({ outcomes: [{ kind: 'stored' }] })
  expect(server.requests.map(({ url }) => url)).toEqual(['/a', '/b'])
  expect(other.requests[0]).toMatchObject({ url: '/c', method: 'GET' })
  expect(other.requests[0]?.headers).not.toHaveProperty('authorization')
  await sink.close()
})

test('an address that its event makes no address goes to the dead letters', async () => {
  const sink = build({ url: '%{where}' })
  const events = ['{"where":"ftp://x"}', '{"where":"no"}', '{}'].map(eventOf)
  expect((await sink.write(events, signal)).outcomes).toEqual(events.map(() => ({ kind: 'reject', reason: 'url_invalid' })))
})

test('over TLS with our own certificate; a server that nobody vouches for is not believed', async () => {
  await using folder = await temporaryFolder()
  const files = { 'ca.crt': TEST_AUTHORITY, 'client.crt': TEST_CLIENT.cert, 'client.key': TEST_CLIENT.key }
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder.path, name), content)
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  await using server = await stub(undefined, { ...TEST_SERVER, ca: TEST_AUTHORITY, requestCert: true, rejectUnauthorized: true })
  const url = server.url.replace('http', 'https')
  const identity = { client_cert: 'client.crt', client_key: 'client.key' }
  const sink = build({ url, ...identity, cacert: 'ca.crt' }, context)
  expect(await sink.write([eventOf('{}')], signal)).toMatchObject({ outcomes: [{ kind: 'stored' }] })
  await expect(build({ url, ...identity }, context).write([eventOf('{}')], signal)).rejects.toThrow('certificate')
  const careless = build({ url, ...identity, ssl_verification_mode: 'none' }, context)
  expect(await careless.write([eventOf('{}')], signal)).toMatchObject({ outcomes: [{ kind: 'stored' }] })
  expect(context.lines.some((said) => said.includes('http.cacert is the old name of ssl_certificate_authorities'))).toBe(true)
  await sink.close()
  await careless.close()
})

test('renewed certificates are for the next request; one that is on its way gets its answer', async () => {
  await using folder = await temporaryFolder()
  const use = async ({ cert, key }: { cert: string; key: string }): Promise<void> => {
    await writeFile(join(folder.path, 'client.crt'), cert)
    await writeFile(join(folder.path, 'client.key'), key)
  }
  await use(TEST_CLIENT)
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  const sockets: TLSSocket[] = []
  const held: ServerResponse[] = []
  const answer: Answer = (_request, response, count) => {
    sockets.push(response.socket as TLSSocket)
    if (count === 1) held.push(response)
    else response.end('ok')
  }
  await using server = await stub(answer, { ...TEST_SERVER, ca: TEST_AUTHORITY, requestCert: true, rejectUnauthorized: true })
  const tls = { ssl_certificate: 'client.crt', ssl_key: 'client.key', ssl_verification_mode: 'none' }
  const sink = build({ url: server.url.replace('http', 'https'), ...tls }, context)
  await sink.open(signal)
  const first = sink.write([eventOf('{}')], signal)
  await waitFor('the first request', () => held.length === 1)
  await use(TEST_SERVER)
  await waitFor('the new certificate', () => context.lines.some((said) => said.includes('certificates that were renewed')))
  for (let count = 0; count < 2; count++) {
    expect(await sink.write([eventOf('{}')], signal)).toMatchObject({ outcomes: [{ kind: 'stored' }] })
  }
  held[0]?.end('ok')
  expect(await first).toMatchObject({ outcomes: [{ kind: 'stored' }] })
  await waitFor('the end of the old connection', () => sockets[0]?.destroyed)
  expect(sockets[1]?.getPeerCertificate().subject.CN).toBe('Millrace test server')
  expect(sockets[2]).toBe(sockets[1])
  await sink.close()
})

test.each([
  [{ url: 'http://x', headers: { 'X-Tenant': ['a'] } }, 'expected text, got a list'],
  [{ url: 'nowhere' }, 'expected an address such as https://example.com/path, got "nowhere"'],
  [{ url: 'http://x', format: 'message' }, 'format message needs message'],
  [{ url: 'http://x', user: 'u' }, 'expected user and password together'],
  [{ url: 'http://x', proxy: 'no' }, 'proxy: expected http://host:port'],
  [{ url: 'http://x', http_method: 'trace' }, 'expected one of put, post'],
  [{ url: 'http://x', ssl_key: 'x' }, 'expected ssl_certificate and ssl_key together'],
  [{ url: 'http://x', keystore: 'missing.p12' }, 'ssl_keystore_path can not be read'],
])('%j is refused', (options, message) => {
  expect(() => build(options)).toThrow(message)
})

test('through a proxy', async () => {
  await using proxy = await stub()
  const sink = build({ url: 'http://events.example.invalid/in', proxy: proxy.url })
  expect(await sink.write([eventOf('{}')], signal)).toMatchObject({ outcomes: [{ kind: 'stored' }] })
  expect(proxy.requests[0]).toMatchObject({ url: 'http://events.example.invalid/in' })
  await sink.close()
})
