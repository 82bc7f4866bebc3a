import { DAY_MS } from './calendar.ts'

/** A time zone, with the rules that Joda has where the clock jumps. */
export interface Zone {
  readonly id: string
  /** How far local time is ahead of UTC at a moment, in milliseconds. */
  offsetAt(epoch_ms: number): number
  /**
   * The moment at which clocks show a local time (milliseconds since 1970 as if in UTC). Of two such moments it is
   * the earlier one; `NaN` where clocks jump over that time.
   */
  fromLocal(local_ms: number): number
}

/** Offsets change at full quarters of an hour (before about 1930 not everywhere), so one answer serves a whole quarter. */
const QUARTER_MS = 900_000

/** Where Date ends (8.64e15), less two days for looking around. Beyond it a zone keeps the offset that it has there. */
const TIME_MAX_MS = 8.64e15 - 2 * DAY_MS

/** Quarters remembered in a zone, and zone names (they come from events too): then it starts anew. */
const QUARTERS_MAX = 10_000
const ZONES_MAX = 1_000
/** The longest name in the time zone database has 32 letters. */
const ZONE_ID_LENGTH_MAX = 40

const zones = new Map<string, Zone | undefined>()

export const UTC: Zone = { id: 'UTC', offsetAt: () => 0, fromLocal: (local_ms) => local_ms }

/** The zone of a name (`Europe/Berlin`, `EST`) or an offset (`+05:30`), or `undefined` where there is none. */
export function findZone(id: string): Zone | undefined {
  if (zones.has(id)) return zones.get(id)
  const zone = makeZone(id)
  if (zones.size >= ZONES_MAX) zones.clear()
  zones.set(id, zone)
  return zone
}

let host: { readonly tz: string | undefined; readonly zone: Zone } | undefined

/** The zone that this machine is in. Asking Intl costs 50 us, so the answer is kept for as long as TZ stays. */
export function hostZone(): Zone {
  const tz = process.env['TZ']
  if (host?.tz !== tz || host === undefined) {
    host = { tz, zone: findZone(new Intl.DateTimeFormat().resolvedOptions().timeZone) ?? UTC }
  }
  return host.zone
}

function makeZone(id: string): Zone | undefined {
  if (id === 'UTC') return UTC
  const offset = /^([+-])(\d\d):?(\d\d)$/.exec(id)
  if (offset !== null) return fixedZone(id, offset[1] === '-', Number(offset[2]), Number(offset[3]))
  if (id.length > ZONE_ID_LENGTH_MAX || !/^[A-Za-z]/.test(id)) return undefined
  try {
    return new NamedZone(id)
  } catch {
    // Intl throws a RangeError for a name that it does not know: that is the answer.
    return undefined
  }
}

function fixedZone(id: string, west: boolean, hours: number, minutes: number): Zone | undefined {
  if (hours > 23 || minutes > 59) return undefined
  const offset_ms = (hours * 60 + minutes) * (west ? -60_000 : 60_000)
  return { id, offsetAt: () => offset_ms, fromLocal: (local_ms) => local_ms - offset_ms }
}

/** A zone of the time zone database. Asking Intl costs 4 us, so the answers are kept by the quarter. */
class NamedZone implements Zone {
  readonly id: string
  readonly #format: Intl.DateTimeFormat
  readonly #offsets = new Map<number, number>()
  readonly #local_offsets = new Map<number, number>()

  constructor(id: string) {
    this.id = id
    this.#format = new Intl.DateTimeFormat('en-US-u-hc-h23', {
      timeZone: id,
      calendar: 'gregory',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  }

  offsetAt(epoch_ms: number): number {
    return remember(this.#offsets, Math.floor(epoch_ms / QUARTER_MS), (quarter) => this.#ask(quarter * QUARTER_MS))
  }

  fromLocal(local_ms: number): number {
    if (Number.isNaN(local_ms)) return local_ms
    if (Math.abs(local_ms) > TIME_MAX_MS) return local_ms - this.offsetAt(local_ms)
    return local_ms - remember(this.#local_offsets, Math.floor(local_ms / QUARTER_MS), (quarter) => this.#localOffset(quarter))
  }

  #localOffset(quarter: number): number {
    const local_ms = quarter * QUARTER_MS
    // Where a day's clocks are set back, the larger offset of the day before is that of the earlier moment.
    for (const nearby_ms of [local_ms - DAY_MS, local_ms + DAY_MS]) {
      const offset_ms = this.offsetAt(nearby_ms)
      if (this.offsetAt(local_ms - offset_ms) === offset_ms) return offset_ms
    }
    return Number.NaN
  }

  #ask(epoch_ms: number): number {
    const found: { [type: string]: string } = {}
    const known_ms = Math.max(-TIME_MAX_MS, Math.min(epoch_ms, TIME_MAX_MS))
    for (const { type, value } of this.#format.formatToParts(known_ms)) found[type] = value
    const year = found['era']?.startsWith('B') === true ? 1 - Number(found['year']) : Number(found['year'])
    const day_ms = new Date(0).setUTCFullYear(year, Number(found['month']) - 1, Number(found['day']))
    const clock_s = Number(found['hour']) * 3600 + Number(found['minute']) * 60 + Number(found['second'])
    return day_ms + clock_s * 1000 - known_ms
  }
}

function remember(known: Map<number, number>, quarter: number, ask: (quarter: number) => number): number {
  const answer = known.get(quarter)
  if (answer !== undefined) return answer
  if (known.size >= QUARTERS_MAX) known.clear()
  const asked = ask(quarter)
  known.set(quarter, asked)
  return asked
}
