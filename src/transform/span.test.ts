import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { buildFilter } from '../../test/helpers/run-filter.ts'
import type { EventState } from '../core/event.ts'
import type { Span, Spans } from '../core/span.ts'
import type { Fields } from '../core/values.ts'
import { span } from './span.ts'

type Options = { readonly [name: string]: unknown }

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const CALL = { trace_id: TRACE, span_id: SPAN, duration: 12.5, '@timestamp': '2026-01-02T03:04:05.678Z' }

class Kept implements Spans {
  readonly spans: Span[] = []
  isSampled = true
  samples = (): boolean => this.isSampled
  record = (made: Span): void => {
    this.spans.push(made)
  }
}

async function spansOf(options: Options, documents: (Fields | string)[], state: EventState = 'stored'): Promise<Span[]> {
  const kept = new Kept()
  const filter = await buildFilter(span, options, testContext({ spans: kept }))
  for (const document of documents) filter(document).event.settle(state)
  return kept.spans
}

async function spanOf(options: Options, document: Fields | string): Promise<Span> {
  const [made] = await spansOf(options, [document])
  if (made === undefined) throw new Error('no span was made')
  return made
}

test('a call becomes a span that ended when it was logged, without a touch on the event', async () => {
  const document = { ...CALL, parent_span_id: 'b7ad6b7169203331', action: 'place_order', service: 'exchange-api' }
  expect(await spanOf({}, document)).toEqual({
    trace_id: TRACE,
    span_id: SPAN,
    parent_id: 'b7ad6b7169203331',
    service: 'exchange-api',
    name: 'place_order',
    kind: 'internal',
    start_ns: 1_767_323_045_665_500_000n,
    end_ns: 1_767_323_045_678_000_000n,
    status: 'unset',
    message: undefined,
    attributes: {},
  })
  const filter = await buildFilter(span, {}, testContext({ spans: new Kept() }))
  expect(JSON.parse(filter(document).event.toJsonText())).toEqual({ ...document, '@version': '1' })
})

test.each([
  ['s', 2, 2_000_000_000n],
  ['ms', '1.5', 1_500_000n],
  ['us', 3, 3_000n],
  ['ns', 0, 0n],
])('%s', async (unit, duration, expected) => {
  const { start_ns, end_ns } = await spanOf({ unit, timestamp_is: 'start' }, { ...CALL, duration })
  expect(start_ns).toBe(1_767_323_045_678_000_000n)
  expect(end_ns - start_ns).toBe(expected)
})

test.each([
  ['hex digits in capitals', TRACE.toUpperCase(), TRACE],
  ['64 bits, as Zipkin has them', '463ac35c9f6413ad', '0000000000000000463ac35c9f6413ad'],
  ['a UUID', '4bf92f35-77b3-4da6-a3ce-929d0e0e4736', TRACE],
  ['a traceparent', `00-${TRACE}-${SPAN}-01`, TRACE],
  ['a text of their own', 'request 8812', '868948e5420595a3abae6fbc790da932'],
])('trace ids that are %s', async (_what, trace_id, expected) => {
  expect((await spanOf({}, { ...CALL, trace_id })).trace_id).toBe(expected)
})

test('long numbers are ids with all their digits, a traceparent names the span too, and a span id is made where there is none', async () => {
  const long = '{"trace_id":12345678901234567890,"span_id":1,"duration":1}'
  expect(await spanOf({}, long)).toMatchObject({ trace_id: '00000000000012345678901234567890', span_id: '0000000000000001' })
  const traceparent = { ...CALL, trace_id: `00-${TRACE}-${SPAN}-01` }
  expect(await spanOf({ span_id: 'trace_id' }, traceparent)).toMatchObject({ span_id: SPAN })
  const [one, other] = await spansOf({}, [
    { trace_id: TRACE, duration: 1 },
    { trace_id: TRACE, duration: 1, span_id: '0000' },
  ])
  expect(one?.span_id).toMatch(/^[0-9a-f]{16}$/)
  expect(other?.span_id).not.toBe(one?.span_id)
})

test.each([
  [{ status: 200 }, 'internal', 'unset'],
  [{ status: 404 }, 'server', 'unset'],
  [{ status: 404 }, 'SPAN_KIND_CLIENT', 'error'],
  [{ status: '503' }, 'server', 'error'],
  [{ status: 200, level: 'ERROR' }, 'server', 'error'],
  [{ status: 'ok', level: 'error' }, 'server', 'ok'],
  [{ status: 'Failed' }, 'server', 'error'],
  [{ level: 'info' }, 'bogus', 'unset'],
])('%j of kind %s is %s', async (fields, kind, status) => {
  expect((await spanOf({ kind }, { ...CALL, ...fields })).status).toBe(status)
})

test('kind, name and service come from fields, and where those are missing something says so', async () => {
  const options = { kind: '%{kind}', name: '%{method} %{path}', service: '%{[service][name]}' }
  const fields = { kind: 'Server', method: 'GET', path: '/a', service: { name: 'api' } }
  expect(await spanOf(options, { ...CALL, ...fields })).toMatchObject({ kind: 'server', name: 'GET /a', service: 'api' })
  expect(await spanOf(options, CALL)).toMatchObject({ kind: 'internal', name: 'unknown', service: 'unknown_service' })
})

test('an error brings its message, and attributes come with their types and all their digits', async () => {
  const document =
    '{"trace_id":"a1","duration":1,"level":"error","msg":"balance too low","user_id":7,"order_id":12345678901234567890,' +
    '"price":0.50,"far":1e999,"taker":true,"book":{"symbol":"BTC-USDT"},"none":null,"sides":["buy",1]}'
  const attributes = ['user_id', 'order_id', 'price', 'far', 'taker', '[book][symbol]', 'none', 'missing', 'sides']
  expect(await spanOf({ attributes }, document)).toMatchObject({
    status: 'error',
    message: 'balance too low',
    attributes: {
      user_id: 7,
      order_id: '12345678901234567890',
      price: 0.5,
      far: '1e999',
      taker: true,
      'book.symbol': 'BTC-USDT',
      sides: '["buy",1]',
    },
  })
  expect(Object.keys((await spanOf({ attributes }, document)).attributes)).not.toContain('none')
})

test('what is no call becomes no span, is counted, gets no tag and goes on', async () => {
  const context = testContext({ spans: new Kept() })
  const filter = await buildFilter(span, { add_tag: ['call'] }, context)
  const odd: Fields[] = [
    { duration: 1 },
    { trace_id: '', duration: 1 },
    { trace_id: '0000', duration: 1 },
    { trace_id: ['a'], duration: 1 },
    { trace_id: 'x'.repeat(1_000), duration: 1 },
    { trace_id: 'a' },
    { trace_id: 'a', duration: 'long' },
    { trace_id: 'a', duration: -1 },
    { trace_id: 'a', duration: 1e300 },
    { trace_id: 'a', duration: 1, '@timestamp': '9999-01-01T00:00:00Z' },
    { trace_id: 'a', duration: 1, '@timestamp': '1969-12-31T00:00:00Z' },
    { trace_id: 'a', duration: 1, '@timestamp': '1970-01-01T00:00:00Z' },
  ]
  for (const document of odd) {
    const { event, out } = filter(document)
    event.settle('stored')
    expect(out).toHaveLength(1)
    expect(JSON.parse(event.toJsonText())).not.toHaveProperty('tags')
  }
  const text = await context.metrics.text()
  expect(text).toContain('millrace_span_events_skipped_total{reason="no_trace_id"} 5')
  expect(text).toContain('millrace_span_events_skipped_total{reason="no_duration"} 4')
  expect(text).toContain('millrace_span_events_skipped_total{reason="time_out_of_range"} 3')
})

test('a span leaves once, when its event has its end, and not for one that was stored before', async () => {
  const kept = new Kept()
  const { event } = (await buildFilter(span, {}, testContext({ spans: kept })))(CALL)
  expect(kept.spans).toEqual([])
  event.settle('stored')
  event.settle('stored')
  expect(kept.spans).toHaveLength(1)
  expect(await spansOf({}, [CALL], 'already_there')).toEqual([])
  expect(await spansOf({}, [CALL], 'dead_lettered')).toHaveLength(1)
})

test('the event becomes the same whether its trace is kept, is not, or nobody wants spans', async () => {
  const unsampled = new Kept()
  unsampled.isSampled = false
  for (const spans of [new Kept(), unsampled, undefined]) {
    const filter = await buildFilter(span, { add_tag: ['call'] }, testContext({ spans }))
    const { event } = filter(CALL)
    event.settle('stored')
    expect(JSON.parse(event.toJsonText())).toMatchObject({ tags: ['call'] })
  }
  expect(unsampled.spans).toEqual([])
})
