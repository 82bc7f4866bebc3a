import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import {
  compressedFrame,
  encodeWindow,
  jsonFrame,
  type LumberjackClient,
  pairsFrame,
  sendWindows,
  windowFrame,
} from '../../../test/helpers/lumberjack-client.ts'
import { createIntake, startBeats } from '../../../test/helpers/start-beats.ts'

const CAPTURES = new URL('../../../test/captures/', import.meta.url)

interface RecordedFrame {
  readonly ev: string
  readonly c?: number
  readonly n?: number
}

/** The sizes of the windows that the recording server saw complete on each connection of a capture. */
function recordedWindows(name: string): number[] {
  const [, base = '', connection = '1'] = /^(.*?)(?:\.conn(\d))?\.bin$/.exec(name) ?? []
  const lines = readFileSync(new URL(`${base}.frames.jsonl`, CAPTURES), 'utf8')
    .trim()
    .split('\n')
  return lines
    .map((line) => JSON.parse(line) as RecordedFrame)
    .filter(({ ev, c }) => ev === 'window-complete' && String(c ?? 1) === connection)
    .map(({ n = 0 }) => n)
}

function events(count: number, first = 0): object[] {
  return Array.from({ length: count }, (_, index) => ({ message: `line ${first + index}` }))
}

async function finish(client: LumberjackClient): Promise<number[]> {
  client.socket.end()
  await client.until(() => client.isClosed)
  return client.answers
}

describe('a recorded client gets an ack for each of its windows', () => {
  const captures = readdirSync(CAPTURES).filter((name) => name.endsWith('.bin'))
  test.each(captures)('%s', async (name) => {
    const bytes = readFileSync(new URL(name, CAPTURES))
    const windows = recordedWindows(name)
    await using input = await startBeats()
    for (const piece_bytes of bytes.length < 4_000 ? [1, 7, 1_000, bytes.length] : [997, 20_000, bytes.length]) {
      await using client = await input.connect()
      const known = input.collector.events.length
      await client.sendPieces(bytes, piece_bytes)
      expect(await finish(client)).toEqual(windows)
      expect(input.collector.events.length - known).toBe(windows.reduce((sum, count) => sum + count, 0))
    }
    const ids = new Set(input.collector.events.map((event) => event.stableId()))
    expect(ids.has(undefined)).toBe(false)
    expect(input.collector.deadLetters).toEqual([])
    expect(input.context.lines.filter((line) => /^(warn|error)/.test(line))).toEqual([])
  })

  test('and what it sends again after a broken connection has the same ids', async () => {
    await using input = await startBeats()
    const idsOf = async (name: string): Promise<(string | undefined)[]> => {
      await using client = await input.connect()
      const known = input.collector.events.length
      await client.send(readFileSync(new URL(name, CAPTURES)))
      await finish(client)
      return input.collector.events.slice(known).map((event) => event.stableId())
    }
    const first = await idsOf('05-no-ack-timeout-reconnect.bin')
    const again = await idsOf('05-no-ack-timeout-reconnect.conn2.bin')
    expect(new Set(first).size).toBe(600)
    expect(again).toHaveLength(400)
    expect(new Set(first).isSupersetOf(new Set(again))).toBe(true)
  })
})

describe('acks', () => {
  test('come when a window is stored, in the order of the windows', async () => {
    await using input = await startBeats()
    input.collector.settleAs = undefined
    await using client = await input.connect()
    await client.send(Buffer.concat([encodeWindow(events(3)), encodeWindow(events(4), { level: 0 }), encodeWindow(events(5))]))
    await input.collector.until(() => input.collector.batches.length === 3)
    input.collector.batches[2]?.settle('stored')
    input.collector.batches[1]?.settle('stored')
    expect(client.answers).toEqual([])
    input.collector.batches[0]?.settle('stored')
    await client.until(() => client.answers.length === 3)
    expect(client.answers).toEqual([3, 4, 5])
  })

  test('do not come for a window that was abandoned, nor for those behind it', async () => {
    await using input = await startBeats()
    input.collector.settleAs = undefined
    await using client = await input.connect()
    await client.send(Buffer.concat([encodeWindow(events(1)), encodeWindow(events(2)), encodeWindow(events(3))]))
    await input.collector.until(() => input.collector.batches.length === 3)
    input.collector.batches[0]?.settle('stored')
    input.collector.batches[2]?.settle('stored')
    input.collector.batches[1]?.settle('abandoned')
    await client.until(() => client.isClosed)
    expect(client.answers).toEqual([1])
  })

  test('count by position, whether sequence numbers start again, go on or make no sense', async () => {
    await using input = await startBeats()
    await using client = await input.connect()
    for (const first_sequence of [1, 11, 4_294_967_290, 0]) await client.send(encodeWindow(events(5), { first_sequence }))
    expect(await finish(client)).toEqual([5, 5, 5, 5])
  })

  test('of version 1 carry the last sequence number, which goes on counting there', async () => {
    await using input = await startBeats()
    await using client = await input.connect()
    const frame = (sequence: number): Buffer =>
      pairsFrame(sequence, [
        ['line', `l${sequence}`],
        ['file', '/v/a.log'],
      ])
    await client.send(Buffer.concat([windowFrame(2, 1), frame(1), frame(2), windowFrame(1, 1), compressedFrame(frame(3), 6, 1)]))
    expect(await finish(client)).toEqual([2, 3])
    expect(client.versions).toEqual(['1', '1'])
    expect(input.collector.documents.map(({ message, file }) => [message, file])).toEqual([
      ['l1', '/v/a.log'],
      ['l2', '/v/a.log'],
      ['l3', '/v/a.log'],
    ])
  })

  test('of a zero window come at once', async () => {
    await using input = await startBeats()
    input.collector.settleAs = undefined
    await using client = await input.connect()
    await client.send(Buffer.concat([encodeWindow(events(1)), windowFrame(0)]))
    await client.until(() => client.answers.length === 1)
    expect(client.answers).toEqual([0])
  })

  test('of a window that was cut short by the next one cover what came of it', async () => {
    await using input = await startBeats()
    await using client = await input.connect()
    const short = Buffer.concat([windowFrame(10), jsonFrame(1, { a: 1 }), compressedFrame(jsonFrame(2, { a: 2 }))])
    await client.send(Buffer.concat([short, windowFrame(7), encodeWindow(events(3))]))
    expect(await finish(client)).toEqual([2, 3])
    expect(input.context.lines).toContainEqual(expect.stringContaining('began a window after 2 of 10 events'))
  })

  test('of a window in several compressed frames, mixed with bare ones, come when it is full', async () => {
    await using input = await startBeats()
    await using client = await input.connect()
    await client.send(Buffer.concat([windowFrame(5), compressedFrame(Buffer.concat([jsonFrame(1, {}), jsonFrame(2, {})]))]))
    await client.send(jsonFrame(3, {}))
    await client.sendPieces(compressedFrame(Buffer.concat([jsonFrame(4, {}), compressedFrame(jsonFrame(5, {}))])), 9)
    expect(await finish(client)).toEqual([5])
    expect(input.collector.batches.map((batch) => batch.events.length)).toEqual([5])
  })

  test('come for a large window once, though it is handed on in several batches', async () => {
    await using input = await startBeats()
    input.collector.settleAs = undefined
    await using client = await input.connect()
    await client.send(encodeWindow(events(10_000)))
    await input.collector.until(() => input.collector.events.length === 10_000)
    expect(input.collector.events.map((event) => event.toJsonText().match(/line (\d+)/)?.[1])).toEqual(
      Array.from({ length: 10_000 }, (_, index) => String(index)),
    )
    const [first, second, ...others] = input.collector.batches
    for (const batch of [...others.toReversed(), first]) batch?.settle('stored')
    expect(client.answers).toEqual([])
    second?.settle('stored')
    await client.until(() => client.answers.length === 1)
    expect(client.answers).toEqual([10_000])
  })

  test('reach a pipelining client that sends 200 windows', async () => {
    await using input = await startBeats()
    await using client = await input.connect()
    const windows = Array.from({ length: 200 }, (_, index) => ({
      bytes: encodeWindow(events(50, index * 50), { level: index % 2 === 0 ? 3 : 0 }),
      events: 50,
    }))
    expect(await sendWindows(client, windows)).toBe(10_000)
    expect(input.collector.events).toHaveLength(10_000)
  })
})

describe('keep-alives', () => {
  test('come while a window is pending and stop when it is acknowledged', async () => {
    await using input = await startBeats({ internals: { keep_alive_ms: 5 } })
    input.collector.settleAs = undefined
    await using client = await input.connect()
    await client.send(encodeWindow(events(2)))
    await client.until(() => client.answers.length >= 5)
    expect(client.acks).toEqual([])
    input.collector.batches[0]?.settle('stored')
    await client.until(() => client.acks.length === 1)
    expect(await finish(client)).toEqual([...client.answers.slice(0, -1).map(() => 0), 2])
  })

  test('come while the pipeline has no room, and while a window is still coming', async () => {
    await using input = await startBeats({ internals: { keep_alive_ms: 5 } })
    await using client = await input.connect()
    await client.send(Buffer.concat([windowFrame(2), jsonFrame(1, {})]))
    await client.until(() => client.answers.length >= 3)
    await client.send(jsonFrame(2, {}))
    await client.until(() => client.acks.length === 1)
    expect(client.acks).toEqual([2])
  })
})

describe('backpressure', () => {
  test('stops the reading of one client after some windows and goes on later', async () => {
    await using input = await startBeats({ internals: { keep_alive_ms: 5 } })
    input.collector.settleAs = undefined
    await using client = await input.connect()
    await client.send(Buffer.concat(Array.from({ length: 50 }, (_, index) => encodeWindow(events(index + 1)))))
    await input.collector.until(() => input.collector.batches.length === 8)
    await client.until(() => client.answers.length >= 5)
    expect(input.collector.batches).toHaveLength(8)
    input.collector.settleAs = 'stored'
    for (const batch of input.collector.batches) batch.settle('stored')
    await client.until(() => client.acks.length === 50)
    expect(client.acks).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
  })

  test('many clients with large windows stay within the memory for received data', async () => {
    const intake = createIntake()
    await using input = await startBeats({ internals: { intake }, max_in_flight_bytes: 8 * 1024 * 1024 })
    const line = 'x'.repeat(10_000)
    const bytes = encodeWindow(
      Array.from({ length: 40 }, () => ({ message: line })),
      { level: 0 },
    )
    const clients = await Promise.all(Array.from({ length: 40 }, () => input.connect()))
    let most_bytes = 0
    const watch = setInterval(() => {
      most_bytes = Math.max(most_bytes, intake.received_bytes)
    }, 1)
    // Every client begins its window before any can end it: all memory is taken by windows that are not complete.
    await Promise.all(clients.map((client) => client.send(bytes.subarray(0, 100_000))))
    await Promise.all(clients.map((client) => client.send(bytes.subarray(100_000))))
    await Promise.all(clients.map((client) => client.until(() => client.answers.length === 1)))
    clearInterval(watch)
    for (const client of clients) expect(client.answers).toEqual([40])
    expect(most_bytes).toBeLessThan(1024 * 1024 + 66_000 + bytes.length)
    await Promise.all(clients.map(finish))
    expect(intake.received_bytes).toBe(0)
    expect(intake.turns_taken).toBe(0)
  })
})

describe('the end of a connection', () => {
  test('in the middle of a frame loses nothing that was acknowledged and takes nothing else', async () => {
    await using input = await startBeats()
    await using client = await input.connect()
    const second = encodeWindow(events(5))
    await client.send(Buffer.concat([encodeWindow(events(3)), second.subarray(0, second.length - 4)]))
    expect(await finish(client)).toEqual([3])
    expect(input.collector.events).toHaveLength(3)
    await input.collector.until(() => input.context.lines.some((line) => line.endsWith('closed: client_gone_mid_window')))
    expect(await input.context.metrics.text()).toContain('{input="test",reason="client_gone_mid_window"} 1')
  })

  test('with windows pending does no harm when they settle later', async () => {
    await using input = await startBeats()
    input.collector.settleAs = undefined
    await using client = await input.connect()
    await client.send(encodeWindow(events(3)))
    await input.collector.until(() => input.collector.batches.length === 1)
    client.socket.resetAndDestroy()
    await input.collector.until(() => input.context.lines.some((line) => line.includes('beats_closed')))
    input.collector.batches[0]?.settle('stored')
    await using next = await input.connect()
    input.collector.settleAs = 'stored'
    await next.send(encodeWindow(events(1)))
    expect(await finish(next)).toEqual([1])
  })

  test('comes after client_inactivity_timeout, also in the middle of a window, but not while an answer is due', async () => {
    await using input = await startBeats({ options: { client_inactivity_timeout: 0.1 } })
    input.collector.settleAs = undefined
    const [idle, stuck, waiting] = await Promise.all([input.connect(), input.connect(), input.connect()])
    await stuck.send(windowFrame(3))
    await waiting.send(encodeWindow(events(1)))
    await idle.until(() => idle.isClosed)
    await stuck.until(() => stuck.isClosed)
    expect(waiting.isClosed).toBe(false)
    input.collector.batches[0]?.settle('stored')
    await waiting.until(() => waiting.isClosed)
    expect(waiting.answers).toEqual([1])
  })

  test('is refused at once beyond max_connections', async () => {
    await using input = await startBeats({ options: { max_connections: 2 } })
    const clients = await Promise.all([input.connect(), input.connect()])
    await clients[0]?.send(encodeWindow(events(1)))
    await clients[0]?.until(() => clients[0]?.answers.length === 1)
    const third = await input.connect()
    await third.until(() => third.isClosed)
    expect(input.context.lines).toContainEqual(expect.stringContaining('max_connections = 2'))
    for (const client of clients) client.close()
  })
})

describe('stop', () => {
  test('acknowledges what was handed on, takes nothing more, and ends', async () => {
    await using input = await startBeats({ internals: { keep_alive_ms: 5 } })
    input.collector.settleAs = undefined
    await using client = await input.connect()
    await client.send(Buffer.concat([encodeWindow(events(3)), windowFrame(2), jsonFrame(1, {})]))
    await input.collector.until(() => input.collector.batches.length === 1)
    const stopped = input.stop()
    await client.send(jsonFrame(2, {}))
    const answered = client.answers.length
    await client.until(() => client.answers.length > answered + 2)
    input.collector.batches[0]?.settle('stored')
    await stopped
    await client.until(() => client.isClosed)
    expect(client.acks).toEqual([3])
    expect(input.collector.events).toHaveLength(3)
    await expect(input.connect()).rejects.toThrow('ECONNREFUSED')
  })

  test('ends at once when nobody is connected, or somebody who has nothing to say', async () => {
    await using input = await startBeats()
    await using client = await input.connect()
    await client.send(windowFrame(5))
    await input.stop()
    await client.until(() => client.isClosed)
  })

  test('that is followed by abandon leaves without an ack', async () => {
    const input = await startBeats()
    input.collector.settleAs = undefined
    await using client = await input.connect()
    await client.send(encodeWindow(events(3)))
    await input.collector.until(() => input.collector.batches.length === 1)
    await input[Symbol.asyncDispose]()
    await client.until(() => client.isClosed)
    expect(client.answers).toEqual([])
  })
})

test('a port that is taken is told with what to do', async () => {
  await using first = await startBeats()
  const port = Number(first.context.address()?.split(':')[1])
  const second = await startBeats({ options: { port } }).catch((thrown: unknown) => thrown)
  expect(second).toMatchObject({
    code: 'INPUT_CANNOT_START',
    message: expect.stringContaining('another program listens there (EADDRINUSE)') as string,
  })
})

test('what came in is counted', async () => {
  const context = testContext()
  await using input = await startBeats({ context })
  await using client = await input.connect()
  const bytes = encodeWindow(events(7))
  await client.send(bytes)
  await client.until(() => client.answers.length === 1)
  const text = await context.metrics.text()
  expect(text).toContain('millrace_beats_connections{input="test"} 1')
  expect(text).toContain('millrace_beats_windows_total{input="test"} 1')
  expect(text).toContain('millrace_beats_events_total{input="test"} 7')
  expect(text).toContain(`millrace_beats_received_bytes_total{input="test"} ${bytes.length}`)
})
