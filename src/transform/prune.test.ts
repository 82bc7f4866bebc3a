import { expect, test } from 'vitest'
import { buildFilter, runFilter } from '../../test/helpers/run-filter.ts'
import { prune } from './prune.ts'

const EVENT = { '@timestamp': '2026-01-02T00:00:00.000Z', '@version': '1' }

async function pruned(options: { readonly [name: string]: unknown }, fields: { [name: string]: unknown }) {
  return await runFilter(prune, options, JSON.stringify({ ...EVENT, ...fields }))
}

test.each([
  [{}, { a: 1, b: { c: 2 }, tags: ['x'], '%{y}': 1, 'x%{y}z': 1, '%{}': 1 }, { a: 1, b: { c: 2 }, tags: ['x'], '%{}': 1 }],
  [{ blacklist_names: ['ba', '^c$'] }, { bar: 1, aba: 2, c: 3, cc: 4, '%{y}': 1 }, { cc: 4, '%{y}': 1 }],
  [{ blacklist_names: [] }, { '%{y}': 1 }, { '%{y}': 1 }],
  [{ blacklist_names: ['(?i)^ABC'] }, { abcd: 1, xabc: 2 }, { xabc: 2 }],
  [
    { interpolate: true, blacklist_names: ['^%{k}$'] },
    { k: 'a', a: 1, b: 2 },
    { k: 'a', b: 2 },
  ],
  [{ interpolate: true }, { a: 1, '%{y}': 1 }, { a: 1 }],
])('%j makes of %j %j', async (options, before, after) => {
  expect(await pruned(options, before)).toEqual({ ...EVENT, ...after })
})

test.each([
  [['^a', 'msg$'], { a: 1, ab: 2, ba: 3, mymsg: 4, nested: { a: 1 } }, { a: 1, ab: 2, mymsg: 4 }],
  [['^@', '^tags$'], { a: 1, tags: ['t'] }, { ...EVENT, tags: ['t'] }],
  [['^\\[x\\]$'], { '[x]': 1, x: 2 }, { '[x]': 1 }],
])('only names that match %j stay', async (whitelist_names, before, after) => {
  expect(await pruned({ whitelist_names }, before)).toEqual(after)
})

test.each([
  ['ok', 'ok'],
  ['notok', undefined],
  ['', undefined],
  [5, undefined],
  [true, undefined],
  [{ a: 'ok' }, undefined],
  [null, null],
  [false, false],
  [
    ['ok', 'no', 'ok'],
    ['ok', 'ok'],
  ],
  [['no', 5], undefined],
  [['ok'], ['ok']],
  [[], []],
])('of whitelisted values %j leaves %j', async (s, left) => {
  expect(await pruned({ whitelist_values: { s: '^ok$', missing: 'x' } }, { s })).toEqual({
    ...EVENT,
    ...(left === undefined ? {} : { s: left }),
  })
})

test.each([
  ['bad one', undefined],
  ['good', 'good'],
  [404, 404],
  [500, undefined],
  [{ a: 'bad' }, undefined],
  [null, null],
  [false, false],
  [['bad', 'good', 'bad'], ['good']],
  [['bad', 'badly'], undefined],
  [[], []],
])('of blacklisted values %j leaves %j', async (s, left) => {
  expect(await pruned({ blacklist_values: ['s', 'bad|^5'] }, { s })).toEqual({
    ...EVENT,
    ...(left === undefined ? {} : { s: left }),
  })
})

test('both lists of values act on one field', async () => {
  const options = { whitelist_values: { l: '^[a-c]' }, blacklist_values: { l: 'x$' } }
  expect(await pruned(options, { l: ['a', 'ax', 'b', 'd', 'dx'] })).toEqual({ ...EVENT, l: ['a', 'b'] })
})

test('names and expressions of values take placeholders with interpolate only', async () => {
  const options = { blacklist_values: { '%{which}': '^%{what}$' } }
  const fields = { which: 'x', what: 'v', x: 'v' }
  expect(await pruned(options, fields)).toEqual({ ...EVENT, ...fields })
  expect(await pruned({ ...options, interpolate: true }, fields)).toEqual({ ...EVENT, which: 'x', what: 'v' })
})

test('an expression that is none is refused at load, or tagged where it comes from the event', async () => {
  await expect(buildFilter(prune, { whitelist_names: ['('] })).rejects.toThrow('REGEX_INVALID')
  const options = { interpolate: true, blacklist_names: ['%{p}'], add_tag: ['ok'] }
  expect(await pruned(options, { p: '(', a: 1 })).toEqual({ ...EVENT, p: '(', a: 1, tags: ['_prune_failure'] })
})

test('metadata is never pruned, and success is reported', async () => {
  const run = await buildFilter(prune, { whitelist_names: ['^a$'], add_field: { b: '1' } })
  const { event } = run({ '@metadata': { m: 1 }, a: 1 })
  expect(event.metadata).toEqual({ m: 1 })
  expect(JSON.parse(event.toJsonText())).toEqual({ a: 1, b: '1' })
})
