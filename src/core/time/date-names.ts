/** The words that a language has in dates, each list in calendar order. */
export interface DateNames {
  /** January first. */
  readonly months: readonly string[]
  readonly short_months: readonly string[]
  /** Monday first. */
  readonly weekdays: readonly string[]
  readonly short_weekdays: readonly string[]
  /** Morning, afternoon. */
  readonly half_days: readonly string[]
  /** Before and after year 1. */
  readonly eras: readonly string[]
}

export const ENGLISH: DateNames = {
  months: [
    'January',
    'February',
    'March',
    'April',
    'May',
    'June',
    'July',
    'August',
    'September',
    'October',
    'November',
    'December',
  ],
  short_months: ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'],
  weekdays: ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'],
  short_weekdays: ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'],
  half_days: ['AM', 'PM'],
  eras: ['BC', 'AD'],
}

/** A Monday of the year 2024, whose months and days all the lists are read from. */
const A_MONDAY = Date.UTC(2024, 0, 1)
const HALF_DAY_MS = 43_200_000
const A_WEEK = [0, 1, 2, 3, 4, 5, 6].map((day) => A_MONDAY + day * 2 * HALF_DAY_MS)
const A_YEAR = ENGLISH.months.map((_name, month) => Date.UTC(2024, month, 1))

/**
 * The words of a language, in the form they have inside a date (`Feb.`, `février`).
 * @throws RangeError for what is not a language tag (BCP 47; `de_DE` is taken as `de-DE`)
 */
export function dateNames(locale: string | undefined): DateNames {
  const tag = new Intl.Locale((locale ?? 'en').replaceAll('_', '-'))
  if (tag.language === 'en') return ENGLISH
  const words = (times: readonly number[], part: 'month' | 'weekday' | 'dayPeriod', options: Intl.DateTimeFormatOptions) => {
    const format = new Intl.DateTimeFormat(tag, { ...options, timeZone: 'UTC', calendar: 'gregory', numberingSystem: 'latn' })
    return times.map((time) => format.formatToParts(time).find(({ type }) => type === part)?.value ?? '')
  }
  return {
    months: words(A_YEAR, 'month', { month: 'long', day: 'numeric' }),
    short_months: words(A_YEAR, 'month', { month: 'short', day: 'numeric' }),
    weekdays: words(A_WEEK, 'weekday', { weekday: 'long', day: 'numeric' }),
    short_weekdays: words(A_WEEK, 'weekday', { weekday: 'short', day: 'numeric' }),
    half_days: words([A_MONDAY, A_MONDAY + HALF_DAY_MS], 'dayPeriod', { hour: 'numeric', hour12: true }),
    eras: ENGLISH.eras,
  }
}
