import { afterEach, expect, test, vi } from 'vitest'
import { createElasticsearchSink, eventFrom, NEVER } from '../../../test/helpers/elasticsearch-sink.ts'
import { type StubBehaviour, type StubBulk, startStubElasticsearch } from '../../../test/helpers/stub-elasticsearch.ts'
import type { Sink } from '../../core/contracts.ts'
import type { Event } from '../../core/event.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function setup(onBulk: (bulk: StubBulk) => StubBehaviour | undefined = () => undefined) {
  const stub = await startStubElasticsearch({ onBulk })
  closing.push(() => stub.close())
  const sink = createElasticsearchSink({ hosts: [stub.url], index: 'logs-%{to}' })
  await sink.open(NEVER)
  closing.push(() => sink.close())
  return { stub, sink }
}

/** As the runtime does it: what the output has taken of an event is not kept with the event. */
function prepared(sink: Sink, fields: { [name: string]: string } | string, line: string): Event {
  const event = eventFrom(fields, line)
  if (sink.prepare?.(event) === true) event.letFieldsGo()
  return event
}

test('what is prepared reaches the wire as it would have without, in any order and number', async () => {
  const { stub, sink } = await setup()
  const texts = ['"order_id":12345678901234567890,"price":1.0', '"msg":"ünïcödé 漢字 🎉"', `"msg":"${'漢'.repeat(400_000)}"`]
  const many = Array.from({ length: 3_000 }, (_, n) => `"n":${n},"filler":"${'x'.repeat(1_000)}"`)
  for (const [round, documents] of [texts, many, many].entries()) {
    const lines = documents.map((_, n) => `${round}-${n}`)
    const events = documents.map((text, n) => prepared(sink, `{"to":"a",${text}}`, lines[n] ?? ''))
    expect(() => events[0]?.toJsonText()).toThrow('let go')
    const direct = documents.map((text, n) => eventFrom(`{"to":"a",${text}}`, lines[n]).toJsonText())
    // Not in the order they were prepared in: the runtime decides.
    const result = await sink.write(events.toReversed(), NEVER)
    expect(result.outcomes.every(({ kind }) => kind === 'stored')).toBe(true)
    for (const [n, line] of lines.entries()) expect(stub.documents.get('logs-a')?.get(line)).toBe(direct[n])
  }
})

test('so much that memory is given back meanwhile: each item is its own', async () => {
  const { stub, sink } = await setup()
  // The second request uses the buffer of the first one again.
  for (const round of [1, 2]) {
    const events = Array.from({ length: 10_000 }, (_, n) =>
      prepared(sink, { to: 'a', filler: 'x'.repeat(1_000) }, `${round}-${n}`),
    )
    const { outcomes } = await sink.write(events, NEVER)
    expect(outcomes.filter(({ kind }) => kind !== 'stored')).toEqual([])
    expect(stub.documents.get('logs-a')?.size).toBe(round * 10_000)
  }
})

test.each([20_000, 100_000, 300_000])('items of %d characters take about the memory that they have', async (length) => {
  const { stub, sink } = await setup()
  const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow')
  const count = 24_000_000 / length
  const events = Array.from({ length: count }, (_, n) =>
    prepared(sink, { to: 'a', n: `${n}`, filler: 'x'.repeat(length) }, `${n}`),
  )
  const bytes = allocate.mock.calls.map(([size]) => size)
  allocate.mockRestore()
  const kept_bytes = bytes.filter((size) => size <= 1024 * 1024).reduce((sum, size) => sum + size, 0)
  expect(kept_bytes).toBeLessThan(24_000_000 * 1.5)
  // What an item needs that does not fit into its block is more, but not for each one.
  if (length < 128 * 1024) expect(bytes.length).toBeLessThan(count / 2)
  for (let at = 0; at < count; at += 50) {
    const { outcomes } = await sink.write(events.slice(at, at + 50), NEVER)
    expect(outcomes.filter(({ kind }) => kind !== 'stored')).toEqual([])
  }
  for (let n = 0; n < count; n++) expect(stub.documents.get('logs-a')?.get(`${n}`)).toContain(`"n":"${n}"`)
})

test('what could not be put together for lack of memory is whole at the next attempt', async () => {
  const { stub, sink } = await setup()
  const documents = Array.from({ length: 3_000 }, (_, n) => ({ to: 'a', n: `${n}`, filler: 'x'.repeat(1_000) }))
  const events = documents.map((document, n) => prepared(sink, document, `${n}`))
  const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation((size) => {
    if (size > 1024 * 1024) throw new RangeError('Array buffer allocation failed')
    return Buffer.alloc(size)
  })
  await expect(sink.write(events, NEVER)).rejects.toThrow('allocation failed')
  allocate.mockRestore()
  // Others come and go in between.
  const others = Array.from({ length: 3_000 }, (_, n) => prepared(sink, { to: 'y', filler: 'y'.repeat(1_000) }, `other ${n}`))
  await sink.write(others, NEVER)
  const { outcomes } = await sink.write(events, NEVER)
  expect(outcomes.filter(({ kind }) => kind !== 'stored')).toEqual([])
  for (const [n, document] of documents.entries()) {
    expect(stub.documents.get('logs-a')?.get(`${n}`)).toBe(eventFrom(document, `${n}`).toJsonText())
  }
})

test('two outputs that prepare the same events keep what is theirs, whichever of them is ready first', async () => {
  const busyAtFirst = (bulk: StubBulk): StubBehaviour | undefined => (bulk.number === 1 ? { item: () => BUSY } : undefined)
  const [one, other] = [await setup(busyAtFirst), await setup(busyAtFirst)]
  const kind = (sink: Sink, events: Event[]) =>
    sink.write(events, NEVER).then(({ outcomes }) => outcomes.map((outcome) => outcome.kind))
  const events = ['a', 'b', 'c'].map((line) => eventFrom({ to: 'x', line }, line))
  const texts = events.map((event) => event.toJsonText())
  for (const event of events) expect([one.sink.prepare?.(event), other.sink.prepare?.(event)]).toEqual([true, true])
  for (const event of events) event.letFieldsGo()
  expect(await kind(one.sink, events)).toEqual(['retry', 'retry', 'retry'])
  expect(await kind(other.sink, events)).toEqual(['retry', 'retry', 'retry'])
  other.sink.saved?.forget(events[2] as Event)
  expect(one.sink.saved?.save(events[2] as Event)).toBeDefined()
  expect(other.sink.saved?.save(events[2] as Event)).toBeUndefined()
  expect(await kind(other.sink, events.slice(0, 1))).toEqual(['stored'])
  expect(await kind(one.sink, events)).toEqual(['stored', 'stored', 'stored'])
  expect(await kind(other.sink, events.slice(1, 2))).toEqual(['stored'])
  const stored = ({ stub }: typeof one) => ['a', 'b', 'c'].map((id) => stub.documents.get('logs-x')?.get(id))
  expect([stored(one), stored(other)]).toEqual([texts, [...texts.slice(0, 2), undefined]])
})

test('what is tried again has the bytes of the first attempt, and one that may be stored is no conflict', async () => {
  const { stub, sink } = await setup(({ number }) =>
    number === 1 ? { cut: 'after' } : number === 2 ? { item: (item) => (item.id === 'b' ? BUSY : undefined) } : undefined,
  )
  const events = ['a', 'b'].map((line) => prepared(sink, { to: 'x', line }, line))
  await expect(sink.write(events, NEVER)).rejects.toThrow('cannot be reached')
  // Others come and go in between and use the memory again.
  const others = Array.from({ length: 100 }, (_, n) => prepared(sink, { to: 'y', filler: 'y'.repeat(2_000) }, `other ${n}`))
  expect((await sink.write([...events, ...others], NEVER)).outcomes.slice(0, 2)).toMatchObject([
    { kind: 'stored' },
    { kind: 'retry' },
  ])
  expect((await sink.write(events.slice(1), NEVER)).outcomes).toEqual([{ kind: 'stored' }])
  expect(stub.bulks.map(({ items }) => items.find(({ id }) => id === 'b')?.source)).toEqual(
    Array.from({ length: 3 }, () => eventFrom({ to: 'x', line: 'b' }).toJsonText()),
  )
})

const BUSY = { status: 429, type: 'es_rejected_execution_exception' }

test('a rejection comes with the document, for its event has let it go', async () => {
  const { sink } = await setup(() => ({ item: (item) => (item.id === 'bad' ? { status: 400, type: 'mapping' } : undefined) }))
  const text = '{"to":"a","big":12345678901234567890}'
  const { outcomes } = await sink.write([prepared(sink, { to: 'a' }, 'good'), prepared(sink, text, 'bad')], NEVER)
  expect(outcomes).toMatchObject([{ kind: 'stored' }, { kind: 'reject', document: eventFrom(text).toJsonText() }])
})

test.each(['update', 'delete'])('an event of which only an %s is sent keeps its fields', async (action) => {
  const sink = createElasticsearchSink({ index: 'logs', document_id: '%{to}', action })
  expect(sink.prepare?.(eventFrom({ to: 'a' }))).toBe(false)
})

test('an event that has no index keeps its fields, and is rejected when it is written', async () => {
  const { sink } = await setup()
  const event = prepared(sink, { other: 'b' }, 'a')
  expect(JSON.parse(event.toJsonText())).toMatchObject({ other: 'b' })
  expect((await sink.write([event], NEVER)).outcomes).toMatchObject([
    { kind: 'reject', reason: expect.stringContaining('unresolved') },
  ])
})
