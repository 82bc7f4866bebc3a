import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { buildFilter, runFilter } from '../../test/helpers/run-filter.ts'
import { throttle } from './throttle.ts'

/** Whether each of the events, given by key and second, is throttled. */
async function throttled(
  options: { readonly [name: string]: unknown },
  events: readonly (readonly [key: string, second: number])[],
): Promise<boolean[]> {
  const run = await buildFilter(throttle, { key: '%{k}', add_tag: ['t'], ...options })
  return events.map(([k, second]) => {
    const { event } = run({ k, '@timestamp': new Date(Date.UTC(2024, 0, 2) + second * 1000).toISOString() })
    return event.toJsonText().includes('"tags":["t"]')
  })
}

const times = (key: string, seconds: readonly number[]): [string, number][] => seconds.map((second) => [key, second])

test('what is above after_count is throttled, each key for itself', async () => {
  const events = [...times('a', [0, 0, 0, 0]), ...times('b', [0])]
  expect(await throttled({ after_count: 2, period: 3600, max_age: 7200 }, events)).toEqual([false, false, true, true, false])
})

test('what is below before_count or above after_count is throttled, in every period anew', async () => {
  const period = [true, true, false, false, false, true]
  expect(
    await throttled({ before_count: 3, after_count: 5, period: '600', max_age: 1200 }, [
      ...times('a', [0, 1, 2, 3, 4, 599]),
      ...times('a', [600, 601, 602, 603, 604, 1199]),
    ]),
  ).toEqual([...period, ...period])
})

test('without counts nothing is throttled', async () => {
  expect(await throttled({}, times('a', [0, 0, 0]))).toEqual([false, false, false])
})

test('late events are counted in their own period, also before the first', async () => {
  const events = times('a', [100, 40, 39, 160, 101, 41, 100])
  expect(await throttled({ after_count: 1 }, events)).toEqual([false, false, false, false, true, true, true])
})

test('a period is forgotten after max_age', async () => {
  expect(await throttled({ after_count: 1, max_age: 120 }, times('a', [0, 0, 240, 0]))).toEqual([false, true, false, false])
})

test.each([
  ['120', true],
  ['30', false],
  ['nonsense', true],
  ['0', true],
  ['59 seconds', false],
])('a period of %s from the event', async (period, second) => {
  const run = await buildFilter(throttle, { key: 'k', after_count: 1, period: '%{p}', add_tag: ['t'] })
  const at = (time: string): boolean => run({ p: period, '@timestamp': time }).event.toJsonText().includes('tags')
  expect([at('2024-01-02T03:00:00Z'), at('2024-01-02T03:00:59Z')]).toEqual([false, second])
})

test('counts are bounded: the keys seen longest ago are forgotten', async () => {
  const context = testContext()
  const run = await buildFilter(throttle, { key: '%{k}', after_count: 1, max_counters: 10, add_tag: ['t'] }, context)
  const at = (k: number): boolean =>
    run({ k, '@timestamp': new Date(1.7e12 + k * 1000).toISOString() })
      .event.toJsonText()
      .includes('tags')
  for (let k = 0; k < 1000; k++) expect(at(k)).toBe(false)
  expect([at(999), at(0)]).toEqual([true, false])
  expect(context.lines).toContainEqual(expect.stringContaining('warn throttle_counters'))
})

test('keys without new events are forgotten by event time', async () => {
  const events = [
    ...times('a', [0]),
    ...times('b', [7200]),
    ...times(
      'c',
      Array.from({ length: 10_000 }, () => 7200),
    ),
    ...times('a', [0]),
  ]
  const found = await throttled({ after_count: 1, max_age: 60 }, events)
  expect(found.at(-1)).toBe(false)
})

test('an event without a time, or with a long key, is counted too', async () => {
  const run = await buildFilter(throttle, { key: '%{k}', after_count: 1, add_tag: ['t'] })
  const k = 'x'.repeat(10_000)
  expect([run({ k }), run({ k })].map(({ event }) => event.toJsonText().includes('tags'))).toEqual([false, true])
})

test('a key is needed', async () => {
  await expect(runFilter(throttle, {}, {})).rejects.toThrow(/missing the required option key/)
})

test('of n events of a period exactly those above after_count are throttled', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 }), async (count, after_count) => {
      const found = await throttled(
        { after_count },
        times(
          'a',
          Array.from({ length: count }, () => 5),
        ),
      )
      expect(found.filter(Boolean)).toHaveLength(Math.max(0, count - after_count))
    }),
    { numRuns: 30 },
  )
})
