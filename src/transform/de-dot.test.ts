import { expect, test } from 'vitest'
import { buildFilter, runFilter } from '../../test/helpers/run-filter.ts'
import { deDot } from './de-dot.ts'

const EVENT = { '@timestamp': '2026-01-02T00:00:00.000Z', '@version': '1' }

test.each([
  [{}, { 'a.b': 1, 'c.d.e': null, f: 2 }, { a_b: 1, c_d_e: null, f: 2 }],
  [{}, { 'a.b': { 'c.d': 1 } }, { a_b: { 'c.d': 1 } }],
  [{}, { a_b: 0, 'a.b': 1 }, { a_b: 1 }],
  [{}, { '.': 1, '..a': 2 }, { _: 1, __a: 2 }],
  [{}, { 'x[0].y': 1 }, { 'x[0]_y': 1 }],
  [{ separator: '' }, { 'a.b': 1 }, { ab: 1 }],
  [
    { nested: true, separator: '-' },
    { 'a.b': 1, 'c.d.e': 2 },
    { a: { b: 1 }, c: { d: { e: 2 } } },
  ],
  [{ nested: true }, { a: { x: 0 }, 'a.b': 1 }, { a: { x: 0, b: 1 } }],
  [
    { fields: ['a.b', 'no.such'], separator: '-' },
    { 'a.b': 1, 'c.d': 2 },
    { 'a-b': 1, 'c.d': 2 },
  ],
  [{ fields: ['[o][a.b]'] }, { o: { 'a.b': 1, 'c.d': 2 } }, { o: { a_b: 1, 'c.d': 2 } }],
  [{ fields: ['[o][a.b]'], nested: true }, { o: { 'a.b': 1 } }, { o: { a: { b: 1 } } }],
  [{ fields: ['[a.b][c.d]'] }, { 'a.b': { 'c.d': 1, e: 2 } }, { a_b: { c_d: 1 } }],
  [{ recursive: true }, { o: { 'a.b': { 'c.d': 1, e: [{ 'f.g': 1 }] } } }, { o: { a_b: { c_d: 1, e: [{ 'f.g': 1 }] } } }],
  [{ recursive: true, nested: true }, { 'a.b': { 'c.d': 1 } }, { a: { b: { c: { d: 1 } } } }],
])('%j makes of %j %j', async (options, before, after) => {
  expect(await runFilter(deDot, { ...options, add_tag: ['ok'] }, { ...EVENT, ...before })).toEqual({
    ...EVENT,
    ...after,
    tags: ['ok'],
  })
})

test.each([
  [
    { a: 1, 'a.b': 2, 'c.d': 3 },
    { a: 1, 'a.b': 2, c: { d: 3 } },
  ],
  [{ 'a..b': 2 }, { 'a..b': 2 }],
  [{ '@timestamp.x': 2 }, { '@timestamp.x': 2 }],
])('a name that cannot be set stays, with a tag: %j', async (before, after) => {
  expect(await runFilter(deDot, { nested: true, add_tag: ['ok'] }, { ...EVENT, ...before })).toEqual({
    ...EVENT,
    ...after,
    tags: ['_de_dot_failure'],
  })
})

test('metadata is renamed where it is named', async () => {
  const run = await buildFilter(deDot, { fields: ['[@metadata][a.b]'] })
  expect(run({ '@metadata': { 'a.b': 1 } }).event.metadata).toEqual({ a_b: 1, 'a.b': undefined })
})

test.each(['.', 'a.b', ']['])('the separator %j is refused', async (separator) => {
  await expect(buildFilter(deDot, { separator })).rejects.toThrow('separator: expected text without a dot or brackets')
})
