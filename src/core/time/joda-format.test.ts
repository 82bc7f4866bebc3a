import * as fc from 'fast-check'
import { DateTime } from 'luxon'
import { expect, test } from 'vitest'
import { parseTimestamp, Timestamp } from '../values.ts'
import { compileJodaFormat } from './joda-format.ts'

function print(pattern: string, time: string): string {
  const read = parseTimestamp(time)
  if (read === undefined) throw new Error(`not a time: ${time}`)
  return compileJodaFormat(pattern).format(read)
}

// Printed by Logstash 9.3.8 and Joda-Time.
test.each([
  ['2024-12-29T00:00:00Z', '2024.12.29', '2024.52', '2024.52', '2024.12.364'],
  ['2024-12-30T00:00:00Z', '2024.12.30', '2025.01', '2024.01', '2024.12.365'],
  ['2026-02-01T00:00:00Z', '2026.02.01', '2026.05', '2026.05', '2026.02.32'],
  ['2027-01-03T00:00:00Z', '2027.01.03', '2026.53', '2027.53', '2027.01.03'],
])('%s prints as Joda prints it', (time, day, weekyear, year_and_week, day_of_year) => {
  expect(print('YYYY.MM.dd', time)).toBe(day)
  expect(print('xxxx.ww', time)).toBe(weekyear)
  expect(print('YYYY.ww', time)).toBe(year_and_week)
  expect(print('YYYY.MM.DD', time)).toBe(day_of_year)
})

test.each([
  ['yyyy-MM-dd HH:mm:ss.SSS', '2024-01-02 03:04:05.678'],
  ['xxxx.ww.e', '2024.01.2'],
  ['EEE EEEE', 'Tue Tuesday'],
  ['MMM MMMM MMMMM', 'Jan January January'],
  ['yy YY Y', '24 24 2024'],
  ['D DDD', '2 002'],
  ['H hh a K k', '3 03 AM 3 3'],
  ['Z ZZ ZZZ z', '+0000 +00:00 UTC UTC'],
  ['zzzz', 'Coordinated Universal Time'],
  ['S SSSSSS SSSSSSSSS', '6 678000 678000000'],
  ["'week'ww", 'week01'],
  ["yyyy 'o''clock' ''", "2024 o'clock '"],
  ['G C', 'AD 20'],
  ['dd/MMM/YYYY:HH:mm:ss Z', '02/Jan/2024:03:04:05 +0000'],
])('%s prints as in Logstash', (pattern, text) => {
  expect(print(pattern, '2024-01-02T03:04:05.678912345Z')).toBe(text)
})

test('midnight and noon are 12 AM and 12 PM, and 24 in the letter k', () => {
  expect(print('hh a kk KK', '2024-01-02T00:00:00Z')).toBe('12 AM 24 00')
  expect(print('hh a kk KK', '2024-01-02T12:00:00Z')).toBe('12 PM 12 00')
})

test('the years before Christ count backwards in the era', () => {
  const time = new Timestamp(new Date(0).setUTCFullYear(-4, 0, 1))
  expect(compileJodaFormat('yyyy YYYY G').format(time)).toBe('-0004 0005 BC')
})

test.each(['Q', 'yyyy.nn', 'YYYY-MM-ddTHH', ''])('"%s" is refused', (pattern) => {
  expect(() => compileJodaFormat(pattern)).toThrow(expect.objectContaining({ code: 'TEMPLATE_INVALID' }))
})

test('the step is the finest unit of the pattern', () => {
  expect(compileJodaFormat('YYYY.MM.dd').step_ms).toBe(86_400_000)
  expect(compileJodaFormat('YYYY.MM.dd.HH').step_ms).toBe(3_600_000)
  expect(compileJodaFormat('mm').step_ms).toBe(60_000)
  expect(compileJodaFormat('ss').step_ms).toBe(1000)
  expect(compileJodaFormat('SSS').step_ms).toBe(1)
})

// Luxon's tokens for Joda's.
const PAIRS = [
  ['yyyy-MM-dd HH:mm:ss.SSS', 'yyyy-MM-dd HH:mm:ss.SSS'],
  ["xxxx-'W'ww-e", "kkkk-'W'WW-E"],
  ['EEE EEEE MMM MMMM d D', 'ccc cccc LLL LLLL d o'],
  ['hh:mm a H m s', 'hh:mm a H m s'],
  ['yy DDD', 'yy ooo'],
] as const

test.each(PAIRS)('%s agrees with luxon at any time', (joda, luxon) => {
  const format = compileJodaFormat(joda)
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(1, 0, 1) + 2e12, max: Date.UTC(9999, 11, 30) }), (epoch_ms) => {
      const oracle = DateTime.fromMillis(epoch_ms, { zone: 'utc', locale: 'en' }).toFormat(luxon)
      expect(format.format(new Timestamp(epoch_ms))).toBe(oracle)
    }),
  )
})
