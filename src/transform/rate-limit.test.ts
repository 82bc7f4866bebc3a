import { expect, test } from 'vitest'
import { type TestContext, testContext } from '../../test/helpers/context.ts'
import { TestFilter } from '../../test/helpers/run-filter.ts'
import { Timestamp } from '../core/values.ts'
import { rateLimit } from './rate-limit.ts'

const START_MS = Date.UTC(2026, 0, 2)

interface Limited {
  readonly filter: TestFilter
  readonly context: TestContext
  readonly moveTo: (second: number) => void
  /** Moves the clock, and returns what the filter gives out then. */
  readonly flushAt: (second: number, final?: boolean) => { readonly [name: string]: unknown }[]
}

async function build(options: { readonly [name: string]: unknown }): Promise<Limited> {
  let now_ms = START_MS
  const context = testContext({ clock: { now: () => now_ms, timestamp: () => new Timestamp(now_ms) } })
  const filter = await TestFilter.build(rateLimit, { key: '%{k}', ...options }, context)
  const moveTo = (second: number): void => {
    now_ms = START_MS + second * 1000
  }
  const flushAt = (second: number, final = false): { readonly [name: string]: unknown }[] => {
    moveTo(second)
    return filter.flush(now_ms, final).map((event) => JSON.parse(event.toJsonText()) as { [name: string]: unknown })
  }
  return { filter, context, moveTo, flushAt }
}

function passing(filter: TestFilter, k: unknown, times = 1): boolean[] {
  return Array.from(
    { length: times },
    () => filter.run(JSON.stringify({ k, service: `s-${String(k)}` })).event.cancelled === undefined,
  )
}

test('so many events of each key pass in each interval, and a summary tells of the others', async () => {
  const { filter, flushAt } = await build({
    events: 2,
    interval: '10 s',
    summary_fields: ['service', 'none'],
    add_tag: ['summary'],
  })
  expect(passing(filter, 'a', 5)).toEqual([true, true, false, false, false])
  expect(passing(filter, 'b', 2)).toEqual([true, true])
  expect(flushAt(9)).toEqual([])
  expect(flushAt(10)).toEqual([
    {
      message: '3 events of a were beyond the limit of 2 in 10 s',
      rate_limit: { key: 'a', suppressed: 3, passed: 2, interval_s: 10 },
      service: 's-a',
      tags: ['summary'],
      '@timestamp': new Date(START_MS + 10_000).toISOString(),
      '@version': '1',
    },
  ])
  expect(passing(filter, 'a', 3)).toEqual([true, true, false])
})

test('an interval that ended before the next event is told of with the next flush', async () => {
  const { filter, flushAt, moveTo } = await build({ events: 1, interval: '1 s' })
  passing(filter, 'a', 3)
  moveTo(1)
  expect(passing(filter, 'a')).toEqual([true])
  expect(flushAt(1.1).map((event) => event['message'])).toEqual(['2 events of a were beyond the limit of 1 in 1 s'])
  expect(flushAt(3)).toEqual([])
})

test('the end gives out what there is', async () => {
  const { filter, flushAt } = await build({ events: 0 })
  passing(filter, 'a', 3)
  expect(flushAt(1, true)).toMatchObject([{ rate_limit: { suppressed: 3, passed: 0, interval_s: 60 } }])
})

test('events beyond are dropped as such, or tagged', async () => {
  const { filter } = await build({ events: 0 })
  expect(filter.run({ k: 'a' })).toMatchObject({ event: { cancelled: 'rate_limit' }, out: [] })
  const { filter: tagging, flushAt } = await build({ events: 1, action: 'tag', tag_on_limit: ['too', 'many'] })
  expect(tagging.run({ k: 'a' }).event.toJsonText()).not.toContain('tags')
  expect(tagging.run({ k: 'a' }).event.toJsonText()).toContain('"tags":["too","many"]')
  expect(flushAt(60)).toMatchObject([{ rate_limit: { suppressed: 1 } }])
})

test('one key for all, and no summary', async () => {
  const { filter, flushAt } = await build({ key: 'all', events: 1, summary: false })
  expect([...passing(filter, 'a'), ...passing(filter, 'b')]).toEqual([true, false])
  expect(flushAt(60, true)).toEqual([])
})

test('keys are bounded, and what the oldest have to say is told', async () => {
  const { filter, context, flushAt } = await build({ events: 0, max_keys: 10 })
  for (let k = 0; k < 15; k++) passing(filter, k)
  expect(flushAt(0)).toHaveLength(5)
  expect(flushAt(60)).toHaveLength(10)
  expect(context.lines).toContainEqual(expect.stringContaining('warn rate_limit_keys'))
})

test('fields that cannot be taken over are left out', async () => {
  const { filter, flushAt } = await build({ events: 0, summary_fields: ['[message][x]', '@timestamp', 'service'] })
  filter.run({ k: 'a', service: 's', message: { x: 1 }, '@timestamp': '2024-01-02T00:00:00Z' })
  expect(flushAt(60)).toMatchObject([{ service: 's', message: '1 events of a were beyond the limit of 0 in 60 s' }])
})

test('the number of events is needed', async () => {
  await expect(build({})).rejects.toThrow(/missing the required option events/)
})
