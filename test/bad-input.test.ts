import { constants, deflateRawSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readBooks, readSamples, settledBooks, sum } from './helpers/books.ts'
import { type DefaultPipeline, filebeatEvent, showDeadLetters, startDefaultPipeline } from './helpers/default-pipeline.ts'
import { compressedFrame, encodeWindow, jsonFrame, windowFrame } from './helpers/lumberjack-client.ts'
import { type StubElasticsearch, startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { type TemporaryFolder, temporaryFolder } from './helpers/temporary-folder.ts'

/** One program takes it all, one thing after the other, and must be as good at the end as at the beginning. */
let folder: TemporaryFolder
let stub: StubElasticsearch
let pipeline: DefaultPipeline
let sent = 0

beforeAll(async () => {
  folder = await temporaryFolder()
  stub = await startStubElasticsearch()
  pipeline = await startDefaultPipeline({ elasticsearch_url: stub.url, data: folder.path })
})

afterAll(async () => {
  await pipeline[Symbol.asyncDispose]()
  await stub.close()
  await folder[Symbol.asyncDispose]()
})

const lineOf = (order_id: number): string => JSON.stringify({ ts: '2026-03-01T12:00:00.000Z', service: 'wallet', order_id })

function documents(): string[] {
  return [...stub.documents.values()].flatMap((index) => [...index.values()])
}

/** Good events over a new connection are stored, and the books balance. */
async function expectGoodService(received_before: number, bad_events: number): Promise<void> {
  const orders = Array.from({ length: 20 }, () => ++sent)
  await using client = await pipeline.connect()
  await client.send(encodeWindow(orders.map((order) => filebeatEvent(lineOf(order), order))))
  await client.until(() => client.acks.length === 1)
  expect(client.acks).toEqual([orders.length])
  const stored = new Set(documents().map((source) => (JSON.parse(source) as { order_id?: number }).order_id))
  expect(orders.filter((order) => !stored.has(order))).toEqual([])
  const received = received_before + bad_events + orders.length
  expect((await settledBooks(pipeline.program, received)).received).toBe(received)
}

async function receivedUntilNow(): Promise<number> {
  return (await readBooks(pipeline.program)).received
}

/** The log as the person reads it: the quotes of JSON lines taken away. */
function logged(text: string): boolean {
  return pipeline.program.stderr.replaceAll('\\"', '"').includes(text)
}

const MEBIBYTE = 1024 * 1024

/**
 * Less than 1 MB on the wire, 10 MB in the first inflation, 10 GB in the second: 160 events of 64 MB each.
 * Pieces of a deflate stream that end with a full flush can be repeated, so nobody has to deflate 10 GB for it.
 */
function bomb(): Buffer {
  const events = 160
  const event = Buffer.alloc(64 * MEBIBYTE, 0x30)
  event.write('2J\0\0\0\x01', 'latin1')
  event.writeUInt32BE(event.length - 10, 6)
  const piece = deflateRawSync(event, { level: 9, finishFlush: constants.Z_FULL_FLUSH })
  const zlib_header = Buffer.from([0x78, 0xda])
  const inner = Buffer.concat([zlib_header, ...Array.from({ length: events }, () => piece)])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(inner.length)
  const outer = compressedFrame(Buffer.concat([Buffer.from('2C'), length, inner]), 9)
  expect(inner.length).toBeGreaterThan(10_000_000)
  expect(outer.length).toBeLessThan(MEBIBYTE)
  return Buffer.concat([windowFrame(events), outer])
}

const PARSE_FAILURE: unknown = expect.arrayContaining(['_jsonparsefailure'])
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

test.for<readonly [string, () => Buffer, string]>([
  ['an HTTP request', () => latin1('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'), 'Beats need output.logstash'],
  ['an unknown frame type', () => latin1('2Z\0\0\0\x01'), 'expected a frame of type W, J, D or C'],
  ['a window of 4 billion', () => windowFrame(4_294_967_295), 'max_window_events = 100000, got 4294967295'],
  ['a bomb of 10 GB in less than 1 MB', bomb, 'max_inflated_bytes'],
])('port 5044: %s closes its connection with a line that says what to do', async ([, bytes, advice]) => {
  const before = await receivedUntilNow()
  await using client = await pipeline.connect()
  await client.send(bytes())
  await client.until(() => client.isClosed, 90_000)
  expect(client.acks).toEqual([])
  await pipeline.program.waitUntil('a line about it', () => logged(advice))
  await expectGoodService(before, 0)
})

test('port 5044: a TLS hello closes its connection with a line that says what to do', async () => {
  // A program of its own: two streams that are no Lumberjack within ten seconds are one line.
  await using other = await startDefaultPipeline({ elasticsearch_url: stub.url })
  await using client = await other.connect()
  await client.send(latin1('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'))
  await client.until(() => client.isClosed)
  await other.program.waitUntil('a line about it', () => other.program.stderr.includes('Set ssl_enabled here or take ssl.* out'))
  expect(await settledBooks(other.program, 0)).toMatchObject({ received: 0 })
})

test('port 5044: a bomb does not show in the memory', async () => {
  const samples = readSamples(await pipeline.program.metrics())
  const resident = samples.filter(({ name }) => name === 'process_resident_memory_bytes').map(({ value }) => value)
  expect(sum(resident)).toBeGreaterThan(0)
  expect(sum(resident)).toBeLessThan(512 * MEBIBYTE)
})

test('port 5044: of a client that is gone in mid-frame nothing is taken, so that its repeat is the only one', async () => {
  const before = await receivedUntilNow()
  const window = encodeWindow([filebeatEvent(lineOf(++sent), sent), filebeatEvent(lineOf(++sent), sent)])
  {
    await using client = await pipeline.connect()
    await client.send(window.subarray(0, window.length - 5))
    client.socket.end()
    await client.until(() => client.isClosed)
    expect(client.acks).toEqual([])
  }
  expect(await receivedUntilNow()).toBe(before)
  await using client = await pipeline.connect()
  await client.send(window)
  await client.until(() => client.acks.length === 1)
  await expectGoodService(before, 2)
})

test.for<readonly [string, () => Buffer, string, number]>([
  ['invalid JSON', () => Buffer.from('{"message":'), 'event is not valid JSON', 11],
  [
    'JSON nested 100,000 deep',
    () => Buffer.from(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`),
    'event is not valid JSON',
    200_006,
  ],
  [
    '50 MB',
    () => Buffer.from(JSON.stringify({ message: 'x'.repeat(50_000_000) })),
    'event is larger than max_event_bytes',
    50_000_014,
  ],
])(
  'port 5044: an event of %s is kept among the dead letters, its neighbours are stored',
  async ([, make, reason, size_bytes]) => {
    const before = await receivedUntilNow()
    const known = (await showDeadLetters(folder.path)).length
    const neighbours = [++sent, ++sent]
    const [first, last] = neighbours.map((order) => filebeatEvent(lineOf(order), order))
    const frames = [jsonFrame(1, first ?? {}), jsonFrame(2, make()), jsonFrame(3, last ?? {})]
    await using client = await pipeline.connect()
    await client.send(Buffer.concat([windowFrame(3), compressedFrame(Buffer.concat(frames))]))
    await client.until(() => client.acks.length === 1, 90_000)
    expect(client.acks).toEqual([3])
    for (const order of neighbours) expect(documents().some((source) => source.includes(`"order_id":${order}`))).toBe(true)
    const letters = (await showDeadLetters(folder.path)).slice(known)
    expect(letters).toMatchObject([{ reason, size_bytes, component: 'input_beats_1' }])
    const raw = Buffer.from(String(letters[0]?.['raw_base64']), 'base64')
    expect(raw.equals(make().subarray(0, 65_536))).toBe(true)
    await expectGoodService(before, 3)
  },
)

test.for<readonly [string, string | Buffer, (source: string) => void]>([
  [
    'that is no JSON',
    'panic: runtime error',
    (source) => expect(JSON.parse(source)).toMatchObject({ message: 'panic: runtime error', tags: PARSE_FAILURE }),
  ],
  [
    'of JSON nested 100,000 deep',
    `{"a":${'['.repeat(100_000)}`,
    (source) => expect(JSON.parse(source)).toMatchObject({ tags: PARSE_FAILURE }),
  ],
  [
    'with __proto__ keys',
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},"service":"wallet"}',
    (source) => {
      expect(source).toContain('"__proto__":{"polluted":1}')
      expect(source).toContain('"constructor":{"prototype":{"polluted":2}}')
    },
  ],
])('a log line %s is stored and told apart', async ([, line, check]) => {
  const before = await receivedUntilNow()
  const path = `/var/log/exchange/odd-${++sent}.log`
  await using client = await pipeline.connect()
  await client.send(encodeWindow([filebeatEvent(String(line), 0, path)]))
  await client.until(() => client.acks.length === 1)
  const source = documents().find((text) => text.includes(path))
  check(source ?? 'it is not stored')
  await expectGoodService(before, 1)
})

test('invalid UTF-8 becomes U+FFFD, and the log says where to look', async () => {
  const before = await receivedUntilNow()
  const event = JSON.stringify(filebeatEvent('caf?', 0, '/var/log/exchange/latin1.log'))
  const bytes = Buffer.from(event)
  bytes[bytes.indexOf('caf?') + 3] = 0xe9
  await using client = await pipeline.connect()
  await client.send(encodeWindow([bytes]))
  await client.until(() => client.acks.length === 1)
  expect(documents().some((source) => source.includes('"message":"caf\ufffd"'))).toBe(true)
  expect(logged('check "encoding" of that Filebeat input')).toBe(true)
  await expectGoodService(before, 1)
})
