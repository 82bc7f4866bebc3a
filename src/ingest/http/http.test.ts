import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { request as requestTls } from 'node:https'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { type TestContext, testContext } from '../../../test/helpers/context.ts'
import { buildInput, Collector, type RunningInput, startInput } from '../../../test/helpers/run-input.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { TEST_AUTHORITY, TEST_CLIENT, TEST_SERVER } from '../../../test/helpers/test-certificates.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { json } from '../../codecs/json.ts'
import { jsonLines } from '../../codecs/json-lines.ts'
import { line } from '../../codecs/line.ts'
import { multiline } from '../../codecs/multiline.ts'
import { plain } from '../../codecs/plain.ts'
import { defineInput } from '../../core/component.ts'
import { createHttp, http } from './http.ts'

interface Running extends RunningInput {
  readonly url: string
}

const TIMES = { headers_timeout_ms: 200, request_timeout_ms: 400, checking_interval_ms: 50, busy_after_ms: 0, linger_ms: 100 }

async function start(
  options: { readonly [name: string]: unknown } = {},
  context: TestContext = testContext(),
  max_event_bytes?: number,
  collector = new Collector(),
  times = TIMES,
): Promise<Running> {
  const quick = defineInput({ ...http, create: (given, inputContext) => createHttp(given, inputContext, times) })
  const settings = { host: '127.0.0.1', port: 0, ...options }
  const source = buildInput(quick, [json, jsonLines, line, multiline, plain], settings, collector, context, max_event_bytes)
  const input = startInput(source, collector, context)
  const address = await Promise.race([waitFor('listening', () => context.address()), input.ended.then(() => '')])
  return { ...input, url: `http://${address}` }
}

async function post(
  url: string,
  body: NonNullable<RequestInit['body']>,
  headers: { [name: string]: string } = {},
): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'text/plain', ...headers } })
  return { status: response.status, text: await response.text() }
}

const JSON_TYPE = { 'content-type': 'application/json; charset=UTF-8' }

/** A connection that says what a test wants. */
async function rawClient(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  return socket
}

test('a body is answered when it is stored, and not earlier', async () => {
  await using input = await start()
  input.collector.settleAs = undefined
  const answer = post(`${input.url}/a/b?c=1`, 'hello', { 'user-agent': 'curl/8' })
  await input.collector.until(() => input.collector.batches.length === 1)
  expect(await Promise.race([answer, Promise.resolve('waiting')])).toBe('waiting')
  input.collector.batches[0]?.settle('stored')
  expect(await answer).toEqual({ status: 200, text: 'ok' })
  const { host } = new URL(input.url)
  expect(input.collector.documents[0]).toMatchObject({
    message: 'hello',
    host: '127.0.0.1',
    headers: {
      request_method: 'POST',
      request_path: '/a/b?c=1',
      http_version: 'HTTP/1.1',
      http_host: host,
      http_user_agent: 'curl/8',
      http_accept: '*/*',
      content_type: 'text/plain',
      content_length: '5',
    },
  })
  expect(input.context.metrics.counter('millrace_http_requests_total', '', { input: 'test', code: '200' }).value).toBe(1)
})

test('with ECS what the request tells has its places', async () => {
  await using input = await start({}, testContext({ ecs_compatibility: 'v8' }))
  await post(`${input.url}/a`, '{"host":{"name":"h"},"url":"x"}', { ...JSON_TYPE, 'user-agent': 'curl/8' })
  const [event] = input.collector.events
  const { port } = new URL(input.url)
  expect(input.collector.documents[0]).toMatchObject({
    host: { name: 'h', ip: '127.0.0.1' },
    url: 'x',
    http: { method: 'POST', version: 'HTTP/1.1', request: { body: { bytes: '31' }, mime_type: JSON_TYPE['content-type'] } },
    user_agent: { original: 'curl/8' },
  })
  expect(event?.metadata).toMatchObject({ input: { http: { request: { headers: { request_path: '/a' } } } } })
  await post(`${input.url}/b`, 'text')
  expect(input.collector.documents[1]).toMatchObject({ url: { domain: '127.0.0.1', port: Number(port), path: '/b' } })
})

test('the codec follows the content type; targets, headers and code of the answer can be chosen', async () => {
  await using input = await start({
    codec: 'line',
    additional_codecs: { 'application/JSON': 'json', 'application/x-ndjson': { json_lines: { target: 'doc' } } },
    remote_host_target_field: '[client][ip]',
    request_headers_target_field: '[@metadata][headers]',
    response_code: 201,
    response_headers: { 'X-Stored': 'yes' },
    type: 'web',
    add_field: { from: '%{[client][ip]}' },
  })
  expect((await post(input.url, '[{"a":1},{"a":2}]', JSON_TYPE)).status).toBe(201)
  await post(input.url, '{"b":1}\n{"b":2}', { 'content-type': 'application/x-ndjson' })
  const response = await fetch(input.url, { method: 'PUT', body: 'x\ny' })
  expect([response.headers.get('x-stored'), await response.text()]).toEqual(['yes', 'ok'])
  const shared = { client: { ip: '127.0.0.1' }, type: 'web', from: '127.0.0.1' }
  expect(input.collector.documents).toMatchObject(
    [{ a: 1 }, { a: 2 }, { doc: { b: 1 } }, { doc: { b: 2 } }, { message: 'x' }, { message: 'y' }].map((one) => ({
      ...one,
      ...shared,
    })),
  )
  expect(input.collector.documents[0]).not.toHaveProperty('headers')
})

test('a host in the body gives way to the address of the client, as in Logstash', async () => {
  await using input = await start()
  await post(input.url, '{"host":"claimed"}', JSON_TYPE)
  expect(input.collector.documents[0]).toMatchObject({ host: '127.0.0.1' })
})

test('204 has no body; HEAD and GET are events too', async () => {
  await using input = await start({ response_code: 204 })
  const response = await fetch(input.url)
  expect([response.status, await response.text()]).toEqual([204, ''])
  expect((await fetch(input.url, { method: 'HEAD' })).status).toBe(204)
  expect(input.collector.documents.map(({ message }) => message)).toEqual(['', ''])
})

test.each([
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
] as const)('a body packed with %s', async (encoding, pack) => {
  await using input = await start({ max_content_length: 100 })
  expect(await post(input.url, pack('hello'), { 'content-encoding': encoding })).toEqual({ status: 200, text: 'ok' })
  expect(input.collector.documents[0]).toMatchObject({ message: 'hello' })
  const bomb = await post(input.url, pack(Buffer.alloc(100_000)).subarray(0), { 'content-encoding': encoding })
  expect(bomb.status).toBe(413)
})

test.each([
  [{ 'content-encoding': 'gzip' }, 'no gzip', 400, 'not what its content-encoding says'],
  [{ 'content-encoding': 'compress' }, 'x', 415, 'expected content-encoding gzip'],
  [{}, 'x'.repeat(101), 413, 'at most 100 bytes'],
  [JSON_TYPE, '{"order_id":1,"user":{}}', 400, 'event 1 of the body lacks [user][id]'],
  [JSON_TYPE, '[{"order_id":1,"user":{"id":2}},{}]', 400, 'event 2 of the body lacks order_id, [user][id]'],
  [JSON_TYPE, '{"order_id":', 400, 'event 1 of the body is no JSON object: Unexpected end of JSON input at position 12'],
  [JSON_TYPE, '{"order_id":"a', 400, 'is no JSON object: Unterminated string in JSON at position 14'],
  [JSON_TYPE, '{"order_id":1}}'.slice(1), 400, 'is no JSON object: Unexpected'],
  [JSON_TYPE, '[{"order_id":1,"user":{"id":2}},3]', 400, 'expected an object or a list of objects'],
] as const)('%j %s is refused with %i', async (headers, body, status, reason) => {
  await using input = await start({ max_content_length: 100, required_fields: ['order_id', '[user][id]'] })
  const answer = await post(input.url, body, headers)
  expect(answer.status).toBe(status)
  expect(answer.text).toContain(reason)
  expect(input.collector.batches).toEqual([])
  expect(await post(input.url, '{"order_id":1,"user":{"id":2}}', JSON_TYPE)).toEqual({ status: 200, text: 'ok' })
})

test('what is no JSON is stored with a tag where nothing is required', async () => {
  await using input = await start()
  expect((await post(input.url, '{"a":', JSON_TYPE)).status).toBe(200)
  expect(input.collector.documents[0]).toMatchObject({ message: '{"a":', tags: ['_jsonparsefailure'] })
})

test('an event over max_event_bytes is refused', async () => {
  await using input = await start({}, testContext(), 50)
  expect((await post(input.url, 'x'.repeat(51))).status).toBe(413)
})

test('user and password', async () => {
  await using input = await start({ user: 'u', password: 'p' })
  const basic = (text: string): { authorization: string } => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
  expect((await post(input.url, 'x')).status).toBe(401)
  expect((await post(input.url, 'x', basic('u:q'))).status).toBe(401)
  expect((await post(input.url, 'x', basic('u:p'))).status).toBe(200)
  expect(input.collector.documents).toHaveLength(1)
  expect(JSON.stringify(input.collector.documents)).not.toContain('Basic')
})

test('user and password that are empty, as of variables that are not set, ask for none', async () => {
  await using input = await start({ user: '', password: '' })
  expect((await post(input.url, 'x')).status).toBe(200)
})

test('requests over the limit are told to come again', async () => {
  await using input = await start({ max_pending_requests: 1 })
  input.collector.settleAs = undefined
  const first = post(input.url, 'a')
  await input.collector.until(() => input.collector.batches.length === 1)
  const second = await fetch(input.url, { method: 'POST', body: 'b' })
  expect([second.status, second.headers.get('retry-after')]).toEqual([429, '1'])
  input.collector.batches[0]?.settle('stored')
  expect((await first).status).toBe(200)
})

test('while the pipeline takes nothing, further bodies are told to come again', async () => {
  const collector = new Collector()
  const gate = Promise.withResolvers<void>()
  const blocked = Object.assign(collector, {
    deliver: async (events: Parameters<Collector['deliver']>[0]) => {
      await gate.promise
      collector.batches.push({ events, settle: () => {} })
      return { settled: Promise.resolve('stored' as const) }
    },
  })
  await using input = await start({}, testContext(), undefined, blocked)
  const first = post(input.url, 'a')
  const answer = await waitFor('busy', async () => (await post(input.url, 'b')).status === 429)
  expect(answer).toBe(true)
  gate.resolve()
  expect((await first).status).toBe(200)
})

test('of 150,000 lines that are 30,000 events none is one too many, and of two lists the first counts', async () => {
  const codec = { multiline: { pattern: '^ ', what: 'previous' } }
  await using input = await start({ codec, additional_codecs: { 'application/json': 'json' } })
  const trace = `failed\n${'  at somewhere\n'.repeat(4)}`
  expect(await post(input.url, trace.repeat(30_000))).toMatchObject({ status: 200 })
  expect(input.collector.events).toHaveLength(30_000)
  expect(input.collector.documents.every(({ message }) => `${String(message)}\n` === trace)).toBe(true)
  const list = `[${'{},'.repeat(59_999)}{}]`
  expect((await post(input.url, `${list} ${list}`, JSON_TYPE)).status).toBe(200)
  expect(input.collector.events).toHaveLength(90_000)
})

test('a packed body that is too large to be kept while it is looked at is there as a whole', async () => {
  await using input = await start()
  const text = Array.from({ length: 600_000 }, (_, index) => `${index} `).join('')
  const sent = await post(input.url, gzipSync(text), { 'content-encoding': 'gzip' })
  expect(sent.status).toBe(200)
  expect(input.collector.documents[0]?.['message'] === text).toBe(true)
})

test('a body of more than 100,000 lines is refused, and a list of as many stays one event', async () => {
  await using input = await start({ additional_codecs: { 'application/x-ndjson': 'json_lines', 'application/json': 'json' } })
  const lines = await post(input.url, '{}\n'.repeat(100_001), { 'content-type': 'application/x-ndjson' })
  expect(lines).toMatchObject({ status: 413, text: expect.stringContaining('more than 100,000 events in one message') })
  const list = await post(input.url, `[${'{},'.repeat(100_000)}{}]`, JSON_TYPE)
  expect(list.status).toBe(200)
  expect(input.collector.documents).toHaveLength(1)
  expect(input.collector.documents[0]).toMatchObject({ tags: ['_jsonparsefailure'] })
  const fits = await post(input.url, '{}\n'.repeat(1_000), { 'content-type': 'application/x-ndjson' })
  expect(fits.status).toBe(200)
  expect(input.collector.events).toHaveLength(1_001)
})

test('bodies that wait for each other share the room', async () => {
  const patient = { ...TIMES, headers_timeout_ms: 60_000, request_timeout_ms: 60_000 }
  await using input = await start({ max_pending_bytes: 100_000 }, testContext(), undefined, new Collector(), patient)
  const first = await rawClient(input.url)
  first.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n${'x'.repeat(80_000)}`)
  const gauge = (): Promise<string> => input.context.metrics.text()
  await waitFor('bytes', async () => /millrace_http_pending_bytes\{input="test"\} 8\d{4}/.test(await gauge()))
  expect((await post(input.url, 'y'.repeat(30_000))).status).toBe(429)
  first.destroy()
  await waitFor('room', async () => (await gauge()).includes('millrace_http_pending_bytes{input="test"} 0'))
  expect((await post(input.url, 'y'.repeat(30_000))).status).toBe(200)
})

test('a client that has gone in the middle of its body leaves nothing', async () => {
  await using input = await start()
  const client = await rawClient(input.url)
  client.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc')
  await waitFor('pending', async () => (await input.context.metrics.text()).includes('pending_requests{input="test"} 1'))
  client.destroy()
  await waitFor('none', async () => (await input.context.metrics.text()).includes('pending_requests{input="test"} 0'))
  expect(input.collector.batches).toEqual([])
})

test.each([
  ['a head that never ends', 'POST / HTTP/1.1\r\nhost: x\r\n', '408'],
  ['a body that never ends', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nabc', '408'],
  ['no HTTP', '\u0016\u0003\u0001 hello\r\n\r\n', '400'],
  ['a head that is too long', `POST / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, '431'],
])('%s is ended with %s', async (_what, sent, status) => {
  await using input = await start()
  const client = await rawClient(input.url)
  client.write(sent)
  expect(await readAll(client)).toContain(`HTTP/1.1 ${status}`)
})

test('who asks first is refused before the body comes', async () => {
  await using input = await start({ max_content_length: 100 })
  const client = await rawClient(input.url)
  client.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n')
  expect(await readAll(client)).toContain('HTTP/1.1 413')
  const other = await rawClient(input.url)
  other.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n')
  const [first] = (await once(other, 'data')) as [Buffer]
  expect(first.toString()).toContain('100 Continue')
  other.write('ok')
  expect(await readAll(other)).toContain('HTTP/1.1 200')
})

test('a body that is refused while it comes: the client gets to read why', async () => {
  await using input = await start({ max_content_length: 1_000 })
  const client = await rawClient(input.url)
  client.write('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  client.write(`7d0\r\n${'x'.repeat(2_000)}\r\n`)
  expect(await readAll(client)).toContain('HTTP/1.1 413')
})

test('told to stop it answers what is stored meanwhile, and nothing as stored that is not', async () => {
  const input = await start()
  input.collector.settleAs = undefined
  const stored = post(input.url, 'a')
  const abandoned = post(input.url, 'b')
  await input.collector.until(() => input.collector.batches.length === 2)
  const client = await rawClient(input.url)
  client.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc')
  await waitFor('pending', async () => (await input.context.metrics.text()).includes('pending_requests{input="test"} 3'))
  const stopped = input.stop()
  expect(await readAll(client)).toContain('HTTP/1.1 503')
  input.collector.batches[0]?.settle('stored')
  input.collector.batches[1]?.settle('abandoned')
  expect((await stored).status).toBe(200)
  expect((await abandoned).status).toBe(503)
  await stopped
})

test('a body that takes too long to be stored is answered with 503', async () => {
  await using input = await start({ settle_timeout: 0.05 })
  input.collector.settleAs = undefined
  expect(await post(input.url, 'a')).toMatchObject({ status: 503, text: 'not stored within 0.05 s: send it again' })
})

test('over TLS, for clients with a certificate only', async () => {
  await using folder = await temporaryFolder()
  const files = { 'ca.crt': TEST_AUTHORITY, 'server.crt': TEST_SERVER.cert, 'server.key': TEST_SERVER.key }
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder.path, name), content)
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  await using input = await start(
    {
      ssl: true,
      ssl_certificate: 'server.crt',
      ssl_key: 'server.key',
      ssl_certificate_authorities: 'ca.crt',
      verify_mode: 'force_peer',
    },
    context,
  )
  const send = async (identity: object): Promise<number | undefined> => {
    const request = requestTls(input.url.replace('http', 'https'), { method: 'POST', ca: TEST_AUTHORITY, ...identity })
    request.end('secret')
    const [response] = (await once(request, 'response')) as [{ statusCode?: number; resume(): void }]
    response.resume()
    return response.statusCode
  }
  expect(await send(TEST_CLIENT)).toBe(200)
  await expect(send({})).rejects.toThrow()
  expect(context.lines.some((said) => said.includes('http.ssl is the old name of ssl_enabled'))).toBe(true)
})

test.each([
  [{ user: 'u' }, 'expected user and password together'],
  [{ additional_codecs: { 'text/csv': 'csv' } }, "Couldn't find any codec plugin named 'csv'"],
  [{ codec: 'rubydebug' }, "Couldn't find any codec plugin named 'rubydebug'"],
  [{ response_code: 418 }, 'expected one of 200, 201, 202, 204'],
])('%j is refused', async (options, message) => {
  await expect(start(options)).rejects.toThrow(message)
})

test('a port that is taken is told with advice', async () => {
  await using input = await start()
  await expect(start({ port: new URL(input.url).port })).rejects.toThrow('another program listens there')
})
