import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compressedFrame,
  encodeWindow,
  jsonFrame,
  type LumberjackClient,
  windowFrame,
} from '../../../test/helpers/lumberjack-client.ts'
import { type BeatsUnderTest, createIntake, startBeats } from '../../../test/helpers/start-beats.ts'

const GOOD = { message: 'good' }

/** Whether the input still does its work. */
async function serves(input: BeatsUnderTest): Promise<boolean> {
  await using client = await input.connect()
  await client.send(encodeWindow([GOOD, GOOD, GOOD]))
  await client.until(() => client.answers.length === 1)
  return client.answers[0] === 3
}

async function sendAndWait(input: BeatsUnderTest, bytes: Buffer): Promise<LumberjackClient> {
  const client = await input.connect()
  await client.send(bytes)
  await client.until(() => client.isClosed)
  return client
}

describe('a stream that can not be understood closes its connection, with a line that says why', () => {
  const bare = (text: string): Buffer => Buffer.from(text, 'latin1')
  test.each([
    ['an HTTP request', bare('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'), 'not_lumberjack', 'looks like HTTP'],
    [
      'a TLS hello',
      bare('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
      'not_lumberjack',
      'looks like TLS: is ssl enabled on the other side only?',
    ],
    ['an unknown frame type', bare('2Z\0\0\0\x01'), 'unknown_frame_type', 'the stream is damaged or not Lumberjack'],
    ['a window of 4 billion', windowFrame(4_294_967_295), 'window_too_large', 'max_window_events = 100000, got 4294967295'],
    [
      'a frame of 4 billion bytes',
      bare('2C\xff\xff\xff\xff'),
      'frame_too_large',
      'max_frame_bytes = 67108864, got one of 4294967295',
    ],
    ['an event before any window', jsonFrame(1, GOOD), 'frame_outside_window', 'expected a window frame'],
    [
      'a compressed frame before any window',
      compressedFrame(jsonFrame(1, GOOD)),
      'frame_outside_window',
      'expected a window frame',
    ],
    ['damaged compression', Buffer.concat([windowFrame(1), bare('2C\0\0\0\x04abcd')]), 'corrupt_compression', 'Z_DATA_ERROR'],
    [
      'more compressed events than announced',
      Buffer.concat([windowFrame(1), compressedFrame(Buffer.concat([jsonFrame(1, GOOD), jsonFrame(2, GOOD)]))]),
      'frame_outside_window',
      'there are more',
    ],
    [
      'compression in compression in compression',
      Buffer.concat([windowFrame(1), compressedFrame(compressedFrame(compressedFrame(jsonFrame(1, GOOD))))]),
      'nested_too_deep',
      'nested',
    ],
  ])('%s', async (_name, bytes, reason, message) => {
    await using input = await startBeats()
    const client = await sendAndWait(input, bytes)
    expect(client.answers).toEqual([])
    expect(input.collector.events).toEqual([])
    expect(input.context.lines).toContainEqual(
      expect.stringMatching(new RegExp(`^warn beats_${reason}: closing the connection from 127\\.0\\.0\\.1:\\d+: .*${message}`)),
    )
    await input.collector.until(() => input.context.lines.some((line) => line.endsWith(` closed: ${reason}`)))
    expect(await input.context.metrics.text()).toContain(`{input="test",reason="${reason}"} 1`)
    expect(await serves(input)).toBe(true)
  })

  test('but what came whole before it is stored and acknowledged', async () => {
    await using input = await startBeats()
    const client = await sendAndWait(
      input,
      Buffer.concat([encodeWindow([GOOD]), encodeWindow([GOOD, GOOD]), windowFrame(2), Buffer.from('GET /')]),
    )
    expect(client.answers).toEqual([1, 2])
    expect(input.collector.events).toHaveLength(3)
    const second = await sendAndWait(input, Buffer.concat([encodeWindow([GOOD]), Buffer.from('garbage')]))
    expect(second.answers).toEqual([1])
  })

  test('a window that inflates to too much, before it is allocated', async () => {
    await using input = await startBeats({ options: { max_inflated_bytes: '1mb' } })
    const line = JSON.stringify({ message: 'x'.repeat(100_000) })
    const frames = Buffer.concat(Array.from({ length: 200 }, (_, index) => jsonFrame(index + 1, line)))
    await sendAndWait(input, Buffer.concat([windowFrame(200), compressedFrame(frames)]))
    await sendAndWait(input, Buffer.concat([windowFrame(200), frames]))
    expect(input.context.lines.filter((logged) => logged.startsWith('warn beats_inflated_too_large'))).toHaveLength(2)
    expect(input.collector.events).toEqual([])
  })
})

describe('an event that is bad in a good frame goes to the dead letters and its window is acknowledged', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  test.each([
    ['not JSON', '{"a":', 'event is not valid JSON'],
    ['empty', '', 'event is not valid JSON'],
    ['a list', '[{"a":1}]', 'event is JSON, but not an object'],
    ['a number', '17', 'event is JSON, but not an object'],
    ['nested 100,000 deep', `{"a":${deep}}`, 'event is not valid JSON'],
  ])('%s', async (_name, bad, reason) => {
    for (const level of [0, 3]) {
      await using input = await startBeats()
      await using client = await input.connect()
      await client.send(encodeWindow([GOOD, bad, GOOD], { level }))
      await client.until(() => client.answers.length === 1)
      expect(client.answers).toEqual([3])
      expect(input.collector.documents.map(({ message }) => message)).toEqual(['good', 'good'])
      expect(input.collector.deadLetters).toEqual([{ raw: Buffer.from(bad).subarray(0, 65_536), reason }])
    }
  })

  test.each([0, 3])('a line of 50 MB, at level %i', async (level) => {
    await using input = await startBeats()
    await using client = await input.connect()
    const line = JSON.stringify({ message: 'x'.repeat(50_000_000) })
    await client.send(encodeWindow([GOOD, line, GOOD], { level }))
    await client.until(() => client.answers.length === 1)
    expect(client.answers).toEqual([3])
    expect(input.collector.deadLetters).toEqual([
      { raw: Buffer.from(line.slice(0, 65_536)), reason: 'event is larger than max_event_bytes' },
    ])
    expect(input.context.lines).toContainEqual(expect.stringContaining(`(${line.length} bytes): to the dead letters`))
  })

  test('also when nothing else is in the window', async () => {
    await using input = await startBeats()
    await using client = await input.connect()
    await client.send(encodeWindow(['x', 'y']))
    await client.until(() => client.answers.length === 1)
    expect(client.answers).toEqual([2])
    expect(input.collector.deadLetters).toHaveLength(2)
  })
})

test('__proto__ and other names of JavaScript are fields like any other', async () => {
  await using input = await startBeats()
  await using client = await input.connect()
  const line = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"message":"m","toString":"x"}'
  await client.send(encodeWindow([line, '{"@metadata":{"__proto__":{"x":1},"input":5}}']))
  await client.until(() => client.answers.length === 1)
  expect(input.collector.events[0]?.toJsonText()).toContain(
    '"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}',
  )
  expect(({} as { polluted?: number }).polluted).toBeUndefined()
  expect(input.collector.deadLetters).toEqual([])
})

test('invalid UTF-8 becomes U+FFFD, and the log says so', async () => {
  await using input = await startBeats()
  await using client = await input.connect()
  await client.send(encodeWindow([Buffer.concat([Buffer.from('{"message":"a'), Buffer.from([0xff, 0xfe]), Buffer.from('b"}')])]))
  await client.until(() => client.answers.length === 1)
  expect(input.collector.documents[0]).toMatchObject({ message: 'a\ufffd\ufffdb' })
  expect(input.context.lines).toContainEqual(expect.stringContaining('warn beats_invalid_utf8'))
})

test('whatever comes, the input serves the next client and holds nothing back', async () => {
  const intake = createIntake()
  await using input = await startBeats({ internals: { intake } })
  const window = encodeWindow([GOOD, { a: { b: [1, 2, 3] } }], { level: 0 })
  const compressed = encodeWindow([GOOD, { a: 1.5 }])
  const damaged = fc
    .tuple(fc.constantFrom(window, compressed), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }))
    .map(([bytes, changes]) => {
      const copy = Buffer.from(bytes)
      for (const [at, value] of changes) copy[at % copy.length] = value
      return copy
    })
  await fc.assert(
    fc.asyncProperty(
      fc.array(damaged, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 100 }),
      async (streams, piece_bytes) => {
        await using client = await input.connect()
        await client.sendPieces(Buffer.concat(streams), piece_bytes)
        client.socket.end()
        await client.until(() => client.isClosed)
      },
    ),
    { numRuns: 60 },
  )
  expect(await serves(input)).toBe(true)
  await input.stop()
  expect(intake.received_bytes).toBe(0)
  expect(intake.turns_taken).toBe(0)
  expect(input.context.lines.filter((line) => line.startsWith('error'))).toEqual([])
})
