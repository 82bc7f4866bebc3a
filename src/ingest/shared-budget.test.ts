import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { type TestContext, testContext } from '../../test/helpers/context.ts'
import { buildInput, Collector, type RunningInput, startInput } from '../../test/helpers/run-input.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'
import { json } from '../codecs/json.ts'
import { line } from '../codecs/line.ts'
import { plain } from '../codecs/plain.ts'
import { http } from './http/http.ts'
import { syslog } from './syslog/syslog.ts'
import { tcp } from './tcp/tcp.ts'
import { udp } from './udp.ts'

/** Rooms are the process's and grow with the largest budget, so all tests here have the same one. */
const BUDGET_BYTES = 800_000

interface Running extends RunningInput {
  readonly port: number
}

async function start(spec: unknown, collector = new Collector(), context: TestContext = testContext()): Promise<Running> {
  const source = buildInput(
    spec,
    [json, line, plain],
    { host: '127.0.0.1', port: 0 },
    collector,
    context,
    undefined,
    BUDGET_BYTES,
  )
  const input = startInput(source, collector, context)
  const address = await waitFor('listening', () => context.address())
  return { ...input, port: Number(address.split(':').at(-1)) }
}

async function open({ port }: Running): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'connect')
  return socket
}

test('lines without an end have a sixteenth of the budget, over all inputs that read lines', async () => {
  await using lines = await start(tcp)
  await using messages = await start(syslog)
  const [small, large] = [await open(lines), await open(messages)]
  small.write('x'.repeat(10_000))
  large.write('y'.repeat(45_000))
  await once(large, 'close')
  const said = [...lines.context.lines, ...messages.context.lines]
  expect(said.some((text) => text.includes('together they take more than a sixteenth of max_in_flight_bytes'))).toBe(true)
  small.end('\n')
  await lines.collector.until(() => lines.collector.events.length === 1)
})

test('a line that is alone may be larger', async () => {
  await using input = await start(tcp)
  const socket = await open(input)
  socket.end(`${'x'.repeat(150_000)}\n`)
  await input.collector.until(() => input.collector.events.length === 1)
  expect(String(input.collector.documents[0]?.['message'])).toHaveLength(150_000)
})

test('bodies have an eighth of the budget, over all http inputs; one that is large may be beside them', async () => {
  await using first = await start(http)
  await using second = await start(http)
  const post = async (bytes: number): Promise<number> => {
    const body = 'x'.repeat(bytes)
    return (await fetch(`http://127.0.0.1:${second.port}`, { method: 'POST', body })).status
  }
  const socket = await open(first)
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 80000\r\n\r\n${'x'.repeat(70_000)}`)
  await waitFor('bytes', async () => /http_pending_bytes\{input="test"\} 7\d{4}/.test(await first.context.metrics.text()))
  expect(await post(40_000)).toBe(429)
  expect(await post(10_000)).toBe(200)
  // Large enough to be beside the others, or it would wait for ever where they never stop.
  expect(await post(150_000)).toBe(200)
  const slow = await open(second)
  slow.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n${'x'.repeat(20_000)}`)
  await waitFor('its bytes', async () => /http_pending_bytes\{input="test"\} 2\d{4}/.test(await second.context.metrics.text()))
  slow.write('x'.repeat(40_000))
  const [answer] = (await once(slow, 'data')) as [Buffer]
  expect(answer.toString()).toContain('HTTP/1.1 200')
  slow.destroy()
  socket.destroy()
  await waitFor('room', async () => (await first.context.metrics.text()).includes('http_pending_bytes{input="test"} 0'))
  expect(await post(150_000)).toBe(200)
})

test('datagrams that wait have a sixteenth of the budget', async () => {
  const collector = new Collector()
  const gate = Promise.withResolvers<void>()
  const { deliver } = collector
  const slow = Object.assign(collector, {
    deliver: async (events: Parameters<typeof deliver>[0]) => {
      await gate.promise
      return await deliver(events)
    },
  })
  await using input = await start(udp, slow)
  const socket = createSocket('udp4')
  const datagram = Buffer.alloc(20_000, 'x')
  await waitFor('a loss', async () => {
    await new Promise((resolve) => socket.send(datagram, input.port, '127.0.0.1', resolve))
    return !(await input.context.metrics.text()).includes('millrace_udp_lost_datagrams_total{input="test"} 0')
  })
  socket.close()
  expect(input.context.lines.some((said) => said.includes('a sixteenth of max_in_flight_bytes'))).toBe(true)
  gate.resolve()
  await collector.until(() => collector.events.length === 2)
})
