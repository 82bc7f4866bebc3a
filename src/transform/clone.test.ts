import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { buildFilter } from '../../test/helpers/run-filter.ts'
import type { EcsCompatibility } from '../core/plan.ts'
import type { Fields } from '../core/values.ts'
import { clone } from './clone.ts'

async function run(options: { readonly [name: string]: unknown }, ecs_compatibility: EcsCompatibility, fields: Fields) {
  const filter = await buildFilter(clone, options, testContext({ ecs_compatibility }))
  return filter(fields).out.map((event) => JSON.parse(event.toJsonText()) as unknown)
}

const EVENT = { '@timestamp': '2026-01-02T00:00:00.000Z', '@version': '1' }

test.each<[EcsCompatibility, object, object]>([
  ['disabled', { type: 'c1' }, { type: 'c2' }],
  ['v1', { type: 'old', tags: ['t', 'c1'] }, { type: 'old', tags: ['t', 'c2'] }],
  ['v8', { type: 'old', tags: ['t', 'c1'] }, { type: 'old', tags: ['t', 'c2'] }],
])('with ecs_compatibility %s the original comes first, then the copies by name', async (ecs, first, second) => {
  const fields = { ...EVENT, type: 'old', tags: ['t'], a: { b: [1] } }
  expect(await run({ clones: ['c1', 'c2'] }, ecs, fields)).toEqual([fields, { ...fields, ...first }, { ...fields, ...second }])
})

test('the common options act on the copies only', async () => {
  const options = { clones: 'c1', add_tag: ['ct'], add_field: { cf: '%{a}' } }
  const [original, copy] = await run(options, 'v8', { ...EVENT, a: 1 })
  expect(original).toEqual({ ...EVENT, a: 1 })
  expect(copy).toEqual({ ...EVENT, a: 1, cf: '1', tags: ['c1', 'ct'] })
})

test('a name that is a tag already is not added again; without names there are no copies', async () => {
  expect(await run({ clones: ['c1'] }, 'v8', { ...EVENT, tags: 'c1' })).toEqual([
    { ...EVENT, tags: 'c1' },
    { ...EVENT, tags: 'c1' },
  ])
  expect(await run({ clones: [] }, 'v8', EVENT)).toEqual([EVENT])
})

test('copies share nothing with the original', async () => {
  const filter = await buildFilter(clone, { clones: ['c'], add_field: { '[a][b]': 'x' } })
  const [original] = filter({ a: { c: 1 }, '@metadata': { m: 1 } }).out
  expect(JSON.parse(original?.toJsonText() ?? '')).toMatchObject({ a: { c: 1 } })
  expect(original?.toJsonText()).not.toContain('"b"')
})

test('clones is required', async () => {
  await expect(buildFilter(clone, {})).rejects.toThrow('missing the required option clones')
})
