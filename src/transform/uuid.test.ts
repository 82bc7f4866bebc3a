import { expect, test } from 'vitest'
import { runFilter } from '../../test/helpers/run-filter.ts'
import { uuid } from './uuid.ts'

const VERSION_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test.each([[{}], [{ id: null }]])('%j gets an id of its own', async (fields) => {
  const [a, b] = [await runFilter(uuid, { target: 'id' }, fields), await runFilter(uuid, { target: 'id' }, fields)]
  expect(a?.['id']).toMatch(VERSION_4)
  expect(a?.['id']).not.toBe(b?.['id'])
})

test.each(['keep', '', 5, false, [], {}])('a value %j stays unless it is to be overwritten', async (id) => {
  expect(await runFilter(uuid, { target: 'id', add_tag: ['ok'] }, { id })).toMatchObject({ id, tags: ['ok'] })
  expect((await runFilter(uuid, { target: 'id', overwrite: true }, { id }))?.['id']).toMatch(VERSION_4)
})

test('a field that cannot be set is tagged', async () => {
  expect(await runFilter(uuid, { target: '[a][b]', add_tag: ['ok'] }, { a: 1 })).toMatchObject({ a: 1, tags: ['_uuid_failure'] })
})
