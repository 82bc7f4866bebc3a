import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { type TestStatus, testStatus, withTotals } from '../../test/helpers/status.ts'
import { LedgerHistory } from './ledger.ts'
import { StatusMonitor } from './monitor.ts'
import { type Ops, startOps } from './server.ts'

interface Running {
  readonly ops: Ops
  readonly source: TestStatus
  readonly monitor: StatusMonitor
}

const running: Ops[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((ops) => ops.close()))
})

async function start({ port }: { port: number | undefined } = { port: 0 }): Promise<Running> {
  const { metrics, log } = testContext()
  metrics.counter('millrace_events_total', 'Events.').inc(5)
  const source = testStatus()
  // Views are taken by the tests themselves, not by the clock.
  const monitor = new StatusMonitor(source, metrics, new AbortController().signal)
  const ledger = new LedgerHistory(() => source.books(), new AbortController().signal)
  const ops = await startOps({ host: '127.0.0.1', port, monitor, ledger, metrics, log })
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
  const first = await start({ port: undefined })
  const second = await start({ port: undefined })
  expect(first.ops.port).toBeGreaterThanOrEqual(9600)
  expect(second.ops.port).toBeGreaterThan(first.ops.port)
  expect(second.ops.port).toBeLessThanOrEqual(9700)
  expect(second.ops.url).toBe(`http://127.0.0.1:${second.ops.port}/`)
})
