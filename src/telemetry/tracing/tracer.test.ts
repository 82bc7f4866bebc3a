import { assert, property, stringMatching } from 'fast-check'
import { expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { type OtlpReceiver, startOtlpReceiver } from '../../../test/helpers/otlp-receiver.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import type { Span } from '../../core/span.ts'
import { createOtlpExporter } from './otlp-exporter.ts'
import { type SpanExporter, Tracer } from './tracer.ts'

const hex = (number: number, digits: number): string => number.toString(16).padStart(digits, '0')

function spanNumber(number: number, more: Partial<Span> = {}): Span {
  return {
    trace_id: hex(number + 1, 32),
    span_id: hex(number + 1, 16),
    parent_id: undefined,
    name: `call ${number}`,
    kind: 'internal',
    start_ns: 1_767_323_045_665_500_001n,
    end_ns: 1_767_323_045_678_000_002n,
    status: 'unset',
    attributes: {},
    ...more,
  }
}

function openTracer(load: () => Promise<SpanExporter>, ratio = 1) {
  const { metrics, log, lines } = testContext()
  const tracer = new Tracer({ ratio, load, metrics, log })
  const counted = async (): Promise<string[]> =>
    (await metrics.text()).split('\n').filter((line) => /^millrace_spans_.* [1-9]/.test(line))
  return { tracer, lines, counted }
}

const exporterTo =
  ({ url }: OtlpReceiver) =>
  (): Promise<SpanExporter> =>
    Promise.resolve(createOtlpExporter({ url: `${url}/v1/traces`, service: 'millrace', version: '1.2.3' }))

test('spans arrive with everything they have', async () => {
  await using receiver = await startOtlpReceiver()
  const { tracer, counted } = openTracer(exporterTo(receiver))
  tracer.record(
    spanNumber(1, {
      parent_id: '00f067aa0ba902b7',
      service: 'exchange-api',
      kind: 'server',
      status: 'error',
      message: 'balance too low',
      attributes: { user_id: 7, ratio: 0.5, taker: true, symbol: 'BTC-USDT' },
      links: [{ trace_id: hex(9, 32), span_id: hex(8, 16) }],
    }),
  )
  tracer.record(spanNumber(2))
  await tracer[Symbol.asyncDispose]()
  expect(receiver.requests.map(({ path }) => path)).toEqual(['/v1/traces'])
  expect(receiver.spans[0]).toMatchObject({
    traceId: hex(2, 32),
    spanId: hex(2, 16),
    parentSpanId: '00f067aa0ba902b7',
    service: 'exchange-api',
    name: 'call 1',
    kind: 2,
    startTimeUnixNano: '1767323045665500001',
    endTimeUnixNano: '1767323045678000002',
    status: { code: 2, message: 'balance too low' },
    attributes: { user_id: 7, ratio: 0.5, taker: true, symbol: 'BTC-USDT' },
    links: [{ traceId: hex(9, 32), spanId: hex(8, 16) }],
  })
  expect(receiver.spans[1]).toMatchObject({ service: 'millrace', kind: 1, status: { code: 0 }, links: [] })
  expect(receiver.spans[1]?.parentSpanId).toBeUndefined()
  expect(await counted()).toEqual(['millrace_spans_exported_total 2'])
})

test('half a character in a name or value is replaced, for it would cost the whole request', async () => {
  await using receiver = await startOtlpReceiver()
  const { tracer } = openTracer(exporterTo(receiver))
  const half = 'a\ud83d'
  tracer.record(spanNumber(1, { name: half, service: half, status: 'error', message: half, attributes: { [half]: half } }))
  await tracer[Symbol.asyncDispose]()
  const whole = 'a\ufffd'
  expect(receiver.spans[0]).toMatchObject({
    name: whole,
    service: whole,
    status: { message: whole },
    attributes: { [whole]: whole },
  })
})

test('they leave by themselves after a second, and in requests of a bounded size', async () => {
  await using receiver = await startOtlpReceiver()
  const { tracer } = openTracer(exporterTo(receiver))
  tracer.record(spanNumber(0))
  await waitFor('a span', () => receiver.spans.length === 1)
  for (let number = 1; number <= 1_100; number++) tracer.record(spanNumber(number))
  await tracer[Symbol.asyncDispose]()
  expect(receiver.spans).toHaveLength(1_101)
  expect(new Set(receiver.spans.map(({ spanId }) => spanId)).size).toBe(1_101)
  expect(receiver.requests).toHaveLength(4)
})

test('an endpoint that never answers costs spans, counted, and neither time nor memory', async () => {
  await using receiver = await startOtlpReceiver()
  receiver.status = undefined
  const { tracer, counted } = openTracer(exporterTo(receiver))
  for (let number = 0; number < 10_000; number++) tracer.record(spanNumber(number))
  await waitFor('the request', () => receiver.requests.length === 1)
  const [full] = await counted()
  expect(full).toMatch(/^millrace_spans_dropped_total\{reason="queue_full"\} 5[0-9]{3}$/)
  const began = performance.now()
  await tracer[Symbol.asyncDispose]()
  expect(performance.now() - began).toBeLessThan(6_000)
})

test.each([
  ['refuses them', 400],
  ['wants a password', 401],
])('an endpoint that %s is told of, and the spans are counted', async (_what, status) => {
  await using receiver = await startOtlpReceiver()
  receiver.status = status
  const { tracer, lines, counted } = openTracer(exporterTo(receiver))
  tracer.record(spanNumber(1))
  await tracer[Symbol.asyncDispose]()
  expect(await counted()).toEqual(['millrace_spans_dropped_total{reason="not_taken"} 1'])
  expect(lines.join('\n')).toMatch(/^warn spans_not_taken: 1 spans were not taken: .+\. No event is held up$/)
})

test('an exporter that cannot be loaded is told of, and tried once', async () => {
  let loads = 0
  const { tracer, lines, counted } = openTracer(() => {
    loads++
    return Promise.reject(new Error('no such package'))
  })
  tracer.record(spanNumber(1))
  await waitFor('the warning', () => lines.length === 1)
  tracer.record(spanNumber(2))
  await tracer[Symbol.asyncDispose]()
  expect(loads).toBe(1)
  expect(lines[0]).toContain('no such package')
  expect(await counted()).toEqual(['millrace_spans_dropped_total{reason="not_taken"} 2'])
})

test('nothing is loaded before the first span', async () => {
  let loads = 0
  const { tracer } = openTracer(() => {
    loads++
    return Promise.reject(new Error('loaded'))
  })
  expect(tracer.samples(hex(1, 32))).toBe(true)
  await tracer[Symbol.asyncDispose]()
  expect(loads).toBe(0)
})

test('a tenth of the traces is kept, also where their ids count up, and each always or never', () => {
  const load = (): Promise<SpanExporter> => Promise.reject(new Error('unused'))
  const tenth = openTracer(load, 0.1).tracer
  const again = openTracer(load, 0.1).tracer
  const fifth = openTracer(load, 0.2).tracer
  const ids = Array.from({ length: 20_000 }, (_, number) => hex(number, 32))
  expect(ids.filter((id) => tenth.samples(id)).length / ids.length).toBeCloseTo(0.1, 2)
  assert(
    property(stringMatching(/^[0-9a-f]{32}$/), (id) => {
      expect(again.samples(id)).toBe(tenth.samples(id))
      // A program that keeps more keeps these too.
      if (tenth.samples(id)) expect(fifth.samples(id)).toBe(true)
    }),
  )
  const none = openTracer(load, 0).tracer
  const every = openTracer(load, 1).tracer
  expect(ids.some((id) => none.samples(id))).toBe(false)
  expect(ids.every((id) => every.samples(id))).toBe(true)
})
