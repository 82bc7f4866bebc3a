import { hostname } from 'node:os'
import { expect, test } from 'vitest'
import { type TestContext, testContext } from '../../../test/helpers/context.ts'
import { buildFilter, TestFilter } from '../../../test/helpers/run-filter.ts'
import { Timestamp } from '../../core/values.ts'
import { metrics } from './metrics.ts'

const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5)

/** A context whose clock the test moves. */
function clocked(): { readonly context: TestContext; readonly at: (seconds: number) => number } {
  let now_ms = START_MS
  const context = testContext({ clock: { now: () => now_ms, timestamp: () => new Timestamp(now_ms) } })
  return {
    context,
    at: (seconds) => {
      now_ms = START_MS + seconds * 1000
      return now_ms
    },
  }
}

function flushed(filter: TestFilter, now_ms: number, final = false): { readonly [name: string]: unknown }[] {
  return filter.flush(now_ms, final).map((event) => JSON.parse(event.toJsonText()) as { [name: string]: unknown })
}

test('a meter counts by name, and its event carries the tag that no other event gets', async () => {
  const { context, at } = clocked()
  const filter = await TestFilter.build(
    metrics,
    { meter: ['http.%{s}', 'all'], add_tag: ['metric'], add_field: { x: 'y' } },
    context,
  )
  for (const s of [200, 200, 500]) expect(filter.run({ s }).event.toJsonText()).not.toMatch(/tags|"x"/)
  expect(flushed(filter, at(4))).toEqual([])
  expect(flushed(filter, at(5))).toEqual([
    {
      message: hostname(),
      '@timestamp': new Date(at(5)).toISOString(),
      '@version': '1',
      'http.200': { count: 2, rate_1m: 0.4, rate_5m: 0.4, rate_15m: 0.4 },
      'http.500': { count: 1, rate_1m: 0.2, rate_5m: 0.2, rate_15m: 0.2 },
      all: { count: 3, rate_1m: 0.6, rate_5m: 0.6, rate_15m: 0.6 },
      tags: ['metric'],
      x: 'y',
    },
  ])
  expect(flushed(filter, at(9))).toEqual([])
  expect(flushed(filter, at(10))).toMatchObject([{ all: { count: 3 } }])
})

test('rates are averages that fall when nothing comes', async () => {
  const { context, at } = clocked()
  const filter = await TestFilter.build(metrics, { meter: 'm', rates: [1, 15] }, context)
  for (let second = 0; second < 60; second++) {
    at(second)
    for (let event = 0; event < 10; event++) filter.run({})
  }
  const [full] = flushed(filter, at(60))
  expect(full?.['m']).toEqual({ count: 600, rate_1m: expect.closeTo(10), rate_15m: expect.closeTo(10) })
  const [later] = flushed(filter, at(120))
  // A minute later a one-minute average has fallen to 1/e.
  expect(later?.['m']).toMatchObject({ rate_1m: expect.closeTo(10 / Math.E), rate_15m: expect.closeTo(10 * Math.exp(-1 / 15)) })
})

test('a timer tells least, most, mean, deviation and percentiles', async () => {
  const { context, at } = clocked()
  const options = { timer: { '[http][took]': '%{d}' }, percentiles: [0, 10, 50, 99.5, 100] }
  const filter = await TestFilter.build(metrics, options, context)
  for (const d of ['1', 2, '3ms', ' 4 ', 'n/a']) filter.run({ d })
  expect(flushed(filter, at(5))[0]?.['http']).toEqual({
    took: {
      count: 5,
      rate_1m: 1,
      rate_5m: 1,
      rate_15m: 1,
      min: 0,
      max: 4,
      mean: 2,
      stddev: Math.sqrt(2.5),
      p0: 0,
      p10: 0,
      p50: 2,
      'p99.5': 4,
      p100: 4,
    },
  })
})

test('of many values a sample gives the percentiles', async () => {
  const { context, at } = clocked()
  const filter = await TestFilter.build(metrics, { timer: { t: '%{d}' }, percentiles: [50] }, context)
  for (let d = 0; d < 20_000; d++) filter.run({ d: d % 1000 })
  const [event] = flushed(filter, at(5))
  const { p50, max } = (event?.['t'] ?? {}) as { readonly p50?: number; readonly max?: number }
  expect(max).toBe(999)
  expect(Math.abs((p50 ?? 0) - 500)).toBeLessThan(100)
})

test('clear_interval starts everything at zero', async () => {
  const { context, at } = clocked()
  const filter = await TestFilter.build(metrics, { meter: 'm', clear_interval: 10 }, context)
  filter.run({})
  expect(flushed(filter, at(5))).toMatchObject([{ m: { count: 1 } }])
  expect(flushed(filter, at(10))).toMatchObject([{ m: { count: 1 } }])
  expect(flushed(filter, at(15))).toEqual([])
  filter.run({})
  expect(flushed(filter, at(20))).toMatchObject([{ m: { count: 1 } }])
})

test('the end gives out what there is, as one tick of Logstash would', async () => {
  const { context, at } = clocked()
  const filter = await TestFilter.build(metrics, { meter: 'm' }, context)
  filter.run({})
  expect(flushed(filter, at(0.1), true)).toMatchObject([{ m: { count: 1, rate_1m: 0 } }])
  const slow = await TestFilter.build(metrics, { meter: 'm', flush_interval: 30 }, context)
  slow.run({})
  expect(flushed(slow, at(5), true)).toEqual([])
})

test('old events are left out where that is asked for', async () => {
  const { context, at } = clocked()
  const filter = await TestFilter.build(metrics, { meter: 'm', ignore_older_than: 10 }, context)
  filter.run({ '@timestamp': new Date(START_MS - 11_000).toISOString() })
  expect(flushed(filter, at(5))).toEqual([])
  filter.run({ '@timestamp': new Date(START_MS).toISOString() })
  expect(flushed(filter, at(10))).toMatchObject([{ m: { count: 1 } }])
})

test.each(['a]b', '[', '', '@timestamp', 'tags', '[@metadata', 'a[0]', '__proto__', '[x][y]'])(
  'the name %j from an event harms nothing',
  async (n) => {
    const { context, at } = clocked()
    const filter = await TestFilter.build(metrics, { meter: ['%{n}', 'm'], timer: { '%{n}': '1' } }, context)
    filter.run({ n })
    expect(flushed(filter, at(5))).toMatchObject([{ m: { count: 1 } }])
  },
)

test('the number of names is bounded', async () => {
  const { context, at } = clocked()
  const filter = await TestFilter.build(metrics, { meter: '%{n}' }, context)
  for (let n = 0; n < 10_010; n++) filter.run({ n: `n${n}` })
  expect(Object.keys(flushed(filter, at(5))[0] ?? {})).toHaveLength(10_003)
  expect(context.lines).toContainEqual(expect.stringContaining('further ones are not counted'))
})

test('other rates are refused', async () => {
  await expect(buildFilter(metrics, { meter: 'm', rates: [1, 2] })).rejects.toThrow(/some of 1, 5 and 15, got 2/)
})
