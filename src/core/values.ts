import { printIsoTime, readIsoTime } from './time/iso-time.ts'

/**
 * The values an event can hold.
 *
 * They are JSON's, with three additions that keep promise 4 ("what nobody touched leaves as it came"):
 * integers beyond 2^53 are `bigint`, a number that JavaScript would print in another way than it was
 * written is a `SourceNumber`, and a point in time is a `Timestamp`.
 */
export type Value = null | boolean | string | number | bigint | SourceNumber | Timestamp | Value[] | Fields

/**
 * A map of names to values. Names come from outside and are hostile: only `event.ts` and this file read
 * or write by key, and they look at own keys only. A key whose value is `undefined` does not exist
 * (removing by `undefined` keeps V8's fast object shape: `delete` costs 280 to 470 ns).
 */
export interface Fields {
  [name: string]: Value | undefined
}

declare global {
  // Node 24 has it, TypeScript's library does not list it: https://github.com/tc39/proposal-json-parse-with-source
  interface JSON {
    rawJSON(text: string): unknown
  }
}

/** A number together with the text it was written in: `1.0`, `0.10`, `1E+3`, thirty digits after the point. */
export class SourceNumber {
  readonly text: string
  readonly value: number
  /** Logstash holds it as a decimal of any size (json filter) and not as a double: other texts are made of it. */
  readonly is_decimal: boolean

  constructor(text: string, is_decimal = false) {
    this.text = text
    this.value = Number(text)
    this.is_decimal = is_decimal
  }

  toString(): string {
    return this.text
  }

  toJSON(): unknown {
    return JSON.rawJSON(this.text)
  }
}

/** A point in time with up to nanoseconds, printed as ISO 8601 in UTC with 3, 6 or 9 fraction digits. */
export class Timestamp {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  readonly epoch_ms: number
  /** Nanoseconds within the millisecond, 0 to 999,999. */
  readonly nanos: number
  #text: string | undefined

  constructor(epoch_ms: number, nanos = 0) {
    this.epoch_ms = epoch_ms
    this.nanos = nanos
  }

  toString(): string {
    this.#text ??= formatTimestamp(this.epoch_ms, this.nanos)
    return this.#text
  }

  toJSON(): string {
    return this.toString()
  }
}

function formatTimestamp(epoch_ms: number, nanos: number): string {
  const millis = printIsoTime(epoch_ms)
  if (nanos === 0) return millis
  const digits = String(nanos).padStart(6, '0')
  return `${millis.slice(0, -1)}${digits.endsWith('000') ? digits.slice(0, 3) : digits}Z`
}

//                    year              month       day           hour      minute      second       fraction     zone
const ISO_TIMESTAMP =
  /^([+-]?\d{4,9})(?:-(\d\d)(?:-(\d\d))?)?(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/

/**
 * Reads the ISO forms that Logstash takes for `@timestamp`: a `T` between date and time, one to nine
 * fraction digits, `Z` or an offset (none means UTC). February 30 is read as the month's last day and
 * `T24:00:00` as the next day, as Logstash does. Anything else is `undefined`.
 */
export function parseTimestamp(text: string): Timestamp | undefined {
  const plain_ms = readIsoTime(text)
  if (!Number.isNaN(plain_ms)) return new Timestamp(plain_ms)
  const found = ISO_TIMESTAMP.exec(text)
  if (found === null) return undefined
  const [, years = '', months = '01', days = '01', hours = '00', minutes = '00', seconds = '00', fraction = '', zone = 'Z'] =
    found
  if (/^\d{5,}$/.test(years)) return undefined
  const year = Number(years)
  const month = Number(months)
  const day = Number(days)
  const hour = Number(hours)
  const minute = Number(minutes)
  const second = Number(seconds)
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 59) return undefined
  if (hour === 24 && (minute > 0 || second > 0)) return undefined
  const digits = fraction.padEnd(9, '0')
  const clock_ms = (hour * 3600 + minute * 60 + second) * 1000 + Number(digits.slice(0, 3))
  const epoch_ms = utcDay(year, month, Math.min(day, daysInMonth(year, month))) + clock_ms - zoneOffset_ms(zone)
  if (Number.isNaN(epoch_ms) || Math.abs(epoch_ms) > 8.64e15) return undefined
  return new Timestamp(epoch_ms, Number(digits.slice(3)))
}

function utcDay(year: number, month: number, day: number): number {
  // Date.UTC reads the years 0 to 99 as 1900 to 1999; setUTCFullYear does not.
  return new Date(0).setUTCFullYear(year, month - 1, day)
}

function daysInMonth(year: number, month: number): number {
  return new Date(utcDay(year, month + 1, 0)).getUTCDate()
}

function zoneOffset_ms(zone: string): number {
  if (zone === 'Z') return 0
  const sign = zone.startsWith('-') ? -1 : 1
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0')
  return sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))) * 60_000
}

/** Whether a map has no member at all, not even one that was removed. */
export function isEmpty(fields: Fields): boolean {
  for (const _name in fields) return false
  return true
}

export function isFields(value: Value | undefined): value is Fields {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof SourceNumber) &&
    !(value instanceof Timestamp)
  )
}

export function isNumber(value: Value | undefined): value is number | bigint | SourceNumber {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof SourceNumber
}

/** The own member `name`, or `undefined` where there is none: `constructor` of an empty map is not there. */
export function member(fields: Fields, name: string): Value | undefined {
  const value: unknown = fields[name]
  // What a plain object inherits is functions, and `__proto__`. Asking `hasOwn` each time costs three times the look-up.
  if (typeof value !== 'function' && name !== '__proto__') return value as Value | undefined
  return Object.hasOwn(fields, name) ? fields[name] : undefined
}

/** Sets the own member `name`, also where the name is `__proto__`. */
export function setMember(fields: Fields, name: string, value: Value | undefined): void {
  if (name === '__proto__') {
    Object.defineProperty(fields, name, { value, writable: true, enumerable: true, configurable: true })
  } else {
    fields[name] = value
  }
}

/** A deep copy. Timestamps and source numbers are immutable and shared. */
export function cloneValue(value: Value): Value {
  if (Array.isArray(value)) return value.map(cloneValue)
  if (isFields(value)) return cloneFields(value)
  return value
}

export function cloneFields(fields: Fields): Fields {
  const copy: Fields = {}
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value !== undefined) setMember(copy, name, cloneValue(value))
  }
  return copy
}

/**
 * Where a document holds numbers that JSON.stringify cannot print (bigint) or prints slowly (SourceNumber):
 * nowhere, anywhere, or only under these names at its top level.
 */
export type Exact = boolean | readonly string[]

/** Of a document whose top-level fields come from two others. */
export function mergeExact(a: Exact, b: Exact): Exact {
  if (a === false) return b
  if (b === false) return a
  return a === true || b === true ? true : [...new Set([...a, ...b])]
}

/** With more exact numbers at the top level it is no gain to print them apart. */
const EXACT_NAMES_MAX = 64

/** Of a document in which a value was put at a path. */
export function withExact(exact: Exact, path: readonly string[], value: Value): Exact {
  if (exact === true || typeof value === 'string') return exact
  if (typeof value !== 'bigint' && !(value instanceof SourceNumber)) {
    return typeof value === 'object' && holdsBigint(value) ? true : exact
  }
  const [name] = path
  const names = exact === false ? [] : exact
  if (path.length > 1 || name === undefined || names.length >= EXACT_NAMES_MAX) return true
  return names.includes(name) ? names : [...names, name]
}

/** Whether JSON.stringify needs help: it throws on a bigint. */
export function holdsBigint(value: Value | undefined): boolean {
  if (typeof value === 'bigint') return true
  if (Array.isArray(value)) return value.some(holdsBigint)
  if (!isFields(value)) return false
  for (const name of Object.keys(value)) if (holdsBigint(value[name])) return true
  return false
}

/** The JSON text of a value. `exact` says that a bigint may be inside (see `holdsBigint`). */
export function stringify(value: Value | Fields, exact: Exact = holdsBigint(value)): string {
  return exact !== false ? JSON.stringify(value, bigintAsRaw) : JSON.stringify(value)
}

function bigintAsRaw(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? JSON.rawJSON(value.toString()) : value
}
