import { createSocket } from 'node:dgram'
import { expect, test } from 'vitest'
import { type TestContext, testContext } from '../../test/helpers/context.ts'
import { buildInput, Collector, type RunningInput, startInput } from '../../test/helpers/run-input.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'
import { json } from '../codecs/json.ts'
import { line } from '../codecs/line.ts'
import { plain } from '../codecs/plain.ts'
import { udp } from './udp.ts'

interface Running extends RunningInput {
  send(...messages: (string | Buffer)[]): Promise<void>
}

async function start(
  options: { readonly [name: string]: unknown } = {},
  context: TestContext = testContext(),
  collector = new Collector(),
): Promise<Running> {
  const settings = { host: '127.0.0.1', port: 0, ...options }
  const input = startInput(buildInput(udp, [json, line, plain], settings, collector, context), collector, context)
  const address = await waitFor('listening', () => context.address())
  const port = Number(address.split(':').at(-1))
  return {
    ...input,
    send: async (...messages) => {
      const socket = createSocket('udp4')
      for (const message of messages) {
        await new Promise<void>((resolve, reject) => {
          socket.send(message, port, '127.0.0.1', (error) => (error ? reject(error) : resolve()))
        })
      }
      socket.close()
    },
  }
}

test('each datagram is a message, whole or not', async () => {
  await using input = await start()
  await input.send('a\nb', 'c')
  await input.collector.until(() => input.collector.events.length === 2)
  expect(input.collector.documents).toMatchObject([
    { message: 'a\nb', host: '127.0.0.1' },
    { message: 'c', host: '127.0.0.1' },
  ])
})

test('with ECS, with a field of its own, and what the codec found stays', async () => {
  await using input = await start({ codec: 'json' }, testContext({ ecs_compatibility: 'v8' }))
  await input.send('{"a":1}', '{"host":{"ip":"x"}}')
  await input.collector.until(() => input.collector.events.length === 2)
  expect(input.collector.documents).toMatchObject([{ host: { ip: '127.0.0.1' } }, { host: { ip: 'x' } }])
  await using other = await start({ source_ip_fieldname: '[@metadata][from]' })
  await other.send('a')
  await other.collector.until(() => other.collector.events.length === 1)
  expect(other.collector.events[0]?.metadata).toEqual({ from: '127.0.0.1' })
})

test('codecs for lines see the end of each datagram', async () => {
  await using input = await start({ codec: 'line' })
  await input.send('a\nb', 'c')
  await input.collector.until(() => input.collector.events.length === 3)
  expect(input.collector.documents.map(({ message }) => message)).toEqual(['a', 'b', 'c'])
})

test('a datagram over buffer_size is cut', async () => {
  await using input = await start({ buffer_size: 3 })
  await input.send('abcdef')
  await input.collector.until(() => input.collector.events.length === 1)
  expect(input.collector.documents[0]).toMatchObject({ message: 'abc' })
})

test('while the pipeline takes nothing, what finds no room is lost and counted', async () => {
  const collector = new Collector()
  const gate = Promise.withResolvers<void>()
  const deliver = collector.deliver
  const slow = Object.assign(collector, {
    deliver: async (events: Parameters<typeof deliver>[0]) => {
      await gate.promise
      return await deliver(events)
    },
  })
  await using input = await start({ queue_size: 2 }, testContext(), slow)
  await input.send('first')
  const metrics = (): Promise<string> => input.context.metrics.text()
  await waitFor('loss', async () => {
    await input.send('more')
    return (await metrics()).includes('millrace_udp_lost_datagrams_total{input="test"} 2')
  })
  expect(await metrics()).toContain('millrace_udp_waiting_datagrams{input="test"} 2')
  gate.resolve()
  await input.collector.until(() => input.collector.events.length === 3)
  expect(input.context.lines.some((said) => said.includes('lost a datagram'))).toBe(true)
})

test('told to stop it hands on what it has', async () => {
  const input = await start()
  await input.send('a', 'b')
  await input.collector.until(() => input.collector.events.length === 2)
  await input.stop()
  expect(input.collector.events).toHaveLength(2)
})

test('a port that is taken is told with advice', async () => {
  await using input = await start()
  const port = input.context.address()?.split(':').at(-1)
  const context = testContext()
  const collector = new Collector()
  const second = startInput(buildInput(udp, [plain], { host: '127.0.0.1', port }, collector, context), collector, context)
  await expect(second.ended).rejects.toThrow('another program listens there')
})
