import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DerivedMetricDefinition } from '../core/context.ts'
import { MetricsRegistry } from './metrics.ts'
import { registerProcessMetrics } from './process.ts'

const COUNTER: DerivedMetricDefinition = {
  type: 'counter',
  name: 'errors_total',
  help: 'Errors.',
  label_names: ['service'],
  buckets: [],
  quantiles: [],
  max_age_s: 0,
  max_label_sets: 2,
}

async function linesOf(metrics: MetricsRegistry, name: string): Promise<string[]> {
  return (await metrics.text()).split('\n').filter((line) => line.startsWith(name))
}

test('own counters, gauges and histograms are printed in the text format, one family after the other', async () => {
  const metrics = new MetricsRegistry()
  metrics.counter('millrace_events_total', 'Events.', { input: 'beats' }).inc()
  metrics.counter('millrace_events_total', 'Events.', { input: 'beats' }).inc(2)
  metrics.gauge('millrace_in_flight_bytes', 'Bytes.', {}, () => 7)
  metrics.histogram('millrace_write_seconds', 'Writes.', [0.1, 1]).observe(0.5)
  expect(await metrics.text()).toBe(
    `
# HELP millrace_events_total Events.
# TYPE millrace_events_total counter
millrace_events_total{input="beats"} 3

# HELP millrace_in_flight_bytes Bytes.
# TYPE millrace_in_flight_bytes gauge
millrace_in_flight_bytes 7

# HELP millrace_write_seconds Writes.
# TYPE millrace_write_seconds histogram
millrace_write_seconds_bucket{le="0.1"} 0
millrace_write_seconds_bucket{le="1"} 1
millrace_write_seconds_bucket{le="+Inf"} 1
millrace_write_seconds_sum 0.5
millrace_write_seconds_count 1
`.trimStart(),
  )
})

test('the same name and labels give the same instrument, in whatever order the labels come', () => {
  const metrics = new MetricsRegistry()
  metrics.counter('a_total', '', { x: '1', y: '2' }).inc()
  expect(metrics.counter('a_total', '', { y: '2', x: '1' }).value).toBe(1)
})

test('registering a gauge again replaces its reader, and a reader that throws prints not-a-number', async () => {
  const metrics = new MetricsRegistry()
  metrics.gauge('depth', '', { queue: 'a' }, () => 1)
  metrics.gauge('depth', '', { queue: 'a' }, () => 2)
  metrics.gauge('depth', '', { queue: 'b' }, () => {
    throw new Error('gone')
  })
  expect(await linesOf(metrics, 'depth')).toEqual(['depth{queue="a"} 2', 'depth{queue="b"} Nan'])
})

test('label sets over the cap are counted together under __other__, and how often that happened is counted', async () => {
  const metrics = new MetricsRegistry()
  const errors = metrics.derived(COUNTER)
  for (const service of ['a', 'b', 'c', 'd', 'a']) errors.record([service], 1)
  expect(await linesOf(metrics, 'errors_total')).toEqual([
    'errors_total{service="a"} 2',
    'errors_total{service="b"} 1',
    'errors_total{service="__other__"} 2',
  ])
  expect(await linesOf(metrics, 'millrace_metric_label_sets_folded_total')).toEqual([
    'millrace_metric_label_sets_folded_total{metric="errors_total"} 2',
  ])
  expect(metrics.derivedTotal('errors_total')).toBe(5)
  expect(metrics.derivedTotal('other_total')).toBeUndefined()
})

test('two filters share a definition, and another definition of the name is refused', () => {
  const metrics = new MetricsRegistry()
  expect(metrics.derived({ ...COUNTER })).toBe(metrics.derived({ ...COUNTER, help: 'other words' }))
  expect(() => metrics.derived({ ...COUNTER, label_names: ['env'] })).toThrow(
    'metric errors_total is defined twice, with label_names ["service"] and ["env"]',
  )
  expect(() => metrics.derived({ ...COUNTER, type: 'gauge' })).toThrow(expect.objectContaining({ code: 'METRIC_CONFLICT' }))
})

test('a metric that would print the lines of another one is refused', () => {
  const metrics = new MetricsRegistry()
  metrics.derived({ ...COUNTER, type: 'summary', name: 'took' })
  expect(() => metrics.derived({ ...COUNTER, name: 'took_count' })).toThrow(expect.objectContaining({ code: 'METRIC_CONFLICT' }))
})

test.each([
  ['a name with a dash', { name: 'a-b' }],
  ['a name of the program', { name: 'millrace_x' }],
  ['a reserved name', { name: '__proto__' }],
  ['a label name with a dot', { label_names: ['a.b'] }],
  ['a reserved label name', { label_names: ['__name__'] }],
  ['a label named twice', { label_names: ['a', 'a'] }],
  ["a histogram's own label", { type: 'histogram', label_names: ['le'], buckets: [1] }],
  ['no buckets', { type: 'histogram' }],
  ['buckets out of order', { type: 'histogram', buckets: [2, 1] }],
  ['a quantile over 1', { type: 'summary', quantiles: [99] }],
] as const)('%s is refused', (_title, change) => {
  expect(() => new MetricsRegistry().derived({ ...COUNTER, ...change })).toThrow(
    expect.objectContaining({ code: 'METRIC_INVALID' }),
  )
})

test('names that every object has are names like others', async () => {
  const metrics = new MetricsRegistry()
  metrics.derived({ ...COUNTER, name: 'constructor', label_names: ['toString'] }).record(['valueOf'], 1)
  expect(await linesOf(metrics, 'constructor')).toEqual(['constructor{toString="valueOf"} 1'])
})

test('hostile label values stay apart, are cut, and never break the text', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))), async (sets) => {
      const metrics = new MetricsRegistry()
      const pairs = metrics.derived({ ...COUNTER, label_names: ['a', 'b'], max_label_sets: 1000 })
      for (const set of sets) pairs.record(set, 1)
      const lines = await linesOf(metrics, 'errors_total')
      const distinct = new Set(sets.map((set) => JSON.stringify(set.map((text) => Buffer.from(text).toString()))))
      expect(lines).toHaveLength(distinct.size)
      // An empty value is none.
      const some = '="(?:[^"\\\\]|\\\\.)+"'
      const printed = new RegExp(`^errors_total(?:\\{(?:a${some}(?:,b${some})?|b${some})\\})? \\d+$`, 's')
      for (const line of lines) expect(line).toMatch(printed)
    }),
    { numRuns: 50 },
  )
  const metrics = new MetricsRegistry()
  metrics.derived(COUNTER).record(['x'.repeat(10_000_000)], 1)
  expect((await metrics.text()).length).toBeLessThan(1000)
})

test('a gauge keeps the value of the newest event, whichever comes last', async () => {
  const metrics = new MetricsRegistry()
  const depth = metrics.derived({ ...COUNTER, type: 'gauge', name: 'depth', label_names: [] })
  // Nobody has said yet that it is 0.
  expect(await linesOf(metrics, 'depth')).toEqual([])
  depth.set([], 5, 1000)
  depth.set([], 9, 3000)
  depth.set([], 7, 2000)
  expect(await linesOf(metrics, 'depth')).toEqual(['depth 9'])
})

test('a gauge with a greatest age is gone when nobody has changed it for so long, makes room for others, and comes back', async () => {
  let now = 0
  const metrics = new MetricsRegistry(() => now)
  const depth = metrics.derived({ ...COUNTER, type: 'gauge', name: 'depth', max_age_s: 10, max_label_sets: 2 })
  depth.set(['a'], 1, 1_000)
  now = 9_000
  depth.set(['b'], 2, 1_000)
  // Late news is none.
  depth.set(['a'], 7, 500)
  now = 10_000
  expect(await linesOf(metrics, 'depth')).toEqual(['depth{service="a"} 1', 'depth{service="b"} 2'])
  now = 10_001
  depth.set(['c'], 3, 1_000)
  expect(await linesOf(metrics, 'depth')).toEqual(['depth{service="b"} 2', 'depth{service="c"} 3'])
  depth.set(['d'], 4, 1_000)
  now = 20_000
  depth.set(['a'], 5, 1_000)
  now = 20_002
  expect(await linesOf(metrics, 'depth')).toEqual(['depth{service="a"} 5'])
})

test('a summary forgets old values in its quantiles and keeps its sum and count', async () => {
  let now = 0
  const metrics = new MetricsRegistry(() => now)
  const took = metrics.derived({
    ...COUNTER,
    type: 'summary',
    name: 'took',
    label_names: [],
    quantiles: [0.5],
    max_age_s: 10,
  })
  took.record([], 100)
  now = 9_000
  took.record([], 1)
  expect((await linesOf(metrics, 'took{quantile="0.5"}'))[0]).toMatch(/ (?:0\.99|1\.0)/)
  now = 11_000
  took.record([], 1)
  now = 60_000
  expect(await linesOf(metrics, 'took')).toEqual(['took{quantile="0.5"} Nan', 'took_sum 102', 'took_count 3'])
})

test('a histogram that users derive has its buckets for each label set', async () => {
  const metrics = new MetricsRegistry()
  metrics.derived({ ...COUNTER, type: 'histogram', name: 'size', buckets: [10] }).record(['a'], 11)
  expect(await linesOf(metrics, 'size')).toEqual([
    'size_bucket{le="10",service="a"} 0',
    'size_bucket{le="+Inf",service="a"} 1',
    'size_sum{service="a"} 11',
    'size_count{service="a"} 1',
  ])
})

test('the process tells its version, memory, processor time and how late its loop is', async () => {
  const metrics = new MetricsRegistry()
  const stop = new AbortController()
  registerProcessMetrics(metrics, '1.2.3', stop.signal)
  const text = await metrics.text()
  stop.abort()
  expect(text).toContain(`millrace_build_info{version="1.2.3",node="${process.versions.node}"} 1`)
  expect(text).toMatch(/^process_resident_memory_bytes [1-9]\d{6,}$/m)
  expect(text).toMatch(/^process_cpu_seconds_total \d/m)
  expect(text).toMatch(/^process_start_time_seconds 1\d{9}/m)
  expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m)
  expect(text).toMatch(/^nodejs_eventloop_lag_max_seconds \d/m)
})
