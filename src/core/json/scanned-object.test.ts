import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { JSON_LINE, mutated, randomFrom } from '../../../test/helpers/json-lines.ts'
import { Event } from '../event.ts'
import { type FieldRef, parseFieldRef } from '../field-ref.ts'
import { cloneValue, type Fields, isFields, stringify, Timestamp, type Value } from '../values.ts'
import { parseJson } from './json.ts'
import { ScannedObject } from './scanned-object.ts'
import { TextWriter } from './text-writer.ts'

const NOW = new Timestamp(0)

function read(text: string): ScannedObject {
  const object = ScannedObject.read(text)
  if (object === undefined) throw new Error(`expected ${text.slice(0, 100)} to be scanned`)
  return object
}

const oracles = new WeakSet<Event>()

/** An event whose fields are parsed, and printed one by one: the oracle. `undefined` where the text is no object. */
function parsedEvent(text: string): Event | undefined {
  try {
    const { value } = parseJson(text)
    if (!isFields(value)) return undefined
    const event = Event.from(value, NOW, { exact: true })
    oracles.add(event)
    return event
  } catch {
    return undefined
  }
}

/** Names in sorted order, numbers by their exact value. */
function meaningOf(value: Value): unknown {
  if (Array.isArray(value)) return value.map(meaningOf)
  if (!isFields(value)) return value
  const names = Object.keys(value).sort()
  return names.flatMap((name) => [name, meaningOf(value[name] ?? null)])
}

function documentOf(event: Event): string {
  return stringify(meaningOf(parseJson(event.toJsonText()).value) as Value)
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
  fc.assert(
    fc.property(part, part, fc.boolean(), ([below, gone_below, one], [above, gone_above, other], is_renewed) => {
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

const REFS = [
  'a',
  'b',
  '[c][d]',
  '[b][x]',
  '[message][0]',
  'tags',
  '@timestamp',
  '__proto__',
  '[@metadata][x]',
  '[@metadata][@timestamp]',
  'level',
  '_tags',
].map(parseFieldRef)
const VALUES: readonly Value[] = ['t', 1, 5n, null, ['u'], { k: 9007199254740993n }, new Timestamp(1)]

const SAME_ROUNDS = 8

const ADOPTED = [
  '{"a":1.50,"level":{"x":[1]},"n":"é"}',
  '{"b":2,"message":[1,2]}',
  '{"b":1,"[c][d]":1}',
  '{}',
  '{"c":{"d":1},"__proto__":7}',
]

/** Makes the members of an object fields, as the json filter does. */
function adopt(event: Event, text: string): void {
  const object = read(text)
  if (!oracles.has(event) && event.adopt(object)) return
  for (const key of object.names()) event.set(parseFieldRef(key), object.get(key) ?? null)
}

/** Sets a map, as the geoip filter does. */
function setMap(event: Event, ref: FieldRef): void {
  if (oracles.has(event)) return event.set(ref, { d: 'é' })
  event.setPrinted(ref, { read: () => ({ d: 'é' }), print: (writer) => writer.text('{"d":"é"}') })
}

/** Whether what is read where it stands, if it is, is what one gets. */
function readsAsGot(event: Event, ref: FieldRef): boolean {
  const text = event.readText(ref, (longer, start, end) => longer.slice(start, end))
  return text === undefined || text === event.get(ref)
}

/** Does something to an event and returns what that showed. */
function change(event: Event, random: (limit: number) => number): unknown {
  const ref = REFS[random(REFS.length)] ?? parseFieldRef('a')
  try {
    switch (random(9)) {
      case 0:
        return event.set(ref, cloneValue(VALUES[random(VALUES.length)] ?? null))
      case 1:
        return meaningOf(event.remove(ref) ?? 'nothing')
      case 2:
        return event.tag('t')
      case 3:
        return [event.has(ref), event.isText(ref, 'й😀'), event.isText(ref, '"'), readsAsGot(event, ref)]
      case 4:
        return adopt(event, ADOPTED[random(ADOPTED.length)] ?? '{}')
      case 5:
        return setMap(event, ref)
      case 6:
        return [...event.entries()].map(([key]) => key).sort()
      default:
        return meaningOf(event.get(ref) ?? 'nothing')
    }
  } catch (thrown) {
    return String(thrown)
  }
}

test('whatever is done to it, it shows and says the same as one whose fields are parsed: 200,000 lines, half of them mutated', () => {
  let scanned = 0
  fc.assert(
    fc.property(JSON_LINE, fc.integer(), (text, seed) => {
      const random = randomFrom(seed)
      for (let round = 0; round < 40; round++) {
        const tried = round % 2 === 0 ? text : mutated(text, random)
        const source = ScannedObject.read(tried)
        if (source === undefined) continue
        scanned++
        // Most mutants that are objects still differ from the line they come from; of the line itself a few rounds will do.
        if (round % 2 === 0 && round >= SAME_ROUNDS) continue
        const plain = parsedEvent(tried)
        if (plain === undefined) throw new Error(`taken for an object: ${tried}`)
        compare(Event.from({}, NOW, { source }), plain, random(1_000_000), tried)
      }
    }),
    { numRuns: 5_000 },
  )
  expect(scanned).toBeGreaterThan(80_000)
}, 240_000)

function compare(fast: Event, plain: Event, seed: number, text: string): void {
  const [one, other] = [randomFrom(seed), randomFrom(seed)]
  const same = (a: unknown, b: unknown): void => {
    const [got, expected] = [stringify(a as Fields), stringify(b as Fields)]
    if (got !== expected) throw new Error(`${text} after ${seed}: expected ${expected}, got ${got}`)
  }
  for (let step = seed % 4; step > 0; step--) same({ shown: change(fast, one) }, { shown: change(plain, other) })
  same(documentOf(seed % 5 === 0 ? fast.clone() : fast), documentOf(plain))
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
