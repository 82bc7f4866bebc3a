import { expect, test } from 'vitest'
import { componentNode } from '../../test/helpers/config-value.ts'
import { testContext } from '../../test/helpers/context.ts'
import { buildFilter } from '../../test/helpers/run-filter.ts'
import { compileFilter } from '../compile/filter.ts'
import { Event } from '../core/event.ts'
import { type Fields, Timestamp } from '../core/values.ts'
import { split } from './split.ts'

const EVENT = { '@timestamp': '2026-01-02T00:00:00.000Z', '@version': '1' }

async function run(options: { readonly [name: string]: unknown }, fields: Fields) {
  const filter = await buildFilter(split, options)
  const { event, out } = filter({ ...EVENT, ...fields })
  return { event, documents: out.map((child) => JSON.parse(child.toJsonText()) as { [name: string]: unknown }) }
}

test.each([
  ['\n', 'a\nb\n\nc\n', ['a', 'b', 'c']],
  ['\n', 'a\r\nb', ['a\r', 'b']],
  [';', '1;2;;3', ['1', '2', '3']],
  ['--', 'x--y-z', ['x', 'y-z']],
  ['.', 'a.b', ['a', 'b']],
  [' ', '  a  b ', ['a', 'b']],
  ['', 'aé😀', ['a', 'é', '😀']],
  ['\n', '\n', []],
])('cut at %j the text %j gives %j', async (terminator, text, parts) => {
  const { event, documents } = await run({ field: 's', terminator, add_tag: ['ok'] }, { s: text })
  expect(documents).toEqual(parts.map((s) => ({ ...EVENT, s, tags: ['ok'] })))
  expect(event.cancelled).toBeDefined()
})

test('a text without the terminator goes on as it is', async () => {
  const { event, documents } = await run({ add_tag: ['ok'] }, { message: 'single' })
  expect(documents).toEqual([{ ...EVENT, message: 'single' }])
  expect(event.cancelled).toBeUndefined()
})

test.each([
  [
    [1, 2, { a: 1 }],
    [1, 2, { a: 1 }],
  ],
  [['one'], ['one']],
  [
    [null, '', false, 0, [], ['x']],
    [false, 0, [], ['x']],
  ],
])('the list %j gives %j', async (list, parts) => {
  const { event, documents } = await run({ field: '[l][m]' }, { l: { m: list, n: 1 }, k: 'x' })
  expect(documents).toEqual(parts.map((m) => ({ ...EVENT, l: { m, n: 1 }, k: 'x' })))
  expect(event.isConsumed).toBe(true)
})

test.each([[[]], [''], [[null, '']]])('%j removes the event, which is a drop in the ledger', async (message) => {
  const { event, documents } = await run({}, { message })
  expect(documents).toEqual([])
  expect(event.cancelled).toBeDefined()
  expect(event.isConsumed).toBe(false)
})

test.each([[{}], [{ message: null }], [{ message: 5 }], [{ message: true }], [{ message: { a: 1 } }]])(
  '%j is tagged and goes on',
  async (fields) => {
    const { documents } = await run({ add_tag: ['ok'] }, fields)
    expect(documents).toEqual([{ ...EVENT, ...fields, tags: ['_split_type_failure'] }])
  },
)

test('with a target the field stays in every part', async () => {
  const { documents } = await run({ field: 's', terminator: ';', target: '[t][u]' }, { s: '1;2' })
  expect(documents).toEqual([
    { ...EVENT, s: '1;2', t: { u: '1' } },
    { ...EVENT, s: '1;2', t: { u: '2' } },
  ])
})

test.each([{ target: '[k][x]' }, { target: 'tags' }, { field: 'l', target: '@timestamp' }])(
  'where %j cannot be set, the event stays whole',
  async (options) => {
    const { documents } = await run({ field: 'l', ...options }, { l: [1, 2], k: 'x' })
    expect(documents).toEqual([{ ...EVENT, l: [1, 2], k: 'x', tags: ['_split_type_failure'] }])
  },
)

test('tags can be split, and a value that cannot be a tag leaves them', async () => {
  expect((await run({ field: 'tags' }, { tags: ['a', 'b'] })).documents).toEqual([
    { ...EVENT, tags: 'a' },
    { ...EVENT, tags: 'b' },
  ])
})

test('the parts have stable ids of their own, and their share of the size', async () => {
  const parts = await compileFilter(split, componentNode('split', { field: 'l' }), testContext(), () => {})
  const list = ['x'.repeat(50), 'y'.repeat(100)]
  const origin = { input: 'i', describe: () => 'i', stableId: () => 'id' }
  const parent = Event.from({ l: list, rest: 'r' }, new Timestamp(0), { origin })
  parent.size_bytes = 200
  const children: Event[] = []
  parts?.step(parent, (child) => children.push(child))
  expect(children.map((child) => child.stableId())).toEqual(['id-1', 'id-2'])
  const rest = 200 - JSON.stringify(list).length
  expect(children.map((child) => child.size_bytes)).toEqual([rest + 50, rest + 100])
})

test('an element of a list can be split, the others stay where they are', async () => {
  const { documents } = await run({ field: '[l][0]' }, { l: ['a\nb', 'c'] })
  expect(documents.map(({ l }) => l)).toEqual([
    ['a', 'c'],
    ['b', 'c'],
  ])
})

test('too many parts are refused with the tag', async () => {
  const { documents } = await run({ field: 'l' }, { l: Array<number>(10_001).fill(0) })
  expect(documents).toHaveLength(1)
  expect(documents[0]).toMatchObject({ tags: ['_split_type_failure'] })
  expect((await run({ field: 'l' }, { l: Array<number>(10_000).fill(0) })).documents).toHaveLength(10_000)
})
