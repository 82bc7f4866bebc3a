import { DAY_MS, dayNumber, daysInMonth } from '../../core/time/calendar.ts'
import { hostZone } from '../../core/time/time-zone.ts'
import { Timestamp, type Value } from '../../core/values.ts'
import { floatOf, strip } from '../mutate/convert.ts'

/** Makes another type of a column's text; text that cannot be converted stays. */
type ConvertColumn = (text: string) => Value

export const CONVERSIONS = {
  integer: toInteger,
  float: toFloat,
  date: toDate,
  date_time: toDateTime,
  boolean: toBoolean,
} as const satisfies { readonly [type: string]: ConvertColumn }

const INTEGER = /^([+-]?)(0[xX]|0[bB]|0[oO]|0[dD]|0(?=\d))?(\d[\d_]*|[\dA-Fa-f][\dA-Fa-f_]*)$/
const DIGITS: { readonly [prefix: string]: RegExp } = { '0x': /^[\dA-Fa-f]+$/, '0b': /^[01]+$/, '0o': /^[0-7]+$/, '': /^\d+$/ }

/** More digits than any number in a log. */
const INTEGER_DIGITS_MAX = 1_000

/** As Ruby's `Integer()`: `0x1A`, `0b11`, `017`, `1_000`, blanks around it. */
function toInteger(text: string): Value {
  const [, sign, written = '', rest = ''] = INTEGER.exec(strip(text)) ?? []
  if (rest === '' || /__|_$/.test(rest) || rest.length > INTEGER_DIGITS_MAX) return text
  const prefix = written === '0' ? '0o' : written.toLowerCase().replace('0d', '')
  const digits = rest.replaceAll('_', '')
  if (DIGITS[prefix]?.test(digits) !== true) return text
  const exact = BigInt(prefix + digits)
  const signed = sign === '-' ? -exact : exact
  return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed
}

const FLOAT = /^[+-]?(?:\d+(?:_\d+)*)?(?:\.\d+(?:_\d+)*)?(?:[eE][+-]?\d+)?$/

/** As Ruby's `Float()`. */
function toFloat(text: string): Value {
  const bare = strip(text)
  if (!FLOAT.test(bare) || !/^[+-]?\.?\d/.test(bare)) return text
  return floatOf(Number(bare.replaceAll('_', '')))
}

/** As Logstash: what means neither is left in small letters and without the blanks around it. */
function toBoolean(text: string): Value {
  const bare = strip(text).toLowerCase()
  return bare === 'true' ? true : bare === 'false' ? false : bare
}

//                   year     month    day
const ISO_DATE = /^(\d{4})-(\d\d)-(\d\d)$/
//                       weekday       month      day          year
const WRITTEN_DATE = /^(?:\w+,?\s+)?([A-Za-z]+)\s+(\d{1,2}),?\s+(\d{2}|\d{4})$/

/** `2026-03-01` and `March 1, 2026`: midnight of this machine's zone. */
function toDate(text: string): Value {
  const iso = ISO_DATE.exec(text)
  const written = iso === null ? WRITTEN_DATE.exec(text) : null
  const local_ms =
    iso !== null
      ? dayOf_ms(Number(iso[1]), Number(iso[2]), Number(iso[3]))
      : dayOf_ms(yearOf(written?.[3]), monthOf(written?.[1]), Number(written?.[2]))
  if (local_ms === undefined) return text
  const epoch_ms = hostZone().fromLocal(local_ms)
  return Number.isNaN(epoch_ms) ? text : new Timestamp(epoch_ms)
}

const ISO_TIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T\s](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?(?:([+-]\d\d)(?::(\d\d))?|\s(?:UTC|GMT)|Z)?)?)?$/
const WRITTEN_TIME = /^(?:\w+,?\s+)?([A-Za-z]+)\s+(\d{1,2})\s+(\d{1,2}):(\d{1,2}):(\d{1,2}),?\s+(\d{2}|\d{4})$/

/** `2026-03-01T10:00:00.5+01:00` and `Sun Mar 1 10:00:00 2026`; without an offset in UTC. */
function toDateTime(text: string): Value {
  const iso = ISO_TIME.exec(text)
  if (iso !== null) {
    const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone_hours = '+0', zone_minutes = '0'] = iso
    const nanos = Number(fraction.slice(0, 9).padEnd(9, '0'))
    const zone_ms = (Math.abs(Number(zone_hours)) * 60 + Number(zone_minutes)) * (zone_hours.startsWith('-') ? -60_000 : 60_000)
    const day_ms = dayOf_ms(Number(year), Number(month), Number(day))
    const clock_ms = clockOf_ms(Number(hour), Number(minute), Number(second))
    if (day_ms === undefined || clock_ms === undefined) return text
    return new Timestamp(day_ms + clock_ms - zone_ms + Math.floor(nanos / 1_000_000), nanos % 1_000_000)
  }
  const [, month, day, hour, minute, second, year] = WRITTEN_TIME.exec(text) ?? []
  const day_ms = dayOf_ms(yearOf(year), monthOf(month), Number(day))
  const clock_ms = clockOf_ms(Number(hour), Number(minute), Number(second))
  return day_ms === undefined || clock_ms === undefined ? text : new Timestamp(day_ms + clock_ms)
}

function dayOf_ms(year: number, month: number, day: number): number | undefined {
  const exists = month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month)
  return exists ? dayNumber(year, month, day) * DAY_MS : undefined
}

function clockOf_ms(hour: number, minute: number, second: number): number | undefined {
  return hour < 24 && minute < 60 && second < 60 ? ((hour * 60 + minute) * 60 + second) * 1_000 : undefined
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

function monthOf(name = ''): number {
  return MONTHS.indexOf(name.slice(0, 3).toLowerCase()) + 1
}

/** Two digits mean 1969 to 2068. */
function yearOf(text = ''): number {
  const year = Number(text)
  return text.length > 2 ? year : year + (year >= 69 ? 1900 : 2000)
}
