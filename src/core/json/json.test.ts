import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { SourceNumber, stringify } from '../values.ts'
import { endOfJson, JSON_DEPTH_MAX, parseJson } from './json.ts'

function roundTrip(text: string): string {
  const { value, exact } = parseJson(text)
  return stringify(value, exact)
}

/** A number as JSON allows it, in any notation. */
const NUMBER_TEXT = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(fc.constant('0'), fc.stringMatching(/^[1-9]\d{0,24}$/)),
    fc.oneof(fc.constant(''), fc.stringMatching(/^\.\d{1,20}$/)),
    fc.oneof({ weight: 3, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.stringMatching(/^[eE][+-]?\d{1,4}$/) }),
  )
  .map((parts) => parts.join(''))
  .filter((text) => text !== '-0')

test.each(['{"a":1.5,"b":2}', '{"a":1.5,"b":[2]}', '{"a":1.5,"b":{"c":1e3}}'])(
  '%s holds decimals where they are asked for',
  (text) => {
    const { value, exact } = parseJson(text, true)
    expect(value).toMatchObject({ a: new SourceNumber('1.5', true) })
    expect(stringify(value, exact)).toBe(text)
    expect(parseJson(text).value).toMatchObject({ a: 1.5 })
  },
)

test.each([
  ['{"a":"\\ud800x","b":"ok"}', '{"a":"","b":"ok"}'],
  ['{"a":["\\udc00",{"b":"x\\uD83D"}],"n":1.50}', '{"a":["",{"b":""}],"n":1.50}'],
  ['{"a":"\\ud83d\\ude00"}', '{"a":"😀"}'],
  ['"\\ud800"', '""'],
  ['{"a":"\\\\ud800"}', '{"a":"\\\\ud800"}'],
  ['{"a":"\ud800x","b":["😀","\udc00"],"n":1.50}', '{"a":"","b":["😀",""],"n":1.50}'],
])('half a character empties its text: %s', (text, expected) => {
  expect(roundTrip(text)).toBe(expected)
})

test('every number keeps its text, wherever it stands', () => {
  fc.assert(
    fc.property(NUMBER_TEXT, NUMBER_TEXT, NUMBER_TEXT, (a, b, c) => {
      for (const text of [a, `[${a},${b}]`, `{"x":${a},"y":{"z":[${b},"s",${c}]}}`]) expect(roundTrip(text)).toBe(text)
    }),
    { numRuns: 500 },
  )
})

test('minus zero is zero, as in Logstash', () => {
  expect(roundTrip('[-0,-0.0]')).toBe('[0,-0.0]')
})

test.each(['1234567890.12345678', '12345678901234.123', '0.1234567890123456', '9007199254740993', '100', '1.5', '0.000001'])(
  '%s in an object keeps its text',
  (number) => {
    expect(roundTrip(`{"a":${number}}`)).toBe(`{"a":${number}}`)
  },
)

test('plain numbers are plain numbers', () => {
  expect(parseJson('{"a":1,"b":1.5,"c":-7}')).toMatchObject({ value: { a: 1, b: 1.5, c: -7 }, exact: false })
  expect(parseJson('{"a":12345678901234567890}')).toMatchObject({ value: { a: 12345678901234567890n }, exact: ['a'] })
  expect(parseJson('{"a":1.0}').value).toEqual({ a: new SourceNumber('1.0') })
})

test('a text is valid where JSON.parse finds it valid, and else a SyntaxError', () => {
  const texts = fc.oneof(
    fc.json(),
    fc.string(),
    fc.string({ unit: fc.constantFrom(...Array.from('{}[]",:0123456789.eE+-\\ untrfals\n')) }),
    fc
      .tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 }))
      .map(([text, at, extra]) => text.slice(0, at % (text.length + 1)) + extra),
  )
  fc.assert(
    fc.property(texts, (text) => {
      let expected: unknown
      let valid = true
      try {
        expected = JSON.parse(text)
      } catch {
        valid = false
      }
      if (!valid) expect(() => parseJson(text)).toThrow(SyntaxError)
      // Printed once more, for JSON.stringify has no minus zero.
      else expect(JSON.stringify(JSON.parse(roundTrip(text)))).toBe(JSON.stringify(expected))
    }),
    { numRuns: 1000 },
  )
})

test('a long integer that stands alone is exact too', () => {
  expect(parseJson('-9007199254740992')).toEqual({ value: -9007199254740992n, exact: true })
})

test('of a name that comes twice the last one wins, whatever kind it is', () => {
  expect(roundTrip('{"a":1.0,"a":2}')).toBe('{"a":2}')
  for (const last of ['"1"', 'true', '[1]', '{"b":1}']) {
    expect(roundTrip(`{"a":1.0,"a":${last}}`)).toBe(`{"a":${last}}`)
    expect(roundTrip(`[{"a":1.0,"a":${last}}]`)).toBe(`[{"a":${last}}]`)
  }
  expect(roundTrip('{"a":0.0,"a":null}')).toBe('{"a":null}')
  expect(roundTrip('{"a":1,"a":1.0}')).toBe('{"a":1.0}')
  for (const last of ['1', '1e0', '1.00']) {
    expect(roundTrip(`{"a":1.0,"a":${last}}`)).toBe(`{"a":${last}}`)
    expect(roundTrip(`{"z":{"a":[1.0,7]},"z":{"a":[${last}]}}`)).toBe(`{"z":{"a":[${last}]}}`)
  }
  expect(roundTrip('{"a":12345678901234567890,"a":"x"}')).toBe('{"a":"x"}')
  expect(roundTrip('{"a":{"b":1.0},"a":{"b":2,"c":3.0}}')).toBe('{"a":{"b":2,"c":3.0}}')
  expect(roundTrip('{"a":[1.0,2.0],"a":[3]}')).toBe('{"a":[3]}')
})

test('names that mean something to JavaScript are data', () => {
  for (const text of [
    '{"a":1.0,"a":{"valueOf":1,"toString":1}}',
    '{"__proto__":{"x":1.0},"constructor":2.0,"toJSON":3}',
    '{"a":1.0,"hasOwnProperty":12345678901234567890}',
  ]) {
    expect(() => roundTrip(text)).not.toThrow()
  }
  expect(roundTrip('{"__proto__":{"x":1.0}}')).toBe('{"__proto__":{"x":1.0}}')
})

test('escaped names and strings that look like numbers do not mislead the reader of numbers', () => {
  const text = '{"a\\"b\\\\":1.0,"s":", 1.0, 12345678901234567890","\\u0061":2.0}'
  expect(roundTrip(text)).toBe('{"a\\"b\\\\":1.0,"s":", 1.0, 12345678901234567890","a":2.0}')
})

test('nesting has a limit, and reaching it costs no stack', () => {
  const nested = (depth: number) => `${'['.repeat(depth)}1.0${']'.repeat(depth)}`
  expect(roundTrip(nested(JSON_DEPTH_MAX))).toBe(nested(JSON_DEPTH_MAX))
  expect(() => parseJson(nested(JSON_DEPTH_MAX + 1))).toThrow(SyntaxError)
  expect(() => parseJson('['.repeat(1_000_000))).toThrow(SyntaxError)
})

test('many numbers deep inside cost no more than elsewhere', () => {
  // Looking each of them up from the root took 38 s.
  const text = `${'{"name":'.repeat(900)}[${Array.from({ length: 250_000 }, () => '1.0').join(',')}]${'}'.repeat(900)}`
  expect(roundTrip(text)).toBe(text)
})

test('the end of an object is found behind brackets in strings', () => {
  expect(endOfJson(' {"a":"}\\"]"} x', 0)).toBe(13)
  expect(endOfJson('{}[]', 2)).toBe(4)
  for (const text of ['', 'x{}', '}', '{', '{"a', '1']) expect(endOfJson(text, 0)).toBe(-1)
})
