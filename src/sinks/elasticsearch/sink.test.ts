import { afterEach, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { createElasticsearchSink, eventFrom, NEVER } from '../../../test/helpers/elasticsearch-sink.ts'
import {
  type StubBehaviour,
  type StubBulk,
  type StubElasticsearch,
  startStubElasticsearch,
} from '../../../test/helpers/stub-elasticsearch.ts'
import type { Sink } from '../../core/contracts.ts'
import type { Event } from '../../core/event.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Setup {
  readonly stub: StubElasticsearch
  readonly sink: Sink
  readonly context: ReturnType<typeof testContext>
}

async function setup(
  onBulk?: (bulk: StubBulk) => StubBehaviour | undefined,
  options: { readonly [name: string]: unknown } = {},
): Promise<Setup> {
  const stub = await startStubElasticsearch(onBulk === undefined ? {} : { onBulk })
  closing.push(() => stub.close())
  const context = testContext()
  const sink = createElasticsearchSink({ hosts: [stub.url], index: 'logs', ...options }, context)
  await sink.open(NEVER)
  closing.push(() => sink.close())
  return { stub, sink, context }
}

function events(count: number): Event[] {
  return Array.from({ length: count }, (_, n) => eventFrom({ n }, `line-${n}`))
}

function once(behaviour: StubBehaviour): (bulk: StubBulk) => StubBehaviour | undefined {
  return ({ number }) => (number === 1 ? behaviour : undefined)
}

test('documents are created under the stable id of their event, in the order of the batch', async () => {
  const { stub, sink } = await setup()
  const result = await sink.write(events(3), NEVER)
  expect(result.outcomes).toEqual([{ kind: 'stored' }, { kind: 'stored' }, { kind: 'stored' }])
  expect(stub.bulks).toHaveLength(1)
  expect(stub.bulks[0]?.items.map(({ operation, index, id }) => `${operation} ${index} ${id}`)).toEqual([
    'create logs line-0',
    'create logs line-1',
    'create logs line-2',
  ])
  expect(stub.bulks[0]?.url).toBe('/_bulk?filter_path=errors%2Citems.*.status%2Citems.*.error')
  expect(stub.bulks[0]?.headers['content-type']).toBe('application/x-ndjson')
})

test('a 20-digit number and 1.0 reach the wire as they came', async () => {
  const { stub, sink } = await setup()
  await sink.write([eventFrom('{"order_id":12345678901234567890,"price":1.0}', 'a')], NEVER)
  expect(stub.bulks[0]?.items[0]?.source).toContain('"order_id":12345678901234567890')
  expect(stub.bulks[0]?.items[0]?.source).toContain('"price":1.0')
})

test('texts beyond ASCII, an empty batch and buffers that are used again leave every document whole', async () => {
  const { stub, sink } = await setup()
  expect((await sink.write([], NEVER)).outcomes).toEqual([])
  for (const msg of ['ünïcödé 漢字 🎉', 'x'.repeat(2_000_000), '漢'.repeat(700_000), 'short']) {
    await sink.write([eventFrom({ msg }, `id ${msg.length}`)], NEVER)
    expect(JSON.parse(stub.documents.get('logs')?.get(`id ${msg.length}`) ?? '')).toMatchObject({ msg })
  }
})

test('a document that was there before the first attempt is already there', async () => {
  const { sink } = await setup()
  await sink.write([eventFrom({}, 'a')], NEVER)
  expect(await sink.write([eventFrom({}, 'a'), eventFrom({}, 'b')], NEVER)).toMatchObject({
    outcomes: [{ kind: 'already_there' }, { kind: 'stored' }],
  })
})

test('after a lost answer a conflict means that our own earlier attempt stored it', async () => {
  const { stub, sink } = await setup(once({ cut: 'after' }))
  const batch = events(3)
  await expect(sink.write(batch, NEVER)).rejects.toMatchObject({ code: 'OUTPUT_UNREACHABLE' })
  expect(stub.documents.get('logs')?.size).toBe(3)
  expect((await sink.write(batch, NEVER)).outcomes).toEqual([{ kind: 'stored' }, { kind: 'stored' }, { kind: 'stored' }])
})

test('after an attempt that was refused for certain a conflict means that somebody else stored it', async () => {
  const { stub, sink } = await setup(once({ item: () => ({ status: 429, type: 'es_rejected_execution_exception' }) }))
  const batch = events(1)
  expect((await sink.write(batch, NEVER)).outcomes).toMatchObject([{ kind: 'retry' }])
  await sink.write(events(1), NEVER)
  expect(stub.documents.get('logs')?.size).toBe(1)
  expect((await sink.write(batch, NEVER)).outcomes).toEqual([{ kind: 'already_there' }])
})

test('index, id and bytes of an event are made once and stay through retries', async () => {
  const { stub, sink } = await setup(once({ cut: 'before' }), { index: '%{kind}' })
  const event = eventFrom({ kind: 'first' }, 'a')
  await expect(sink.write([event], NEVER)).rejects.toThrow('cannot be reached')
  event.remove({ text: 'kind', in_metadata: false, path: ['kind'] })
  await sink.write([event], NEVER)
  expect(stub.bulks[1]?.body).toEqual(stub.bulks[0]?.body)
  expect(stub.documents.get('first')?.size).toBe(1)
})

test('items are judged one by one: stored, rejected, parked and to be tried again in one answer', async () => {
  const errors = [
    undefined,
    { status: 400, type: 'document_parsing_exception', reason: 'failed to parse field [duration]' },
    { status: 403, type: 'cluster_block_exception', reason: 'index [logs] blocked by: [FORBIDDEN/8/index write (api)]' },
    {
      status: 429,
      type: 'cluster_block_exception',
      reason: 'index [logs] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded]',
    },
    { status: 503, type: 'unavailable_shards_exception', reason: 'primary shard is not active' },
    { status: 429, type: 'es_rejected_execution_exception', reason: 'rejected execution' },
  ]
  const { sink } = await setup(once({ item: (_item, position) => errors[position] }))
  const batch = events(6)
  const result = await sink.write(batch, NEVER)
  expect(result.overloaded).toBe(true)
  expect(result.outcomes).toMatchObject([
    { kind: 'stored' },
    { kind: 'reject', reason: 'document_parsing_exception: failed to parse field [duration]' },
    { kind: 'park', key: 'logs' },
    { kind: 'park', key: 'logs' },
    { kind: 'retry' },
    { kind: 'retry' },
  ])
  const again = await sink.write(batch.slice(2), NEVER)
  expect(again.outcomes.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'stored', 'stored'])
})

test('an item refused for lack of rights is tried again and a person is told', async () => {
  const { sink, context } = await setup(once({ item: () => ({ status: 403, type: 'security_exception', reason: 'not yours' }) }))
  expect((await sink.write(events(1), NEVER)).outcomes).toMatchObject([{ kind: 'retry' }])
  expect(context.lines.filter((line) => line.startsWith('error elasticsearch_unauthorized'))).toHaveLength(1)
})

test('an event without a usable index, id or action is rejected before sending, the others are stored', async () => {
  const { stub, sink } = await setup(undefined, { index: '%{index}', document_id: '%{id}', action: '%{action}' })
  const good = { index: 'logs', id: 'a', action: 'index' }
  const result = await sink.write(
    [
      eventFrom(good),
      eventFrom({ ...good, index: 'Logs' }),
      eventFrom({ ...good, id: 'x'.repeat(513) }),
      eventFrom({ ...good, action: 'remove' }),
      eventFrom({ id: 'a', action: 'index' }),
      eventFrom({ index: 'logs', action: 'index' }),
    ],
    NEVER,
  )
  expect(result.outcomes).toMatchObject([
    { kind: 'stored' },
    { kind: 'reject', reason: 'illegal index name "Logs": it must be lower case' },
    { kind: 'reject', reason: expect.stringContaining('the document id is longer than 512 bytes') },
    { kind: 'reject', reason: 'unsupported action "remove": expected create, index, update, delete' },
    { kind: 'reject', reason: 'unresolved index name: %{index}' },
    { kind: 'reject', reason: 'unresolved document id: %{id}' },
  ])
  expect(stub.bulks[0]?.items).toHaveLength(1)
})

test('a batch in which nothing can be sent makes no request', async () => {
  const { stub, sink } = await setup(undefined, { index: '%{index}' })
  expect((await sink.write(events(2), NEVER)).outcomes).toMatchObject([{ kind: 'reject' }, { kind: 'reject' }])
  expect(stub.bulks).toHaveLength(0)
})

test('413 halves the request within the attempt, and later bodies are smaller from the start', async () => {
  const limit_bytes = 400_000
  const { stub, sink } = await setup(({ body }) => (body.length > limit_bytes ? { status: 413 } : undefined))
  const batch = Array.from({ length: 30 }, (_, n) => eventFrom({ pad: 'x'.repeat(40_000) }, `a${n}`))
  const result = await sink.write(batch, NEVER)
  expect(result.tooLarge).toBe(true)
  expect(result.outcomes.every(({ kind }) => kind === 'stored')).toBe(true)
  expect(stub.documents.get('logs')?.size).toBe(30)
  const before = stub.bulks.length
  await sink.write(
    Array.from({ length: 30 }, (_, n) => eventFrom({ pad: 'x'.repeat(40_000) }, `b${n}`)),
    NEVER,
  )
  expect(stub.bulks.slice(before).every(({ body }) => body.length <= limit_bytes)).toBe(true)
  expect(stub.documents.get('logs')?.size).toBe(60)
})

test('a single document that is too large is rejected with its size, its neighbours are stored', async () => {
  const { sink } = await setup(({ body }) => (body.length > 5_000 ? { status: 413 } : undefined))
  const { outcomes } = await sink.write([...events(3), eventFrom({ pad: 'x'.repeat(10_000) }, 'big')], NEVER)
  expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'stored', 'reject'])
  expect(outcomes[3]).toMatchObject({ reason: expect.stringMatching(/status 413: the document of 10\d\d\d bytes/) })
})

test('a large body whose connection is cut is sent in smaller ones the next time', async () => {
  const { stub, sink } = await setup(({ body }) => (body.length > 1_000_000 ? { cut: 'before' } : undefined))
  const batch = Array.from({ length: 30 }, (_, n) => eventFrom({ pad: 'x'.repeat(60_000) }, `a${n}`))
  await expect(sink.write(batch, NEVER)).rejects.toThrow('cannot be reached')
  expect((await sink.write(batch, NEVER)).outcomes.every(({ kind }) => kind === 'stored')).toBe(true)
  expect(stub.documents.get('logs')?.size).toBe(30)
})

test('one document that spoils the whole request is found by halving and rejected alone', async () => {
  const spoil = ({ items }: StubBulk): StubBehaviour | undefined =>
    items.some(({ id }) => id === 'line-5')
      ? {
          status: 400,
          reply: '{"error":{"type":"illegal_argument_exception","reason":"Malformed action/metadata line"},"status":400}',
        }
      : undefined
  const { sink } = await setup(spoil)
  const { outcomes } = await sink.write(events(16), NEVER)
  expect(outcomes.filter(({ kind }) => kind === 'stored')).toHaveLength(15)
  expect(outcomes[5]).toMatchObject({ kind: 'reject', reason: expect.stringContaining('Malformed action') })
})

test('429 for the whole request slows down and keeps the time that the server asks for', async () => {
  const { sink } = await setup(once({ status: 429, headers: { 'retry-after': '7' } }))
  const result = await sink.write(events(2), NEVER)
  expect(result).toMatchObject({
    overloaded: true,
    outcomes: [
      { kind: 'retry', after_ms: 7000 },
      { kind: 'retry', after_ms: 7000 },
    ],
  })
})

for (const [status, code, kind] of [
  [401, 'OUTPUT_REFUSED', 'elasticsearch_unauthorized'],
  [403, 'OUTPUT_REFUSED', 'elasticsearch_unauthorized'],
  [404, 'OUTPUT_REFUSED', 'elasticsearch_refuses_requests'],
  [405, 'OUTPUT_REFUSED', 'elasticsearch_refuses_requests'],
  [408, 'OUTPUT_UNAVAILABLE', undefined],
  [500, 'OUTPUT_UNAVAILABLE', undefined],
  [502, 'OUTPUT_UNAVAILABLE', undefined],
  [503, 'OUTPUT_UNAVAILABLE', undefined],
] as const) {
  test(`${status} for the whole request: all may be tried again${kind === undefined ? '' : ', and a person is told what to do'}`, async () => {
    const { sink, context } = await setup(once({ status }))
    const batch = events(2)
    await expect(sink.write(batch, NEVER)).rejects.toMatchObject({ code })
    const errors = context.lines.filter((line) => line.startsWith('error '))
    expect(errors).toHaveLength(kind === undefined ? 0 : 1)
    if (kind !== undefined) expect(errors[0]).toContain(`${kind}: `)
    expect((await sink.write(batch, NEVER)).outcomes.map((outcome) => outcome.kind)).toEqual(['stored', 'stored'])
  })
}

test('400 from a proxy, without an error type, rejects no document', async () => {
  const { sink } = await setup(once({ status: 400, reply: '<html>Bad Request</html>' }))
  const batch = events(4)
  await expect(sink.write(batch, NEVER)).rejects.toMatchObject({ code: 'OUTPUT_REFUSED' })
  expect((await sink.write(batch, NEVER)).outcomes).toHaveLength(4)
})

for (const [what, reply] of [
  ['is not JSON', '<html>ok</html>'],
  ['is empty', ''],
  ['has fewer items than documents', '{"errors":true,"items":[{"create":{"status":201}}]}'],
  ['has an item without a status', '{"errors":true,"items":[{"create":{"status":201}},{"create":{}}]}'],
  ['is null', 'null'],
] as const) {
  test(`an answer that ${what} decides nothing: all are tried again and count as stored once`, async () => {
    const { sink } = await setup(once({ reply }))
    const batch = events(2)
    await expect(sink.write(batch, NEVER)).rejects.toMatchObject({ code: 'OUTPUT_REPLY_INVALID' })
    expect((await sink.write(batch, NEVER)).outcomes).toEqual([{ kind: 'stored' }, { kind: 'stored' }])
  })
}

test('an answer that is cut short decides nothing', async () => {
  const { sink } = await setup(once({ cut: 'in_answer' }))
  const batch = events(200)
  await expect(sink.write(batch, NEVER)).rejects.toMatchObject({ code: 'OUTPUT_UNREACHABLE' })
  expect((await sink.write(batch, NEVER)).outcomes.every(({ kind }) => kind === 'stored')).toBe(true)
})

test('an answer of several megabytes is read whole', async () => {
  const reason = 'r'.repeat(3_000)
  const { sink } = await setup(
    once({ item: (_item, n) => (n % 2 === 0 ? { status: 400, type: 'document_parsing_exception', reason } : undefined) }),
  )
  const { outcomes } = await sink.write(events(2_000), NEVER)
  expect(outcomes.filter(({ kind }) => kind === 'reject')).toHaveLength(1_000)
  expect(outcomes.every((outcome) => outcome.kind !== 'reject' || outcome.reason.length <= 300)).toBe(true)
})

test('no answer within the timeout: all may be tried again', async () => {
  const gate = Promise.withResolvers<void>()
  const { sink } = await setup(once({ until: gate.promise }), { timeout: 0.1 })
  const batch = events(1)
  await expect(sink.write(batch, NEVER)).rejects.toMatchObject({ code: 'OUTPUT_TIMEOUT' })
  gate.resolve()
  expect((await sink.write(batch, NEVER)).outcomes).toEqual([{ kind: 'stored' }])
})

test('an abort ends a write that waits for its answer', async () => {
  const gate = Promise.withResolvers<void>()
  const arrived = Promise.withResolvers<void>()
  const { sink } = await setup(() => {
    arrived.resolve()
    return { until: gate.promise }
  })
  const stop = new AbortController()
  const writing = sink.write(events(1), stop.signal)
  await arrived.promise
  stop.abort(new Error('enough'))
  await expect(writing).rejects.toThrow('enough')
  gate.resolve()
})

test('when a later part of a cut body fails, what the earlier part stored stays decided', async () => {
  const { sink } = await setup(({ number, body }) =>
    body.length > 100_000 ? { status: 413 } : number > 2 ? { status: 503 } : undefined,
  )
  const batch = Array.from({ length: 4 }, (_, n) => eventFrom({ pad: 'x'.repeat(40_000) }, `a${n}`))
  const { outcomes } = await sink.write(batch, NEVER)
  expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'retry', 'retry'])
})

test('two nodes are used in turn, and a dead one does not hold things up', async () => {
  const dead = await startStubElasticsearch()
  await dead.close()
  const living = await startStubElasticsearch()
  closing.push(() => living.close())
  const sink = createElasticsearchSink({ hosts: [dead.url, living.url], index: 'logs' })
  await sink.open(NEVER)
  closing.push(() => sink.close())
  let failures = 0
  for (let n = 0; n < 10; n++) {
    await sink.write([eventFrom({ n }, `line-${n}`)], NEVER).catch(() => failures++)
  }
  expect(failures).toBeLessThanOrEqual(2)
  expect(living.bulks.length).toBeGreaterThanOrEqual(8)
})

test('bodies are compressed when asked for', async () => {
  const { stub, sink } = await setup(undefined, { compression_level: 6 })
  await sink.write(events(100), NEVER)
  expect(stub.bulks[0]?.headers['content-encoding']).toBe('gzip')
  expect(Number(stub.bulks[0]?.headers['content-length'])).toBeLessThan((stub.bulks[0]?.body.length ?? 0) / 3)
  expect(stub.documents.get('logs')?.size).toBe(100)
})

test('requests, bytes and items are counted', async () => {
  const { stub, sink, context } = await setup(once({ item: (_item, n) => (n === 0 ? { status: 400, type: 'x' } : undefined) }))
  await sink.write(events(3), NEVER)
  await sink.write([eventFrom({}, 'another')], NEVER)
  const value = (name: string, labels: { [name: string]: string }) =>
    context.metrics.counter(`millrace_elasticsearch_${name}`, '', { output: 'test', ...labels }).value
  expect(value('items_total', { outcome: 'stored' })).toBe(3)
  expect(value('items_total', { outcome: 'reject' })).toBe(1)
  expect(value('bulk_requests_total', { status: '200' })).toBe(2)
  expect(value('bulk_requests_with_errors_total', {})).toBe(1)
  expect(value('bulk_bytes_total', {})).toBe(stub.bulks.reduce((bytes, { body }) => bytes + body.length, 0))
})

test('whatever goes wrong on the way, every document is stored once or rejected, and never taken for a stranger', async () => {
  const faults: readonly (StubBehaviour | undefined)[] = [
    { cut: 'before' },
    { item: (item, n) => (n % 3 === 0 ? { status: 429, type: 'es_rejected_execution_exception' } : refuse(item)) },
    { cut: 'after', item: refuse },
    { status: 503 },
    { cut: 'in_answer', item: refuse },
    { status: 429 },
    { status: 413 },
    { item: (item, n) => (n % 5 === 0 ? { status: 503, type: 'unavailable_shards_exception' } : refuse(item)) },
    { reply: '{"errors":true}', item: refuse },
  ]
  function refuse({ id }: { readonly id: string | undefined }) {
    return id?.endsWith('7') === true ? { status: 400, type: 'document_parsing_exception' } : undefined
  }
  const { stub, sink } = await setup(({ number }) => faults[number % 13] ?? { item: refuse })
  const counts = { stored: 0, already_there: 0, reject: 0 }
  let pending = events(2_000)
  for (let round = 0; pending.length > 0; round++) {
    expect(round).toBeLessThan(1_000)
    const batch = pending.splice(0, 300)
    const outcomes = await sink.write(batch, NEVER).then(
      (result) => result.outcomes,
      () => undefined,
    )
    const again = batch.filter((_event, position) => {
      const kind = outcomes?.[position]?.kind ?? 'retry'
      if (kind !== 'stored' && kind !== 'already_there' && kind !== 'reject') return true
      counts[kind]++
      return false
    })
    pending = [...again, ...pending]
  }
  expect(counts).toEqual({ stored: 1_800, already_there: 0, reject: 200 })
  expect(stub.documents.get('logs')?.size).toBe(1_800)
})
