import { expect, test } from 'vitest'
import { encodeWindow, LumberjackClient, parseAddress } from '../../test/helpers/lumberjack-client.ts'
import { all, startPipeline, TestEnds } from '../../test/helpers/pipeline.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'

const WINDOW = 20
const FLOOD = 60

/** Windows of one connection that are handed on before the next one is read. */
const PENDING_WINDOWS = 8

function windowOf(name: string): Buffer {
  return encodeWindow(Array.from({ length: WINDOW }, (_, n) => ({ message: `${name} ${n}`, padding: 'x'.repeat(10_000) })))
}

test('a client that sends without end gets no more of the room than one that sends a window', async () => {
  const ends = new TestEnds()
  const gate = Promise.withResolvers<void>()
  let writes = 0
  ends.batching = { events_max: WINDOW, bytes_max: 1_000_000, concurrency: 1 }
  ends.write = async (events) => {
    writes++
    await gate.promise
    return all('stored', events.length)
  }
  const config = {
    // Room for one window.
    pipeline: { max_in_flight_bytes: 1_100_000, batch_size: WINDOW },
    inputs: [{ beats: { host: '127.0.0.1', port: 0 } }],
    outputs: [{ test: {} }],
  }
  await using running = await startPipeline(config, ends, { drain_timeout_ms: 1 })
  const address = parseAddress((await waitFor('listening', () => running.context.address())) ?? '')
  await using flood = await LumberjackClient.connect(address)
  const flooding = flood.send(Buffer.concat(Array.from({ length: FLOOD }, () => windowOf('flood'))))
  await waitFor('the flood in front of the full room', () => writes === 1 && running.budget.waiting > 0)

  await using quiet = await LumberjackClient.connect(address)
  const waiting = running.budget.waiting
  await quiet.send(windowOf('quiet'))
  await waitFor('the quiet client in line', () => running.budget.waiting > waiting)
  gate.resolve()
  await quiet.until(() => quiet.acks.length === 1)
  // Those that were there before it, and no others.
  expect(flood.acks.length).toBeLessThanOrEqual(PENDING_WINDOWS + 2)
  await flood.until(() => flood.acks.length === FLOOD, 90_000)
  await flooding
  expect(running.pipeline.ledger.unbalanced).toBe(0)
})
