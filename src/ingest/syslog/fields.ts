import type { InputContext } from '../../core/contracts.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { type FieldRef, parseFieldRef } from '../../core/field-ref.ts'
import { type GuardedRegex, isInterrupted } from '../../core/regex/guard.ts'
import { dateNames } from '../../core/time/date-names.ts'
import { compileDateFormat } from '../../core/time/date-parse.ts'
import { findZone, hostZone, type Zone } from '../../core/time/time-zone.ts'
import { isNumber, type Timestamp, type Value } from '../../core/values.ts'
import { compileLinePattern } from '../../grok/line-pattern.ts'
import type { SyslogLine } from './line.ts'

export interface SyslogOptions {
  readonly syslog_field: FieldRef
  readonly use_labels: boolean
  readonly facility_labels: readonly string[]
  readonly severity_labels: readonly string[]
  readonly timezone: string | undefined
  readonly locale: string | undefined
}

/** Takes the text apart and puts its parts into the event. False: it is no such line, and nothing was changed. */
export type ReadInto = (text: string, event: Event) => boolean

const TIMESTAMP = parseFieldRef('@timestamp')
const TIME_TEXT = parseFieldRef('timestamp')
const ISO_TIME_TEXT = parseFieldRef('timestamp8601')
const ORIGINAL = parseFieldRef('[event][original]')

const LEGACY = {
  priority: parseFieldRef('priority'),
  facility: parseFieldRef('facility'),
  severity: parseFieldRef('severity'),
  facility_label: parseFieldRef('facility_label'),
  severity_label: parseFieldRef('severity_label'),
  host: parseFieldRef('logsource'),
  program: parseFieldRef('program'),
  pid: parseFieldRef('pid'),
}
const ECS = {
  priority: parseFieldRef('[log][syslog][priority]'),
  facility: parseFieldRef('[log][syslog][facility][code]'),
  severity: parseFieldRef('[log][syslog][severity][code]'),
  facility_label: parseFieldRef('[log][syslog][facility][name]'),
  severity_label: parseFieldRef('[log][syslog][severity][name]'),
  host: parseFieldRef('[host][hostname]'),
  program: parseFieldRef('[process][name]'),
  pid: parseFieldRef('[process][pid]'),
}

/** Puts the parts of a line where Logstash's patterns have them. */
export function placeLine(line: SyslogLine, event: Event, field: FieldRef, ecs: boolean): void {
  const refs = ecs ? ECS : LEGACY
  event.set(refs.priority, ecs ? line.priority : String(line.priority))
  event.set(ecs || !line.is_iso ? TIME_TEXT : ISO_TIME_TEXT, line.timestamp)
  event.set(refs.host, line.host)
  if (line.program !== undefined) event.set(refs.program, line.program)
  if (line.pid !== undefined) event.set(refs.pid, ecs ? Number(line.pid) : line.pid)
  event.set(field, line.message)
}

/** What Logstash calls whatever sends syslog. */
const SERVICE_TYPE = parseFieldRef('[service][type]')

/**
 * Reads lines with a grok pattern of the user's, as the filter grok would with `overwrite` for the line's own field.
 * @throws MillraceError REGEX_INVALID
 */
export function compileGrokReader(pattern: string, field: FieldRef, context: InputContext): ReadInto {
  const { regex, captures } = compileLinePattern(pattern, [], context)
  const setters = captures.map(({ field: name, conversion, groups }) => ({ ref: parseFieldRef(name), conversion, groups }))
  return (text, event) => {
    const found = execUnlessInterrupted(regex, text, context)
    if (found === null) return false
    for (const { ref, conversion, groups } of setters) {
      for (const group of groups) {
        const captured = found.groups?.[`g${group}`] ?? ''
        if (captured === '') continue
        const value = conversion === undefined ? captured : Number.parseFloat(captured) || 0
        const present = ref.text === field.text ? undefined : event.get(ref)
        event.set(ref, present === undefined ? value : [...(Array.isArray(present) ? present : [present]), value])
      }
    }
    return true
  }
}

function execUnlessInterrupted(regex: GuardedRegex, text: string, context: InputContext): RegExpExecArray | null {
  try {
    return regex.exec(text)
  } catch (thrown) {
    if (!isInterrupted(thrown)) throw thrown
    context.log.warn('syslog_pattern', `${context.where}: syslog.grok_pattern: ${thrown.message}`)
    return null
  }
}

const FORMATS = ['MMM dd HH:mm:ss', 'MMM  d HH:mm:ss', 'MMM d HH:mm:ss', 'ISO8601']

/**
 * Makes of an event with a line in it one with the line's parts, its time, priority, facility and severity.
 * @throws MillraceError INPUT_CANNOT_START for a time zone or language that is none
 */
export function compileSyslog(options: SyslogOptions, read: ReadInto, context: InputContext): (event: Event) => void {
  const { syslog_field, use_labels, facility_labels, severity_labels } = options
  const ecs = context.ecs_compatibility !== 'disabled'
  const refs = ecs ? ECS : LEGACY
  const readTime = compileTime(options, context)
  return (event) => {
    const text = event.get(syslog_field)
    if (ecs && text !== undefined) event.set(ORIGINAL, text)
    if (ecs && !event.has(SERVICE_TYPE)) event.set(SERVICE_TYPE, 'system')
    if (typeof text === 'string' && read(text, event)) {
      placeTime(event, readTime, ecs)
    } else {
      event.tag('_grokparsefailure_sysloginput')
    }
    // What could not be read counts as priority 0, for that is what Logstash makes of it.
    const priority = numberOf(event.get(refs.priority))
    const facility = Math.floor(priority / 8)
    const severity = priority % 8
    event.set(refs.priority, priority)
    event.set(refs.severity, severity)
    event.set(refs.facility, facility)
    if (!use_labels) return
    const facility_label = facility_labels[facility]
    const severity_label = severity_labels[severity]
    if (facility_label !== undefined) event.set(refs.facility_label, facility_label)
    if (severity_label !== undefined) event.set(refs.severity_label, severity_label)
  }
}

function numberOf(value: Value | undefined): number {
  const number = typeof value === 'string' || isNumber(value) ? Math.trunc(Number(value)) : 0
  return Number.isSafeInteger(number) && number > 0 ? number : 0
}

function placeTime(event: Event, readTime: (text: string) => Timestamp | undefined, ecs: boolean): void {
  const iso = event.get(ISO_TIME_TEXT)
  if (!ecs && iso !== undefined) event.set(TIME_TEXT, iso)
  const text = event.get(TIME_TEXT)
  if (typeof text === 'string') {
    const time = readTime(text)
    if (time === undefined) event.tag('_dateparsefailure')
    else event.set(TIMESTAMP, time)
  }
  if (ecs) event.remove(TIME_TEXT)
}

function compileTime({ timezone, locale }: SyslogOptions, context: InputContext): (text: string) => Timestamp | undefined {
  const zone = zoneOf(timezone)
  const names = namesOf(locale)
  const readers = FORMATS.map((format) => compileDateFormat(format, names))
  return (text) => {
    const surroundings = { zone, now_ms: context.clock.now() }
    for (const read of readers) {
      const time = read(text, surroundings)
      if (time !== undefined) return time
    }
    return undefined
  }
}

function zoneOf(timezone: string | undefined): Zone {
  const zone = timezone === undefined ? hostZone() : findZone(timezone)
  if (zone !== undefined) return zone
  throw new MillraceError(
    'INPUT_CANNOT_START',
    `timezone: expected a name such as Europe/Berlin or an offset such as +05:30, got "${timezone}"`,
  )
}

function namesOf(locale: string | undefined): ReturnType<typeof dateNames> {
  try {
    return dateNames(locale)
  } catch (thrown) {
    throw new MillraceError('INPUT_CANNOT_START', `locale: expected a language tag such as en or de-DE, got "${locale}"`, {
      cause: thrown,
    })
  }
}
