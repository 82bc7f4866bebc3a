import { expect, test } from 'vitest'
import { componentNode } from '../../test/helpers/config-value.ts'
import { testContext } from '../../test/helpers/context.ts'
import { compileCodec } from '../compile/codec.ts'
import { Catalog } from '../core/component.ts'
import { Event } from '../core/event.ts'
import { parseJson } from '../core/json/json.ts'
import { type Fields, SourceNumber, Timestamp } from '../core/values.ts'
import { printRuby } from './ruby-print.ts'
import { rubydebug } from './rubydebug.ts'

function print(json: string, options: { [name: string]: unknown } = {}): string {
  const codec = compileCodec(componentNode('rubydebug', options), new Catalog([rubydebug]), testContext(), {
    report: ({ message }) => {
      throw new Error(message)
    },
    warn: () => {},
  })
  const { value, exact } = parseJson(json)
  return codec?.createEncoder().encode(Event.from(value as Fields, new Timestamp(0), { exact })) ?? ''
}

test('values of every kind, names against the arrow', () => {
  const json =
    '{"@timestamp":"2024-01-02T03:04:05.678Z","a":1,"s":"x\\"y","n":null,"l":[1,"b",{"c":2.5}],"h":{"b":1,"a":{}},"e":[],"t":true,"d":1.0}'
  expect(print(json)).toBe(`{
    "@timestamp" => 2024-01-02T03:04:05.678Z,
             "a" => 1,
             "s" => "x\\"y",
             "n" => nil,
             "l" => [
        [0] 1,
        [1] "b",
        [2] {
            "c" => 2.5
        }
    ],
             "h" => {
        "b" => 1,
        "a" => {}
    },
             "e" => [],
             "t" => true,
             "d" => 1.0,
      "@version" => "1"
}
`)
})

test('indexes are as wide as the last one, also in a list of lists', () => {
  const numbers = Array.from({ length: 11 }, () => '7').join(',')
  const lines = print(`{"@timestamp":"2024-01-02T03:04:05.678Z","l":[[${numbers}]]}`).split('\n')
  expect(lines.slice(2, 5)).toEqual(['             "l" => [', '        [0] [', '            [ 0] 7,'])
  expect(lines.slice(14, 17)).toEqual(['            [10] 7', '        ]', '    ],'])
})

test('metadata is printed when asked for, and only where there is some', () => {
  const json = '{"@timestamp":"2024-01-02T03:04:05.678Z","@metadata":{"m":"1"}}'
  expect(print(json)).not.toContain('@metadata')
  expect(print(json, { metadata: true })).toBe(`{
    "@timestamp" => 2024-01-02T03:04:05.678Z,
      "@version" => "1",
     "@metadata" => {
        "m" => "1"
    }
}
`)
  expect(print('{}', { metadata: true })).not.toContain('@metadata')
})

test.each([
  ['a\n\tb', '"a\\n\\tb"'],
  ['\u0007\b\v\f\r\u001b\u0000\u007f', '"\\a\\b\\v\\f\\r\\e\\u0000\\x7F"'],
  ['#{x} #x #$y #@z #', '"\\#{x} #x \\#$y \\#@z #"'],
  ['back\\slash', '"back\\\\slash"'],
  ['é 日本 😀 \u00a0', '"é 日本 😀 \u00a0"'],
  ['\u200b\u2028', '"\\u200B\\u2028"'],
  ['\u{e0001}', '"\\u{E0001}"'],
])('the text %j', (text, printed) => {
  expect(print(JSON.stringify({ x: text }))).toContain(`"x" => ${printed}`)
})

test.each([
  ['1e3', '1000.0', '1000.0'],
  ['1.10', '1.1', '1.1'],
  ['0.00001', '1.0e-05', '0.00001'],
  ['-12.5e1', '-125.0', '-125.0'],
  ['-5E-3', '-0.005', '-0.005'],
  ['1e400', 'Infinity', `1${'0'.repeat(400)}.0`],
  ['1e4000', 'Infinity', '1e4000'],
  ['12345678901234567890', '12345678901234567890', '12345678901234567890.0'],
])('the number %s, of a codec and of the filter json', (text, double, decimal) => {
  const fields = { x: text.includes('e') || text.includes('.') || text.includes('E') ? new SourceNumber(text) : BigInt(text) }
  expect(printRuby(fields)).toContain(`"x" => ${double}`)
  expect(printRuby({ x: new SourceNumber(text, true) })).toContain(`"x" => ${decimal}`)
})
