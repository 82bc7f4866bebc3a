import type { Timestamp } from '../values.ts'
import { calendarDay, DAY_MS, dayNumber, firstMonday, weekdayOf, weekyearOf } from './calendar.ts'
import { ENGLISH } from './date-names.ts'
import { type JodaToken, tokenizeJoda } from './joda-pattern.ts'

/** A compiled Joda pattern for printing. */
export interface JodaFormat {
  /** Prints the time in UTC. */
  format(time: Timestamp): string
  /** All times of one such step (counted from 1970) print the same: one day for `yyyy.MM.dd`. */
  readonly step_ms: number
}

/** A moment taken apart. */
interface Moment {
  readonly day_number: number
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly milli: number
}

type Print = (moment: Moment) => string

/**
 * Compiles a Joda pattern (`YYYY.MM.dd`, `xxxx.ww`) for printing, in UTC and English.
 * Joda's own traps stay: `YYYY.ww` mixes the calendar year with the ISO week (use `xxxx.ww`), `DD` is the day of
 * the year. Fractions are known to the millisecond, further digits are zeros, as in Logstash.
 * @throws MillraceError TEMPLATE_INVALID for letters that Joda does not know
 */
export function compileJodaFormat(pattern: string): JodaFormat {
  const tokens = tokenizeJoda(pattern)
  const prints = tokens.map(compileToken)
  return {
    step_ms: Math.min(DAY_MS, ...tokens.map(stepOf)),
    format: (time) => {
      const moment = takeApart(time.epoch_ms)
      let text = ''
      for (const print of prints) text += print(moment)
      return text
    },
  }
}

function takeApart(epoch_ms: number): Moment {
  const day_number = Math.floor(epoch_ms / DAY_MS)
  const of_day_ms = epoch_ms - day_number * DAY_MS
  const { year, month, day } = calendarDay(day_number)
  return {
    day_number,
    year,
    month,
    day,
    hour: Math.floor(of_day_ms / 3_600_000),
    minute: Math.floor(of_day_ms / 60_000) % 60,
    second: Math.floor(of_day_ms / 1000) % 60,
    milli: of_day_ms % 1000,
  }
}

function stepOf(token: JodaToken): number {
  if (token.kind === 'literal') return DAY_MS
  if (token.letter === 'S') return 1
  if (token.letter === 's') return 1000
  if (token.letter === 'm') return 60_000
  return 'HhKka'.includes(token.letter) ? 3_600_000 : DAY_MS
}

function compileToken(token: JodaToken): Print {
  if (token.kind === 'literal') return () => token.text
  const { letter, count } = token
  const number = NUMBERS[letter]
  if (number !== undefined) return (moment) => padded(number(moment), count)
  switch (letter) {
    case 'y':
      return count === 2 ? (moment) => twoDigits(moment.year) : (moment) => padded(moment.year, count)
    case 'Y':
      return count === 2 ? (moment) => twoDigits(moment.year) : (moment) => padded(yearOfEra(moment), count)
    case 'x':
      return count === 2 ? (moment) => twoDigits(weekyear(moment)) : (moment) => padded(weekyear(moment), count)
    case 'M':
      if (count <= 2) return (moment) => padded(moment.month, count)
      return nameOf(count === 3 ? ENGLISH.short_months : ENGLISH.months, (moment) => moment.month - 1)
    case 'E':
      return nameOf(count <= 3 ? ENGLISH.short_weekdays : ENGLISH.weekdays, (moment) => weekdayOf(moment.day_number) - 1)
    case 'a':
      return nameOf(ENGLISH.half_days, (moment) => (moment.hour < 12 ? 0 : 1))
    case 'G':
      return nameOf(ENGLISH.eras, (moment) => (moment.year < 1 ? 0 : 1))
    case 'S':
      return (moment) => String(moment.milli).padStart(3, '0').padEnd(count, '0').slice(0, count)
    case 'Z':
      return constant(count === 1 ? '+0000' : count === 2 ? '+00:00' : 'UTC')
    default:
      return constant(count <= 3 ? 'UTC' : 'Coordinated Universal Time')
  }
}

/** The letters that print a plain number, padded to their count. */
const NUMBERS: { readonly [letter: string]: (moment: Moment) => number } = {
  C: (moment) => Math.floor(yearOfEra(moment) / 100),
  w: (moment) => Math.floor((moment.day_number - firstMonday(weekyear(moment))) / 7) + 1,
  e: (moment) => weekdayOf(moment.day_number),
  d: (moment) => moment.day,
  D: (moment) => moment.day_number - dayNumber(moment.year, 1, 1) + 1,
  H: (moment) => moment.hour,
  k: (moment) => moment.hour || 24,
  K: (moment) => moment.hour % 12,
  h: (moment) => moment.hour % 12 || 12,
  m: (moment) => moment.minute,
  s: (moment) => moment.second,
}

function weekyear(moment: Moment): number {
  return weekyearOf(moment.day_number)
}

function yearOfEra(moment: Moment): number {
  return moment.year < 1 ? 1 - moment.year : moment.year
}

function padded(value: number, digits: number): string {
  const text = String(Math.abs(value)).padStart(digits, '0')
  return value < 0 ? `-${text}` : text
}

function twoDigits(year: number): string {
  return padded(Math.abs(year) % 100, 2)
}

function nameOf(names: readonly string[], index: (moment: Moment) => number): Print {
  return (moment) => names[index(moment)] ?? ''
}

function constant(text: string): Print {
  return () => text
}
