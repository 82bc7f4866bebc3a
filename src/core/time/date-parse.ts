import { SourceNumber, Timestamp, type Value } from '../values.ts'
import { DAY_MS, dayNumber, daysInMonth, firstMonday, isLeapYear, weeksInYear } from './calendar.ts'
import type { DateNames } from './date-names.ts'
import { readIsoTime } from './iso-time.ts'
import { compileJodaParser, type ReadTime, type Surroundings, timeOf } from './joda-parse.ts'

/** Reads a field's value as a time; `undefined` where it is none in this format. */
export type ReadDate = (value: Value, surroundings: Surroundings) => Timestamp | undefined

/**
 * Compiles one of the date filter's formats: `ISO8601`, `UNIX` (seconds), `UNIX_MS`, `TAI64N` or a Joda pattern.
 * UNIX and UNIX_MS take numbers too, the others text only.
 * @throws MillraceError TEMPLATE_INVALID for a pattern with letters that Joda does not know
 */
export function compileDateFormat(format: string, names: DateNames): ReadDate {
  switch (format) {
    case 'ISO8601':
      return textOnly(isoReader())
    case 'UNIX':
      return readUnix
    case 'UNIX_MS':
      return readUnixMs
    case 'TAI64N':
      return textOnly(readTai64n)
    default:
      return textOnly(compileJodaParser(format, names))
  }
}

function textOnly(read: ReadTime): ReadDate {
  return (value, surroundings) => (typeof value === 'string' ? read(value, surroundings) : undefined)
}

/** What Logstash takes beside ISO 8601: a blank between date and time, but then with a fraction. */
const ALMOST_ISO = ['yyyy-MM-dd HH:mm:ss.SSSZ', 'yyyy-MM-dd HH:mm:ss.SSS', 'yyyy-MM-dd HH:mm:ss,SSSZ', 'yyyy-MM-dd HH:mm:ss,SSS']

function isoReader(): ReadTime {
  const readers = [readIso, ...ALMOST_ISO.map((pattern) => compileJodaParser(pattern))]
  return (text, surroundings) => {
    for (const read of readers) {
      const time = read(text, surroundings)
      if (time !== undefined) return time
    }
    return undefined
  }
}

//             year            week        weekday     day of year
const ISO_DATE = '([+-]?\\d{1,9})(?:-(?:[Ww](\\d{1,2})(?:-(\\d))?|(\\d{3})|(\\d{1,2})(?:-(\\d{1,2}))?))?' // month, day
//                  hour     of an hour         minute    of a minute       second    of a second
const ISO_CLOCK = '(\\d{1,2})(?:[.,](\\d+)|:(\\d{1,2})(?:[.,](\\d+)|:(\\d{1,2})(?:[.,](\\d+))?)?)?'
const ISO_OFFSET = '(?:([Zz])|([+-])(\\d\\d)(?::?(\\d\\d)(?::?(\\d\\d))?)?)?'
const ISO = new RegExp(`^${ISO_DATE}(?:[Tt](?:${ISO_CLOCK})?${ISO_OFFSET})?$`)

/** ISO 8601 as Joda reads it: also week dates, days of the year, and a fraction of the hour or minute. */
function readIso(text: string, { zone }: Surroundings): Timestamp | undefined {
  const plain_ms = readIsoTime(text)
  if (!Number.isNaN(plain_ms)) return new Timestamp(plain_ms)
  const found = ISO.exec(text)
  if (found === null) return undefined
  const [, year, week, weekday, day_of_year, month, day, hour, of_hour, minute, of_minute, second, of_second] = found
  const date = isoDay(Number(year), week, weekday, day_of_year, month, day)
  const hours = Number(hour ?? 0)
  const minutes = Number(minute ?? 0)
  const seconds = Number(second ?? 0)
  if (hours > 23 || minutes > 59 || seconds > 59) return undefined
  const rest_ns = fractionNs(of_hour, 3600) + fractionNs(of_minute, 60) + fractionNs(of_second, 1)
  const rest_s = Math.floor(rest_ns / 1e9)
  const local_ms = date * DAY_MS + ((hours * 60 + minutes) * 60 + seconds + rest_s) * 1000
  const [zulu, sign] = [found[13], found[14]]
  let second_ms = local_ms
  if (sign !== undefined) second_ms -= offsetOf(sign, found[15], found[16], found[17])
  else if (zulu === undefined) second_ms = zone.fromLocal(local_ms)
  return timeOf(second_ms, rest_ns - rest_s * 1e9)
}

function isoDay(year: number, week?: string, weekday = '1', day_of_year?: string, months = '1', days = '1'): number {
  if (week !== undefined) {
    const fits = Number(week) >= 1 && Number(week) <= weeksInYear(year) && Number(weekday) >= 1 && Number(weekday) <= 7
    return fits ? firstMonday(year) + (Number(week) - 1) * 7 + Number(weekday) - 1 : Number.NaN
  }
  if (day_of_year !== undefined) {
    const day = Number(day_of_year)
    return day >= 1 && day <= (isLeapYear(year) ? 366 : 365) ? dayNumber(year, 1, day) : Number.NaN
  }
  const month = Number(months)
  const day = Number(days)
  return day >= 1 && day <= daysInMonth(year, month) ? dayNumber(year, month, day) : Number.NaN
}

/** Sign, hours, minutes and seconds as milliseconds; `NaN` where one of them is out of its range. */
function offsetOf(sign: string, hours = '0', minutes = '0', seconds = '0'): number {
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return Number.NaN
  const size_s = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
  return (sign === '-' ? -1000 : 1000) * size_s
}

/** A fraction's digits as nanoseconds, where one whole is `unit_s` seconds. Nine digits count. */
function fractionNs(digits: string | undefined, unit_s: number): number {
  return digits === undefined ? 0 : Number(digits.slice(0, 9).padEnd(9, '0')) * unit_s
}

/** Later seconds are refused, as in Logstash: they are milliseconds by mistake. */
const UNIX_SECONDS_MAX = 2 ** 31 - 1

/** Seconds since 1970, with a fraction. */
function readUnix(value: Value): Timestamp | undefined {
  const text = plainDecimal(value)
  const found = text === undefined ? null : /^(-?)(\d{1,13})(?:\.(\d+))?$/.exec(text)
  if (found === null) return undefined
  const seconds = Number(found[2])
  if (found[1] !== '-' && seconds > UNIX_SECONDS_MAX) return undefined
  const fraction_ns = fractionNs(found[3], 1)
  if (found[1] !== '-') return timeOf(seconds * 1000, fraction_ns)
  return fraction_ns === 0 ? timeOf(-seconds * 1000, 0) : timeOf((-seconds - 1) * 1000, 1e9 - fraction_ns)
}

/** Whole milliseconds since 1970. A number's fraction is cut; a text must not have one. */
function readUnixMs(value: Value): Timestamp | undefined {
  const text = plainDecimal(value)
  if (text === undefined) return undefined
  const whole = typeof value === 'string' ? text : text.replace(/\.\d+$/, '')
  return /^-?\d{1,16}$/.test(whole) && Number.isSafeInteger(Number(whole)) ? timeOf(Number(whole), 0) : undefined
}

/** The decimal digits of a text or a number, never in exponent form; `undefined` for everything else. */
function plainDecimal(value: Value): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value !== 'number' && typeof value !== 'bigint' && !(value instanceof SourceNumber)) return undefined
  const text = String(value)
  if (!/[eE]/.test(text)) return text
  const plain = String(Number(value))
  return /e/.test(plain) ? Number(value).toFixed(9) : plain
}

/** TAI64 counts from 2^62, and its clock was 10 s ahead of UTC in 1970: Logstash takes off no more. */
const TAI64_EPOCH = 0x4000000000000000n
const TAI64_AHEAD_S = 10n

/** `@` (may be missing), 16 hexadecimal digits of seconds, 8 of nanoseconds: the labels of daemontools and s6. */
function readTai64n(text: string): Timestamp | undefined {
  const found = /^@?([0-9a-fA-F]{16})([0-9a-fA-F]{8})$/.exec(text)
  if (found === null) return undefined
  const seconds = BigInt(`0x${found[1]}`) - TAI64_EPOCH - TAI64_AHEAD_S
  const nanos = Number.parseInt(found[2] ?? '', 16)
  return nanos < 1e9 ? timeOf(Number(seconds) * 1000, nanos) : undefined
}
