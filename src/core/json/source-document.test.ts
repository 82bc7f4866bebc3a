import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Event } from '../event.ts'
import { parseFieldRef } from '../field-ref.ts'
import { cloneValue, type Fields, Timestamp, type Value } from '../values.ts'
import { parseJson } from './json.ts'

const NOW = new Timestamp(0)

/** The same event twice: one that may print its source text, one that prints every field. */
function both(text: string): { fast: Event; plain: Event } {
  const one = parseJson(text)
  const other = parseJson(text)
  return {
    fast: Event.from(one.value as Fields, NOW, { exact: one.exact, source: one.source }),
    plain: Event.from(other.value as Fields, NOW, { exact: true }),
  }
}

test('a text that nothing changed leaves to the letter, and what was added stands behind it', () => {
  const { fast } = both('{"price": 1.0, "order_id": 12345678901234567890, "e": 1E+3, "z": -0}')
  fast.set(parseFieldRef('geoip'), { country: 'DE' })
  expect(fast.toJsonText()).toBe(
    '{"price": 1.0, "order_id": 12345678901234567890, "e": 1E+3, "z": -0,"@version":"1","@timestamp":"1970-01-01T00:00:00.000Z","geoip":{"country":"DE"}}',
  )
})

test('an empty object', () => {
  expect(both('{}').fast.toJsonText()).toBe('{"@version":"1","@timestamp":"1970-01-01T00:00:00.000Z"}')
})

test('fields that an input adds between the parse and the birth are printed', () => {
  const { value, source, exact } = parseJson('{"a":1.0}')
  const fields = value as Fields
  fields['host'] = 'mx'
  fields['@timestamp'] = new Timestamp(1)
  expect(Event.from(fields, NOW, { exact, source }).toJsonText()).toBe(
    '{"a":1.0,"host":"mx","@timestamp":"1970-01-01T00:00:00.001Z","@version":"1"}',
  )
})

const name = fc.constantFrom('a', 'b', 'tags', '@timestamp', '@metadata', '@version', '__proto__', '1', 'x:', ',', 'é', '"')
const scalar = fc.oneof(
  fc.constantFrom('1.0', '12345678901234567890', '1e5', '7', 'null', 'true', '"x"', '":1"', '" "', '"\\":1.0"', '","'),
  fc.string().map((text) => JSON.stringify(text)),
)
const separator = fc.constantFrom(':', ': ', ' :')
const line = fc
  .array(fc.tuple(name, separator, scalar), { maxLength: 6 })
  .map((members) => `{${members.map(([key, colon, value]) => JSON.stringify(key) + colon + value).join(',')}}`)

type Operation = { readonly kind: 'set' | 'remove' | 'tag'; readonly name: string; readonly value: Value }
const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constantFrom('set' as const, 'remove' as const, 'tag' as const),
  name: fc.constantFrom('a', 'b', 'c', 'tags', '[c][d]', '[b][x]', '@timestamp', '__proto__', '[@metadata][x]'),
  value: fc.constantFrom<Value>('t', 1, 5n, null, ['u'], { k: 9007199254740993n }),
})

function apply(event: Event, { kind, name: text, value }: Operation): void {
  try {
    if (kind === 'tag') event.tag(text)
    else if (kind === 'remove') event.remove(parseFieldRef(text))
    else event.set(parseFieldRef(text), cloneValue(value))
  } catch {
    // Both refuse alike, or the documents differ.
  }
}

/** Names and values whatever their order, numbers by their exact value. */
function meaning(event: Event): unknown {
  return parseJson(event.toJsonText()).value
}

test('whatever is done to it, the document says the same as one that prints every field', () => {
  fc.assert(
    fc.property(line, fc.array(operation, { maxLength: 5 }), (text, operations) => {
      const { fast, plain } = both(text)
      for (const step of operations) {
        apply(fast, step)
        apply(plain, step)
      }
      expect(meaning(fast)).toEqual(meaning(plain))
      const names = [...fast.toJsonText().matchAll(/"@timestamp":/g)]
      expect(names.length).toBeLessThanOrEqual(1)
    }),
    { numRuns: 3_000 },
  )
})

test('thousands of added fields print as all others do', () => {
  const { fast, plain } = both('{"a":1.0}')
  for (let index = 0; index < 3_000; index++) {
    for (const event of [fast, plain]) event.set(parseFieldRef(`f${index % 2_000}`), index)
  }
  expect(meaning(fast)).toEqual(meaning(plain))
})
