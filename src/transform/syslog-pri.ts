import { defineFilter } from '../core/component.ts'
import { messageOf } from '../core/errors.ts'
import { type FieldRef, parseFieldRef } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'
import { SourceNumber, Timestamp, type Value } from '../core/values.ts'

// biome-ignore format: two tables of RFC 3164, by their numbers
const FACILITIES = [
  'kernel', 'user-level', 'mail', 'daemon', 'security/authorization', 'syslogd', 'line printer', 'network news', 'uucp',
  'clock', 'security/authorization', 'ftp', 'ntp', 'log audit', 'log alert', 'clock',
  'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7',
]
const SEVERITIES = ['emergency', 'alert', 'critical', 'error', 'warning', 'notice', 'informational', 'debug']

const FAILURE = '_syslogpriparsefailure'

/** What RFC 3164 takes a message without a priority for: a notice of a user-level program. */
const DEFAULT_PRIORITY = 13n

const LEGACY_FIELDS = {
  priority: 'syslog_pri',
  severity: { code: 'syslog_severity_code', name: 'syslog_severity' },
  facility: { code: 'syslog_facility_code', name: 'syslog_facility' },
}
const ECS_FIELDS = {
  priority: '[log][syslog][priority]',
  severity: { code: '[log][syslog][severity][code]', name: '[log][syslog][severity][name]' },
  facility: { code: '[log][syslog][facility][code]', name: '[log][syslog][facility][name]' },
}

const OPTIONS = {
  use_labels: option.boolean('Also adds the names of facility and severity.', { default: true }),
  syslog_pri_field_name: option.fieldRef('Field with the priority. Default: `syslog_pri`, under ECS `[log][syslog][priority]`.'),
  facility_labels: option.list('Names of the facilities 0 to 23.', { default: FACILITIES }),
  severity_labels: option.list('Names of the severities 0 to 7.', { default: SEVERITIES }),
}

export const syslogPri = defineFilter({
  name: 'syslog_pri',
  summary: "Reads facility and severity out of syslog's priority number.",
  description: `
The priority is facility × 8 + severity. Under \`ecs_compatibility => disabled\` the fields are \`syslog_facility_code\`,
\`syslog_facility\`, \`syslog_severity_code\` and \`syslog_severity\`, else \`[log][syslog][facility][code]\`, \`[name]\` and
so on. Where the priority is missing or null, it is 13 (user-level, notice); text is read as far as it is a number, other
text counts as 0; of a list the first element counts. A facility beyond the names gets the tag \`${FAILURE}\` and
no names, and the common options act. Maps and \`true\` are tagged too, and nothing is set.
`.trim(),
  options: OPTIONS,
  examples: [
    {
      title: 'The flat fields of old',
      options: { ecs_compatibility: 'disabled' },
      before: { syslog_pri: '34' },
      after: {
        syslog_pri: '34',
        syslog_severity_code: 2,
        syslog_facility_code: 4,
        syslog_facility: 'security/authorization',
        syslog_severity: 'critical',
      },
    },
    {
      title: 'ECS, without names',
      options: { ecs_compatibility: 'v8', use_labels: false },
      before: { log: { syslog: { priority: 165 } } },
      after: { log: { syslog: { priority: 165, severity: { code: 5 }, facility: { code: 20 } } } },
    },
  ],
  compile(options, context) {
    const fields = context.ecs_compatibility === 'disabled' ? LEGACY_FIELDS : ECS_FIELDS
    const source = options.syslog_pri_field_name ?? parseFieldRef(fields.priority)
    const [severity_code, severity_name] = refsOf(fields.severity)
    const [facility_code, facility_name] = refsOf(fields.facility)
    return (event) => {
      const priority = readPriority(event.get(source))
      try {
        if (priority === undefined) throw new TypeError('it is no number')
        const severity = Number(priority & 7n)
        const facility = priority >> 3n
        event.set(severity_code, severity)
        event.set(facility_code, Number.isSafeInteger(Number(facility)) ? Number(facility) : facility)
        if (options.use_labels && facility >= options.facility_labels.length) event.tag(FAILURE)
        else if (options.use_labels) {
          // Ruby counts negative indexes from the end.
          const facility_label = options.facility_labels.at(Number(facility))
          if (facility_label !== undefined) event.set(facility_name, facility_label)
          const severity_label = options.severity_labels[severity]
          if (severity_label !== undefined) event.set(severity_name, severity_label)
        }
      } catch (thrown) {
        event.tag(FAILURE)
        context.log.warn(
          'syslog_pri_failure',
          `${context.where}: the syslog_pri filter could not take ${source.text}: ${messageOf(thrown)}`,
        )
        return
      }
      context.matched(event)
    }
  },
})

function refsOf({ code, name }: { readonly code: string; readonly name: string }): readonly [FieldRef, FieldRef] {
  return [parseFieldRef(code), parseFieldRef(name)]
}

/** As Ruby's `to_i` reads it; exact, as a priority may be any number. `undefined`: it cannot. */
function readPriority(value: Value | undefined): bigint | undefined {
  if (value === undefined || value === null || value === false) return DEFAULT_PRIORITY
  if (Array.isArray(value)) return value[0] === undefined || value[0] === null ? 0n : wholeNumber(value[0])
  return wholeNumber(value)
}

/** More digits than any number in a log. */
const DIGITS_MAX = 1_000

function wholeNumber(value: Value): bigint | undefined {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number') return BigInt(Math.trunc(value))
  if (value instanceof SourceNumber) return Number.isFinite(value.value) ? BigInt(Math.trunc(value.value)) : undefined
  if (value instanceof Timestamp) return BigInt(Math.floor(value.epoch_ms / 1000))
  if (typeof value !== 'string') return undefined
  const [digits = '0'] = /^[+-]?\d+(?:_\d+)*/.exec(value.trimStart()) ?? []
  if (digits.length > DIGITS_MAX) return undefined
  const size = BigInt(digits.replaceAll('_', '').replace(/^[+-]/, ''))
  return digits.startsWith('-') ? -size : size
}
