import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ISO_TIME_LENGTH, printIsoTime, readIsoTime, writeIsoTime } from './iso-time.ts'

/** Printed as a text, and written as bytes. */
function bothOf(epoch_ms: number): string[] {
  const bytes = Buffer.alloc(ISO_TIME_LENGTH + 1)
  return [printIsoTime(epoch_ms), bytes.toString('latin1', 1, writeIsoTime(bytes, 1, epoch_ms))]
}

test('every time prints as Date prints it but for zeros before a year with a sign, and is read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: -8.64e15, max: 8.64e15 }), (epoch_ms) => {
      const text = new Date(epoch_ms).toISOString().replace(/^([+-])0{0,2}(\d{4})/, '$1$2')
      expect(bothOf(epoch_ms)).toEqual([text, text])
      if (/^\d/.test(text)) expect(readIsoTime(text)).toBe(epoch_ms)
    }),
    { numRuns: 2_000 },
  )
})

test('times of our own century, one after the other across a day', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), (epoch_ms) => {
      for (const time of [epoch_ms, epoch_ms + 86_400_000, epoch_ms - 1]) {
        const text = new Date(time).toISOString()
        expect(bothOf(time)).toEqual([text, text])
      }
    }),
  )
})

test('without a fraction', () => {
  expect(readIsoTime('2026-01-02T03:04:05Z')).toBe(Date.UTC(2026, 0, 2, 3, 4, 5))
})

test.each([
  '2026-01-02 03:04:05.678Z',
  '2026-02-29T03:04:05.678Z',
  '2026-13-02T03:04:05.678Z',
  '2026-01-02T24:00:00.000Z',
  '2026-01-02T03:04:60.678Z',
  '2026-01-02T03:04:05,678Z',
  '2026-01-02T03:04:05.67xZ',
  '2026-01-02T03:04:05.678+',
  '',
])('%s is left to others', (text) => {
  expect(readIsoTime(text)).toBeNaN()
})
