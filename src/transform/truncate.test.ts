import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { buildFilter, runFilter } from '../../test/helpers/run-filter.ts'
import { truncate } from './truncate.ts'

const EVENT = { '@timestamp': '2026-01-02T00:00:00.000Z', '@version': '1' }

test.each([
  ['abcdefgh', 'abcde'],
  ['abcde', 'abcde'],
  ['ééééé', 'éé'],
  ['a😀😀', 'a😀'],
  ['日本', '日'],
  ['', ''],
  [1234567, 1234567],
  [null, null],
  [true, true],
  [
    ['abcdefgh', 'xy', 5, null],
    ['abcde', 'xy', 5, null],
  ],
  [
    [['abcdefgh'], { x: 'abcdefgh' }],
    [['abcdefgh'], { x: 'abcdefgh' }],
  ],
  [
    { x: 'abcdefgh', y: { z: ['abcdefgh'] } },
    { x: 'abcde', y: { z: ['abcde'] } },
  ],
])('%j becomes %j', async (before, after) => {
  const document = await runFilter(truncate, { fields: ['a'], length_bytes: 5, add_tag: ['cut'] }, { ...EVENT, a: before })
  const isCut = JSON.stringify(before) !== JSON.stringify(after)
  expect(document).toEqual({ ...EVENT, a: after, ...(isCut ? { tags: ['cut'] } : {}) })
})

test('a field that is not there is none to cut; a field may lie deeper', async () => {
  const options = { fields: ['[h][x]', '[h][l][1]', 'no'], length_bytes: 2 }
  expect(await runFilter(truncate, options, { ...EVENT, h: { x: '123', y: '123', l: ['123', '123'] } })).toEqual({
    ...EVENT,
    h: { x: '12', y: '123', l: ['123', '12'] },
  })
})

test('without fields everything is cut, tags too, but neither the time nor the metadata', async () => {
  const run = await buildFilter(truncate, { length_bytes: 3 })
  const { event } = run({ ...EVENT, a: 'abcd', 'b]': 'abcd', tags: ['abcd'], '@metadata': { m: 'abcd' } })
  expect(JSON.parse(event.toJsonText())).toEqual({ ...EVENT, a: 'abc', 'b]': 'abc', tags: ['abc'] })
  expect(event.metadata).toEqual({ m: 'abcd' })
})

test('0 empties; the length is required', async () => {
  expect(await runFilter(truncate, { fields: 'a', length_bytes: '0' }, { a: 'x' })).toMatchObject({ a: '' })
  await expect(buildFilter(truncate, {})).rejects.toThrow('missing the required option length_bytes')
  await expect(buildFilter(truncate, { length_bytes: -1 })).rejects.toThrow('a whole number of at least 0')
})

test('what is left is a beginning of the text, at most that long, and one character more would not fit', async () => {
  const text = fc.string({ unit: 'binary' })
  await fc.assert(
    fc.asyncProperty(text, fc.nat(20), async (a, length_bytes) => {
      const cut = String((await runFilter(truncate, { fields: 'a', length_bytes }, { a }))?.['a'])
      expect(a.startsWith(cut)).toBe(true)
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(length_bytes)
      const [next] = a.slice(cut.length)
      if (next !== undefined) expect(Buffer.byteLength(cut) + Buffer.byteLength(next)).toBeGreaterThan(length_bytes)
    }),
  )
})
