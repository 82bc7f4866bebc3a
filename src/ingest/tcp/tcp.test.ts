import { reverse } from 'node:dns/promises'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
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
import { tcp } from './tcp.ts'

interface Running extends RunningInput {
  readonly port: number
  connect(): Promise<Socket>
}

const CODECS = [json, jsonLines, line, multiline, plain]

async function start(options: { readonly [name: string]: unknown } = {}, context: TestContext = testContext()): Promise<Running> {
  const collector = new Collector()
  const settings = { host: '127.0.0.1', port: 0, dns_reverse_lookup_enabled: false, ...options }
  const input = startInput(buildInput(tcp, CODECS, settings, collector, context), collector, context)
  const address = await waitFor('listening', () => context.address())
  const port = Number(address.split(':').at(-1))
  return {
    ...input,
    port,
    connect: async () => {
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      socket.on('error', () => {})
      return socket
    },
  }
}

test('lines of several connections, cut anywhere; the last one needs no end', async () => {
  await using input = await start()
  const [first, second] = [await input.connect(), await input.connect()]
  first.write('a1\na')
  await input.collector.until(() => input.collector.events.length === 1)
  second.write('b1\n')
  await input.collector.until(() => input.collector.events.length === 2)
  first.end('2\na3')
  await input.collector.until(() => input.collector.events.length === 4)
  expect(input.collector.documents.map(({ message }) => message)).toEqual(['a1', 'b1', 'a2', 'a3'])
})

test.each([
  ['disabled', { message: 'x', host: '127.0.0.1' }, { ip_address: '127.0.0.1' }],
  ['v8', { message: 'x', event: { original: 'x' } }, { input: { tcp: { source: { name: '127.0.0.1', ip: '127.0.0.1' } } } }],
] as const)('with ecs %s the peer has its places', async (ecs_compatibility, document, metadata) => {
  await using input = await start({}, testContext({ ecs_compatibility }))
  const socket = await input.connect()
  const { localPort } = socket
  socket.end('x')
  await input.collector.until(() => input.collector.events.length === 1)
  expect(input.collector.documents[0]).toMatchObject(ecs_compatibility === 'v8' ? document : { ...document, port: localPort })
  expect(input.collector.events[0]?.metadata).toMatchObject(metadata)
  if (ecs_compatibility === 'v8')
    expect(input.collector.events[0]?.metadata).toMatchObject({ input: { tcp: { source: { port: localPort } } } })
})

test('json is read as json_lines, and fields of the event win', async () => {
  await using input = await start({ codec: 'json' }, testContext({ ecs_compatibility: 'v8' }))
  const socket = await input.connect()
  socket.end('{"a":1}\n{"host":"h"}\n')
  await input.collector.until(() => input.collector.events.length === 2)
  expect(input.collector.documents[0]).not.toHaveProperty('event')
  expect(input.collector.documents).toMatchObject([{ a: 1 }, { host: 'h' }])
})

test('joined lines follow after their quiet time, and at the end', async () => {
  const codec = { multiline: { pattern: '^\\s', what: 'previous', auto_flush_interval: 0.05 } }
  await using input = await start({ codec })
  const socket = await input.connect()
  socket.write('a\n 1\n')
  await input.collector.until(() => input.collector.events.length === 1)
  socket.end('b\n 2')
  await input.collector.until(() => input.collector.events.length === 2)
  expect(input.collector.documents.map(({ message }) => message)).toEqual(['a\n 1', 'b\n 2'])
})

test('a name is looked up where that is asked for', async () => {
  await using input = await start({ dns_reverse_lookup_enabled: true })
  const socket = await input.connect()
  socket.end('x')
  await input.collector.until(() => input.collector.events.length === 1)
  const [name] = await reverse('127.0.0.1').catch(() => ['127.0.0.1'])
  expect(input.collector.documents[0]).toMatchObject({ host: name })
})

test('the line of a load balancer tells who sends', async () => {
  await using input = await start({ proxy_protocol: true })
  const socket = await input.connect()
  socket.write('PROXY TCP4 10.0.0.7 10.0.0.1 51312 ')
  socket.write('5000\r\nfirst\nsec')
  socket.end('ond\n')
  await input.collector.until(() => input.collector.events.length === 2)
  const peer = { host: '10.0.0.7', port: '51312', proxy_host: '10.0.0.1', proxy_port: '5000' }
  expect(input.collector.documents).toMatchObject([
    { message: 'first', ...peer },
    { message: 'second', ...peer },
  ])
})

test.each(['GET / HTTP/1.1\r\n\r\n', 'PROXY TCP4 here there 1 2\r\n', `PROXY ${'x'.repeat(200)}`, '\r\n\r\n\0\r\nQUIT\n'])(
  'a connection without that line is closed: %j',
  async (sent) => {
    await using input = await start({ proxy_protocol: true })
    const socket = await input.connect()
    socket.write(sent)
    await once(socket, 'close')
    expect(input.collector.events).toEqual([])
    expect(input.context.lines.some((said) => said.includes('expected a line of the PROXY protocol'))).toBe(true)
  },
)

test('unfinished lines are bounded together: the largest loses its connection', async () => {
  await using input = await start({ max_pending_bytes: 100_000 })
  const [small, large] = [await input.connect(), await input.connect()]
  small.write('x'.repeat(20_000))
  large.write('y'.repeat(90_000))
  await once(large, 'close')
  small.end('\n')
  await input.collector.until(() => input.collector.events.some(({ size_bytes }) => size_bytes > 0))
  const messages = input.collector.documents.map(({ message }) => String(message))
  expect(messages).toContain('x'.repeat(20_000))
  expect(input.context.lines.some((said) => said.includes('together they take more than max_pending_bytes'))).toBe(true)
})

test('connections over the limit are refused', async () => {
  await using input = await start({ max_connections: 1 })
  const first = await input.connect()
  const second = connect(input.port, '127.0.0.1')
  second.on('error', () => {})
  second.resume()
  await once(second, 'close')
  first.end('x')
  await input.collector.until(() => input.collector.events.length === 1)
})

test('a connection that is silent too long is closed, and what it sent is kept', async () => {
  await using input = await start({ client_inactivity_timeout: 0.1 })
  const silent = await input.connect()
  silent.resume()
  silent.write('whole\nhalf')
  await once(silent, 'close')
  await input.collector.until(() => input.collector.events.length === 2)
  expect(input.collector.documents.map(({ message }) => message)).toEqual(['whole', 'half'])
})

test('client_inactivity_timeout leaves out how long a sender was held back', async () => {
  await using input = await start({ client_inactivity_timeout: 1 })
  const { promise: room, resolve: makeRoom } = Promise.withResolvers<void>()
  input.collector.room = room
  const sender = await input.connect()
  const closing = once(sender.resume(), 'close')
  sender.write('whole\n')
  await input.collector.until(() => input.collector.events.length === 1)
  // Long enough that the clock was looked at meanwhile.
  await expect(Promise.race([closing, delay(1_500, 'open')])).resolves.toBe('open')
  makeRoom()
  const free_ms = performance.now()
  await Promise.race([closing, delay(10_000)])
  expect(sender.destroyed || sender.readableEnded).toBe(true)
  expect(performance.now() - free_ms).toBeGreaterThan(900)
})

test('a line has its time from its first byte on', async () => {
  await using input = await start({ unfinished_line_timeout: 1 })
  const sender = await input.connect()
  const closing = once(sender.resume(), 'close')
  // Longer than a line may take: the clock is looked at in between.
  await expect(Promise.race([closing, delay(1_500, 'open')])).resolves.toBe('open')
  sender.write('half')
  const begun_ms = performance.now()
  await closing
  expect(performance.now() - begun_ms).toBeGreaterThan(900)
})

test.each([
  ['begins a line', 'half'],
  ['dribbles', 'd'],
])('a connection that %s is closed in time, and what came is kept', async (_, sent) => {
  await using input = await start({ unfinished_line_timeout: 0.2 })
  const slow = await input.connect()
  slow.resume()
  slow.write(sent)
  const dribbling = sent === 'd' ? setInterval(() => slow.write('d'), 20) : undefined
  await once(slow, 'close')
  clearInterval(dribbling)
  await input.collector.until(() => input.collector.events.length === 1)
  expect(input.collector.documents[0]?.['message']).toMatch(/^(half|d+)$/)
})

test('a sender may be silent before its first line and between two, also while multiline waits for more of an event', async () => {
  const codec = { multiline: { pattern: '^ ', what: 'previous' } }
  await using lines = await start({ unfinished_line_timeout: 0.1 })
  await using events = await start({ unfinished_line_timeout: 0.1, codec })
  await using judge = await start({ unfinished_line_timeout: 0.3 })
  const first = await lines.connect()
  const quiet = [await lines.connect(), await events.connect()]
  for (const socket of quiet) socket.write('one\n')
  const silent = await judge.connect()
  silent.resume()
  silent.write('half')
  await once(silent, 'close')
  expect(first.closed).toBe(false)
  for (const socket of quiet) {
    expect(socket.closed).toBe(false)
    socket.end('two\n')
  }
  await lines.collector.until(() => lines.collector.events.length === 2)
  await events.collector.until(() => events.collector.events.length === 2)
})

test('clients that say nothing of the PROXY protocol leave nothing behind, however many', async () => {
  await using input = await start({ proxy_protocol: true })
  for (let client = 0; client < 300; client++) {
    const socket = await input.connect()
    socket.write('GET / HTTP/1.1\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
  }
  const sound = await input.connect()
  sound.end('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello\n')
  await input.collector.until(() => input.collector.events.length === 1)
})

test('a connection that is reset gives what came before', async () => {
  await using input = await start()
  const socket = await input.connect()
  socket.write('whole\npart')
  await input.collector.until(() => input.collector.events.length === 1)
  socket.resetAndDestroy()
  await input.collector.until(() => input.collector.events.length === 2)
  expect(input.collector.documents.map(({ message }) => message)).toEqual(['whole', 'part'])
})

test('told to stop it reads no more and hands on what it has', async () => {
  const input = await start()
  const socket = await input.connect()
  socket.write('a\nunfinished')
  await input.collector.until(() => input.collector.events.length === 1)
  await input.stop()
  expect(input.collector.documents.map(({ message }) => message)).toEqual(['a', 'unfinished'])
})

async function certificates(): Promise<{ context: TestContext; folder: AsyncDisposable }> {
  const folder = await temporaryFolder()
  const files = { 'ca.crt': TEST_AUTHORITY, 'server.crt': TEST_SERVER.cert, 'server.key': TEST_SERVER.key }
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder.path, name), content)
  return { context: testContext({ paths: { data: folder.path, config: folder.path } }), folder }
}

const SSL = { ssl_enabled: true, ssl_certificate: 'server.crt', ssl_key: 'server.key' }

test('over TLS the subject of the client is known; who has none is refused', async () => {
  const { context, folder } = await certificates()
  await using _folder = folder
  await using input = await start({ ...SSL, ssl_certificate_authorities: 'ca.crt' }, context)
  const stranger = connectTls({ port: input.port, host: '127.0.0.1', ca: TEST_AUTHORITY })
  stranger.on('error', () => {})
  await new Promise((resolve) => stranger.once('close', resolve))
  const client = connectTls({ port: input.port, host: '127.0.0.1', ca: TEST_AUTHORITY, ...TEST_CLIENT })
  client.end('secret\n')
  await input.collector.until(() => input.collector.events.length === 1)
  expect(input.collector.documents[0]).toMatchObject({ message: 'secret', sslsubject: 'CN=Millrace test client' })
})

test.each([
  [{ ssl_verification_mode: 'none' }, 'write ssl_client_authentication'],
  [{ mode: 'client', ssl_client_authentication: 'none' }, 'write ssl_verification_mode'],
  [{ ...SSL, ssl_client_authentication: 'required', ssl_certificate: 'x' }, 'needs ssl_certificate_authorities'],
  [{ ssl_enabled: true }, 'needs both ssl_certificate and ssl_key'],
])('%j is refused', (options, message) => {
  expect(() => buildInput(tcp, CODECS, { port: 1, ...options }, new Collector())).toThrow(message)
})

test('old options are taken', async () => {
  const { context, folder } = await certificates()
  await using _folder = folder
  await using input = await start({ ssl_enable: true, ssl_cert: 'server.crt', ssl_key: 'server.key', ssl_verify: false }, context)
  const client = connectTls({ port: input.port, host: '127.0.0.1', ca: TEST_AUTHORITY })
  client.end('x\n')
  await input.collector.until(() => input.collector.events.length === 1)
  expect(context.lines.some((said) => said.includes('tcp.ssl_verify is an old option'))).toBe(true)
})

test('as a client it reads until the other side closes, and connects again', async () => {
  const sockets: Socket[] = []
  const server = createServer((socket) => sockets.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const context = testContext()
  const collector = new Collector()
  const source = buildInput(tcp, CODECS, { mode: 'client', host: '127.0.0.1', port }, collector, context)
  const input = startInput(source, collector, context)
  await waitFor('connection', () => sockets[0])
  sockets[0]?.end('a\nb')
  await collector.until(() => collector.events.length === 2)
  await waitFor('connection', () => sockets[1])
  sockets[1]?.write('c\n')
  await collector.until(() => collector.events.length === 3)
  await input.stop()
  server.close()
  expect(collector.documents.map(({ message }) => message)).toEqual(['a', 'b', 'c'])
})
