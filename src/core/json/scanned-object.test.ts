import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Event } from '../event.ts'
import { parseFieldRef } from '../field-ref.ts'
import { type Fields, Timestamp } from '../values.ts'
import { parseJson } from './json.ts'
import { ScannedObject } from './scanned-object.ts'
import { TextWriter } from './text-writer.ts'

const NOW = new Timestamp(0)

function read(text: string): ScannedObject {
  const object = ScannedObject.read(text)
  if (object === undefined) throw new Error(`expected ${text.slice(0, 100)} to be scanned`)
  return object
}

test('a text that nothing changed leaves to the letter, and what was added stands behind it', () => {
  const source = read('{"price": 1.0, "order_id": 12345678901234567890, "e": 1E+3, "z": -0, "n":{"a" : [ ]}}')
  const event = Event.from({ host: 'mx' }, NOW, { source })
  event.set(parseFieldRef('geoip'), { country: 'DE' })
  expect(event.toJsonText()).toBe(
    '{"price": 1.0, "order_id": 12345678901234567890, "e": 1E+3, "z": -0, "n":{"a" : [ ]},"host":"mx","@version":"1",' +
      '"@timestamp":"1970-01-01T00:00:00.000Z","geoip":{"country":"DE"}}',
  )
})

test.each([
  ['', '{"a":1,"b": 2 , "c":{"d":3}}'],
  ['a', '{"b": 2 , "c":{"d":3}}'],
  ['b', '{"a":1 , "c":{"d":3}}'],
  ['c', '{"a":1,"b": 2}'],
  ['ab', '{ "c":{"d":3}}'],
  ['ac', '{"b": 2}'],
  ['bc', '{"a":1}'],
  ['abc', '{}'],
])('without %s it prints as the rest came', (names, expected) => {
  const object = read(' {"a":1,"b": 2 , "c":{"d":3} }\r\n')
  for (const name of names) object.cut(name)
  const writer = new TextWriter()
  object.print(writer)
  expect(`${writer.written.toString().trimEnd()}}`).toBe(expected)
  expect(object.parse().value).toEqual(JSON.parse(expected))
})

test('characters of any size stand where they stand', () => {
  const object = read('{"ключ":"значение","😀":"a😀b","z":"\\"é\\n"}')
  expect(object.names()).toEqual(['ключ', '😀', 'z'])
  expect(['ключ', '😀', 'z', 'é'].map((name) => object.get(name))).toEqual(['значение', 'a😀b', '"é\n', undefined])
})

test.each([
  '{"a":1,"a":2}',
  '{"o":{"a":1,"b":{"a":2},"a":2}}',
  '{"l":[{"a":1},{"a":1,"a":2}]}',
  '{"\\u0061":1}',
  '{"a":"\\ud83d\\ude00"}',
  '{"a":\n1}',
  `{"a":${'['.repeat(17)}${']'.repeat(17)}}`,
  `{"${'n'.repeat(129)}":1}`,
  '{"a":"\ud800"}',
  '{"a":1}\u00a0',
])('what is rare is left to the parser: %j', (text) => {
  expect(ScannedObject.read(text)).toBeUndefined()
})

test.each([
  ['{"o":{"a":1}}', '{"o":[{"a":1,"a":2}]}'],
  ['{"p":[[{"a":1}]]}', '{"p":{"a":[],"a":2}}'],
])('a name twice is found where the same name stood at another depth before: %s, %s', (before, text) => {
  read(before)
  expect(ScannedObject.read(text)).toBeUndefined()
})

test('thousands of names, one after the other and in one text, are forgotten again', () => {
  for (let round = 0; round < 3; round++) {
    const names = Array.from({ length: 3_000 }, (_, index) => `f${round}-${index}`)
    const object = read(`{${names.map((name, index) => `"${name}":${index}`).join(',')}}`)
    expect(names.map((name) => object.get(name))).toEqual(names.map((_, index) => index))
    expect(read(`{"a":1,"${names[5]}":2}`).get(names[5] ?? '')).toBe(2)
  }
})

test('a copy is on its own', () => {
  const object = read('{"a":1,"b":2}')
  const copy = object.copy()
  copy.cut('a')
  expect([object.get('a'), copy.get('a'), copy.get('b')]).toEqual([1, undefined, 2])
})

test('an object over another one: of each name one member is left, the upper one, whatever was taken out before', () => {
  const names = ['a', 'b', 'é', 'tags', '__proto__', ...Array.from({ length: 90 }, (_, n) => `n${n}`)]
  const some = fc.oneof(fc.subarray(names.slice(0, 8)), fc.subarray(names), fc.constant(names))
  const part = fc.tuple(some, fc.subarray(names.slice(0, 8)), fc.constantFrom('1', '"é"', '{"a":1}'))
  const seldom = fc.nat(9).map((number) => number === 0)
  fc.assert(
    fc.property(part, part, seldom, ([below, gone_below, one], [above, gone_above, other], is_renewed) => {
      const textOf = (of: string[], value: string) => `{${of.map((name) => `${JSON.stringify(name)}:${value}`).join(', ')}}`
      const lower = read(textOf(below, one))
      for (const name of gone_below) lower.cut(name)
      // So many names that all are forgotten: the two objects number theirs differently.
      if (is_renewed) for (let n = 0; n < 2; n++) read(textOf(freshNames(), '1'))
      const upper = read(textOf(above, other))
      for (const name of gone_above) upper.cut(name)
      upper.putOver(lower)
      const kept = [
        ...below.filter((name) => !gone_below.includes(name) && (!above.includes(name) || gone_above.includes(name))),
        ...above.filter((name) => !gone_above.includes(name)),
      ]
      expect(upper.names()).toEqual(kept)
      expect(upper.holdsReserved).toBe(above.includes('tags') && !gone_above.includes('tags'))
      expect([
        upper.holdsOnly(new Set(kept.slice(1)), kept[0] ?? ''),
        upper.holdsOnly(new Set(kept.slice(2)), kept[0] ?? ''),
      ]).toEqual([true, kept.length < 2])
      const writer = new TextWriter()
      upper.print(writer)
      const printed = parseJson(`${writer.written.toString()}}`).value as Fields
      expect(Object.keys(printed)).toEqual(kept)
      expect(upper.parse().value).toEqual(printed)
    }),
    { numRuns: 500 },
  )
})

let fresh = 0

function freshNames(): string[] {
  return Array.from({ length: 2_100 }, () => `fresh-${fresh++}`)
}

test('plain lines are scanned', () => {
  const plain = fc.record({
    level: fc.string(),
    count: fc.integer(),
    list: fc.array(fc.boolean()),
    map: fc.record({ é: fc.string() }),
  })
  fc.assert(fc.property(plain, (document) => void read(JSON.stringify(document))))
})
