import type { Finding, Fix, LintedConfig, Rule } from '../rule.ts'

const JODA = /%\{\+([^}]*)\}/g
const JAVA_TIME = /%\{\{([^}]*)\}\}/g

export const dayOfYear: Rule = {
  name: 'day-of-year',
  summary: '`DD` is the day of the year: `%{+YYYY.MM.DD}` makes `2026.02.32` of the first of February.',
  fires: 'output { elasticsearch { index => "logs-%{+YYYY.MM.DD}" } }',
  fixed: 'output { elasticsearch { index => "logs-%{+YYYY.MM.dd}" } }',
  quiet: 'output { elasticsearch { index => "logs-%{+YYYY.DDD}" } }',
  check: (config) =>
    datePatterns(config, JODA, (pattern) => {
      if (!/M/.test(pattern) || !/D/.test(pattern)) return undefined
      return {
        message: `D is the day of the year: February 1, 2026 becomes ${pattern
          .replace(/[Yyx]+/, '2026')
          .replace(/M+/, '02')
          .replace(/D+/, '32')}`,
        pattern: pattern.replace(/D+/g, 'dd'),
      }
    }),
}

export const weekOfYear: Rule = {
  name: 'week-of-year',
  summary:
    '`YYYY` is the calendar year and `ww` the week of the week year: around New Year `%{+YYYY.ww}` names a week of the wrong year ' +
    '(2024-12-30 is in `2025.01`, not `2024.01`). `xxxx` is the week year.',
  fires: 'output { elasticsearch { index => "logs-%{+YYYY.ww}" } }',
  fixed: 'output { elasticsearch { index => "logs-%{+xxxx.ww}" } }',
  quiet: 'output { elasticsearch { index => "logs-%{+xxxx.ww}" } }',
  check: (config) =>
    datePatterns(config, JODA, (pattern) => {
      if (!/w/.test(pattern) || !/[Yy]/.test(pattern)) return undefined
      return {
        message: `${pattern} names weeks around New Year by the wrong year: 2024-12-30 becomes 2024.01`,
        pattern: pattern.replace(/[Yy]+/g, 'xxxx'),
      }
    }),
}

export const javaWeekYear: Rule = {
  name: 'java-week-year',
  summary: 'Between double braces (`%{{YYYY}}`) `YYYY` is the year of the week: the last days of December are in the next year.',
  fires: 'output { elasticsearch { index => "logs-%{{YYYY.MM.dd}}" } }',
  fixed: 'output { elasticsearch { index => "logs-%{{yyyy.MM.dd}}" } }',
  quiet: 'output { elasticsearch { index => "logs-%{{YYYY.ww}}" } }',
  check: (config) =>
    datePatterns(config, JAVA_TIME, (pattern) => {
      if (!/Y/.test(pattern) || /w/.test(pattern)) return undefined
      return {
        message: `Y is the year of the week: ${pattern} makes 2025.12.29 of 2024-12-29`,
        pattern: pattern.replace(/Y/g, 'y'),
      }
    }),
}

interface Fault {
  readonly message: string
  /** The pattern that was meant. */
  readonly pattern: string
}

/** Looks at each date pattern in each text. */
function datePatterns(config: LintedConfig, reference: RegExp, look: (pattern: string) => Fault | undefined): Finding[] {
  return config.texts.flatMap(({ start, text }) =>
    [...text.matchAll(reference)].flatMap((found): Finding[] => {
      const pattern = found[1] ?? ''
      const fault = look(pattern)
      if (fault === undefined) return []
      // The text starts behind its quote.
      const at = start + 1 + found.index + found[0].indexOf(pattern)
      const fix: Fix = { start: at, end: at + pattern.length, text: fault.pattern }
      return [{ start: at, message: fault.message, hint: `write ${fault.pattern}`, fix }]
    }),
  )
}
