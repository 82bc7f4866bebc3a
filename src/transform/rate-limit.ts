import { defineFilter } from '../core/component.ts'
import type { FilterContext } from '../core/contracts.ts'
import { Event } from '../core/event.ts'
import type { FieldRef } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'
import { duration } from '../core/time/duration.ts'
import { cloneValue, type Fields, type Value } from '../core/values.ts'
import { shortKey } from './short-key.ts'

const RATE_LIMIT_OPTIONS = {
  key: option.template('What is limited together: `%{service}`. Default: all events.', { default: 'all' }),
  events: option.integer('Events of a key that pass in an interval.', { required: true, min: 0 }),
  interval: duration('From the first event of a key to its next interval: `1 min`, `10 s`.', '1 min'),
  action: option.oneOf('What happens to the events beyond.', ['drop', 'tag'], { default: 'drop' }),
  tag_on_limit: option.list('Tags of the events beyond, where they are tagged.', { default: ['_rate_limited'] }),
  summary: option.boolean('Whether an event at the end of an interval says how many were beyond.', { default: true }),
  summary_fields: option.fieldRefs('Fields that a summary takes over from the first event beyond, to be routed like it.', {
    default: [],
  }),
  max_keys: option.integer('Keys to keep apart at most: beyond it the oldest begins a new interval.', {
    default: 100_000,
    min: 1,
    max: 10_000_000,
  }),
}

type RateLimitOptions = option.OptionValues<typeof RATE_LIMIT_OPTIONS>

export const rateLimit = defineFilter({
  name: 'rate_limit',
  summary: 'Lets so many events of a key pass in an interval, and says how many more there were.',
  remembers: true,
  description: `
Events beyond the limit are dropped, and counted as such, or tagged. At the end of an interval in which there were any, a new event
goes on behind the filter: \`message\`, \`[rate_limit][key]\`, \`[rate_limit][suppressed]\` (events beyond), \`[rate_limit][passed]\`,
\`[rate_limit][interval_s]\`, and \`summary_fields\`; \`add_tag\` and the like act on that event and on no other.

Intervals are of the program's clock. Counts are lost when the program is killed; at its end it gives out the summaries.
\`throttle\` counts by \`@timestamp\` and drops nothing.
`.trim(),
  options: RATE_LIMIT_OPTIONS,
  examples: [
    {
      title: 'A hundred lines a minute from each service',
      options: { key: '%{service}', events: 100, interval: '1 min', summary_fields: ['service'] },
      before: { service: 'exchange-api', message: 'retrying' },
      after: { service: 'exchange-api', message: 'retrying' },
    },
    {
      title: 'Nothing passes without a tag',
      options: { events: 0, action: 'tag' },
      before: { message: 'retrying' },
      after: { message: 'retrying', tags: ['_rate_limited'] },
    },
  ],
  compile(options, context) {
    const limiter = new Limiter(options, context)
    const step = (event: Event): void => {
      if (limiter.passes(event)) return
      if (options.action === 'drop') event.cancel('rate_limit')
      else for (const tag of options.tag_on_limit) event.tag(tag)
    }
    if (!options.summary) return step
    return { step, flush: (now_ms, emit, final) => limiter.flush(now_ms, emit, final) }
  },
})

/** The current interval of a key. */
interface Interval {
  readonly key: string
  readonly start_ms: number
  events: number
  /** What a summary takes over from the first event beyond the limit. */
  taken_over: readonly (readonly [FieldRef, Value])[]
}

class Limiter {
  readonly #options: RateLimitOptions
  readonly #context: FilterContext
  /** The oldest first. */
  readonly #intervals = new Map<string, Interval>()
  /** Ended intervals with something to say: no more than there can be keys. */
  #ended: Interval[] = []

  constructor(options: RateLimitOptions, context: FilterContext) {
    this.#options = options
    this.#context = context
  }

  passes(event: Event): boolean {
    const now_ms = this.#context.clock.now()
    const key = shortKey(this.#options.key.format(event))
    let interval = this.#intervals.get(key)
    if (interval === undefined || now_ms - interval.start_ms >= this.#options.interval) {
      if (interval !== undefined) this.#end(key, interval)
      else if (this.#intervals.size >= this.#options.max_keys) this.#makeRoom()
      interval = { key, start_ms: now_ms, events: 0, taken_over: [] }
      this.#intervals.set(key, interval)
    }
    interval.events++
    if (interval.events === this.#options.events + 1) interval.taken_over = this.#takeOver(event)
    return interval.events <= this.#options.events
  }

  #takeOver(event: Event): readonly (readonly [FieldRef, Value])[] {
    return this.#options.summary_fields.flatMap((field) => {
      const value = event.get(field)
      return value === undefined ? [] : [[field, cloneValue(value)] as const]
    })
  }

  #end(key: string, interval: Interval): void {
    this.#intervals.delete(key)
    const is_told = this.#options.summary && interval.events > this.#options.events
    if (is_told && this.#ended.length < this.#options.max_keys) this.#ended.push(interval)
  }

  #makeRoom(): void {
    this.#context.log.warn(
      'rate_limit_keys',
      `${this.#context.where}: rate_limit has ${this.#options.max_keys} keys (max_keys): the oldest begin anew; ` +
        'use a key with fewer different values',
    )
    for (const [key, interval] of this.#intervals) return this.#end(key, interval)
  }

  flush(now_ms: number, emit: (event: Event) => void, final: boolean): void {
    for (const [key, interval] of this.#intervals) {
      if (!final && now_ms - interval.start_ms < this.#options.interval) break
      this.#end(key, interval)
    }
    const ended = this.#ended
    this.#ended = []
    for (const interval of ended) emit(this.#summaryOf(interval))
  }

  #summaryOf({ key, events, taken_over }: Interval): Event {
    const interval_s = this.#options.interval / 1000
    const passed = Math.min(events, this.#options.events)
    const fields: Fields = {
      message: `${events - passed} events of ${key} were beyond the limit of ${this.#options.events} in ${interval_s} s`,
      rate_limit: { key, suppressed: events - passed, passed, interval_s },
    }
    const summary = Event.from(fields, this.#context.clock.timestamp())
    for (const [field, value] of taken_over) {
      try {
        summary.set(field, value)
      } catch {
        // A field below another one that is text, or a time that is none.
      }
    }
    this.#context.matched(summary)
    return summary
  }
}
