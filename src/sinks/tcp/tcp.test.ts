import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { expect, test } from 'vitest'
import { buildOutput, eventOf } from '../../../test/helpers/build-output.ts'
import { type TestContext, testContext } from '../../../test/helpers/context.ts'
import { freePort } from '../../../test/helpers/free-port.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { TEST_AUTHORITY, TEST_CLIENT, TEST_SERVER } from '../../../test/helpers/test-certificates.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { json } from '../../codecs/json.ts'
import { line } from '../../codecs/line.ts'
import type { Sink } from '../../core/contracts.ts'
import { tcp } from './tcp.ts'

const signal = new AbortController().signal
const stored = { outcomes: [{ kind: 'stored' }] }
const LINES = { host: '127.0.0.1', codec: { line: { format: '%{m}' } } }
const event = (m: string): ReturnType<typeof eventOf> => eventOf(JSON.stringify({ m }))

function build(options: { readonly [name: string]: unknown }, context: TestContext = testContext()): Sink {
  return buildOutput(tcp, [json, line], { ...LINES, ...options }, context)
}

interface Peer extends AsyncDisposable {
  readonly port: number
  readonly sockets: Socket[]
  received(): string
}

/** A server that collects what it gets. */
async function startPeer(tls?: TlsOptions): Promise<Peer> {
  const sockets: Socket[] = []
  let text = ''
  const connected = (socket: Socket): void => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
  }
  const server = tls === undefined ? createServer(connected) : createTlsServer(tls, connected)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    received: () => text,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

const until = (condition: () => boolean): Promise<unknown> => waitFor('condition', condition)

test('as a client it sends over one connection, and over a new one when that was closed', async () => {
  await using peer = await startPeer()
  const sink = build({ port: peer.port })
  expect(await sink.write([event('a'), event('b')], signal)).toMatchObject({ outcomes: [{ kind: 'stored' }, { kind: 'stored' }] })
  await until(() => peer.received() === 'a\nb\n')
  const closed = once(peer.sockets[0] as Socket, 'close')
  peer.sockets[0]?.end()
  await closed
  await sink.write([event('c')], signal)
  await until(() => peer.received() === 'a\nb\nc\n')
  expect(peer.sockets).toHaveLength(2)
  await sink.close()
})

test('the default codec is json, without line ends', async () => {
  await using peer = await startPeer()
  const sink = buildOutput(tcp, [json], { host: '127.0.0.1', port: peer.port })
  await sink.write([eventOf('{"a":1}'), eventOf('{"a":2}')], signal)
  await until(() => peer.received().endsWith('"a":2,"@version":"1","@timestamp":"2026-01-02T00:00:00.000Z"}'))
  await sink.close()
})

test('nobody there: the output waits for the reconnect interval', async () => {
  const sink = build({ port: await freePort(), reconnect_interval: 3 })
  expect(sink.batching).toMatchObject({ retry_first_ms: 3_000, retry_max_ms: 3_000 })
  await expect(sink.write([event('a')], signal)).rejects.toMatchObject({ code: 'OUTPUT_UNREACHABLE' })
  await sink.close()
})

test('a reader that does not read holds it up, until the deadline', async () => {
  await using peer = await startPeer()
  const sink = build({ port: peer.port })
  await sink.write([event('a')], signal)
  await until(() => peer.received() === 'a\n')
  peer.sockets[0]?.pause()
  const abandon = new AbortController()
  const writing = sink.write([event('x'.repeat(30_000_000))], abandon.signal)
  abandon.abort(new Error('leaving'))
  await expect(writing).rejects.toThrow('leaving')
  await sink.close()
})

test('as a server it sends to everybody who is connected, and drops what nobody wants', async () => {
  const context = testContext()
  const sink = build({ mode: 'server', port: 0 }, context)
  await sink.open(signal)
  expect(await sink.write([event('a')], signal)).toEqual({ outcomes: [{ kind: 'drop', reason: 'tcp_no_client' }] })
  const port = Number(context.address()?.split(':').at(-1))
  const texts = ['', '']
  const clients = texts.map((_text, index) => {
    const client = connect(port, '127.0.0.1')
    client.on('data', (piece: Buffer) => {
      texts[index] += piece.toString()
    })
    client.write('nobody listens to this')
    return client
  })
  const gauge = async (): Promise<string> => await context.metrics.text()
  await waitFor('clients', async () => (await gauge()).includes('millrace_tcp_output_clients{output="test"} 2'))
  expect(await sink.write([event('b')], signal)).toMatchObject(stored)
  await until(() => texts.every((text) => text === 'b\n'))
  clients[0]?.destroy()
  await waitFor('client', async () => (await gauge()).includes('millrace_tcp_output_clients{output="test"} 1'))
  expect(await sink.write([event('c')], signal)).toMatchObject(stored)
  await until(() => texts[1] === 'b\nc\n')
  await sink.close()
})

test('a client that does not read is disconnected, the others get their events', async () => {
  const context = testContext()
  const sink = build({ mode: 'server', port: 0, send_timeout: 3 }, context)
  await sink.open(signal)
  const port = Number(context.address()?.split(':').at(-1))
  const [lazy, eager] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  lazy.pause()
  let bytes = 0
  eager.on('data', (piece: Buffer) => {
    bytes += piece.length
  })
  lazy.on('error', () => {})
  await waitFor('clients', async () => (await context.metrics.text()).includes('clients{output="test"} 2'))
  expect(await sink.write([event('x'.repeat(30_000_000))], signal)).toMatchObject(stored)
  await until(() => bytes === 30_000_001)
  expect(context.lines.some((said) => said.includes('it has not taken what was sent within 3 s'))).toBe(true)
  await sink.close()
})

async function withFiles(use: (context: TestContext) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder()
  const files = {
    'ca.crt': TEST_AUTHORITY,
    'server.crt': TEST_SERVER.cert,
    'server.key': TEST_SERVER.key,
    'client.crt': TEST_CLIENT.cert,
    'client.key': TEST_CLIENT.key,
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder.path, name), content)
  await use(testContext({ paths: { data: folder.path, config: folder.path } }))
}

test('as a client over TLS', () =>
  withFiles(async (context) => {
    await using peer = await startPeer({ ...TEST_SERVER, ca: TEST_AUTHORITY, requestCert: true, rejectUnauthorized: true })
    const tls = { port: peer.port, ssl_enable: true, ssl_cert: 'client.crt', ssl_key: 'client.key' }
    const sink = build({ ...tls, ssl_cacert: 'ca.crt' }, context)
    expect(await sink.write([event('a')], signal)).toMatchObject(stored)
    await until(() => peer.received() === 'a\n')
    await sink.close()
    await expect(build(tls, context).write([event('b')], signal)).rejects.toThrow('certificate')
    const careless = build({ ...tls, ssl_verify: false }, context)
    expect(await careless.write([event('c')], signal)).toMatchObject(stored)
    await careless.close()
  }))

test('as a server over TLS', () =>
  withFiles(async (context) => {
    const tls = { ssl_enabled: true, ssl_certificate: 'server.crt', ssl_key: 'server.key', ssl_certificate_authorities: 'ca.crt' }
    const sink = build({ mode: 'server', port: 0, ...tls, ssl_client_authentication: 'required' }, context)
    await sink.open(signal)
    const port = Number(context.address()?.split(':').at(-1))
    const client = connectTls({ port, host: '127.0.0.1', ca: TEST_AUTHORITY, ...TEST_CLIENT })
    await waitFor('client', async () => (await context.metrics.text()).includes('clients{output="test"} 1'))
    expect(await sink.write([event('secret')], signal)).toMatchObject(stored)
    const [piece] = (await once(client, 'data')) as [Buffer]
    expect(piece.toString()).toBe('secret\n')
    await sink.close()
  }))

test.each([
  [{ mode: 'server', ssl_verification_mode: 'full' }, 'write ssl_client_authentication'],
  [{ ssl_client_authentication: 'none' }, 'write ssl_verification_mode'],
  [{ mode: 'server', ssl_enabled: true }, 'needs both ssl_certificate and ssl_key'],
])('%j is refused', (options, message) => {
  expect(() => build({ port: 1, ...options })).toThrow(message)
})
