import { expect, test } from 'vitest'
import { compareOutputs } from './compare.ts'

const NOW_MS = Date.UTC(2026, 10, 22, 12)

function compare(expected: string, actual: string, more: { input?: string; volatile?: string[]; is_pretty?: boolean } = {}) {
  return compareOutputs({ expected, actual, input: '', volatile: [], now_ms: NOW_MS, ...more })
}

test.each([
  ['{"a":1,"b":[1,2]}', '{"b":[1,2],"a":1}'],
  ['{"a":1.0,"b":1E+3,"c":-0.0}', '{"a":1.00,"b":1000,"c":0}'],
  ['{"a":12345678901234567890}', '{"a":12345678901234567890}'],
  ['{"a":1}{"a":2}', '{"a":1}\n{"a":2}\n'],
  ['{"t":"<now>","i":"x-<today>"}', '{"t":"2026-11-22T09:00:00.123456Z","i":"x-2026.11.22"}'],
  ['{"md":"is {\\"a\\":1,\\"b\\":2}"}', '{"md":"is {\\"b\\":2,\\"a\\":1}"}'],
  ['plain|1', 'plain|1\n'],
])('%s is as good as %s', (expected, actual) => {
  expect(compare(expected, actual)).toEqual({ difference: undefined, notations: 0 })
})

test.each([
  ['{"a":1}', '{"a":1}\n{"a":2}'],
  ['{"a":1}', '{"a":"1"}'],
  ['{"a":[1,2]}', '{"a":[2,1]}'],
  ['{"a":null}', '{}'],
  ['{"a":12345678901234567890}', '{"a":12345678901234567891}'],
  ['{"a":1.23456789E7}', '{"a":12345678.8}'],
  ['{"t":"<now>"}', '{"t":"2026-11-21T09:00:00.123Z"}'],
  ['{"t":"<now>"}', '{"t":"soon"}'],
  ['{"md":"is {\\"a\\":1}"}', '{"md":"is {\\"a\\":2}"}'],
  ['plain', 'text'],
])('%s is not %s', (expected, actual) => {
  expect(compare(expected, actual).difference).toMatch(/^ {2}[-+] /m)
})

test('a number that prints as it came is the nearest double of Logstash', () => {
  const expected = '{"a":4.9E-324,"b":3.141592653589793,"c":"Infinity"}'
  const actual = '{"a":5e-324,"b":3.14159265358979323846,"c":1e400}'
  expect(compare(expected, actual, { input: actual })).toEqual({ difference: undefined, notations: 3 })
  expect(compare(expected, actual).difference).toBeDefined()
})

test('volatile fields are there and look alike', () => {
  const volatile = ['id']
  expect(compare('{"id":"a1-b2"}', '{"id":"99-ff"}', { volatile }).difference).toBeUndefined()
  expect(compare('{"id":"a1-b2"}', '{"id":"x y"}', { volatile }).difference).toBeDefined()
  expect(compare('{"id":"a1-b2"}', '{}', { volatile }).difference).toBeDefined()
})

test('the lines of a pretty print may come in any order', () => {
  const [expected, actual] = ['{\n  "a" => 1,\n  "b" => 2\n}', '{\n  "b" => 2,\n  "a" => 1\n}\n']
  expect(compare(expected, actual, { is_pretty: true }).difference).toBeUndefined()
  expect(compare(expected, actual).difference).toBeDefined()
})
