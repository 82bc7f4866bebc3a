import { MillraceError } from '../errors.ts'
import type { Timestamp } from '../values.ts'
import { calendarDay, DAY_MS, dayNumber, weekdayOf } from './calendar.ts'
import { ENGLISH } from './date-names.ts'

/** A moment in UTC, taken apart as java.time's fields. */
interface Moment {
  readonly day_number: number
  readonly year: number
  readonly month: number
  readonly day: number
  readonly of_day_ms: number
  /** Within the second. */
  readonly nanos: number
}

type Print = (moment: Moment) => string

/**
 * Compiles the pattern of a `%{{…}}` placeholder, which is one of java.time's DateTimeFormatter in UTC and US English, as in
 * Logstash: with nanoseconds, weeks that begin on Sunday, and `YYYY` as the year of the week (use `yyyy` or `uuuu`).
 * Source: https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/time/format/DateTimeFormatter.html
 * @throws MillraceError TEMPLATE_INVALID for letters, counts or signs that it does not know
 */
export function compileJavaTimeFormat(pattern: string): (time: Timestamp) => string {
  const prints = tokensOf(pattern).map((token) =>
    token.letter === undefined ? constant(token.text) : letterPrint(token.text, pattern),
  )
  return (time) => {
    const moment = takeApart(time)
    return prints.map((print) => print(moment)).join('')
  }
}

function takeApart({ epoch_ms, nanos }: Timestamp): Moment {
  const day_number = Math.floor(epoch_ms / DAY_MS)
  const of_day_ms = epoch_ms - day_number * DAY_MS
  return { day_number, of_day_ms, nanos: (of_day_ms % 1000) * 1_000_000 + nanos, ...calendarDay(day_number) }
}

interface Token {
  /** Of a run of one letter. */
  readonly letter?: string
  readonly text: string
}

const TOKEN = /([A-Za-z])\1*|'(?:[^']|'')*'|[\s\S]/g

/** Runs of a letter, and text that stands for itself. Parts in brackets are optional, and all of them can be printed. */
function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = []
  for (const [text, letter] of pattern.matchAll(TOKEN)) {
    if (letter !== undefined) tokens.push({ letter, text })
    else if (text.length > 1) tokens.push({ text: text === "''" ? "'" : text.slice(1, -1).replaceAll("''", "'") })
    else if ("{}#'".includes(text)) throw invalid(pattern, `${text} may not stand there`)
    else if (text !== '[' && text !== ']') tokens.push({ text })
  }
  return tokens
}

function invalid(pattern: string, why: string): MillraceError {
  return new MillraceError('TEMPLATE_INVALID', `the date pattern "${pattern}" of java.time cannot be read: ${why}`)
}

function letterPrint(run: string, pattern: string): Print {
  const letter = run.charAt(0)
  const count = run.length
  const number = NUMBERS[letter]
  if (number !== undefined && count <= number.count_max) return (moment) => padded(number.of(moment), count)
  const print = TEXTS[letter]?.(count)
  if (print === undefined) throw invalid(pattern, `${run} is not known`)
  return print
}

interface NumberLetter {
  readonly of: (moment: Moment) => number
  /** More of the letter is an error. */
  readonly count_max: number
}

/** Letters that print a number, padded with zeros to their count. */
const NUMBERS: { readonly [letter: string]: NumberLetter } = {
  D: { of: (moment) => moment.day_number - dayNumber(moment.year, 1, 1) + 1, count_max: 3 },
  M: { of: (moment) => moment.month, count_max: 2 },
  L: { of: (moment) => moment.month, count_max: 2 },
  d: { of: (moment) => moment.day, count_max: 2 },
  Q: { of: quarter, count_max: 2 },
  q: { of: quarter, count_max: 2 },
  w: { of: (moment) => weekOf(moment).week, count_max: 2 },
  W: { of: (moment) => Math.floor((moment.day + weekday(moment.day_number - moment.day + 1) - 2) / 7) + 1, count_max: 1 },
  e: { of: (moment) => weekday(moment.day_number), count_max: 2 },
  c: { of: (moment) => weekday(moment.day_number), count_max: 1 },
  F: { of: (moment) => ((moment.day - 1) % 7) + 1, count_max: 1 },
  h: { of: (moment) => hour(moment) % 12 || 12, count_max: 2 },
  K: { of: (moment) => hour(moment) % 12, count_max: 2 },
  k: { of: (moment) => hour(moment) || 24, count_max: 2 },
  H: { of: hour, count_max: 2 },
  m: { of: (moment) => Math.floor(moment.of_day_ms / 60_000) % 60, count_max: 2 },
  s: { of: (moment) => Math.floor(moment.of_day_ms / 1000) % 60, count_max: 2 },
  A: { of: (moment) => moment.of_day_ms, count_max: 19 },
  n: { of: (moment) => moment.nanos, count_max: 19 },
  g: { of: (moment) => moment.day_number + 40_587, count_max: 19 },
}

/** The others: how they print by their count, or `undefined` for a count that they cannot have. */
const TEXTS: { readonly [letter: string]: (count: number) => Print | undefined } = {
  u: (count) => yearPrint(count, (moment) => moment.year),
  y: (count) => yearPrint(count, yearOfEra),
  Y: (count) => yearPrint(count, (moment) => weekOf(moment).year),
  G: (count) => nameOf(Math.max(count, 3), ENGLISH.eras, ['Before Christ', 'Anno Domini'], ({ year }) => (year < 1 ? 0 : 1)),
  M: monthName,
  L: monthName,
  Q: quarterName,
  q: quarterName,
  E: weekdayName,
  e: (count) => (count < 3 ? undefined : weekdayName(count)),
  c: (count) => (count < 3 ? undefined : weekdayName(count)),
  a: (count) => (count === 1 ? (moment) => (hour(moment) < 12 ? 'AM' : 'PM') : undefined),
  S: (count) => (count <= 9 ? (moment) => padded(moment.nanos, 9).slice(0, count) : undefined),
  N: (count) => (moment) => {
    const nanos = BigInt(moment.of_day_ms) * 1_000_000n + BigInt(moment.nanos % 1_000_000)
    return String(nanos).padStart(count, '0')
  },
  V: (count) => (count === 2 ? constant('Z') : undefined),
  v: (count) => (count === 1 || count === 4 ? constant('Z') : undefined),
  z: (count) => (count <= 4 ? constant('Z') : undefined),
  O: (count) => (count === 1 || count === 4 ? constant('GMT') : undefined),
  X: (count) => (count <= 5 ? constant('Z') : undefined),
  x: (count) => constantOf(['+00', '+0000', '+00:00', '+0000', '+00:00'][count - 1]),
  Z: (count) => constantOf(['+0000', '+0000', '+0000', 'GMT', 'Z'][count - 1]),
}

function yearPrint(count: number, year: (moment: Moment) => number): Print | undefined {
  if (count === 2) return (moment) => padded(((year(moment) % 100) + 100) % 100, 2)
  // A year that needs more digits than were asked for says so.
  return (moment) => (count >= 4 && year(moment) >= 10 ** count ? '+' : '') + padded(year(moment), count)
}

function monthName(count: number): Print | undefined {
  return nameOf(count, ENGLISH.short_months, ENGLISH.months, ({ month }) => month - 1)
}

function weekdayName(count: number): Print | undefined {
  return nameOf(Math.max(count, 3), ENGLISH.short_weekdays, ENGLISH.weekdays, ({ day_number }) => weekdayOf(day_number) - 1)
}

const QUARTERS = ['1st quarter', '2nd quarter', '3rd quarter', '4th quarter']

function quarterName(count: number): Print | undefined {
  if (count === 5) return (moment) => String(quarter(moment))
  return nameOf(count, ['Q1', 'Q2', 'Q3', 'Q4'], QUARTERS, (moment) => quarter(moment) - 1)
}

/** Three letters: short, four: long, five: the first letter. */
function nameOf(
  count: number,
  short: readonly string[],
  long: readonly string[],
  index: (moment: Moment) => number,
): Print | undefined {
  if (count < 3 || count > 5) return undefined
  const names = count === 3 ? short : count === 4 ? long : long.map((name) => name.charAt(0))
  return (moment) => names[index(moment)] ?? ''
}

function hour({ of_day_ms }: Moment): number {
  return Math.floor(of_day_ms / 3_600_000)
}

function quarter({ month }: Moment): number {
  return Math.ceil(month / 3)
}

function yearOfEra({ year }: Moment): number {
  return year < 1 ? 1 - year : year
}

/** 1 is Sunday. */
function weekday(day_number: number): number {
  return (weekdayOf(day_number) % 7) + 1
}

/** The week, from Sunday to Saturday, and the year that it is counted in: the first one holds January 1. */
function weekOf({ day_number, year }: Moment): { readonly year: number; readonly week: number } {
  const sunday = day_number - weekday(day_number) + 1
  const firstSunday = (of: number): number => {
    const newYear = dayNumber(of, 1, 1)
    return newYear - weekday(newYear) + 1
  }
  const of = sunday >= firstSunday(year + 1) ? year + 1 : year
  return { year: of, week: (sunday - firstSunday(of)) / 7 + 1 }
}

function padded(value: number, digits: number): string {
  const text = String(Math.abs(value)).padStart(digits, '0')
  return value < 0 ? `-${text}` : text
}

function constant(text: string): Print {
  return () => text
}

function constantOf(text: string | undefined): Print | undefined {
  return text === undefined ? undefined : constant(text)
}
