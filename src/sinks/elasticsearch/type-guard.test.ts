import { afterEach, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { createElasticsearchSink, eventFrom, NEVER } from '../../../test/helpers/elasticsearch-sink.ts'
import { type StubElasticsearch, type StubSettings, startStubElasticsearch } from '../../../test/helpers/stub-elasticsearch.ts'
import type { Sink } from '../../core/contracts.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Document {
  readonly [name: string]: unknown
}
type Refuse = (document: Document) => string | undefined

interface Setup {
  readonly stub: StubElasticsearch
  readonly sink: Sink
  readonly context: ReturnType<typeof testContext>
  /** Documents that are stored, by id. */
  readonly stored: (id: string) => Document | undefined
  /** How many documents each bulk request brought. */
  readonly sizes: () => number[]
  readonly setAside: (reason: string) => number
}

/** Elasticsearch whose index refuses documents for the reason that `refuse` gives, and knows fields of `properties`. */
async function setup(refuse: Refuse, options: object = {}, properties?: object): Promise<Setup> {
  const onRequest: StubSettings['onRequest'] = ({ url }) =>
    url.startsWith('/logs/_mapping')
      ? properties === undefined
        ? { status: 403, json: {} }
        : { status: 200, json: { logs: { mappings: { properties } } } }
      : undefined
  const stub = await startStubElasticsearch({
    onRequest,
    onBulk: () => ({
      item: ({ source, operation }) => {
        const document = JSON.parse(source) as { doc?: Document }
        const reason = refuse(operation === 'update' ? (document.doc ?? {}) : document)
        return reason === undefined ? undefined : { status: 400, type: 'document_parsing_exception', reason }
      },
    }),
  })
  closing.push(() => stub.close())
  const context = testContext()
  const sink = createElasticsearchSink({ hosts: [stub.url], index: 'logs', ...options }, context)
  await sink.open(NEVER)
  closing.push(() => sink.close())
  return {
    stub,
    sink,
    context,
    stored: (id) => {
      const text = stub.documents.get('logs')?.get(id)
      return text === undefined ? undefined : (JSON.parse(text) as Document)
    },
    sizes: () => stub.bulks.map(({ items }) => items.length),
    setAside: (reason) =>
      context.metrics.counter('millrace_elasticsearch_fields_set_aside_total', '', { output: 'test', reason }).value,
  }
}

const kinds = async (sink: Sink, events: Parameters<Sink['write']>[0]): Promise<string[]> =>
  (await sink.write(events, NEVER)).outcomes.map(({ kind }) => kind)

/** `duration` is a number there. */
const noText: Refuse = ({ duration }) =>
  typeof duration === 'string' && Number.isNaN(Number(duration))
    ? `[1:3] failed to parse field [duration] of type [double] in document with id 'x'. Preview of field's value: '${duration}'`
    : undefined

const FLATTENED = { duration: { type: 'double' }, _ignored_fields: { type: 'flattened' } }

test('a refused field is set aside as text, with a tag, and the document is stored under the same id', async () => {
  const { stub, sink, stored, sizes, setAside, context } = await setup(noText, {}, FLATTENED)
  const events = [
    eventFrom('{"duration":12,"order_id":12345678901234567890}', 'a'),
    eventFrom('{"duration":"a while","order_id":12345678901234567890}', 'b'),
  ]
  expect(await kinds(sink, events)).toEqual(['stored', 'stored'])
  expect(stored('a')).toMatchObject({ duration: 12 })
  expect(stored('b')).toMatchObject({ _ignored_fields: { duration: 'a while' }, tags: ['_ignored_mapping_conflict'] })
  expect(stored('b')).not.toHaveProperty('duration')
  expect(stub.bulks[1]?.body.toString()).toContain('"order_id":12345678901234567890')
  expect(stub.bulks[1]?.items[0]).toMatchObject({ operation: 'create', id: 'b', index: 'logs' })
  expect(sizes()).toEqual([2, 1])
  expect(setAside('mapping_conflict')).toBe(1)
  expect(context.lines.filter((line) => line.includes('elasticsearch_field_set_aside'))).toHaveLength(1)
})

test('what is refused for certain is not tried twice, and what fits stays where it is', async () => {
  const { sink, stored, sizes } = await setup(noText, {}, FLATTENED)
  await kinds(sink, [eventFrom({ duration: 'a while' }, 'a')])
  expect(await kinds(sink, [eventFrom({ duration: 'ages' }, 'b'), eventFrom({ duration: '7' }, 'c')])).toEqual([
    'stored',
    'stored',
  ])
  expect(sizes()).toEqual([1, 1, 2])
  expect(stored('b')).toMatchObject({ _ignored_fields: { duration: 'ages' } })
  expect(stored('c')).toMatchObject({ duration: '7' })
})

test('prepared events are fitted too, and keep their fields for the dead letters', async () => {
  const { sink, sizes } = await setup(noText, {}, FLATTENED)
  await kinds(sink, [eventFrom({ duration: 'a while' }, 'a')])
  const [fits, does_not] = [eventFrom({ duration: 1 }, 'b'), eventFrom({ duration: 'ages' }, 'c')]
  expect([sink.prepare?.(fits), sink.prepare?.(does_not)]).toEqual([true, false])
  expect(await kinds(sink, [fits, does_not])).toEqual(['stored', 'stored'])
  expect(sizes()).toEqual([1, 1, 2])
})

test('where the mapping cannot be read or has no such field it is one list of texts', async () => {
  for (const properties of [undefined, { duration: { type: 'double' } }]) {
    const { sink, stored } = await setup(noText, {}, properties)
    await kinds(sink, [eventFrom({ duration: 'a while' }, 'a')])
    expect(stored('a')).toMatchObject({ _ignored_fields: ['duration=a while'] })
  }
})

test('several refused fields of one document are set aside one after the other', async () => {
  const refuse: Refuse = (document) => {
    const bad = Object.keys(document).find((name) => name.startsWith('bad'))
    return bad === undefined ? undefined : `object mapping for [${bad}] tried to parse field [${bad}] as object, but found`
  }
  const bad = { bad1: 1, bad2: 2, bad3: 3 }
  const { sink, stored, sizes } = await setup(refuse)
  expect(await kinds(sink, [eventFrom({ ...bad, good: 1 }, 'a')])).toEqual(['stored'])
  expect(stored('a')).toMatchObject({ good: 1, _ignored_fields: ['bad1=1', 'bad2=2', 'bad3=3'] })
  expect(await kinds(sink, [eventFrom(bad, 'b')])).toEqual(['stored'])
  expect(sizes()).toEqual([1, 1, 1, 1, 1])
})

test('a document that is refused for ever more fields goes to the dead letters as it was', async () => {
  const refuse: Refuse = (document) => {
    const bad = Object.keys(document).find((name) => name.startsWith('bad'))
    return bad === undefined ? undefined : `failed to parse field [${bad}] of type [date] in document`
  }
  const { sink, stored } = await setup(refuse)
  const event = eventFrom(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`bad${n}`, 'x'])), 'a')
  const { outcomes } = await sink.write([event, eventFrom({}, 'b')], NEVER)
  expect(outcomes).toMatchObject([
    { kind: 'reject', reason: 'document_parsing_exception: failed to parse field [bad0] of type [date] in document' },
    { kind: 'stored' },
  ])
  expect(stored('a')).toBeUndefined()
})

test.each([
  ['names no field', 'something else is wrong'],
  ['names a field that the document does not have', 'failed to parse field [other] of type [date] in document'],
  ['is about the time of the event', 'failed to parse field [@timestamp] of type [date] in document'],
  ['is about the field for what was set aside', 'failed to parse field [_ignored_fields] of type [date] in document'],
])('a refusal that %s sends the document to the dead letters', async (_what, reason) => {
  const { sink, sizes } = await setup(() => reason)
  const event = eventFrom({ a: 1 }, 'a')
  expect(sink.prepare?.(event)).toBe(true)
  event.letFieldsGo()
  const { outcomes } = await sink.write([event], NEVER)
  expect(outcomes).toMatchObject([{ kind: 'reject', reason: `document_parsing_exception: ${reason}` }])
  expect(outcomes[0]).toHaveProperty('document', expect.stringContaining('"a":1'))
  expect(sizes()).toEqual([1])
})

test('on_mapping_conflict dead_letter, a code of the user and an update change no document', async () => {
  for (const [options, kind] of [
    [{ on_mapping_conflict: 'dead_letter' }, 'reject'],
    [{ dlq_custom_codes: [400] }, 'reject'],
    [{ drop_error_types: ['document_parsing_exception'] }, 'drop'],
    [{ action: 'update', document_id: 'a' }, 'reject'],
  ] as const) {
    const { sink, sizes } = await setup(noText, options)
    expect(await kinds(sink, [eventFrom({ duration: 'a while' }, 'a')])).toEqual([kind])
    expect(sizes()).toEqual([1])
  }
})

test('a full index gets what it knows; the rest is set aside at once from then on', async () => {
  const known = { a: { type: 'long' }, '@timestamp': {}, '@version': {}, tags: {}, _ignored_fields: { type: 'flattened' } }
  const refuse: Refuse = (document) =>
    Object.keys(document).every((name) => name in known)
      ? undefined
      : '[1:9] failed to parse: Limit of total fields [5] has been exceeded while adding new fields [1]'
  const { sink, stored, sizes, setAside } = await setup(refuse, {}, known)
  expect(await kinds(sink, [eventFrom({ a: 1, b: 2, c: { d: 'x' } }, 'a'), eventFrom({ e: 1 }, 'b')])).toEqual([
    'stored',
    'stored',
  ])
  expect(stored('a')).toMatchObject({ a: 1, _ignored_fields: { b: '2', c: '{"d":"x"}' }, tags: ['_ignored_field_limit'] })
  expect(await kinds(sink, [eventFrom({ f: 1 }, 'c')])).toEqual(['stored'])
  expect(sizes()).toEqual([2, 2, 1])
  expect(setAside('field_limit')).toBe(4)
})

test('a full index whose mapping cannot be read, or has no field for it, sends the document to the dead letters', async () => {
  for (const properties of [undefined, { a: { type: 'long' } }]) {
    const { sink } = await setup(() => 'Limit of total fields [5] has been exceeded', {}, properties)
    expect(await kinds(sink, [eventFrom({ b: 1 }, 'a')])).toEqual(['reject'])
  }
})

test('a connection that breaks in the second try: what is tried again is the document without the field', async () => {
  const { stub, sink, stored } = await setup(noText, {}, FLATTENED)
  const whole = stub.onBulk
  stub.onBulk = (bulk) => (bulk.number === 2 ? { cut: 'after' } : whole?.(bulk))
  const event = eventFrom({ duration: 'a while' }, 'a')
  expect(await kinds(sink, [event, eventFrom({}, 'b')])).toEqual(['retry', 'stored'])
  expect(await kinds(sink, [event])).toEqual(['stored'])
  expect(stored('a')).toMatchObject({ _ignored_fields: { duration: 'a while' } })
})

test('beyond new_fields_max new fields are set aside before they are sent', async () => {
  const { sink, stored, sizes, setAside } = await setup(() => undefined, { new_fields_max: 5 })
  await kinds(sink, [eventFrom({ a: 1, b: { c: 2 } }, 'a')])
  expect(stored('a')).toMatchObject({ a: 1, b: { c: 2 } })
  await kinds(sink, [eventFrom({ a: 3, b: { c: 4, d: 5 }, e: 6 }, 'b')])
  expect(stored('b')).toMatchObject({ a: 3, b: { c: 4 }, _ignored_fields: ['b.d=5', 'e=6'], tags: ['_ignored_field_budget'] })
  expect(sizes()).toEqual([1, 1])
  expect(setAside('field_budget')).toBe(2)
})

test('an event too far from now makes no index', async () => {
  const { stub, sink } = await setup(() => undefined, { index: 'logs-%{+yyyy}', index_date_window: '7d' })
  const day_ms = 24 * 3_600_000
  const at = (days: number) => eventFrom({ '@timestamp': new Date(testContext().clock.now() + days * day_ms).toISOString() })
  const { outcomes } = await sink.write(
    [at(0), at(-6), at(6), at(-8), at(8), eventFrom({ '@timestamp': '2099-01-01T00:00:00Z' })],
    NEVER,
  )
  expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'stored', 'reject', 'reject', 'reject'])
  expect(outcomes[5]).toMatchObject({ reason: 'its @timestamp 2099-01-01T00:00:00.000Z is outside of index_date_window' })
  expect([...stub.documents.keys()]).not.toContain('logs-2099')
})
