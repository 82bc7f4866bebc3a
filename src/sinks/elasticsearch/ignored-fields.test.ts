import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Fields, SourceNumber, type Value } from '../../core/values.ts'
import { putAside, reshapeAside, takeBadNames, takePath } from './ignored-fields.ts'

test.each<[string, Fields, Value[], Fields]>([
  ['host', { host: 'a', b: 1 }, ['a'], { b: 1 }],
  ['host.name', { host: { name: 'a', ip: 'b' } }, ['a'], { host: { ip: 'b' } }],
  ['host.name', { 'host.name': 'a' }, ['a'], {}],
  ['a.b.c', { 'a.b': { c: 1 }, a: { 'b.c': 2, b: { c: 3 } } }, [1, 2, 3], { 'a.b': {}, a: { b: {} } }],
  ['host', { 'host.name': 'a', hostname: 'b' }, [{ name: 'a' }], { hostname: 'b' }],
  ['items.price', { items: [{ price: 1, n: 1 }, { n: 2 }, { price: 'x' }] }, [1, 'x'], { items: [{ n: 1 }, { n: 2 }, {}] }],
  ['host', { host: ['a', { b: 1 }] }, [['a', { b: 1 }]], {}],
  ['__proto__', { a: 1 }, [], { a: 1 }],
  ['nothing', { host: null, a: 1 }, [], { host: null, a: 1 }],
])('%s in %j', (path, fields, values, left) => {
  expect(takePath(fields, path)).toEqual(values)
  expect(fields).toEqual(left)
})

test('only the values that are refused are taken out', () => {
  const fields: Fields = { items: [{ price: 1 }, { price: 'x' }] }
  expect(takePath(fields, 'items.price', (value) => typeof value === 'string')).toEqual(['x'])
  expect(fields).toEqual({ items: [{ price: 1 }, {}] })
})

test('names that are no names are taken out wherever they are', () => {
  const fields: Fields = { '': 1, ' ': 2, good: { '.a': 3, b: 4 }, list: [{ 'a..b': 5 }], 'x.y': 6 }
  expect(takeBadNames(fields)).toEqual([
    { path: '', value: 1 },
    { path: ' ', value: 2 },
    { path: 'good..a', value: 3 },
    { path: 'list.a..b', value: 5 },
  ])
  expect(fields).toEqual({ good: { b: 4 }, list: [{}], 'x.y': 6 })
})

const ASIDES = [
  { path: 'duration', value: 'a while' },
  { path: 'host.name', value: ['a', 1n, new SourceNumber('1.0')] },
]

test('set aside as a map of texts or as a list of texts, with numbers as they came', () => {
  const map: Fields = { n: 1 }
  putAside(map, ASIDES, 'mapping_conflict', 'flattened', true)
  expect(map).toEqual({
    n: 1,
    _ignored_fields: { duration: 'a while', 'host.name': '["a",1,1.0]' },
    tags: ['_ignored_mapping_conflict'],
  })
  const list: Fields = { tags: 'mine' }
  putAside(list, ASIDES, 'field_limit', 'list', true)
  expect(list).toEqual({
    _ignored_fields: ['duration=a while', 'host.name=["a",1,1.0]'],
    tags: ['mine', '_ignored_field_limit'],
  })
})

test('what is set aside already stays, in either form, and changes its form with the field', () => {
  const fields: Fields = { _ignored_fields: ['a=1', 'b=x=y'], tags: ['t'] }
  putAside(fields, [{ path: 'a', value: 'again' }], 'field_budget', 'flattened', false)
  expect(fields).toEqual({ _ignored_fields: { a: ['1', 'again'], b: 'x=y' }, tags: ['t'] })
  reshapeAside(fields, 'list')
  expect(fields['_ignored_fields']).toEqual(['a=1', 'a=again', 'b=x=y'])
})

test('a text of any length is kept whole in texts that a keyword takes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.integer({ min: 0, max: 3_000 }), (part, times) => {
      const text = part.repeat(times)
      const fields: Fields = {}
      putAside(fields, [{ path: 'f', value: text }], 'value_too_long', 'flattened', false)
      const pieces = [(fields['_ignored_fields'] as Fields)['f'] ?? ''].flat() as string[]
      expect(pieces.join('')).toBe(text)
      expect(pieces.every((piece) => Buffer.byteLength(piece) < 32_000 && piece.isWellFormed())).toBe(true)
    }),
    { numRuns: 50 },
  )
})

test('a name of any length does not become the name of a member', () => {
  const fields: Fields = {}
  putAside(fields, [{ path: 'n'.repeat(40_000), value: 'v' }], 'mapping_conflict', 'flattened', false)
  const { 'long names': pieces } = fields['_ignored_fields'] as { [name: string]: string[] }
  expect(pieces?.join('')).toBe(`${'n'.repeat(40_000)}=v`)
})
