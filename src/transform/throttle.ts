import { defineFilter } from '../core/component.ts'
import type { FilterContext } from '../core/contracts.ts'
import * as option from '../core/options/options.ts'
import { shortKey } from './short-key.ts'

const PERIOD_S = 60
/** Keys without new events are looked for once in so many events; in between only the key of an event is cleaned up. */
const CLEAN_UP_EVENTS = 10_000
/** How many of the counts stay where there were too many: fewer than all, so that it need not happen for every event. */
const KEPT_SHARE = 0.9

const THROTTLE_OPTIONS = {
  key: option.template('What is counted together: `%{host}%{message}`.', { required: true }),
  before_count: option.integer('Events before this one of their period are throttled. -1: none.', { default: -1 }),
  after_count: option.integer('Events behind this one of their period are throttled. -1: none.', { default: -1 }),
  period: option.template(
    'Seconds from the first event of a key to its next period. With %{field} each event may have its own; what is no number counts as 60.',
    { default: '60' },
  ),
  max_age: option.integer('Seconds of event time after which the count of a period is forgotten: twice the period or more.', {
    default: 3600,
    min: 0,
  }),
  max_counters: option.integer(
    'Counts to keep at most; the keys that were seen longest ago are forgotten first. -1: no limit, and no limit to the memory.',
    { default: 100_000, min: -1 },
  ),
}

export const throttle = defineFilter({
  name: 'throttle',
  summary: 'Marks events that come too often, or not often enough, for one key.',
  remembers: true,
  description: `
Events are counted by key and by period of their own \`@timestamp\`, so a replay is counted like the first time. An event
whose count is below \`before_count\` or above \`after_count\` is throttled: \`add_tag\`, \`add_field\` and the like act on it, and a
\`drop\` behind can take it out. Nothing else happens to any event. Counts are lost when the program ends.

\`rate_limit\` takes events out by itself and says how many.
`.trim(),
  options: THROTTLE_OPTIONS,
  examples: [
    {
      title: 'The second event of a minute and all behind it',
      options: { key: '%{service}', after_count: 1, add_tag: ['throttled'] },
      before: { service: 'exchange-api' },
      after: { service: 'exchange-api' },
    },
    {
      title: 'Only what happens more than twice',
      options: { key: '%{error}', before_count: 3, period: '600', max_age: 1200, add_tag: ['rare'] },
      before: { error: 'timeout' },
      after: { error: 'timeout', tags: ['rare'] },
    },
  ],
  compile({ key, before_count, after_count, period, max_age, max_counters }, context) {
    const counts = new PeriodCounts(max_age, max_counters < 0 ? Infinity : max_counters, context)
    let events = 0
    return (event) => {
      if (++events % CLEAN_UP_EVENTS === 0) counts.forgetOld()
      const time_s = Math.floor((event.timestamp?.epoch_ms ?? context.clock.now()) / 1000)
      const count = counts.count(shortKey(key.format(event)), time_s, periodOf(period.format(event)))
      const is_early = before_count !== -1 && count < before_count
      if (is_early || (after_count !== -1 && count > after_count)) context.matched(event)
    }
  },
})

function periodOf(text: string): number {
  const seconds = Number.parseInt(text, 10)
  return seconds >= 1 ? seconds : PERIOD_S
}

/** The counts of one key by the first second of their periods. */
interface KeyCounts {
  readonly first_s: number
  latest_s: number
  readonly periods: Map<number, number>
}

class PeriodCounts {
  readonly #max_age_s: number
  readonly #counts_max: number
  readonly #context: FilterContext
  readonly #keys = new Map<string, KeyCounts>()
  #total = 0

  constructor(max_age_s: number, counts_max: number, context: FilterContext) {
    this.#max_age_s = max_age_s
    this.#counts_max = counts_max
    this.#context = context
  }

  /** Counts an event of a key, and returns the how many-th of its period it is. */
  count(key: string, time_s: number, period_s: number): number {
    let counts = this.#keys.get(key)
    if (counts === undefined) {
      counts = { first_s: time_s, latest_s: time_s, periods: new Map() }
      this.#keys.set(key, counts)
    }
    counts.latest_s = Math.max(counts.latest_s, time_s)
    const since_s = time_s - counts.first_s
    // Also before the first one: -1 is a second of the period before.
    const period = time_s - (((since_s % period_s) + period_s) % period_s)
    const count = (counts.periods.get(period) ?? 0) + 1
    counts.periods.set(period, count)
    if (count === 1) {
      this.#total++
      this.#forgetPeriods(counts)
      if (this.#total > this.#counts_max) this.#makeRoom(key)
    }
    return count
  }

  #forgetPeriods({ periods }: KeyCounts): void {
    let newest = -Infinity
    for (const period of periods.keys()) newest = Math.max(newest, period)
    const oldest = newest - this.#max_age_s
    for (const period of periods.keys()) {
      if (period < oldest && periods.delete(period)) this.#total--
    }
  }

  /** Keys without an event for `max_age`, by the time of the newest event. */
  forgetOld(): void {
    let newest_s = -Infinity
    for (const { latest_s } of this.#keys.values()) newest_s = Math.max(newest_s, latest_s)
    for (const [key, { latest_s }] of this.#keys) if (latest_s < newest_s - this.#max_age_s) this.#forget(key)
  }

  #makeRoom(current: string): void {
    const by_age = [...this.#keys].sort(([, a], [, b]) => a.latest_s - b.latest_s)
    for (const [key] of by_age) {
      if (this.#total <= this.#counts_max * KEPT_SHARE) break
      if (key !== current) this.#forget(key)
    }
    this.#context.log.warn(
      'throttle_counters',
      `${this.#context.where}: throttle has more than ${this.#counts_max} counts (max_counters): those seen longest ago are ` +
        'forgotten; use a key with fewer different values',
    )
  }

  #forget(key: string): void {
    this.#total -= this.#keys.get(key)?.periods.size ?? 0
    this.#keys.delete(key)
  }
}
