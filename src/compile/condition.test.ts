import { expect, test } from 'vitest'
import { parseCondition } from '../config/condition-parser.ts'
import { Event } from '../core/event.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import { parseJson } from '../core/json/json.ts'
import { type Fields, Timestamp } from '../core/values.ts'
import { compileCondition } from './condition.ts'

function holds(condition: string, document: string): boolean | 'incomparable' {
  const { value, exact } = parseJson(document)
  const event = Event.from(value as Fields, new Timestamp(0), { exact })
  return evaluate(condition, event)
}

function evaluate(condition: string, event: Event): boolean | 'incomparable' {
  let incomparable = false
  const result = compileCondition(parseCondition(condition), {
    incomparable: () => {
      incomparable = true
    },
    interrupted: () => {},
    limits: { timeout_ms: 0 },
  })(event)
  return incomparable ? 'incomparable' : result
}

test.each([
  // Truth
  ['[a]', '{"a":"x"}', true],
  ['[a]', '{"a":0}', true],
  ['[a]', '{"a":[]}', true],
  ['[a]', '{"a":""}', false],
  ['[a]', '{"a":false}', false],
  ['[a]', '{"a":null}', false],
  ['[a]', '{}', false],
  ['[a]', '{"a":"false"}', false],
  ['"x"', '{}', true],
  ['""', '{}', false],
  ['"false"', '{}', false],
  ['0', '{}', true],
  // Equality is strict by type
  ['[a] == "5"', '{"a":5}', false],
  ['[a] == 5', '{"a":5}', true],
  ['[a] == 5', '{"a":5.0}', false],
  ['[a] == 5.0', '{"a":5.0}', true],
  ['[a] == "true"', '{"a":true}', false],
  ['[a] != "x"', '{}', true],
  ['[a] == 12345678901234567890', '{"a":12345678901234567890}', true],
  ['[a] == 12345678901234567890', '{"a":12345678901234567891}', false],
  ['[a] == [b]', '{"a":{"x":[1,2]},"b":{"x":[1,2]}}', true],
  ['[a] == [b]', '{}', true],
  ['[a] == [b]', '{"a":null}', false],
  ['[a] == [b]', '{"a":null,"b":null}', true],
  // Order
  ['[a] > 2', '{"a":2.5}', true],
  ['[a] <= 2', '{"a":2.0}', true],
  ['1000 < [a]', '{"a":1001}', true],
  ['[a] < "9"', '{"a":"10"}', true],
  ['[a] > 9007199254740992', '{"a":9007199254740993}', true],
  ['[a] > 1', '{}', 'incomparable'],
  ['[a] > 1', '{"a":"2"}', 'incomparable'],
  ['[a] > 1', '{"a":[2]}', 'incomparable'],
  ['1 < [a]', '{}', 'incomparable'],
  ['[a] > [b]', '{"a":1}', 'incomparable'],
  ['[a] > 1', '{"a":null}', false],
  ['[a] >= 1', '{"a":null}', true],
  ['1 <= [a]', '{"a":true}', true],
  ['[a] < "x"', '{"a":false}', false],
  ['[a] > [b]', '{"a":1,"b":null}', 'incomparable'],
  ['[@timestamp] > "2024"', '{}', false],
  ['[@timestamp] <= "2024"', '{}', true],
  // in
  ['"rro" in [a]', '{"a":"error"}', true],
  ['"x" in [tags]', '{"tags":["y","x"]}', true],
  ['5 in [a]', '{"a":[4,5]}', true],
  ['[a] in ["5","6"]', '{"a":5}', true],
  ['[a] in [5, 6]', '{"a":"5"}', true],
  ['[a] in ["x"]', '{"a":"x"}', true],
  ['[a] not in ["x","y"]', '{}', true],
  ['[a] in [b]', '{"a":"x","b":["x"]}', true],
  ['[a] in [b]', '{"b":["x"]}', false],
  ['"b" in "abc"', '{}', false],
  ['"abc" in "abc"', '{}', true],
  ['[a] in "abc"', '{"a":"b"}', true],
  ['[a] in "5"', '{"a":5}', false],
  ['"5" in [a]', '{"a":5}', false],
  ['[a] in [a]', '{"a":["x"]}', false],
  ['[a] in [b]', '{"a":["x"],"b":[["x"]]}', false],
  ['[a] in ["true","x"]', '{"a":true}', true],
  ['[a] in [5, 6]', '{"a":5.0}', false],
  ['[a] in ["a", "b"]', '{"a":null}', false],
  ['[a] in ["", "b"]', '{"a":null}', true],
  ['[a] in ["", "b"]', '{}', false],
  // Patterns
  ['[a] =~ /^err/', '{"a":"x\\nerror"}', true],
  ['[a] =~ "or$"', '{"a":"error"}', true],
  ['[a] =~ /5/', '{"a":5}', false],
  ['[a] !~ /5/', '{"a":5}', true],
  // Logic
  ['[a] == 1 xor [b] == 1', '{"a":1,"b":1}', false],
  ['[a] == 1 nand [b] == 1', '{"a":1,"b":1}', false],
  ['!([a] == 1)', '{"a":2}', true],
])('%s of %s is %s', (condition, document, expected) => {
  expect(holds(condition, document)).toBe(expected)
})

test.each([
  ['[a] == 1.1', false],
  ['[a] != 1.1', true],
  ['[a] > 1', true],
  ['[a] < 1.2', true],
  ['[a] == [b]', true],
  ['[a] == [c]', false],
])('with decimals of the json filter %s is %s, as in Logstash', (condition, expected) => {
  const event = Event.from(parseJson('{"a":1.1,"b":1.10}', true).value as Fields, new Timestamp(0))
  event.set(parseFieldRef('c'), 1.1)
  expect(evaluate(condition, event)).toBe(expected)
})

test('names of Object.prototype are no fields', () => {
  expect(holds('[constructor]', '{}')).toBe(false)
  expect(holds('[__proto__][x]', '{"__proto__":{"x":"y"}}')).toBe(true)
})

test.each(['[a] =~ /^(?:a|a)*$/', '[a] !~ /^(?:a|a)*$/'])(
  '%s is false where the match takes too long, and tells',
  (condition) => {
    let interrupted = 0
    const predicate = compileCondition(parseCondition(condition), {
      incomparable: () => {},
      interrupted: () => {
        interrupted++
      },
      limits: { timeout_ms: 50 },
    })
    const eventOf = (a: string): Event => Event.from({ a }, new Timestamp(0))
    expect([predicate(eventOf(`${'a'.repeat(60)}b`)), interrupted]).toEqual([false, 1])
    expect([predicate(eventOf('aaa')), interrupted]).toEqual([condition.includes('=~'), 1])
  },
)
