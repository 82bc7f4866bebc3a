import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { compressedFrame, encodeWindow, jsonFrame, windowFrame } from '../../../test/helpers/lumberjack-client.ts'
import { startBeats } from '../../../test/helpers/start-beats.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { parseFieldRef } from '../../core/field-ref.ts'

const MESSAGE = parseFieldRef('message')
const WINDOW = encodeWindow([{ message: 'a line' }, { message: 'another' }])

test('clients that send single bytes of a frame are hung up on, and keep nobody waiting meanwhile', async () => {
  await using input = await startBeats({ options: { client_inactivity_timeout: 1.5 } })
  const drips = await Promise.all(Array.from({ length: 20 }, () => input.connect()))
  const long = Buffer.concat([windowFrame(1), jsonFrame(1, { message: 'x'.repeat(900) })])
  const dripping = drips.map(async (client) => {
    for (let at = 0; at < long.length && !client.isClosed; at++) {
      await client.send(long.subarray(at, at + 1))
      await client.until(() => client.isClosed, 20).catch(() => {})
    }
  })
  await using honest = await input.connect()
  let windows = 0
  while (drips.some((client) => !client.isClosed)) {
    await honest.send(WINDOW)
    windows++
    await honest.until(() => honest.acks.length === windows, 2_000)
  }
  await Promise.all(dripping)
  expect(windows).toBeGreaterThan(1)
  expect(honest.isClosed).toBe(false)
  expect(input.context.lines).toContainEqual(expect.stringContaining('and no whole frame'))
  const reason = 'closed_total{input="test",reason="too_slow"} 20'
  await waitFor('the counted reason', async () => (await input.context.metrics.text()).includes(reason))
})

test('a slow client that makes progress stays as long as it takes', async () => {
  await using input = await startBeats({ options: { client_inactivity_timeout: 2 } })
  await using client = await input.connect()
  const noise = Array.from({ length: 60 }, () => ({ message: randomBytes(250).toString('hex') }))
  await client.send(windowFrame(noise.length))
  const bytes = compressedFrame(Buffer.concat(noise.map((event, index) => jsonFrame(index + 1, event))))
  const started_ms = performance.now()
  for (let at = 0; at < bytes.length; at += 512) {
    await client.send(bytes.subarray(at, at + 512))
    // No answer comes before the window is whole.
    await client.until(() => client.isClosed, 75).catch(() => {})
  }
  await client.until(() => client.acks.length === 1)
  expect(performance.now() - started_ms).toBeGreaterThan(2_000)
})

test('the time of a client begins with its answer: what it waited for us is not silence', async () => {
  await using input = await startBeats({ options: { client_inactivity_timeout: 1 } })
  input.collector.settleAs = undefined
  await using client = await input.connect()
  await client.send(WINDOW)
  // Long enough that the clock was looked at meanwhile.
  await expect(client.until(() => client.isClosed, 1_500)).rejects.toThrow()
  input.collector.batches[0]?.settle('stored')
  await client.until(() => client.acks.length === 1)
  const answered_ms = performance.now()
  await client.until(() => client.isClosed)
  expect(performance.now() - answered_ms).toBeGreaterThan(900)
})

test('a window of more than is inflated in one go comes whole, in its order', async () => {
  await using input = await startBeats()
  await using client = await input.connect()
  const padding = 'x'.repeat(10_000)
  const events = Array.from({ length: 3_000 }, (_, index) => ({ message: `${index}`, padding }))
  await client.send(encodeWindow(events))
  await client.until(() => client.acks.length === 1, 30_000)
  expect(client.acks).toEqual([events.length])
  const messages = input.collector.batches.flatMap((batch) => batch.events.map((event) => event.get(MESSAGE)))
  expect(messages).toEqual(events.map(({ message }) => message))
})
