import { hostname } from 'node:os'
import { defineFilter } from '../../core/component.ts'
import type { FilterContext } from '../../core/contracts.ts'
import { MillraceError } from '../../core/errors.ts'
import { Event } from '../../core/event.ts'
import { isFieldRef, parseFieldRef } from '../../core/field-ref.ts'
import * as option from '../../core/options/options.ts'
import { compileTemplate, type Template } from '../../core/template.ts'
import { type Fields, setMember } from '../../core/values.ts'
import { Meter, RATES, type RateMinutes } from './rate.ts'
import { Timer } from './timer.ts'

/** Names come from events too: further ones are not counted. */
const NAMES_MAX = 10_000
/** At the end the current interval counts as one of Logstash's ticks further. */
const TICK_S = 5

const METRICS_OPTIONS = {
  meter: option.templates('Names of what is counted: each event counts once for each of them.', { default: [] }),
  timer: option.hash('Names and values, such as `%{duration}`: each event adds one value to each of them.'),
  rates: option.numbers('Minutes that rates are averaged over: some of 1, 5 and 15.', { default: [1, 5, 15] }),
  percentiles: option.numbers('Percentiles of the values of a timer.', { default: [1, 5, 10, 90, 95, 99, 100] }),
  flush_interval: option.number('Seconds between two events with metrics.', { default: 5, min: 1 }),
  clear_interval: option.number('Seconds after which everything starts at zero again. -1: never.', { default: -1 }),
  ignore_older_than: option.number('Events whose `@timestamp` is so many seconds old are not counted. 0: all are.', {
    default: 0,
  }),
}

type MetricsOptions = option.OptionValues<typeof METRICS_OPTIONS>

export const metrics = defineFilter({
  name: 'metrics',
  summary: 'Counts events and sums up values, and sends what it found as new events.',
  remembers: true,
  description: `
Every \`flush_interval\`, and at the end, a new event goes on behind the filter. Its \`message\` is the name of the host; for each meter
it has \`[name][count]\` and, in events a second, \`[name][rate_1m]\`, \`[name][rate_5m]\` and \`[name][rate_15m]\`; for each timer also
\`min\`, \`max\`, \`mean\`, \`stddev\` and \`p<N>\` for each percentile. \`add_tag\` and the like act on that event and on no other, so
that an output can tell: \`if "metric" in [tags]\`. Counts are lost when the program ends. A value that is no number counts as 0, as
in Logstash. Of more than ${NAMES_MAX} names the further ones are not counted.

For Prometheus take the filter \`metric\`: it needs no events.
`.trim(),
  options: METRICS_OPTIONS,
  examples: [
    {
      title: 'Requests by status, and how long they took',
      options: { meter: ['http_%{status}'], timer: { took: '%{duration}' }, add_tag: ['metric'] },
      before: { status: 200, duration: 12 },
      after: { status: 200, duration: 12 },
    },
  ],
  compile(options, context) {
    const rates = options.rates.map(rateMinutes)
    const timers = (options.timer ?? []).map(({ name, value }) => ({
      name: compileTemplate(name),
      value: compileTemplate(option.readText(value, throwProblem) ?? ''),
    }))
    const store = new MetricStore(options, rates, context)
    return {
      step: (event) => {
        const now_ms = context.clock.now()
        const { ignore_older_than } = options
        if (ignore_older_than > 0 && now_ms - (event.timestamp?.epoch_ms ?? now_ms) > ignore_older_than * 1000) return
        for (const name of options.meter) store.mark(name, event, now_ms)
        for (const { name, value } of timers) store.update(name, numberAtStart(value.format(event)), event, now_ms)
      },
      flush: (now_ms, emit, final) => store.flush(now_ms, emit, final),
    }
  },
})

function throwProblem({ message }: { readonly message: string }): never {
  throw new MillraceError('OPTION_INVALID', `timer: ${message}`)
}

function rateMinutes(minutes: number): RateMinutes {
  const rate = RATES.find((known) => known === minutes)
  if (rate === undefined) throw new MillraceError('OPTION_INVALID', `rates: expected some of 1, 5 and 15, got ${minutes}`)
  return rate
}

/** As Ruby's `to_f`: 12.5 for `12.5ms`, 0 for `n/a`. */
function numberAtStart(text: string): number {
  return Number(/^\s*[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/.exec(text)?.[0] ?? 0)
}

class MetricStore {
  readonly #options: MetricsOptions
  readonly #rates: readonly RateMinutes[]
  readonly #context: FilterContext
  readonly #meters = new Map<string, Meter>()
  readonly #timers = new Map<string, Timer>()
  #flushed_ms: number
  #cleared_ms: number

  constructor(options: MetricsOptions, rates: readonly RateMinutes[], context: FilterContext) {
    this.#options = options
    this.#rates = rates
    this.#context = context
    this.#flushed_ms = context.clock.now()
    this.#cleared_ms = this.#flushed_ms
  }

  mark(name: Template, event: Event, now_ms: number): void {
    this.#named(this.#meters, name.format(event), () => new Meter(now_ms))?.mark(now_ms)
  }

  update(name: Template, value: number, event: Event, now_ms: number): void {
    this.#named(this.#timers, name.format(event), () => new Timer(now_ms))?.update(value, now_ms)
  }

  #named<T>(store: Map<string, T>, name: string, create: () => T): T | undefined {
    const known = store.get(name)
    if (known !== undefined) return known
    if (this.#meters.size + this.#timers.size >= NAMES_MAX) {
      this.#context.log.warn(
        'metrics_names',
        `${this.#context.where}: metrics has ${NAMES_MAX} names already: further ones are not counted`,
      )
      return undefined
    }
    const made = create()
    store.set(Buffer.from(name).toString(), made)
    return made
  }

  flush(now_ms: number, emit: (event: Event) => void, final: boolean): void {
    const { flush_interval, clear_interval } = this.#options
    const since_s = (now_ms - this.#flushed_ms) / 1000 + (final ? TICK_S : 0)
    if (since_s < flush_interval || this.#meters.size + this.#timers.size === 0) return
    this.#flushed_ms = now_ms
    const event = this.#eventOf(now_ms)
    if (clear_interval > 0 && now_ms - this.#cleared_ms >= clear_interval * 1000) {
      this.#cleared_ms = now_ms
      this.#meters.clear()
      this.#timers.clear()
    }
    this.#context.matched(event)
    emit(event)
  }

  #eventOf(now_ms: number): Event {
    const event = Event.from({ message: hostname() }, this.#context.clock.timestamp())
    for (const [name, meter] of this.#meters) setFields(event, name, this.#meterFields(meter, now_ms))
    for (const [name, timer] of this.#timers) setFields(event, name, this.#timerFields(timer, now_ms))
    return event
  }

  #meterFields(meter: Meter, now_ms: number): Fields {
    const fields: Fields = { count: meter.count }
    for (const minutes of this.#rates) setMember(fields, `rate_${minutes}m`, meter.rate(minutes, now_ms))
    return fields
  }

  #timerFields(timer: Timer, now_ms: number): Fields {
    const fields = this.#meterFields(timer.meter, now_ms)
    const { min, max, mean, standardDeviation } = timer
    Object.assign(fields, { min, max, stddev: standardDeviation, mean })
    const { percentiles } = this.#options
    for (const [index, value] of timer.percentiles(percentiles).entries()) setMember(fields, `p${percentiles[index]}`, value)
    return fields
  }
}

/** Names come from events: one that is no name, or that another metric stands in the way of, is left out. */
function setFields(event: Event, name: string, fields: Fields): void {
  const inside = `[${name}]`
  if (!isFieldRef(inside)) return
  try {
    event.set(parseFieldRef(inside), fields)
  } catch {
    // A reserved field, or one below another metric's number.
  }
}
