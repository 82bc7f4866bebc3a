import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { type TestStatus, testStatus, withTotals } from '../../test/helpers/status.ts'
import { Secret } from '../core/secret.ts'
import type { ApiAccess } from './access.ts'
import { LedgerHistory } from './ledger.ts'
import { StatusMonitor } from './monitor.ts'
import { type Ops, startOps } from './server.ts'
import type { ReloadReport } from './status.ts'

interface Running {
  readonly ops: Ops
  readonly source: TestStatus
  readonly monitor: StatusMonitor
}

const running: Ops[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((ops) => ops.close()))
})

async function start({
  port = 0,
  any_port = false,
  host = '127.0.0.1',
  access = { kind: 'unset' },
}: {
  port?: number
  any_port?: boolean
  host?: string
  access?: ApiAccess
} = {}): Promise<Running> {
  const { metrics, log } = testContext()
  metrics.counter('millrace_events_total', 'Events.').inc(5)
  const source = testStatus()
  // Views are taken by the tests themselves, not by the clock.
  const monitor = new StatusMonitor(source, metrics, new AbortController().signal)
  const reload = (): Promise<ReloadReport> => Promise.resolve(source.report)
  const ledger = new LedgerHistory(() => source.books(), new AbortController().signal)
  const ops = await startOps({ host, port: any_port ? undefined : port, access, monitor, ledger, metrics, log, reload })
  running.push(ops)
  return { ops, source, monitor }
}

interface Reply {
  readonly status: number | undefined
  readonly headers: { readonly [name: string]: string | string[] | undefined }
  readonly text: string
}

async function ask(
  ops: Ops,
  path: string,
  options: { method?: string; headers?: { [name: string]: string } } = {},
): Promise<Reply> {
  const call = request({ host: '127.0.0.1', port: ops.port, path, agent: false, ...options }).end()
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  let text = ''
  for await (const piece of response) text += String(piece)
  return { status: response.statusCode, headers: response.headers, text }
}

test('metrics are told in the text format', async () => {
  const { ops } = await start()
  const replies = await Promise.all([ask(ops, '/metrics'), ask(ops, '/metrics?x=1')])
  for (const { status, headers, text } of replies) {
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(text).toContain('millrace_events_total 5\n')
  }
})

test('it is alive always, and ready when nothing speaks against it', async () => {
  const { ops, source } = await start()
  expect(await ask(ops, '/readyz')).toMatchObject({ status: 200, text: '{"ready":true,"reasons":[]}\n' })
  source.reasons = ['elasticsearch refuses the connection']
  expect(await ask(ops, '/readyz')).toMatchObject({
    status: 503,
    text: '{"ready":false,"reasons":["elasticsearch refuses the connection"]}\n',
  })
  expect(await ask(ops, '/livez')).toMatchObject({ status: 200 })
})

test('the live page and all that it loads come from here, under a policy that allows nothing else', async () => {
  const { ops } = await start()
  const page = await ask(ops, '/')
  expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'/)
  const loaded = [...page.text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? '')
  expect(loaded).toHaveLength(5)
  for (const path of loaded) expect(await ask(ops, path)).toMatchObject({ status: 200 })
  expect(page.text).not.toMatch(/(?:src|href)="https?:/)
  expect(page.text).not.toMatch(/<script>|style=|onclick/)
})

test('the status is JSON', async () => {
  const { ops, source, monitor } = await start()
  source.current = withTotals(source.current, 12, 11)
  monitor.sample()
  const { text, headers } = await ask(ops, '/api/status')
  expect(headers['content-type']).toBe('application/json; charset=utf-8')
  expect(JSON.parse(text)).toMatchObject({ totals: { received: 12, states: { stored: 11 } }, reasons_not_ready: [] })
})

test('other paths, other methods, long paths and foreign host names are refused', async () => {
  const { ops } = await start()
  expect(await ask(ops, '/../../etc/passwd')).toMatchObject({ status: 404 })
  expect(await ask(ops, '/constructor')).toMatchObject({ status: 404 })
  const post = await ask(ops, '/livez', { method: 'POST' })
  expect([post.status, post.headers['allow']]).toEqual([405, 'GET, HEAD'])
  expect(await ask(ops, `/${'a'.repeat(2000)}`)).toMatchObject({ status: 414 })
  expect(await ask(ops, '/', { headers: { host: 'rebound.example:9600' } })).toMatchObject({ status: 403 })
  expect(await ask(ops, '/', { headers: { host: 'localhost:9600' } })).toMatchObject({ status: 200 })
  expect(await ask(ops, '/', { headers: { host: '[::1]:9600' } })).toMatchObject({ status: 200 })
  expect(await ask(ops, '/', { headers: { long: 'x'.repeat(10_000) } })).toMatchObject({ status: 431 })
})

test('a HEAD request gets the headers alone', async () => {
  const { ops } = await start()
  const { status, text, headers } = await ask(ops, '/metrics', { method: 'HEAD' })
  expect([status, text]).toEqual([200, ''])
  expect(Number(headers['content-length'])).toBeGreaterThan(10)
})

test('bytes that are no HTTP get an answer and do no harm', async () => {
  const { ops } = await start()
  const socket = connect(ops.port, '127.0.0.1')
  socket.end('\u0016\u0003\u0001 hello\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toMatch(/^HTTP\/1.1 400 /)
  expect(await ask(ops, '/livez')).toMatchObject({ status: 200 })
})

test('the stream sends a view at once and every further one', async () => {
  const { ops, source, monitor } = await start()
  const call = request({ host: '127.0.0.1', port: ops.port, path: '/api/stream' }).end()
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  expect(response.headers['content-type']).toBe('text/event-stream')
  let text = ''
  for await (const piece of response) {
    text += String(piece)
    const frames = [...text.matchAll(/^data: (.*)\n\n/gm)]
    if (frames.length === 1) {
      source.current = withTotals(source.current, 99, 0)
      monitor.sample()
    }
    if (
      frames.length >= 2 &&
      frames.some(([, frame]) => (JSON.parse(frame ?? '') as { totals: { received: number } }).totals.received === 99)
    )
      break
  }
  expect(text).toContain('"received":99')
})

/** Opens the stream and waits for its head. */
async function watchStream(ops: Ops): Promise<{ call: ClientRequest; status: number | undefined }> {
  const call = request({ host: '127.0.0.1', port: ops.port, path: '/api/stream', agent: false }).end()
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  response.on('error', () => {})
  return { call, status: response.statusCode }
}

test('watchers are bounded, and one that left makes room', async () => {
  const { ops } = await start()
  const watching = await Promise.all(Array.from({ length: 20 }, () => watchStream(ops)))
  expect(ops.watchers).toBe(20)
  expect(await watchStream(ops)).toMatchObject({ status: 503 })
  watching[0]?.call.destroy()
  await expect.poll(() => ops.watchers).toBe(19)
  expect(await watchStream(ops)).toMatchObject({ status: 200 })
})

test('a watcher that does not read is let go', async () => {
  const { ops, source, monitor } = await start()
  source.current = {
    ...source.current,
    recent: [{ sequence: 1, at_ms: 0, origin: 'test', text: 'x'.repeat(2_000_000) }],
  }
  monitor.sample()
  const socket = connect(ops.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.pause()
  socket.write('GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
  await expect.poll(() => ops.watchers).toBe(1)
  const watchersAfterNextView = (): number => {
    monitor.sample()
    return ops.watchers
  }
  await expect.poll(watchersAfterNextView, { interval: 10 }).toBe(0)
  socket.destroy()
})

test('a port that was asked for and is taken is refused with what to do', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  await expect(start({ port })).rejects.toMatchObject({
    code: 'OPS_CANNOT_START',
    message: `the live page cannot listen on 127.0.0.1:${port}: another program listens there: choose another one with --api.http.port`,
  })
  taken.close()
})

test('without a port of its own it takes the first free one from 9600 to 9700', async () => {
  const first = await start({ any_port: true })
  const second = await start({ any_port: true })
  expect(first.ops.port).toBeGreaterThanOrEqual(9600)
  expect(second.ops.port).toBeGreaterThan(first.ops.port)
  expect(second.ops.port).toBeLessThanOrEqual(9700)
  expect(second.ops.url).toBe(`http://127.0.0.1:${second.ops.port}/`)
})

const TOKEN: ApiAccess = { kind: 'token', token: new Secret('t0ken') }
const BASIC: ApiAccess = { kind: 'basic', username: 'ann', password: new Secret('s:ecret') }
const EVERYWHERE = '0.0.0.0'

function basic(pair: string): string {
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

test.each<[string, string, ApiAccess, string | undefined, { readonly [path: string]: number }]>([
  ['on this machine alone', '127.0.0.1', { kind: 'unset' }, undefined, { '/api/status': 200, '/': 200, '/metrics': 200 }],
  [
    'elsewhere, nobody named',
    EVERYWHERE,
    { kind: 'unset' },
    undefined,
    { '/api/status': 403, '/': 403, '/metrics': 200, '/livez': 200 },
  ],
  ['elsewhere, opened', EVERYWHERE, { kind: 'open' }, undefined, { '/api/status': 200, '/api/ledger': 200, '/': 200 }],
  [
    'no token',
    EVERYWHERE,
    TOKEN,
    undefined,
    { '/api/status': 401, '/metrics': 401, '/nothing': 401, '/livez': 200, '/readyz': 200 },
  ],
  ['a wrong token', '127.0.0.1', TOKEN, 'Bearer t0kem', { '/api/status': 401, '/api/stream': 401, '/livez': 200 }],
  ['an empty token', '127.0.0.1', TOKEN, 'Bearer ', { '/api/status': 401 }],
  ['the token', EVERYWHERE, TOKEN, 'Bearer t0ken', { '/api/status': 200, '/metrics': 200, '/': 200 }],
  ['the token as a password', EVERYWHERE, TOKEN, basic('whoever:t0ken'), { '/api/status': 200 }],
  ['a wrong password', EVERYWHERE, BASIC, basic('ann:secret'), { '/api/status': 401, '/readyz': 200 }],
  ['a wrong name', EVERYWHERE, BASIC, basic('bob:s:ecret'), { '/api/status': 401 }],
  ['a password that is no pair', EVERYWHERE, BASIC, 'Basic !', { '/api/status': 401 }],
  ['name and password', EVERYWHERE, BASIC, basic('ann:s:ecret'), { '/api/status': 200, '/metrics': 200 }],
])('who may ask: %s', async (_what, host, access, authorization, answers) => {
  const { ops } = await start({ host, access })
  for (const [path, status] of Object.entries(answers)) {
    const reply = await ask(ops, path, authorization === undefined ? {} : { headers: { authorization } })
    expect([path, reply.status]).toEqual([path, status])
    expect(reply.text).not.toMatch(/t0ken|ecret/)
    expect(reply.headers['www-authenticate']).toBe(status === 401 ? 'Basic realm="millrace", charset="UTF-8"' : undefined)
  }
})

test.each([
  ['loaded', 200],
  ['unchanged', 200],
  ['refused', 422],
] as const)('PUT /api/pipeline has the config read again: %s', async (result, status) => {
  const { ops, source } = await start()
  source.report = { ...source.report, result, changed: ['main'] }
  const reply = await ask(ops, '/api/pipeline', { method: 'PUT' })
  expect(reply.status).toBe(status)
  expect(JSON.parse(reply.text)).toMatchObject({ result, changed: ['main'] })
})

test('the config is not sent, and nothing is done by reading', async () => {
  const { ops } = await start()
  expect(await ask(ops, '/api/pipeline', { method: 'PUT', headers: { 'content-length': '2' } })).toMatchObject({ status: 400 })
  expect(await ask(ops, '/api/pipeline')).toMatchObject({ status: 405, headers: { allow: 'PUT' } })
})
