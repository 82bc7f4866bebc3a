import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  cloneFields,
  type Fields,
  holdsBigint,
  isFields,
  member,
  parseTimestamp,
  SourceNumber,
  setMember,
  stringify,
  Timestamp,
} from './values.ts'

// What Logstash 9.3.8 makes of `@timestamp`.
test.each([
  ['2024-01-02T03:04:05.678Z', '2024-01-02T03:04:05.678Z'],
  ['2024-01-02T03:04:05Z', '2024-01-02T03:04:05.000Z'],
  ['2024-01-02T03:04:05.1Z', '2024-01-02T03:04:05.100Z'],
  ['2024-01-02T03:04:05.12345Z', '2024-01-02T03:04:05.123450Z'],
  ['2024-01-02T03:04:05.1234567Z', '2024-01-02T03:04:05.123456700Z'],
  ['2024-01-02T03:04:05.000001Z', '2024-01-02T03:04:05.000001Z'],
  ['2024-01-02T03:04:05+02:00', '2024-01-02T01:04:05.000Z'],
  ['2024-01-02T03:04:05.678+0530', '2024-01-01T21:34:05.678Z'],
  ['2024-01-02T03:04:05', '2024-01-02T03:04:05.000Z'],
  ['2024-01-02T03:04', '2024-01-02T03:04:00.000Z'],
  ['2024-01-02', '2024-01-02T00:00:00.000Z'],
  ['2024-02-30T00:00:00Z', '2024-02-29T00:00:00.000Z'],
  ['2024-01-02T24:00:00Z', '2024-01-03T00:00:00.000Z'],
])('%s is the time %s', (text, expected) => {
  expect(parseTimestamp(text)?.toString()).toBe(expected)
})

test.each([
  '2024-01-02 03:04:05',
  '2024-01-02T03:04:05,678Z',
  '1704164645',
  '1704164645678',
  '20240102T030405Z',
  '2024-W01-2',
  '2024-01-02T03:04:05.1234567890Z',
  '2024-13-01',
  '2024-01-02T25:00:00Z',
  '2024-01-02T24:00:01Z',
  '',
])('"%s" is no time', (text) => {
  expect(parseTimestamp(text)).toBeUndefined()
})

test('every printed time is read back, to the nanosecond', () => {
  fc.assert(
    fc.property(fc.integer({ min: -6e13, max: 2e14 }), fc.integer({ min: 0, max: 999_999 }), (epoch_ms, nanos) => {
      const time = parseTimestamp(new Timestamp(epoch_ms, nanos).toString())
      expect([time?.epoch_ms, time?.nanos]).toEqual([epoch_ms, nanos])
    }),
  )
})

test('no text makes reading a time throw, and what was read can be printed', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[+-]?\d{4,9}-\d\d-\d\dT\d\d:\d\d(Z|[+-]\d\d:\d\d)$/)), (text) => {
      parseTimestamp(text)?.toString()
    }),
  )
})

test('members are own members only, whatever they are called', () => {
  const fields: Fields = {}
  expect(member(fields, 'constructor')).toBeUndefined()
  expect(member(fields, '__proto__')).toBeUndefined()
  setMember(fields, '__proto__', { x: 1 })
  expect(member(fields, '__proto__')).toEqual({ x: 1 })
  expect(Object.getPrototypeOf(fields)).toBe(Object.prototype)
  expect(stringify(fields)).toBe('{"__proto__":{"x":1}}')
})

test('a clone is deep, keeps hostile names and forgets removed members', () => {
  const fields: Fields = { list: [{ a: 1 }], gone: undefined }
  setMember(fields, '__proto__', { x: 1 })
  const copy = cloneFields(fields)
  expect(Object.keys(copy)).toEqual(['list', '__proto__'])
  ;(fields['list'] as Fields[])[0] = { a: 2 }
  expect(copy['list']).toEqual([{ a: 1 }])
})

test('numbers print exactly, bigints too', () => {
  const value = { a: new SourceNumber('1E+3'), b: [12345678901234567890n], c: new Timestamp(0) }
  expect(holdsBigint(value)).toBe(true)
  expect(stringify(value)).toBe('{"a":1E+3,"b":[12345678901234567890],"c":"1970-01-01T00:00:00.000Z"}')
})

test('only maps are maps', () => {
  expect(isFields({})).toBe(true)
  for (const value of [null, [], 1, 1n, 'a', new SourceNumber('1.0'), new Timestamp(0), undefined])
    expect(isFields(value)).toBe(false)
})
