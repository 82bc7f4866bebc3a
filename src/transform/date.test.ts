import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { buildFilter, runFilter } from '../../test/helpers/run-filter.ts'
import { date } from './date.ts'

test('the first format that fits makes the time of the event, cut to milliseconds', async () => {
  const options = { match: ['ts', 'UNIX', 'ISO8601'], add_tag: ['dated'] }
  expect(await runFilter(date, options, { ts: '2024-01-02T03:04:05.123456Z' })).toMatchObject({
    '@timestamp': '2024-01-02T03:04:05.123Z',
    tags: ['dated'],
  })
  expect(await runFilter(date, options, { ts: 1704164645.5 })).toMatchObject({ '@timestamp': '2024-01-02T03:04:05.500Z' })
})

test('nanoseconds stay where they are asked for', async () => {
  const options = { match: ['ts', 'ISO8601'], precision: 'ns', target: '[x][when]' }
  expect(await runFilter(date, options, { ts: '2024-01-02T03:04:05.123456789Z' })).toMatchObject({
    '@timestamp': '2026-01-02T03:04:05.000Z',
    x: { when: '2024-01-02T03:04:05.123456789Z' },
  })
})

test('a missing or null field is passed over, other misfits are tagged and change nothing', async () => {
  const run = await buildFilter(date, { match: ['ts', 'ISO8601'], tag_on_failure: ['a', '%{b}'], add_tag: ['ok'] })
  for (const fields of [{}, { ts: null }]) expect(run(fields).event.toJsonText()).not.toContain('tags')
  for (const ts of ['', 'bad', 5, true, ['2024'], { a: 1 }]) {
    expect(JSON.parse(run({ ts }).event.toJsonText())).toMatchObject({
      tags: ['a', '%{b}'],
      '@timestamp': '2026-01-02T03:04:05.000Z',
    })
  }
})

test('the zone may come from the event, and an unknown one is a failure', async () => {
  const run = await buildFilter(date, { match: ['ts', 'yyyy-MM-dd HH:mm'], timezone: '%{tz}' })
  expect(run({ ts: '2024-01-02 03:04', tz: 'Asia/Tokyo' }).event.timestamp?.toString()).toBe('2024-01-01T18:04:00.000Z')
  expect(run({ ts: '2024-01-02 03:04', tz: '+05:30' }).event.timestamp?.toString()).toBe('2024-01-01T21:34:00.000Z')
  expect(JSON.parse(run({ ts: '2024-01-02 03:04', tz: 'Bad/Zone' }).event.toJsonText())).toMatchObject({
    tags: ['_dateparsefailure'],
  })
  expect(JSON.parse(run({ ts: '2024-01-02 03:04' }).event.toJsonText())).toMatchObject({ tags: ['_dateparsefailure'] })
})

test('a time read before is no text and is tagged, as in Logstash', async () => {
  expect(await runFilter(date, { match: ['@timestamp', 'ISO8601'], target: 't' }, {})).toMatchObject({
    tags: ['_dateparsefailure'],
  })
})

test('a target that cannot be set is a failure of the event', async () => {
  const document = await runFilter(date, { match: ['ts', 'ISO8601'], target: '[ts][x]' }, { ts: '2024' })
  expect(document).toMatchObject({ ts: '2024', tags: ['_dateparsefailure'] })
})

test('a year is taken from the clock where the pattern has none', async () => {
  const clock = testContext().clock
  const context = testContext({ clock: { ...clock, now: () => Date.UTC(2027, 0, 1) } })
  const options = { match: ['ts', 'MMM dd HH:mm:ss'], timezone: 'UTC' }
  expect(await runFilter(date, options, { ts: 'Dec 31 23:59:59' }, context)).toMatchObject({
    '@timestamp': '2026-12-31T23:59:59.000Z',
  })
})

test.each([
  [{ match: ['ts'] }, /at least one date format/],
  [{ match: ['ts', 'yyyy-QQ'] }, /unknown letter Q/],
  [{ match: ['ts', 'ISO8601'], timezone: 'Bad/Zone' }, /timezone: expected a name/],
  [{ match: ['ts', 'ISO8601'], locale: '-' }, /locale: expected a language tag/],
  [{ match: ['[ts', 'ISO8601'] }, /Invalid FieldReference/],
  [{}, /match/],
])('%j is refused at load', async (options, message) => {
  await expect(buildFilter(date, options)).rejects.toThrow(message)
})
