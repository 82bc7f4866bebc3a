import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Event } from './event.ts'
import { parseFieldRef } from './field-ref.ts'
import { parseJson } from './json/json.ts'
import { compileTemplate } from './template.ts'
import { type Fields, Timestamp } from './values.ts'

const DOCUMENT =
  '{"@timestamp":"2024-01-02T03:04:05.678Z","s":"str","i":5,"f1":1.0,"big":12345678901234567890,"t":true,"n":null,"l":[1,"two",3.0,null,true],"le":[],"h":{"b":1,"a":{"c":"d"}},"lh":[{"x":1},{"x":2}],"ll":[[1,2],[3]],"e":"","x.y":7,"lm":[["q"],{"a":1.5,"b":[null,{"c":true}]}],"d":12345678.9,"l2":[0.0001,5]}'

function eventOf(text = DOCUMENT): Event {
  const { value, exact } = parseJson(text)
  return Event.from(value as Fields, new Timestamp(0), { exact })
}

test.each([
  ['a%{s}b%{i}c', 'astrb5c'],
  ['%{s}%{s}', 'strstr'],
  ['}%{s}{', '}str{'],
  ['%{s}}', 'str}'],
  ['$%{s}', '$str'],
  ['%{f1}', '1.0'],
  ['%{big}', '12345678901234567890'],
  ['%{t}', 'true'],
  ['%{l}', '1,two,3.0,,true'],
  ['%{le}', ''],
  ['%{ll}', '1,2,3'],
  ['%{lh}', '{x=1},{x=2}'],
  ['%{lm}', 'q,{a=1.5, b=[null, {c=true}]}'],
  ['%{h}', '{"b":1,"a":{"c":"d"}}'],
  ['%{e}', ''],
  ['%{x.y}', '7'],
  ['%{[h][a][c]}', 'd'],
  ['%{[l][-1]}', 'true'],
  ['%{@timestamp}', '2024-01-02T03:04:05.678Z'],
  ['%{n}', '%{n}'],
  ['%{missing}', '%{missing}'],
  ['%{[l][9]}', '%{[l][9]}'],
  ['%{ s }', '%{ s }'],
  ['%{', '%{'],
  ['%{s', '%{s'],
  ['100%', '100%'],
  ['%{%{s}}', '%{%{s}}'],
  ['%{constructor}', '%{constructor}'],
  ['%{}', '1704164645'],
  ['%{+}', '1704164645'],
  ['%{+%s}', '1704164645'],
  ['logs-%{+YYYY.MM.dd}', 'logs-2024.01.02'],
  ['%{+YYYY}-%{+MM}', '2024-01'],
  ['%{+ YYYY}', ' 2024'],
  ['%{+%}', '1704164645'],
  ['x%{{yyyy.MM.dd}}y', 'x2024.01.02y'],
  ['%{{ss.SSSSSSSSS}}', '05.678000000'],
  ['x%{{}}y', 'xy'],
  ['x%{{s}}y', 'x5y'],
  ['x%{{TIME_NOW}y', 'x%{{TIME_NOW}y'],
  ['%{d}', '1.23456789E7'],
  ['%{[l2]}', '1.0E-4,5'],
])('%s prints as "%s"', (text, expected) => {
  expect(compileTemplate(text).format(eventOf())).toBe(expected)
})

test('a text without placeholders is constant', () => {
  expect(compileTemplate('plain').constant).toBe('plain')
  expect(compileTemplate('').constant).toBe('')
  expect(compileTemplate('%{s}').constant).toBeUndefined()
})

test('the date is that of each event, also when days change to and fro', () => {
  const template = compileTemplate('%{+YYYY.MM.dd}')
  const at = (time: string) => template.format(eventOf(`{"@timestamp":"${time}"}`))
  expect(at('2024-12-31T23:59:59.999Z')).toBe('2024.12.31')
  expect(at('2025-01-01T00:00:00Z')).toBe('2025.01.01')
  expect(at('2024-12-31T00:00:00Z')).toBe('2024.12.31')
  expect(at('1969-12-31T23:59:59Z')).toBe('1969.12.31')
})

test('TIME_NOW is the time of the machine', () => {
  const before = Date.now()
  const printed = Date.parse(compileTemplate('%{{TIME_NOW}}').format(eventOf()))
  expect(printed).toBeGreaterThanOrEqual(before)
  expect(printed).toBeLessThanOrEqual(Date.now())
})

test('without a timestamp the date is empty', () => {
  const event = eventOf()
  event.remove(parseFieldRef('@timestamp'))
  expect(compileTemplate('x-%{+YYYY.MM.dd}').format(event)).toBe('x-')
  expect(compileTemplate('x-%{{yyyy}}').format(event)).toBe('x-')
  expect(compileTemplate('%{@timestamp}').format(event)).toBe('%{@timestamp}')
})

test.each(['%{[]}', '%{[h][]}', '%{a]}', '%{+YYYY.QQ}', '%{{s}', 'x%{{bad{}}y', '%{{bb}}'])('%s is refused', (text) => {
  expect(() => compileTemplate(text)).toThrow(expect.objectContaining({ code: 'TEMPLATE_INVALID' }))
})

test('every text is either refused with a code or prints', () => {
  const piece = fc.oneof(
    fc.constantFrom('%{', '}', '{', '+', '[', ']', 's', 'yyyy', "'", '%{+', '%{{', '}}', 'l', '0'),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      let printed: string
      try {
        printed = compileTemplate(pieces.join('')).format(eventOf())
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'TEMPLATE_INVALID' })
        return
      }
      expect(typeof printed).toBe('string')
    }),
  )
})
