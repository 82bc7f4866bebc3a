import { Timestamp } from '../values.ts'
import { DAY_MS, dayNumber, daysInMonth, firstMonday, isLeapYear, weekdayOf, weeksInYear } from './calendar.ts'
import { type DateNames, ENGLISH } from './date-names.ts'
import { isNumericToken, type JodaToken, tokenizeJoda } from './joda-pattern.ts'
import { findZone, type Zone } from './time-zone.ts'

/** What reading a time needs beside the text. */
export interface Surroundings {
  /** The zone of texts that name none. */
  readonly zone: Zone
  /** Milliseconds since 1970: for texts without a year. */
  readonly now_ms: number
}

/** Reads a whole text, with up to nanoseconds. `undefined`: it does not fit, or no clock ever showed that time. */
export type ReadTime = (text: string, surroundings: Surroundings) => Timestamp | undefined

/** The places of the numbers that a text gives; every token of a pattern must be found, so none is ever stale. */
const SLOT = {
  era: 0,
  century: 1,
  year: 2,
  month: 3,
  day: 4,
  day_of_year: 5,
  weekyear: 6,
  week: 7,
  weekday: 8,
  half_day: 9,
  hour: 10,
  half_hour: 11,
  minute: 12,
  second: 13,
  fraction_ns: 14,
  offset_ms: 15,
} as const
type Slot = (typeof SLOT)[keyof typeof SLOT]

interface Reading {
  readonly numbers: Float64Array
  zone: Zone | undefined
}

/** Reads one token at a place and returns the place after it, or -1. */
type ReadToken = (text: string, at: number, into: Reading) => number

const NO_MATCH = -1

/**
 * Compiles a Joda pattern (`dd/MMM/yyyy:HH:mm:ss Z`) for reading, with Joda's leniency: fewer digits than letters will
 * do, names in any case, long or short, a weekday moves the date within its week. Without a year it is the current
 * one; December read in January is last year's, January read in December next year's.
 * @throws MillraceError TEMPLATE_INVALID for letters that Joda does not know
 */
export function compileJodaParser(pattern: string, names: DateNames = ENGLISH): ReadTime {
  const tokens = tokenizeJoda(pattern)
  const letters = new Set(tokens.map((token) => (token.kind === 'letter' ? token.letter : '')))
  const readers = tokens.map((token, index) => compileToken(token, tokens[index + 1], names))
  const resolveDay = dayResolver(letters)
  const resolveClock = clockResolver(letters)
  const has_offset = tokens.some((token) => token.kind === 'letter' && token.letter === 'Z' && token.count <= 2)
  // One reading serves all texts: reading is synchronous, and every number is written before it is read.
  const reading: Reading = { numbers: new Float64Array(Object.keys(SLOT).length), zone: undefined }
  return (text, surroundings) => {
    reading.zone = undefined
    let at = 0
    for (const read of readers) {
      at = read(text, at, reading)
      if (at < 0) return undefined
    }
    if (at !== text.length) return undefined
    const { numbers } = reading
    const local_ms = resolveDay(numbers, surroundings) * DAY_MS + resolveClock(numbers)
    const fraction_ns = letters.has('S') ? number(numbers, SLOT.fraction_ns) : 0
    const second_ms = has_offset
      ? local_ms - number(numbers, SLOT.offset_ms)
      : (reading.zone ?? surroundings.zone).fromLocal(local_ms)
    return timeOf(second_ms, fraction_ns)
  }
}

/** The end of the year 292278993. Beyond 275760 whole days are exact, milliseconds are not. */
const TIME_MAX_MS = 9.2233720173e18

/** A moment from a full second and nanoseconds after it; `undefined` where it is none or lies beyond the years of Joda. */
export function timeOf(second_ms: number, fraction_ns: number): Timestamp | undefined {
  const epoch_ms = second_ms + Math.floor(fraction_ns / 1_000_000)
  return Math.abs(epoch_ms) <= TIME_MAX_MS ? new Timestamp(epoch_ms, fraction_ns % 1_000_000) : undefined
}

function number(numbers: Float64Array, slot: Slot): number {
  return numbers[slot] ?? 0
}

function compileToken(token: JodaToken, next: JodaToken | undefined, names: DateNames): ReadToken {
  if (token.kind === 'literal') return readLiteral(token.text)
  const { letter, count } = token
  switch (letter) {
    case 'y':
    case 'Y':
    case 'x': {
      const slot = letter === 'x' ? SLOT.weekyear : SLOT.year
      if (count === 2) return readTwoDigitYear(slot, !isNumericToken(next))
      return readNumber(slot, isNumericToken(next) ? count : YEAR_DIGITS_MAX, 0, Number.MAX_SAFE_INTEGER, letter !== 'Y')
    }
    case 'M':
      return count <= 2 ? readNumber(SLOT.month, 2, 1, 12) : readName(SLOT.month, 1, names.months, names.short_months)
    case 'E':
      return readName(SLOT.weekday, 1, names.weekdays, names.short_weekdays)
    case 'a':
      return readName(SLOT.half_day, 0, names.half_days, ENGLISH.half_days)
    case 'G':
      return readName(SLOT.era, 0, names.eras, ['BCE', 'CE'])
    case 'S':
      return readFraction(count)
    case 'Z':
      return count <= 2 ? readOffset : readZoneId
    case 'z':
      return readZoneName
    default: {
      const [slot, digits, least, most] = NUMBERS[letter] ?? [SLOT.century, count, 0, Number.MAX_SAFE_INTEGER]
      return readNumber(slot, digits, least, most)
    }
  }
}

const YEAR_DIGITS_MAX = 9

/** Letter -> where its number goes, how many digits it has at most, and its range. */
const NUMBERS: { readonly [letter: string]: readonly [Slot, digits: number, least: number, most: number] } = {
  d: [SLOT.day, 2, 1, 31],
  D: [SLOT.day_of_year, 3, 1, 366],
  w: [SLOT.week, 2, 1, 53],
  e: [SLOT.weekday, 1, 1, 7],
  H: [SLOT.hour, 2, 0, 23],
  k: [SLOT.hour, 2, 1, 24],
  K: [SLOT.half_hour, 2, 0, 11],
  h: [SLOT.half_hour, 2, 1, 12],
  m: [SLOT.minute, 2, 0, 59],
  s: [SLOT.second, 2, 0, 59],
}

function readLiteral(literal: string): ReadToken {
  const folded = literal.toLowerCase()
  return (text, at) => {
    const end = at + literal.length
    if (text.startsWith(literal, at)) return end
    return text.slice(at, end).toLowerCase() === folded ? end : NO_MATCH
  }
}

/** Takes as many digits as there are, at most `digits`, and never gives one back. */
function readNumber(slot: Slot, digits: number, least: number, most: number, signed = false): ReadToken {
  return (text, at, into) => {
    let start = at
    let sign = 1
    if (signed && isDigit(text, at + 1)) {
      const char = text.charCodeAt(at)
      if (char === MINUS) sign = -1
      if (char === MINUS || char === PLUS) start++
    }
    const end = endOfDigits(text, start, digits)
    if (end === start) return NO_MATCH
    const value = digitsOf(text, start, end)
    if (value < least || value > most) return NO_MATCH
    into.numbers[slot] = sign * value
    return end
  }
}

/** `24` is 2024; the century is chosen to lie between 80 years back and 19 ahead. Other lengths are the year itself. */
function readTwoDigitYear(slot: Slot, lenient: boolean): ReadToken {
  const other = readNumber(slot, YEAR_DIGITS_MAX, 0, Number.MAX_SAFE_INTEGER, true)
  return (text, at, into) => {
    const end = endOfDigits(text, at, lenient ? YEAR_DIGITS_MAX : 2)
    if (end - at !== 2) return lenient ? other(text, at, into) : NO_MATCH
    const first = new Date().getFullYear() - 80
    const year = first - (first % 100) + digitsOf(text, at, end)
    into.numbers[slot] = year < first ? year + 100 : year
    return end
  }
}

/** `5` after a comma is half a second: digits beyond the ninth are read and dropped. */
function readFraction(digits: number): ReadToken {
  return (text, at, into) => {
    const end = endOfDigits(text, at, digits)
    if (end === at) return NO_MATCH
    const known = Math.min(end, at + 9)
    into.numbers[SLOT.fraction_ns] = digitsOf(text, at, known) * 10 ** (9 - (known - at))
    return end
  }
}

/** The longest of the names that stands there; `first` is the number of the first one of each list. */
function readName(slot: Slot, first: number, ...lists: (readonly string[])[]): ReadToken {
  const by_initial = new Map<string, { readonly name: string; readonly value: number }[]>()
  let length_max = 0
  for (const names of lists) {
    for (const [index, written] of names.entries()) {
      const name = written.toLowerCase()
      length_max = Math.max(length_max, name.length)
      const same = by_initial.get(name.slice(0, 1)) ?? []
      by_initial.set(
        name.slice(0, 1),
        [...same, { name, value: index + first }].sort((a, b) => b.name.length - a.name.length),
      )
    }
  }
  return (text, at, into) => {
    const there = text.slice(at, at + length_max).toLowerCase()
    for (const { name, value } of by_initial.get(there.slice(0, 1)) ?? []) {
      if (there.startsWith(name)) {
        into.numbers[slot] = value
        return at + name.length
      }
    }
    return NO_MATCH
  }
}

/** Hours, minutes and seconds of an offset, and how far each goes. */
const OFFSET_PARTS = [
  { seconds: 3600, most: 23 },
  { seconds: 60, most: 59 },
  { seconds: 1, most: 59 },
]

/** `Z`, `+02`, `+0200`, `+02:00`, with seconds too. */
function readOffset(text: string, at: number, into: Reading): number {
  const sign = text.charCodeAt(at)
  if (sign === UPPER_Z || sign === LOWER_Z) {
    into.numbers[SLOT.offset_ms] = 0
    return at + 1
  }
  if (sign !== PLUS && sign !== MINUS) return NO_MATCH
  let end = at + 1
  let size_s = 0
  for (const { seconds, most } of OFFSET_PARTS) {
    const start = end > at + 1 && text.charCodeAt(end) === COLON ? end + 1 : end
    if (endOfDigits(text, start, 2) !== start + 2) break
    const value = digitsOf(text, start, start + 2)
    if (value > most) return NO_MATCH
    size_s += value * seconds
    end = start + 2
  }
  if (end === at + 1) return NO_MATCH
  into.numbers[SLOT.offset_ms] = (sign === MINUS ? -1000 : 1000) * size_s
  return end
}

const ZONE_ID = /[A-Za-z][A-Za-z0-9/_+-]*/y

/** A name of the time zone database: `Asia/Tokyo`. */
function readZoneId(text: string, at: number, into: Reading): number {
  ZONE_ID.lastIndex = at
  const name = ZONE_ID.exec(text)?.[0]
  into.zone = name === undefined ? undefined : findZone(name)
  return into.zone === undefined ? NO_MATCH : ZONE_ID.lastIndex
}

/** The short names that Joda can read, and the zones it takes them for (so `EST` is an hour off in summer, as there). */
const ZONE_NAMES: readonly (readonly [name: string, id: string])[] = [
  ['UTC', 'UTC'],
  ['UT', 'UTC'],
  ['GMT', 'UTC'],
  ['EST', 'America/New_York'],
  ['EDT', 'America/New_York'],
  ['CST', 'America/Chicago'],
  ['CDT', 'America/Chicago'],
  ['MST', 'America/Denver'],
  ['MDT', 'America/Denver'],
  ['PST', 'America/Los_Angeles'],
  ['PDT', 'America/Los_Angeles'],
]

function readZoneName(text: string, at: number, into: Reading): number {
  for (const [name, id] of ZONE_NAMES) {
    if (text.startsWith(name, at)) {
      into.zone = findZone(id)
      return at + name.length
    }
  }
  return NO_MATCH
}

/** How the day follows from the numbers that a pattern reads. `NaN`: there is no such day. */
function dayResolver(letters: ReadonlySet<string>): (numbers: Float64Array, surroundings: Surroundings) => number {
  const yearOf = yearResolver(letters)
  const has_weekday = letters.has('E') || letters.has('e')
  if (letters.has('x') || letters.has('w')) {
    return (numbers, surroundings) => {
      const weekyear = letters.has('x') ? number(numbers, SLOT.weekyear) : yearOf(numbers, surroundings)
      const week = letters.has('w') ? number(numbers, SLOT.week) : 1
      if (week > weeksInYear(weekyear)) return Number.NaN
      return firstMonday(weekyear) + (week - 1) * 7 + (has_weekday ? number(numbers, SLOT.weekday) - 1 : 0)
    }
  }
  const dayOf = letters.has('D') ? dayOfYear : dayOfMonth(letters.has('M'), letters.has('d'))
  return (numbers, surroundings) => {
    const day = dayOf(yearOf(numbers, surroundings), numbers)
    return has_weekday ? day - weekdayOf(day) + number(numbers, SLOT.weekday) : day
  }
}

function dayOfYear(year: number, numbers: Float64Array): number {
  const day = number(numbers, SLOT.day_of_year)
  return day > (isLeapYear(year) ? 366 : 365) ? Number.NaN : dayNumber(year, 1, day)
}

function dayOfMonth(has_month: boolean, has_day: boolean): (year: number, numbers: Float64Array) => number {
  return (year, numbers) => {
    const month = has_month ? number(numbers, SLOT.month) : 1
    const day = has_day ? number(numbers, SLOT.day) : 1
    return day > daysInMonth(year, month) ? Number.NaN : dayNumber(year, month, day)
  }
}

function yearResolver(letters: ReadonlySet<string>): (numbers: Float64Array, surroundings: Surroundings) => number {
  if (letters.has('y') || letters.has('Y')) {
    if (!letters.has('G')) return (numbers) => number(numbers, SLOT.year)
    return (numbers) => (number(numbers, SLOT.era) === 0 ? 1 - number(numbers, SLOT.year) : number(numbers, SLOT.year))
  }
  if (letters.has('C')) return (numbers) => number(numbers, SLOT.century) * 100
  const has_month = letters.has('M')
  return (numbers, { zone, now_ms }) => {
    const now = new Date(now_ms + zone.offsetAt(now_ms))
    const month = has_month ? number(numbers, SLOT.month) : now.getUTCMonth() + 1
    if (month === 12 && now.getUTCMonth() === 0) return now.getUTCFullYear() - 1
    return month === 1 && now.getUTCMonth() === 11 ? now.getUTCFullYear() + 1 : now.getUTCFullYear()
  }
}

/** How the time of day follows, in milliseconds without the fraction. */
function clockResolver(letters: ReadonlySet<string>): (numbers: Float64Array) => number {
  const has_hour = letters.has('H') || letters.has('k')
  const has_half_hour = letters.has('h') || letters.has('K')
  return (numbers) => {
    let hour = 0
    // 24 of k is midnight, and so is 12 of h.
    if (has_hour) hour = number(numbers, SLOT.hour) % 24
    else {
      if (has_half_hour) hour = number(numbers, SLOT.half_hour) % 12
      if (letters.has('a')) hour += number(numbers, SLOT.half_day) * 12
    }
    const minute = letters.has('m') ? number(numbers, SLOT.minute) : 0
    const second = letters.has('s') ? number(numbers, SLOT.second) : 0
    return ((hour * 60 + minute) * 60 + second) * 1000
  }
}

const PLUS = 0x2b
const MINUS = 0x2d
const ZERO = 0x30
const COLON = 0x3a
const UPPER_Z = 0x5a
const LOWER_Z = 0x7a

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code >= ZERO && code <= ZERO + 9
}

function endOfDigits(text: string, start: number, digits: number): number {
  let end = start
  while (end - start < digits && isDigit(text, end)) end++
  return end
}

function digitsOf(text: string, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) value = value * 10 + text.charCodeAt(at) - ZERO
  return value
}
