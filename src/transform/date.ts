import { defineFilter } from '../core/component.ts'
import type { FilterContext } from '../core/contracts.ts'
import { MillraceError, messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'
import { type Template } from '../core/template.ts'
import { type DateNames, dateNames } from '../core/time/date-names.ts'
import { compileDateFormat, type ReadDate } from '../core/time/date-parse.ts'
import { readIsoTimeAt } from '../core/time/iso-time.ts'
import type { Surroundings } from '../core/time/joda-parse.ts'
import { findZone, hostZone, type Zone } from '../core/time/time-zone.ts'
import { Timestamp, type Value } from '../core/values.ts'

const DATE_OPTIONS = {
  match: option.list(
    'The field, then the formats to try in this order: `ISO8601`, `UNIX`, `UNIX_MS`, `TAI64N` or Joda patterns such as `dd/MMM/yyyy:HH:mm:ss Z`.',
    { required: true },
  ),
  target: option.fieldRef('Field that the time is put into.', { default: '@timestamp' }),
  timezone: option.template(
    'Time zone of times that name none: `Europe/Berlin`, `+05:30`, or %{field}. Default: the zone of this machine.',
  ),
  locale: option.string('Language of month and weekday names, as in `de-DE`. Default: English.'),
  precision: option.oneOf('How fine the time is kept; finer digits are cut.', ['ms', 'ns'], { default: 'ms' }),
  tag_on_failure: option.list('Tags of an event whose field fits none of the formats.', { default: ['_dateparsefailure'] }),
}

export const date = defineFilter({
  name: 'date',
  summary: "Reads a time from a field and makes it the event's `@timestamp`.",
  description: `
Where the field is missing or null, nothing happens. Where it fits none of the formats, the event is tagged and keeps
its time. Patterns take fewer digits than letters, and names in any case, long or short. A pattern without a year means the
current one, and around New Year the nearer one. A time that the clocks of its zone jumped over is a failure; of one
that they showed twice the earlier is taken.

\`ISO8601\` wants a \`T\` between date and time, or a blank and a fraction of the second. \`UNIX\` is seconds, with a
fraction if there is one, up to the year 2038 (later ones are milliseconds by mistake), \`UNIX_MS\` milliseconds; both
take numbers too. A text of eight digits is a year for \`ISO8601\`, as in Logstash: \`20240102\` lies far ahead.
`.trim(),
  options: DATE_OPTIONS,
  examples: [
    {
      title: "The time of an exchange log, as the event's time",
      options: { match: ['ts', 'ISO8601'], remove_field: ['ts'] },
      before: { ts: '2026-03-01T09:30:00.125+01:00' },
      after: { '@timestamp': '2026-03-01T08:30:00.125Z' },
    },
    {
      title: 'Several formats, local time, a field of its own',
      options: { match: ['when', 'UNIX_MS', 'dd.MM.yyyy HH:mm:ss'], timezone: 'Europe/Berlin', target: '[log][time]' },
      before: { when: '01.07.2026 12:00:00' },
      after: { when: '01.07.2026 12:00:00', log: { time: '2026-07-01T10:00:00.000Z' } },
    },
    {
      title: 'A text that is no time',
      options: { match: ['ts', 'ISO8601'] },
      before: { ts: 'yesterday' },
      after: { ts: 'yesterday', tags: ['_dateparsefailure'] },
    },
  ],
  compile({ match, target, timezone, locale, precision, tag_on_failure }, context) {
    const [field = '', ...formats] = match
    if (formats.length === 0) {
      throw new MillraceError(
        'OPTION_INVALID',
        `match: expected a field and at least one date format, got ${JSON.stringify(match)}: write match => ["${field || 'field'}", "ISO8601"]`,
      )
    }
    const source = parseFieldRef(field)
    const names = namesOf(locale)
    const readers = formats.map((format) => compileDateFormat(format, names))
    const zoneOf = compileZone(timezone)
    const surroundingsOf = compileSurroundings(context)
    // The commonest form names its zone, so nothing else matters.
    const readsPlain = formats[0] === 'ISO8601' && (timezone === undefined || timezone.constant !== undefined)
    const misfit = `it fits none of ${formats.join(', ')}`
    const fail = (event: Event, why: string): void => {
      for (const tag of tag_on_failure) event.tag(tag)
      context.log.warn('date_failure', `${context.where}: the date filter could not take ${source.text}: ${why}`)
    }
    return (event) => {
      const plain_ms = readsPlain ? event.readText(source, readIsoTimeAt) : undefined
      let time = plain_ms === undefined || Number.isNaN(plain_ms) ? undefined : new Timestamp(plain_ms)
      if (time === undefined) {
        const value = event.get(source)
        if (value === undefined || value === null) return
        time = readFirst(value, readers, surroundingsOf(zoneOf(event)))
      }
      if (time === undefined) return fail(event, misfit)
      try {
        event.set(target, precision === 'ns' || time.nanos === 0 ? time : new Timestamp(time.epoch_ms))
      } catch (thrown) {
        return fail(event, messageOf(thrown))
      }
      context.matched(event)
    }
  },
})

function namesOf(locale: string | undefined): DateNames {
  try {
    return dateNames(locale)
  } catch (thrown) {
    throw new MillraceError('OPTION_INVALID', `locale: expected a language tag such as en or de-DE, got "${locale}"`, {
      cause: thrown,
    })
  }
}

/** `undefined` for an event whose zone's name is none. */
function compileZone(timezone: Template | undefined): (event: Event) => Zone | undefined {
  if (timezone !== undefined && timezone.constant === undefined) return (event) => findZone(timezone.format(event))
  if (timezone === undefined) {
    // Asked for by the first event only: the answer costs 30 ms of a start.
    let host: Zone | undefined
    return () => (host ??= hostZone())
  }
  const zone = findZone(timezone.text)
  if (zone === undefined) {
    throw new MillraceError(
      'OPTION_INVALID',
      `timezone: expected a name such as Europe/Berlin or an offset such as +05:30, got "${timezone.text}"`,
    )
  }
  return () => zone
}

/** One object for one event after the other: the clock is looked at only by the few formats without a year. */
function compileSurroundings(context: FilterContext): (zone: Zone | undefined) => Surroundings | undefined {
  let last: Surroundings | undefined
  return (zone) => {
    if (zone === undefined) return undefined
    if (last?.zone !== zone) {
      last = {
        zone,
        get now_ms() {
          return context.clock.now()
        },
      }
    }
    return last
  }
}

function readFirst(value: Value, readers: readonly ReadDate[], surroundings: Surroundings | undefined): Timestamp | undefined {
  if (surroundings === undefined) return undefined
  for (const read of readers) {
    const time = read(value, surroundings)
    if (time !== undefined) return time
  }
  return undefined
}
