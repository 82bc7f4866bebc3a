import { assert, property, shuffledSubarray } from 'fast-check'
import { expect, test } from 'vitest'
import type { Fields } from '../../core/values.ts'
import { inOneOrder } from './field-order.ts'

const FIELDS: Fields = {
  '@timestamp': '2026-01-02T03:04:05.678Z',
  '@metadata': { beat: 'filebeat' },
  message: 'a line',
  host: { name: 'h' },
  tags: ['t'],
  agent: { id: '7' },
  log: { offset: 0 },
  zone: 'z',
  account: null,
  'a.b': false,
}

test('whatever order the fields come in, they are the same in one order', () => {
  const names = Object.keys(inOneOrder(FIELDS))
  assert(
    property(shuffledSubarray(Object.entries(FIELDS)), (members) => {
      const fields = Object.fromEntries(members)
      const ordered = inOneOrder(fields)
      expect(ordered).toEqual(fields)
      const present = Object.keys(ordered).filter((name) => ordered[name] !== undefined)
      expect(present).toEqual(names.filter((name) => Object.hasOwn(fields, name)))
    }),
  )
})

test.each(['__proto__', 'constructor', 'hasOwnProperty'])('a field named %s is a field like others', (name) => {
  const fields = JSON.parse(`{"${name}":{"a":1},"message":"m"}`) as Fields
  const ordered = inOneOrder(fields)
  expect(Object.hasOwn(ordered, name)).toBe(true)
  expect(JSON.parse(JSON.stringify(ordered))).toEqual(fields)
})
