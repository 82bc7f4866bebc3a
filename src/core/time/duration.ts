import * as option from '../options/options.ts'

// Logstash's friendly durations.
const UNITS_MS: { readonly [unit: string]: number } = {
  ms: 1,
  msec: 1,
  msecs: 1,
  s: 1_000,
  sec: 1_000,
  secs: 1_000,
  second: 1_000,
  seconds: 1_000,
  m: 60_000,
  min: 60_000,
  mins: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
  w: 604_800_000,
  week: 604_800_000,
  weeks: 604_800_000,
}

/**
 * A span of time in milliseconds, written as `45 min`, `1.5 hours` or `500 ms`.
 * @param preset the default, written alike
 * @param plain_unit what a number without a unit counts
 */
export function duration(summary: string): option.Option<number | undefined>
export function duration(summary: string, preset: string, plain_unit?: string): option.Option<number>
export function duration(summary: string, preset?: string, plain_unit = 'seconds'): option.Option<number | undefined> {
  const preset_ms = preset === undefined ? undefined : durationMs(preset, plain_unit)
  return {
    summary,
    type: 'duration',
    required: false,
    default_value: preset,
    schema: { type: ['string', 'number'], description: summary, ...(preset === undefined ? {} : { default: preset }) },
    read: (value, report) => {
      if (value === undefined) return preset_ms
      const text = option.readText(value, report)
      const read = text === undefined ? undefined : durationMs(text, plain_unit)
      if (text !== undefined && read === undefined) {
        const message = `expected a duration such as 45 min, 1 hour, 500 ms or a number of ${plain_unit}, got ${JSON.stringify(text)}`
        report({ code: 'CONFIG_INVALID_OPTION', at: value.at, message })
      }
      return read
    },
  }
}

function durationMs(text: string, plain_unit: string): number | undefined {
  const [, amount, unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/.exec(text) ?? []
  const name = unit === '' ? plain_unit : unit
  const unit_ms = Object.hasOwn(UNITS_MS, name) ? UNITS_MS[name] : undefined
  return amount === undefined || unit_ms === undefined ? undefined : Number(amount) * unit_ms
}
