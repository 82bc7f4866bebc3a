import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { SourceNumber, type Value } from '../values.ts'
import { ENGLISH } from './date-names.ts'
import { compileDateFormat } from './date-parse.ts'
import { findZone, UTC } from './time-zone.ts'

function read(format: string, value: Value, zone = UTC): string | undefined {
  return compileDateFormat(format, ENGLISH)(value, { zone, now_ms: 0 })?.toString()
}

// What Logstash 9.3.8 makes of them, but for the nanoseconds, which it cuts unless asked for.
test.each([
  ['2024-01-02T03:04:05.123Z', '2024-01-02T03:04:05.123Z'],
  ['2024-01-02T03:04:05+02:00', '2024-01-02T01:04:05.000Z'],
  ['2024-01-02T03:04:05-0530', '2024-01-02T08:34:05.000Z'],
  ['2024-01-02T03:04:05.123456789Z', '2024-01-02T03:04:05.123456789Z'],
  ['2024-01-02T03:04:05,123Z', '2024-01-02T03:04:05.123Z'],
  ['2024-01-02 03:04:05.678', '2024-01-02T03:04:05.678Z'],
  ['2024-01-02 03:04:05,678', '2024-01-02T03:04:05.678Z'],
  ['2024-01-02 03:04:05.678Z', '2024-01-02T03:04:05.678Z'],
  ['2024-01-02', '2024-01-02T00:00:00.000Z'],
  ['2024-01-02T03:04', '2024-01-02T03:04:00.000Z'],
  ['2024-01-02T03.5', '2024-01-02T03:30:00.000Z'],
  ['2024-01-02T03:04.25', '2024-01-02T03:04:15.000Z'],
  ['2024-01-02T03', '2024-01-02T03:00:00.000Z'],
  ['2024-01', '2024-01-01T00:00:00.000Z'],
  ['2024', '2024-01-01T00:00:00.000Z'],
  ['2024-W01-2', '2024-01-02T00:00:00.000Z'],
  ['2024-002', '2024-01-02T00:00:00.000Z'],
  ['20240102', '+20240102-01-01T00:00:00.000Z'],
  ['-0001-12-31', '-0001-12-31T00:00:00.000Z'],
])('ISO8601 reads %s', (text, expected) => {
  expect(read('ISO8601', text)).toBe(expected)
})

test.each([
  '2024-01-02 03:04:05',
  '2024-01-02T03:04:05 +0200',
  '2024-13-01T00:00:00Z',
  '2024-02-30T00:00:00Z',
  '2024-01-02T24:00:00Z',
  '2024-W54-1',
  '2023-366',
  ' 2024-01-02T03:04:05Z',
  'not a date',
  '',
  5,
  true,
  ['2024-01-02T03:04:05Z'],
  { a: 1 },
])('ISO8601 refuses %j', (value) => {
  expect(read('ISO8601', value)).toBeUndefined()
})

test.each([
  ['ISO8601', '2024-02-30'],
  ['ISO8601', '2024-02-30T00:00:00'],
  ['yyyy-MM-dd', '2024-02-30'],
  ['yyyy-DDD', '2023-366'],
  ["xxxx-'W'ww", '2023-W53'],
])('%s refuses %s also in a zone whose offset depends on the day', (format, value) => {
  expect(read(format, value, findZone('Europe/Berlin'))).toBeUndefined()
})

test('ISO8601 without an offset is local time', () => {
  expect(read('ISO8601', '2024-01-02T03:04:05', findZone('America/New_York'))).toBe('2024-01-02T08:04:05.000Z')
  expect(read('ISO8601', '2024-01-02', findZone('America/New_York'))).toBe('2024-01-02T05:00:00.000Z')
})

test.each<[Value, string]>([
  ['1704164645', '2024-01-02T03:04:05.000Z'],
  ['1704164645.678', '2024-01-02T03:04:05.678Z'],
  ['1704164645.1234567', '2024-01-02T03:04:05.123456700Z'],
  [1704164645, '2024-01-02T03:04:05.000Z'],
  [1704164645.678, '2024-01-02T03:04:05.678Z'],
  [new SourceNumber('1.704164645678E9'), '2024-01-02T03:04:05.678Z'],
  ['-1', '1969-12-31T23:59:59.000Z'],
  ['-1.5', '1969-12-31T23:59:58.500Z'],
  ['0', '1970-01-01T00:00:00.000Z'],
])('UNIX reads %s', (value, expected) => {
  expect(read('UNIX', value)).toBe(expected)
})

test.each<Value>(['1704164645,5', 'abc', '1e9', true, '17041646450000', '1704164645.', '2147483648', ''])(
  'UNIX refuses %s',
  (value) => {
    expect(read('UNIX', value)).toBeUndefined()
  },
)

test.each<[Value, string | undefined]>([
  ['1704164645678', '2024-01-02T03:04:05.678Z'],
  [1704164645678, '2024-01-02T03:04:05.678Z'],
  [1704164645678.9, '2024-01-02T03:04:05.678Z'],
  [1704164645678n, '2024-01-02T03:04:05.678Z'],
  ['-1', '1969-12-31T23:59:59.999Z'],
  ['1704164645678.5', undefined],
  ['abc', undefined],
  ['9999999999999999', undefined],
])('UNIX_MS makes of %s: %s', (value, expected) => {
  expect(read('UNIX_MS', value)).toBe(expected)
})

test('TAI64N labels are read with or without @, and nothing else is', () => {
  expect(read('TAI64N', '@4000000052f88ea32489532c')).toBe('2014-02-10T08:32:25.612979500Z')
  expect(read('TAI64N', '4000000052f88ea32489532c')).toBe('2014-02-10T08:32:25.612979500Z')
  expect(read('TAI64N', 'bad')).toBeUndefined()
  expect(read('TAI64N', 'ffffffffffffffffffffffff')).toBeUndefined()
})

/** JavaScript writes six digits for years that have a sign, Java as many as they need, four at least. */
function asJava(text: string): string {
  return text.replace(/^([+-])0{0,2}(\d{4})/, '$1$2')
}

test('every time that JavaScript prints is read back', () => {
  fc.assert(
    fc.property(fc.date({ noInvalidDate: true }), (date) => {
      const text = asJava(date.toISOString())
      expect(read('ISO8601', text)).toBe(text)
    }),
  )
})

test('no value makes a format throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.double(), fc.bigInt(), fc.stringMatching(/^[\dTWZ:.,+ -]*$/)), (value) => {
      for (const format of ['ISO8601', 'UNIX', 'UNIX_MS', 'TAI64N']) read(format, value)
    }),
  )
})
