import { describe, expect, test } from 'vitest'
import { type Books, settledBooks } from './helpers/books.ts'
import { type DefaultPipeline, filebeatEvent, showDeadLetters, startDefaultPipeline } from './helpers/default-pipeline.ts'
import { freePort } from './helpers/free-port.ts'
import { encodeWindow, type LumberjackClient } from './helpers/lumberjack-client.ts'
import type { Program } from './helpers/program.ts'
import { type StubElasticsearch, type StubSettings, startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

const WINDOW = 50
const ACK_MS = 90_000

const lineOf = (number: number): string =>
  JSON.stringify({ ts: '2026-03-01T12:00:00.000Z', level: 'info', service: 'wallet', order_id: number, duration: 5 })

/** A window of the log from line `first` on. */
function windowFrom(first: number): Buffer {
  return encodeWindow(Array.from({ length: WINDOW }, (_, index) => filebeatEvent(lineOf(first + index), first + index)))
}

async function sendWindow(client: LumberjackClient, first: number): Promise<void> {
  await client.send(windowFrom(first))
}

async function untilAcknowledged(client: LumberjackClient, windows: number): Promise<void> {
  await client.until(() => client.acks.length >= windows || client.isClosed, ACK_MS)
  expect(client.acks).toEqual(Array.from({ length: windows }, () => WINDOW))
}

/** Numbers of the lines that are stored, from all places where something is, each as often as it is there. */
function storedLines(...stubs: readonly StubElasticsearch[]): number[] {
  const sources = stubs.flatMap(({ documents }) => [...documents.values()].flatMap((index) => [...index.values()]))
  return sources.map((source) => (JSON.parse(source) as { order_id: number }).order_id).sort((a, b) => a - b)
}

/** What it writes has its way to us too. */
async function untilTold(program: Program, text: string): Promise<void> {
  await program.waitUntil(text, () => program.stderr.includes(text))
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

interface Trouble extends AsyncDisposable {
  readonly stub: StubElasticsearch
  readonly pipeline: DefaultPipeline
}

async function startWith(settings: StubSettings): Promise<Trouble> {
  const stub = await startStubElasticsearch(settings)
  const pipeline = await startDefaultPipeline({ elasticsearch_url: stub.url })
  return {
    stub,
    pipeline,
    [Symbol.asyncDispose]: async () => {
      await pipeline[Symbol.asyncDispose]()
      await stub.close()
    },
  }
}

/** Two windows go in; everything is stored once, acknowledged and in the books. Returns what was logged meanwhile. */
async function expectNothingLost({ stub, pipeline }: Trouble): Promise<Books> {
  await using client = await pipeline.connect()
  await sendWindow(client, 0)
  await sendWindow(client, WINDOW)
  await untilAcknowledged(client, 2)
  expect(storedLines(stub)).toEqual(upTo(2 * WINDOW))
  const books = await settledBooks(pipeline.program, 2 * WINDOW)
  expect(books).toMatchObject({ received: 2 * WINDOW, states: { stored: 2 * WINDOW } })
  return books
}

describe.concurrent('whatever Elasticsearch does, nothing is lost and the log says what to do', () => {
  test('absent at the start: events wait, and are stored once it is there', async () => {
    const port = await freePort()
    await using pipeline = await startDefaultPipeline({ elasticsearch_url: `http://127.0.0.1:${port}`, wait_ready: false })
    const { program } = pipeline
    await using client = await pipeline.connect()
    await sendWindow(client, 0)
    await program.waitUntil('a line about it', () => program.stderr.includes('is Elasticsearch running there?'))
    await untilTold(program, `127.0.0.1:${port}`)
    expect((await fetch(`${program.apiUrl}/livez`)).status).toBe(200)
    expect((await fetch(`${program.apiUrl}/readyz`)).status).toBe(503)
    expect(client.acks).toEqual([])
    const stub = await startStubElasticsearch({ port })
    await untilAcknowledged(client, 1)
    expect(storedLines(stub)).toEqual(upTo(WINDOW))
    expect(await settledBooks(program, WINDOW)).toMatchObject({ received: WINDOW, states: { stored: WINDOW } })
    await stub.close()
  })

  test('dying in the middle and coming back: what was not answered is sent again', async () => {
    const first = await startStubElasticsearch()
    await using pipeline = await startDefaultPipeline({ elasticsearch_url: first.url })
    const { program } = pipeline
    await using client = await pipeline.connect()
    await sendWindow(client, 0)
    await untilAcknowledged(client, 1)
    await first.close()
    await sendWindow(client, WINDOW)
    await program.waitUntil('a line about it', () => program.stderr.includes('could not be written to'))
    await untilTold(program, 'Nothing is lost: the events wait, the senders are held back')
    expect(client.acks).toHaveLength(1)
    const second = await startStubElasticsearch({ port: first.port })
    await untilAcknowledged(client, 2)
    expect(storedLines(first, second)).toEqual(upTo(2 * WINDOW))
    expect(await settledBooks(program, 2 * WINDOW)).toMatchObject({ received: 2 * WINDOW, states: { stored: 2 * WINDOW } })
    await second.close()
  })

  test('dying between storing and answering: the repeat finds everything there and counts as stored', async () => {
    await using trouble = await startWith({ onBulk: ({ number }) => (number === 1 ? { cut: 'after' } : undefined) })
    await expectNothingLost(trouble)
    await untilTold(trouble.pipeline.program, 'Nothing is lost')
  })

  test.for([
    [401, 'check user, password or api_key'],
    [429, 'The other side is overloaded and gets less at a time; if this lasts, give it more room'],
    [503, 'Elasticsearch cannot take a bulk request now (status 503); if this lasts, look at its log'],
  ] as const)('answering %i', async ([status, advice]) => {
    await using trouble = await startWith({ onBulk: ({ number }) => (number <= 2 ? { status } : undefined) })
    await expectNothingLost(trouble)
    await untilTold(trouble.pipeline.program, advice)
  })

  test('answering 413 to more than ten documents: the batch is halved until it fits', async () => {
    await using trouble = await startWith({ onBulk: ({ items }) => (items.length > 10 ? { status: 413 } : undefined) })
    await expectNothingLost(trouble)
    await untilTold(trouble.pipeline.program, 'Set bulk_bytes_max of the output')
  })

  test('answering 413 to a single document: that one goes to the dead letters, with the reason', async () => {
    await using folder = await temporaryFolder()
    const stub = await startStubElasticsearch({
      onBulk: ({ items }) => (items.some(({ source }) => source.includes('"order_id":7,')) ? { status: 413 } : undefined),
    })
    await using pipeline = await startDefaultPipeline({ elasticsearch_url: stub.url, data: folder.path })
    await using client = await pipeline.connect()
    await sendWindow(client, 0)
    await untilAcknowledged(client, 1)
    expect(storedLines(stub)).toEqual(upTo(WINDOW).filter((line) => line !== 7))
    const books = await settledBooks(pipeline.program, WINDOW)
    expect(books).toMatchObject({ received: WINDOW, states: { stored: WINDOW - 1, dead_lettered: 1 } })
    expect(await showDeadLetters(folder.path)).toMatchObject([
      { reason: expect.stringContaining('is larger than Elasticsearch'), document: { order_id: 7 } },
    ])
    await untilTold(pipeline.program, 'look with bin/millrace dlq ls')
    await stub.close()
  })

  test('a mapping conflict: that document goes to the dead letters, its neighbours are stored', async () => {
    await using folder = await temporaryFolder()
    const reason = "[1:93] failed to parse field [duration] of type [double] in document with id 'x'"
    const stub = await startStubElasticsearch({
      onBulk: () => ({
        item: ({ source }) =>
          source.includes('"order_id":11,') ? { status: 400, type: 'document_parsing_exception', reason } : undefined,
      }),
    })
    await using pipeline = await startDefaultPipeline({ elasticsearch_url: stub.url, data: folder.path })
    await using client = await pipeline.connect()
    await sendWindow(client, 0)
    await untilAcknowledged(client, 1)
    expect(storedLines(stub)).toEqual(upTo(WINDOW).filter((line) => line !== 11))
    const books = await settledBooks(pipeline.program, WINDOW)
    expect(books).toMatchObject({ received: WINDOW, states: { stored: WINDOW - 1, dead_lettered: 1 } })
    expect(await showDeadLetters(folder.path)).toMatchObject([
      { reason: `document_parsing_exception: ${reason}`, document: { order_id: 11 } },
    ])
    await untilTold(pipeline.program, 'look with bin/millrace dlq ls')
    await stub.close()
  })

  test('kill -9 in the middle: the client repeats its window, and every line is stored once', async () => {
    await using folder = await temporaryFolder()
    const held = Promise.withResolvers<void>()
    const stub = await startStubElasticsearch({ onBulk: ({ number }) => (number === 2 ? { until: held.promise } : undefined) })
    const first = await startDefaultPipeline({ elasticsearch_url: stub.url, data: folder.path })
    const client = await first.connect()
    await sendWindow(client, 0)
    await untilAcknowledged(client, 1)
    await sendWindow(client, WINDOW)
    await first.program.waitUntil('the second bulk request', () => stub.bulks.length >= 2)
    await first.program.kill()
    await client.until(() => client.isClosed)
    expect(client.acks).toHaveLength(1)
    held.resolve()
    await using second = await startDefaultPipeline({ elasticsearch_url: stub.url, data: folder.path })
    await using again = await second.connect()
    await sendWindow(again, WINDOW)
    await sendWindow(again, 2 * WINDOW)
    await untilAcknowledged(again, 2)
    expect(storedLines(stub)).toEqual(upTo(3 * WINDOW))
    const books = await settledBooks(second.program, 2 * WINDOW)
    expect(books).toMatchObject({ received: 2 * WINDOW, states: { stored: WINDOW, already_there: WINDOW } })
    await stub.close()
  })
})
