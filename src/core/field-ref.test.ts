import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { fieldRefOf, isFieldRef, parseFieldRef } from './field-ref.ts'

test.each([
  ['a', ['a']],
  ['a.b', ['a.b']],
  ['[a]', ['a']],
  ['[a][b][0]', ['a', 'b', '0']],
  ['[[a][b]]', ['a', 'b']],
  ['[a b][-1]', ['a b', '-1']],
  ['__proto__', ['__proto__']],
  ['[@timestamp]', ['@timestamp']],
])('%s has the path %j', (text, path) => {
  expect(parseFieldRef(text)).toEqual({ text, in_metadata: false, path })
})

test.each([
  ['@metadata', []],
  ['[@metadata]', []],
  ['[@metadata][index]', ['index']],
])('%s is in the metadata, at %j', (text, path) => {
  expect(parseFieldRef(text)).toEqual({ text, in_metadata: true, path })
})

test.each(['[', ']', '[]', '[a', 'a]', 'a[b]', '[a]b', '[a][]', '[a]]', '[a] [b]', '[a[b]]', 'x[0]', '[[a]'])(
  '"%s" is refused',
  (text) => {
    expect(isFieldRef(text)).toBe(false)
    expect(() => parseFieldRef(text)).toThrow(expect.objectContaining({ code: 'FIELD_REFERENCE_INVALID' }))
  },
)

test('every text is either refused with a code or has a path', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...Array.from('[]ab@metadata.0 ')) }), (text) => {
      if (!isFieldRef(text)) expect(() => parseFieldRef(text)).toThrow(/Invalid FieldReference/)
      else expect(parseFieldRef(text).path.length).toBeGreaterThanOrEqual(parseFieldRef(text).in_metadata ? 0 : 1)
    }),
  )
})

test('a reference made of names takes brackets in them as they are', () => {
  expect(fieldRefOf(['a]', '[b'])).toEqual({ text: '[a]][[b]', in_metadata: false, path: ['a]', '[b'] })
})
