/** Arithmetic of the proleptic Gregorian calendar on days counted from 1970-01-01, without a Date object. */

export const DAY_MS = 86_400_000

/** A day with everything that date patterns ask for. */
interface CalendarDay {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  /** 1 to 31. */
  readonly day: number
}

/** Days from 1970-01-01 to that day. Algorithm: https://howardhinnant.github.io/date_algorithms.html#days_from_civil */
export function dayNumber(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const year_of_era = shifted - era * 400
  const day_of_year = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const day_of_era = year_of_era * 365 + Math.floor(year_of_era / 4) - Math.floor(year_of_era / 100) + day_of_year
  return era * 146_097 + day_of_era - 719_468
}

/** The inverse of `dayNumber`. */
export function calendarDay(day_number: number): CalendarDay {
  const shifted = day_number + 719_468
  const era = Math.floor(shifted / 146_097)
  const day_of_era = shifted - era * 146_097
  const year_of_era = Math.floor(
    (day_of_era - Math.floor(day_of_era / 1460) + Math.floor(day_of_era / 36_524) - Math.floor(day_of_era / 146_096)) / 365,
  )
  const day_of_year = day_of_era - (365 * year_of_era + Math.floor(year_of_era / 4) - Math.floor(year_of_era / 100))
  const march_month = Math.floor((5 * day_of_year + 2) / 153)
  const month = march_month < 10 ? march_month + 3 : march_month - 9
  return {
    year: year_of_era + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: day_of_year - Math.floor((153 * march_month + 2) / 5) + 1,
  }
}

export function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

export function daysInMonth(year: number, month: number): number {
  return month === 2 && isLeapYear(year) ? 29 : (MONTH_DAYS[month - 1] ?? 0)
}

/** 1 for Monday to 7 for Sunday. */
export function weekdayOf(day_number: number): number {
  return ((((day_number + 3) % 7) + 7) % 7) + 1
}

/** The Monday on which the ISO year begins: that of the week with January 4. */
export function firstMonday(weekyear: number): number {
  const fourth = dayNumber(weekyear, 1, 4)
  return fourth - weekdayOf(fourth) + 1
}

export function weeksInYear(weekyear: number): number {
  return (firstMonday(weekyear + 1) - firstMonday(weekyear)) / 7
}

/** The year that the ISO week of that day belongs to: the year of its Thursday. */
export function weekyearOf(day_number: number): number {
  return calendarDay(day_number - weekdayOf(day_number) + 4).year
}
