import * as fc from 'fast-check'
import { DateTime } from 'luxon'
import { expect, test } from 'vitest'
import { Timestamp } from '../values.ts'
import { dateNames } from './date-names.ts'
import { compileJodaFormat } from './joda-format.ts'
import { compileJodaParser } from './joda-parse.ts'
import { findZone, UTC } from './time-zone.ts'

const NOVEMBER = Date.UTC(2026, 10, 22)

function read(pattern: string, text: string, zone = 'UTC', now_ms = NOVEMBER, locale = 'en'): string | undefined {
  const found = findZone(zone) ?? UTC
  return compileJodaParser(pattern, dateNames(locale))(text, { zone: found, now_ms })?.toString()
}

test.each([
  ['dd/MMM/yyyy:HH:mm:ss Z', '02/Jan/2024:03:04:05 +0100', '2024-01-02T02:04:05.000Z'],
  ['dd/MMM/yyyy:HH:mm:ss Z', '2/JANUARY/2024:3:4:5 Z', '2024-01-02T03:04:05.000Z'],
  ['yyyy-MM-dd HH:mm:ss,SSS', '2024-01-02 03:04:05,678', '2024-01-02T03:04:05.678Z'],
  ['yyyy-MM-dd HH:mm:ss.SSSSSSSSS', '2024-01-02 03:04:05.5', '2024-01-02T03:04:05.500Z'],
  ['yyyy-MM-dd HH:mm:ss.SSSSSSSSS', '2024-01-02 03:04:05.123456789', '2024-01-02T03:04:05.123456789Z'],
  ['yy-MM-dd', '24-01-02', '2024-01-02T00:00:00.000Z'],
  ['yy-MM-dd', '99-01-02', '1999-01-02T00:00:00.000Z'],
  ['yyMMddHHmm', '2401020304', '2024-01-02T03:04:00.000Z'],
  ['yyyyMMdd', '20240102', '2024-01-02T00:00:00.000Z'],
  ['h:mm a', '12:05 am', '2026-01-01T00:05:00.000Z'],
  ['yyyy-DDD', '2024-366', '2024-12-31T00:00:00.000Z'],
  ["xxxx-'W'ww-e", '2025-W01-1', '2024-12-30T00:00:00.000Z'],
  ['yyyy-MM-dd ZZZ', '2024-01-02 Asia/Tokyo', '2024-01-01T15:00:00.000Z'],
  ['yyyy-MM-dd HH z', '2024-01-02 03 EST', '2024-01-02T08:00:00.000Z'],
  ['yyyy-MM-dd ZZ', '2024-01-02 -05:30', '2024-01-02T05:30:00.000Z'],
  ['yyyy G', '5 BC', '-0004-01-01T00:00:00.000Z'],
])('%s reads "%s"', (pattern, text, expected) => {
  expect(read(pattern, text)).toBe(expected)
})

test.each([
  ['yyyy-MM-dd', '2024-01-02x'],
  ['yyyy-MM-dd', '2024-13-01'],
  ['yyyy-MM-dd', '2023-02-29'],
  ['HHmm', '34'],
  ['HH:mm', '24:00'],
  ['ss', '60'],
  ['yyyy-DDD', '2023-366'],
  ['MMM', 'Foo'],
  ['yyyy Z', '2024 +24:00'],
  ['yyyy z', '2024 CEST'],
  ['yyyy ZZZ', '2024 Bad/Zone'],
  ['yyyy', ''],
  ['yyyy', '999999999'],
])('%s refuses "%s"', (pattern, text) => {
  expect(read(pattern, text)).toBeUndefined()
})

test('a wrong weekday moves the date within its week', () => {
  expect(read('EEE yyyy-MM-dd', 'Sunday 2024-01-02')).toBe('2024-01-07T00:00:00.000Z')
  expect(read('EEE yyyy-MM-dd', 'mon 2024-01-02')).toBe('2024-01-01T00:00:00.000Z')
})

test('a missing year is the current one, and around New Year the nearer one', () => {
  expect(read('MMM dd', 'Dec 31')).toBe('2026-12-31T00:00:00.000Z')
  expect(read('MMM dd', 'Feb 29')).toBeUndefined()
  expect(read('MMM dd', 'Dec 31', 'UTC', Date.UTC(2027, 0, 1))).toBe('2026-12-31T00:00:00.000Z')
  expect(read('MMM dd', 'Jan 1', 'UTC', Date.UTC(2026, 11, 31))).toBe('2027-01-01T00:00:00.000Z')
  expect(read('MMM dd', 'Jan 1', 'Asia/Tokyo', Date.UTC(2026, 11, 31, 20))).toBe('2026-12-31T15:00:00.000Z')
})

test('a time that the clocks jump over is refused, of one shown twice the earlier is taken', () => {
  expect(read('yyyy-MM-dd HH:mm', '2024-03-31 02:30', 'Europe/Berlin')).toBeUndefined()
  expect(read('yyyy-MM-dd HH:mm', '2024-10-27 02:30', 'Europe/Berlin')).toBe('2024-10-27T00:30:00.000Z')
  expect(read('yyyy-MM-dd HH:mm', '2024-07-02 03:04', 'Europe/Berlin')).toBe('2024-07-02T01:04:00.000Z')
  expect(read('yyyy-MM-dd HH:mm', '2024-07-02 03:04', '+05:30')).toBe('2024-07-01T21:34:00.000Z')
})

test('names are those of the language', () => {
  expect(read('dd MMM yyyy', '02 janv. 2024', 'UTC', NOVEMBER, 'fr')).toBe('2024-01-02T00:00:00.000Z')
  expect(read('dd MMMM yyyy', '02 août 2024', 'UTC', NOVEMBER, 'fr')).toBe('2024-08-02T00:00:00.000Z')
  expect(read('dd MMM yyyy', '02 Jan 2024', 'UTC', NOVEMBER, 'fr')).toBeUndefined()
  expect(read('EEEE dd. MMMM yyyy', 'Samstag 02. März 2024', 'UTC', NOVEMBER, 'de_DE')).toBe('2024-03-02T00:00:00.000Z')
  expect(() => dateNames('not a language')).toThrow(RangeError)
})

test('what was printed is read back', () => {
  const pattern = 'yyyy-MM-dd HH:mm:ss.SSS'
  const format = compileJodaFormat(pattern)
  const parse = compileJodaParser(pattern)
  fc.assert(
    fc.property(fc.integer({ min: -6e13, max: 2e14 }), (epoch_ms) => {
      expect(parse(format.format(new Timestamp(epoch_ms)), { zone: UTC, now_ms: 0 })?.epoch_ms).toBe(epoch_ms)
    }),
  )
})

test.each(['America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'America/St_Johns', 'Africa/Casablanca'])(
  'local times of %s are the moments that luxon finds',
  (id) => {
    const zone = findZone(id) ?? UTC
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1972, 0, 1), max: Date.UTC(2040, 0, 1) }), (epoch_ms) => {
        const local = DateTime.fromMillis(epoch_ms, { zone: id })
        expect(zone.offsetAt(epoch_ms)).toBe(local.offset * 60_000)
        const [earlier] = local
          .getPossibleOffsets()
          .map((time) => time.toMillis())
          .sort((a, b) => a - b)
        expect(zone.fromLocal(epoch_ms + local.offset * 60_000)).toBe(earlier)
      }),
    )
  },
)

test('no text makes a pattern throw', () => {
  const parsers = ['dd/MMM/yyyy:HH:mm:ss Z', 'yyyy ZZZ', 'EEE yy z', 'xxxx ww G'].map((pattern) => compileJodaParser(pattern))
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...Array.from('0123456789-+:/ ZzJanuaryMonTECB.')) }), (text) => {
      for (const parse of parsers) parse(text, { zone: UTC, now_ms: NOVEMBER })
    }),
  )
})
