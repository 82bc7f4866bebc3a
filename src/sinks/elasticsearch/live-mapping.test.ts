import { expect, test } from 'vitest'
import { parseMapping } from './live-mapping.ts'

const PROPERTIES = {
  host: { properties: { name: { type: 'keyword' } } },
  message: { type: 'text', fields: { keyword: { type: 'keyword' } } },
  labels: { type: 'flattened' },
  nested: { type: 'nested', properties: { a: { type: 'long' } } },
  fixed: { dynamic: 'false', properties: { a: { type: 'long' } } },
  off: { type: 'object', enabled: false },
  _ignored_fields: { type: 'flattened' },
}

function mappingOf(mappings: object): NonNullable<ReturnType<typeof parseMapping>> {
  const mapping = parseMapping(JSON.stringify({ 'logs-000001': { mappings: {} }, 'logs-000002': { mappings } }))
  if (mapping === undefined) throw new Error('expected a mapping')
  return mapping
}

test.each([
  [{ host: { name: 'a' }, message: 'b', 'host.name': 'c' }, []],
  [{ host: { ip: 'a' }, new_one: { deep: 1 } }, ['host.ip', 'new_one']],
  [{ 'host.ip': 'a', host: [{ name: 'b' }, { mac: 'c' }] }, ['host.ip', 'host.mac']],
  [{ labels: { any: { thing: 1 } }, fixed: { b: 1 }, off: { x: 1 } }, []],
  [{ nested: [{ a: 1 }, { b: 2 }] }, ['nested.b']],
  [{ nothing: null, empty: [], hasOwnProperty: 1 }, ['hasOwnProperty']],
])('new in %j: %j', (fields, paths) => {
  expect(mappingOf({ properties: PROPERTIES }).newPaths(fields)).toEqual(paths)
})

test('of an index that takes no new fields nothing is new', () => {
  expect(mappingOf({ dynamic: 'false', properties: PROPERTIES }).newPaths({ new_one: 1 })).toEqual([])
})

test('how the field for what is set aside is mapped', () => {
  expect(mappingOf({ properties: PROPERTIES }).ignored_type).toBe('flattened')
  expect(mappingOf({ properties: { _ignored_fields: { type: 'text' } } }).ignored_type).toBe('text')
  expect(mappingOf({}).ignored_type).toBeUndefined()
  expect(mappingOf({}).has('_ignored_fields')).toBe(false)
})

test('names with dots in an index without sub-objects are found', () => {
  const mapping = mappingOf({ subobjects: false, properties: { 'a.b.c': { type: 'long' } } })
  expect(mapping.newPaths({ 'a.b.c': 1, 'a.b.d': 2 })).toEqual(['a.b.d'])
})

test.each(['null', '[]', '{}', '{"a":1}', '{"a":{"mappings":[]}}'])('no mapping: %s', (text) => {
  expect(parseMapping(text)).toBeUndefined()
})
