import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { buildFilter, runFilter } from '../../test/helpers/run-filter.ts'
import { urldecode } from './urldecode.ts'

const EVENT = { '@timestamp': '2026-01-02T00:00:00.000Z', '@version': '1' }

test.each([
  ['a%20b+c', 'a b+c'],
  ['%C3%A9t%c3%a9 é', 'été é'],
  ['100% %zz %4', '100% %zz %4'],
  ['%25%2541', '%%41'],
  ['%00', '\0'],
  ['', ''],
  ['caf%E9', 'caf\\xE9'],
  ['"%E9\\é%0A', '\\"\\xE9\\\\é\\n'],
  ['%E3%81x', '\\xE3\\x81x'],
  ['%F0%9F%98%80', '😀'],
  [5, 5],
  [true, true],
  [null, null],
  [
    ['%41', 5, ['%42']],
    ['A', 5, ['B']],
  ],
  [
    { '%41': '%41', x: { y: '%42' } },
    { '%41': 'A', x: { y: 'B' } },
  ],
])('%j becomes %j', async (before, after) => {
  expect(await runFilter(urldecode, { field: 'u', add_tag: ['ok'] }, { ...EVENT, u: before })).toEqual({
    ...EVENT,
    u: after,
    tags: ['ok'],
  })
})

test.each([
  ['ISO-8859-1', 'caf%E9', 'café'],
  ['ISO-8859-1', 'é', 'Ã©'],
  ['Windows-1252', '%80', '€'],
  ['CP1252', '%80', '€'],
  ['US-ASCII', 'a%E9', 'a\ufffd'],
])('in %s %j is %j', async (charset, before, after) => {
  expect(await runFilter(urldecode, { charset }, { message: before })).toMatchObject({ message: after })
})

test('a missing field becomes null, one that cannot be set is tagged and still succeeds', async () => {
  expect(await runFilter(urldecode, {}, EVENT)).toEqual({ ...EVENT, message: null })
  const options = { field: '[a][b]', tag_on_failure: ['bad'], add_tag: ['ok'] }
  expect(await runFilter(urldecode, options, { ...EVENT, a: 1 })).toEqual({ ...EVENT, a: 1, tags: ['bad', 'ok'] })
})

test('all fields of a line are decoded once', async () => {
  const line = JSON.stringify({ ...EVENT, a: '%2541', l: ['%2542'], m: { n: '%2543' } })
  expect(await runFilter(urldecode, { all_fields: true }, line)).toEqual({ ...EVENT, a: '%41', l: ['%42'], m: { n: '%43' } })
})

test('all fields, tags too, metadata not', async () => {
  const run = await buildFilter(urldecode, { all_fields: true })
  const { event } = run({ ...EVENT, a: '%41', '[b]': '%42', tags: ['%43'], '@metadata': { m: '%44' } })
  expect(JSON.parse(event.toJsonText())).toEqual({ ...EVENT, a: 'A', '[b]': 'B', tags: ['C'] })
  expect(event.metadata).toEqual({ m: '%44' })
})

test('a character set that is none is refused', async () => {
  await expect(buildFilter(urldecode, { charset: 'UTF-9' })).rejects.toThrow('did you mean UTF-8?')
})

test('what encodeURIComponent wrote is read back, and no text makes the filter throw', async () => {
  const run = await buildFilter(urldecode, {})
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('%', 'E', '9', 'a', '\\', '"') }),
      (text, odd) => {
        expect(run({ message: encodeURIComponent(text) }).event.toJsonText()).toContain(JSON.stringify(text))
        run({ message: odd })
      },
    ),
  )
})
