import { execFile } from 'node:child_process'
import { appendFile, open, readdir, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readBooks, readSamples } from './helpers/books.ts'
import { freePort } from './helpers/free-port.ts'
import { Program, type ProgramOptions } from './helpers/program.ts'
import { type StubElasticsearch, startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let [http, tcp, elasticsearch] = [0, 0, 0]
let program: Program
let stub: StubElasticsearch | undefined
/** Numbers of the documents that were sent, and of those whose sender was told that they are safe. */
let sent = 0
let acknowledged = new Set<number>()

beforeEach(async () => {
  folder = await temporaryFolder()
  ;[http, tcp, elasticsearch] = [await freePort(), await freePort(), await freePort()]
  ;[sent, acknowledged, stub] = [0, new Set(), undefined]
})
afterEach(async () => {
  await program.kill()
  await stub?.close()
  await folder[Symbol.asyncDispose]()
})

const DATA = (): string => join(folder.path, 'data')
const QUEUE = (): string => join(DATA(), 'queue', 'main')

async function configure(filter: string): Promise<string> {
  const config = join(folder.path, 'pipeline.conf')
  await writeFile(
    config,
    `input {
       http { port => ${http} host => "127.0.0.1" codec => json }
       tcp { port => ${tcp} host => "127.0.0.1" codec => json_lines }
     }
     filter { ${filter} }
     output { elasticsearch { hosts => ["http://127.0.0.1:${elasticsearch}"] index => "logs" } }`,
  )
  return config
}

async function start(flags: readonly string[] = [], options: Partial<ProgramOptions> = {}): Promise<void> {
  const args = ['-f', await configure(''), '--queue.type', 'persisted', ...flags]
  program = await Program.spawn({ args, data: DATA(), ...options })
  await program.waitUntil('listening', async () => (await fetch(`http://127.0.0.1:${http}`, { method: 'HEAD' })).status > 0)
}

async function startElasticsearch(): Promise<void> {
  stub = await startStubElasticsearch({ port: elasticsearch })
}

/** Sends an array of numbered documents once, and returns whether it was acknowledged. Nothing is sent twice. */
async function send(count: number, more: object = {}, timeout_ms = 60_000): Promise<boolean> {
  const numbers = Array.from({ length: count }, () => sent++)
  const request = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(numbers.map((n) => ({ n, ...more }))),
    signal: AbortSignal.timeout(timeout_ms),
  }
  const is_stored = await fetch(`http://127.0.0.1:${http}`, request).then(
    ({ ok }) => ok,
    () => false,
  )
  if (is_stored) for (const n of numbers) acknowledged.add(n)
  return is_stored
}

/** How often each number is in Elasticsearch. */
function storedNumbers(): number[] {
  const documents = [...(stub?.documents.get('logs')?.values() ?? [])]
  return documents.map((text) => (JSON.parse(text) as { n: number }).n)
}

/** Waits until every number is there that must be, and checks that none is there twice. */
async function allOnce(numbers: Iterable<number> = acknowledged): Promise<void> {
  const wanted = [...numbers]
  await program.waitUntil('all that was acknowledged', () => {
    const stored = new Set(storedNumbers())
    return wanted.every((n) => stored.has(n))
  })
  await program.waitUntil('the end of the rest', async () => (await readBooks(program)).held === 0)
  const stored = storedNumbers()
  expect(stored.length).toBe(new Set(stored).size)
  expect((await readBooks(program)).unbalanced.every((difference) => difference === 0)).toBe(true)
}

async function metric(name: string): Promise<number> {
  return readSamples(await program.metrics()).find((sample) => sample.name === name)?.value ?? Number.NaN
}

async function segments(): Promise<string[]> {
  return (await readdir(QUEUE())).filter((name) => name.endsWith('.segment')).toSorted()
}

test('kill -9 again and again: what http acknowledged arrives exactly once, and so do lines of tcp that were on the disk', async () => {
  await startElasticsearch()
  const rounds = 3
  for (let round = 0; round < rounds; round++) {
    await start()
    const killed = new AbortController()
    const senders = Array.from({ length: 4 }, async () => {
      while (!killed.signal.aborted) if (!(await send(25))) return
    })
    await program.waitUntil('events', () => acknowledged.size > 200 * (round + 1))
    killed.abort()
    await program.kill()
    await Promise.all(senders)
  }
  await start()
  const first = sent
  const line = Array.from({ length: 300 }, () => `${JSON.stringify({ n: sent++ })}\n`).join('')
  await stub?.close()
  const socket = connect(tcp, '127.0.0.1')
  socket.end(line)
  const buffered = async (): Promise<number | undefined> =>
    readSamples(await program.metrics()).find(
      ({ name, labels }) => name === 'millrace_events_buffered_total' && labels['input']?.includes('tcp'),
    )?.value
  await program.waitUntil('lines on the disk', async () => (await buffered()) === 300)
  await program.kill()
  const before = storedNumbers()
  await startElasticsearch()
  await start()
  const numbers = [...acknowledged, ...Array.from({ length: 300 }, (_, index) => first + index)]
  await allOnce(numbers.filter((n) => !before.includes(n)))
}, 240_000)

test('a torn tail is cut at the last good record, the cut is told in bytes, and what was acknowledged arrives', async () => {
  await start()
  expect(await send(10)).toBe(true)
  await program.kill()
  const [last = ''] = (await segments()).slice(-1)
  await appendFile(join(QUEUE(), last), Buffer.alloc(123, 'x'))
  await startElasticsearch()
  await start()
  await allOnce()
  expect(storedNumbers()).toHaveLength(10)
  expect(program.stderr).toContain('the last 123 bytes were half written')
  expect(await metric('millrace_queue_cut_bytes_total')).toBe(123)
  expect(await metric('millrace_queue_lost_events_total')).toBe(0)
}, 240_000)

test('what damage in the middle took is counted and told, and the rest arrives', async () => {
  await start(['--queue.max_bytes', '1mb'])
  for (let n = 0; n < 12; n++) expect(await send(1, { pad: 'x'.repeat(30_000) })).toBe(true)
  await program.kill()
  const files = await segments()
  expect(files.length).toBeGreaterThan(2)
  const middle = join(QUEUE(), files[1] ?? '')
  const size = (await stat(middle)).size
  {
    await using file = await open(middle, 'r+')
    await file.write(Buffer.alloc(100), 0, 100, Math.floor(size / 2))
  }
  await startElasticsearch()
  await start(['--queue.max_bytes', '1mb'])
  await program.waitUntil('all but the one that was hit', () => storedNumbers().length === 11)
  await allOnce(storedNumbers())
  expect(await metric('millrace_queue_lost_events_total')).toBe(1)
  expect(program.stderr).toContain('damage took 1 events')
  expect(await metric('millrace_queue_damaged_bytes_total')).toBeGreaterThan(60_000)
}, 240_000)

test('a full queue holds senders back; what was acknowledged arrives once Elasticsearch is there', async () => {
  await start(['--queue.max_bytes', '1mb'])
  const pad = { pad: 'x'.repeat(40_000) }
  while (await send(1, pad, 2_000)) expect(acknowledged.size).toBeLessThan(60)
  // Those on their way to Elasticsearch are in memory and on the disk.
  expect(acknowledged.size).toBeGreaterThan(9)
  await program.waitUntil('inputs that wait', async () => (await metric('millrace_queue_blocked_seconds')) > 0)
  expect(await metric('millrace_queue_size_bytes')).toBeLessThan(1_100_000)
  await program.waitUntil('an old event', async () => (await metric('millrace_queue_oldest_seconds')) > 1)
  expect(program.stderr).toContain('the queue has reached queue.max_bytes')
  await startElasticsearch()
  await allOnce()
  await program.waitUntil('room', async () => (await metric('millrace_queue_blocked_seconds')) === 0)
  expect(await send(1, pad)).toBe(true)
  await allOnce()
}, 240_000)

test('a full disk: inputs wait, a person is told, nothing acknowledged is lost, and it goes on once there is room', async () => {
  // A limit of each file's size stands for the disk's.
  await start([], { ulimit: '-S -f 300' })
  const pad = { pad: 'x'.repeat(20_000) }
  while (await send(1, pad, 2_000)) expect(acknowledged.size).toBeLessThan(40)
  expect(acknowledged.size).toBeGreaterThan(1)
  expect(program.stderr).toContain('queue_unwritable')
  expect(program.stderr).toContain('the disk is full')
  const told = acknowledged.size
  await promisify(execFile)('prlimit', [`--fsize=unlimited:`, '--pid', String(program.pid)])
  await program.waitUntil('room', async () => await send(1, pad, 2_000))
  expect(acknowledged.size).toBeGreaterThan(told)
  await program.kill()
  await startElasticsearch()
  await start()
  await allOnce()
}, 240_000)

test('at SIGTERM the queue keeps what is in it, with queue.drain it is emptied', async () => {
  await start()
  expect(await send(50)).toBe(true)
  const { code } = await program.stop()
  expect(code).toBe(0)
  await startElasticsearch()
  let release = (): void => {}
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  if (stub !== undefined) stub.onBulk = () => ({ until })
  await start(['--queue.drain', 'true', '--pipeline.batch.size', '5'])
  await program.waitUntil('a bulk', () => (stub?.bulks.length ?? 0) > 0)
  const stopped = program.stop()
  release()
  expect((await stopped).code).toBe(0)
  expect(storedNumbers().toSorted((a, b) => a - b)).toEqual([...acknowledged])
}, 240_000)

test.each([[[]], [['--queue.drain', 'true']]])(
  'a reload hands the queue over, also while nothing is stored %j',
  async (flags) => {
    await start(flags)
    expect(await send(20)).toBe(true)
    await configure('mutate { add_field => { "by" => "the new one" } }')
    const reload = await fetch(`${program.apiUrl}/api/pipeline`, { method: 'PUT' })
    expect(await reload.json()).toMatchObject({ result: 'loaded', changed: ['main'] })
    expect(await send(20)).toBe(true)
    expect((await readBooks(program)).unbalanced.every((difference) => difference === 0)).toBe(true)
    await startElasticsearch()
    await allOnce()
    const documents = [...(stub?.documents.get('logs')?.values() ?? [])]
    expect(documents).toHaveLength(40)
    // What was not stored goes through the new filters.
    expect(documents.every((text) => text.includes('the new one'))).toBe(true)
    expect(program.stderr).not.toContain('replaced_early')
  },
  240_000,
)
