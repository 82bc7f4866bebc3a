import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { componentNode } from '../../test/helpers/config-value.ts'
import { type TestContext, testContext } from '../../test/helpers/context.ts'
import { type Codec, compileCodec } from '../compile/codec.ts'
import { Catalog } from '../core/component.ts'
import type { Decoded, Decoder } from '../core/contracts.ts'
import { wholeFields } from '../core/decoded.ts'
import { Event } from '../core/event.ts'
import { stringify, Timestamp } from '../core/values.ts'
import { dots } from './dots.ts'
import { json } from './json.ts'
import { jsonLines } from './json-lines.ts'
import { line } from './line.ts'
import { plain } from './plain.ts'
import { rubydebug } from './rubydebug.ts'

const CATALOG = new Catalog([dots, json, jsonLines, line, plain, rubydebug])

function build(name: string, options: { [name: string]: unknown } = {}, context: TestContext = testContext()): Codec {
  const problems: string[] = []
  const codec = compileCodec(componentNode(name, options), CATALOG, context, {
    report: ({ message }) => problems.push(message),
    warn: () => {},
  })
  if (codec === undefined) throw new Error(problems.join('\n'))
  return codec
}

function texts(decoded: readonly Decoded[]): string[] {
  return decoded.map((one) => {
    const { fields, exact } = wholeFields(one)
    return stringify(fields, exact !== false)
  })
}

function decodeAll(decoder: Decoder, ...pieces: (Buffer | string)[]): string[] {
  return texts([...pieces.flatMap((piece) => decoder.decode(piece)), ...decoder.flush()])
}

const ecs = (): TestContext => testContext({ ecs_compatibility: 'v8' })
const event = (fields: { [name: string]: string }): Event => Event.from(fields, new Timestamp(Date.UTC(2026, 0, 2)))

test('plain: a message is one event, and with ECS its text is kept', () => {
  expect(decodeAll(build('plain').createDecoder(), 'a\nb')).toEqual(['{"message":"a\\nb"}'])
  expect(decodeAll(build('plain', {}, ecs()).createDecoder(), 'a')).toEqual(['{"message":"a","event":{"original":"a"}}'])
})

test('plain: invalid UTF-8 becomes U+FFFD with a warning, a U+FFFD that was sent does not warn', () => {
  const context = testContext()
  const decoder = build('plain', {}, context).createDecoder()
  expect(decodeAll(decoder, Buffer.from('sent \ufffd'))).toEqual(['{"message":"sent \ufffd"}'])
  expect(context.lines).toEqual([])
  expect(decodeAll(decoder, Buffer.from('Y2Fm6SD//iBvaw==', 'base64'))).toEqual(['{"message":"caf\ufffd \ufffd\ufffd ok"}'])
  expect(context.lines[0]).toContain('not UTF-8')
})

test.each([
  ['ISO-8859-1', 'e980', '\u00e9\u0080'],
  ['CP1252', 'e980', '\u00e9\u20ac'],
  ['macRoman', '8e', '\u00e9'],
  ['Windows-31J', '93fa967b', '\u65e5\u672c'],
  ['BINARY', '61e9', 'a\ufffd'],
  ['Windows-1252', 'e980', '\u00e9\u20ac'],
  ['US-ASCII', '61e9', 'a\ufffd'],
  ['UTF-16LE', '6100e900', 'a\u00e9'],
  ['UTF-16BE', '006100e9', 'a\u00e9'],
  ['Shift_JIS', '93fa967b', '\u65e5\u672c'],
])('plain: charset %s', (charset, hex, text) => {
  expect(decodeAll(build('plain', { charset }).createDecoder(), Buffer.from(hex, 'hex'))).toEqual([`{"message":"${text}"}`])
})

test('every character set that is offered is known, another one is refused with a hint', () => {
  const { anyOf } = plain.options.charset.schema as { anyOf: readonly { enum?: readonly string[] }[] }
  const names = anyOf[0]?.enum ?? []
  expect(names.length).toBeGreaterThan(1)
  for (const charset of names) expect(decodeAll(build('plain', { charset }).createDecoder(), Buffer.from('')).length).toBe(1)
  expect(() => build('plain', { charset: 'UTF8' })).toThrow('expected one of UTF-8')
  expect(() => build('line', { charset: 'UTF-16LE' })).toThrow('line.charset: expected one of')
})

test('plain and line: an event is printed by its format, else as time, host and message', () => {
  const sample = event({ host: 'h', message: 'm' })
  expect(build('plain', { format: '<%{message}>' }).createEncoder().encode(sample)).toBe('<m>')
  expect(build('plain').createEncoder().encode(sample)).toBe('2026-01-02T00:00:00.000Z h m')
  expect(build('line').createEncoder().encode(sample)).toBe('2026-01-02T00:00:00.000Z h m\n')
  expect(build('line', { format: '%{message}', delimiter: '\r\n' }).createEncoder().encode(sample)).toBe('m\r\n')
})

test('json: an object is one event, a list one each, blank text none; a byte order mark is skipped', () => {
  const decoder = build('json').createDecoder()
  expect(decodeAll(decoder, '{"a":1}')).toEqual(['{"a":1}'])
  expect(decodeAll(decoder, '[{"a":1},{"a":2}]')).toEqual(['{"a":1}', '{"a":2}'])
  expect(decodeAll(decoder, ' \n', '[]')).toEqual([])
  expect(decodeAll(decoder, '\ufeff{"a":1}')).toEqual(['{"a":1}'])
})

test.each(['json', 'json_lines'])('%s: of several JSON texts in one message the first counts, as in Logstash', (codec) => {
  const context = testContext()
  const decoder = build(codec, {}, context).createDecoder()
  expect(decodeAll(decoder, '{"a":1} x\n')).toEqual(['{"a":1}'])
  expect(decodeAll(decoder, '[{"a":1.0}]{"b":2}\n')).toEqual(['{"a":1.0}'])
  expect(context.lines.filter((said) => said.startsWith('warn json-trailing'))).toHaveLength(2)
})

test('json: numbers leave as they came, also in a list', () => {
  const text = '{"order_id":12345678901234567890,"price":1.0,"quantity":0.10,"e":1E+3}'
  expect(decodeAll(build('json').createDecoder(), text, `[${text},${text}]`)).toEqual([text, text, text])
})

test.each(['5', '"s"', 'null', '[1,2]', '[{"a":1},2]', '{"a":1', '5 x', '['.repeat(100_000)])(
  'json: %.20s becomes one tagged event that holds the text',
  (text) => {
    expect(decodeAll(build('json', {}, ecs()).createDecoder(), text)).toEqual([
      JSON.stringify({ message: text, tags: ['_jsonparsefailure'] }),
    ])
  },
)

test('json: with ECS the text of a single object is kept unless the object has one', () => {
  const decoder = build('json', {}, ecs()).createDecoder()
  expect(decodeAll(decoder, '{"a":1}')).toEqual(['{"a":1,"event":{"original":"{\\"a\\":1}"}}'])
  expect(decodeAll(decoder, '{"event":{"original":"x"}}', '{"event":5}')).toEqual(['{"event":{"original":"x"}}', '{"event":5}'])
  expect(decodeAll(decoder, '[{"a":1},{"a":2}]')).toEqual(['{"a":1}', '{"a":2}'])
})

test('json: a target keeps the numbers of the object too', () => {
  const [decoded] = build('json', { target: 'doc' }).createDecoder().decode('{"order_id":12345678901234567890}')
  const made = Event.from(decoded?.fields ?? {}, new Timestamp(0), { exact: decoded?.exact ?? false })
  expect(made.toJsonText()).toContain('"doc":{"order_id":12345678901234567890}')
})

test('json and json_lines: the target takes the object, its hostile names included', () => {
  expect(decodeAll(build('json', { target: '[a][__proto__]' }).createDecoder(), '{"__proto__":{"x":1}}')).toEqual([
    '{"a":{"__proto__":{"__proto__":{"x":1}}}}',
  ])
  expect(decodeAll(build('json_lines', { target: '[@metadata][doc]' }).createDecoder(), '{"b":1}\n')).toEqual([
    '{"@metadata":{"doc":{"b":1}}}',
  ])
})

test('json_lines: lines of every kind, as Logstash takes them', () => {
  const input = '[{"a":1},{"a":2}]\n[1,2]\n[]\n"s"\n\n{}\r\n{"last":true}'
  expect(decodeAll(build('json_lines', {}, ecs()).createDecoder(), input)).toEqual([
    '{"a":1}',
    '{"a":2}',
    '{"message":"[1,2]","tags":["_jsonparsefailure"]}',
    '{"message":"\\"s\\"","tags":["_jsonparsefailure"]}',
    '{}',
    '{"last":true}',
  ])
})

test('line: blank lines are events, the last line needs no delimiter', () => {
  expect(decodeAll(build('line').createDecoder(), 'a\n\nb')).toEqual(['{"message":"a"}', '{"message":""}', '{"message":"b"}'])
  expect(decodeAll(build('line').createDecoder(), 'a\n')).toEqual(['{"message":"a"}'])
})

test('a stream cut anywhere, inside characters and delimiters too, gives the same lines', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '日', '😀', '|'), maxLength: 8 }), { maxLength: 8 }),
      fc.constantFrom('\n', '\r\n', '||x'),
      fc.array(fc.nat(40)),
      (lines, delimiter, cuts) => {
        const bytes = Buffer.from(lines.map((text) => text + delimiter).join(''))
        const borders = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b)
        const pieces = borders.slice(1).map((end, index) => bytes.subarray(borders[index], end))
        const whole = decodeAll(build('line', { delimiter }).createDecoder(), bytes)
        expect(decodeAll(build('line', { delimiter }).createDecoder(), ...pieces)).toEqual(whole)
      },
    ),
  )
})

test('a line over the limit becomes a tagged event with its first 64 kB, however it is cut, and the next one is whole', () => {
  const long = 'x'.repeat(300_000)
  const expected = [
    JSON.stringify({ message: long.slice(0, 65_536), tags: ['_linetoolong'] }),
    '{"message":"next"}',
    '{"message":"last"}',
  ]
  for (const size of [1_000_000, 70_000, 1_000]) {
    const context = testContext()
    const decoder = build('line', { decode_size_limit_bytes: 100_000 }, context).createDecoder()
    const input = Buffer.from(`${long}\nnext\nlast`)
    const pieces = Array.from({ length: Math.ceil(input.length / size) }, (_, at) => input.subarray(at * size, (at + 1) * size))
    expect(decodeAll(decoder, ...pieces)).toEqual(expected)
    expect(context.lines[0]).toContain('a line of 300000 bytes is over the limit of 100000')
  }
})

test('an empty delimiter is refused', () => {
  expect(() => build('line', { delimiter: '' })).toThrow('line.delimiter: expected a delimiter of at least one character')
})

test('json_lines and json print one document, numbers as they came', () => {
  const value = event({ message: 'm' })
  const text = '{"message":"m","@version":"1","@timestamp":"2026-01-02T00:00:00.000Z"}'
  expect(build('json').createEncoder().encode(value)).toBe(text)
  expect(build('json_lines').createEncoder().encode(value)).toBe(`${text}\n`)
})

test('hostile bytes never throw', () => {
  fc.assert(
    fc.property(fc.constantFrom('json', 'json_lines', 'line', 'plain'), fc.uint8Array({ maxLength: 200 }), (name, bytes) => {
      for (const document of decodeAll(build(name).createDecoder(), Buffer.from(bytes))) JSON.parse(document)
    }),
  )
})

test.each(['rubydebug', 'dots'])('%s is for outputs only', (name) => {
  expect(() => build(name).createDecoder()).toThrow('only prints')
})

test('dots: a dot for each event', () => {
  expect(
    build('dots')
      .createEncoder()
      .encode(event({ message: 'm' })),
  ).toBe('.')
})
