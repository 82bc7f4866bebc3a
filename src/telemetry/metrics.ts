import type { Counter, DerivedMetric, DerivedMetricDefinition, Histogram, Labels, Metrics } from '../core/context.ts'
import { MillraceError } from '../core/errors.ts'
import { checkDefinition, conflictBetween, createDerivedFamily, type DerivedFamily } from './derived.ts'
import { CounterSlot, type Family, HistogramSlot, type MetricType, OwnFamily, type Sample, sampleNames } from './family.ts'
import { LogstashNames } from './logstash/logstash-names.ts'
import type { FamilySnapshot } from './merge.ts'
import { printFamilies } from './print.ts'

type Read = () => number

/** What can be scraped. */
export interface Exposition {
  /** Everything in Prometheus' text format 0.0.4. */
  text(): Promise<string>
  /** The sum over all labels of a counter that users derive; `undefined` where there is no such counter. */
  derivedTotal(name: string): number | undefined
}

/**
 * Every metric of the process. The instruments are our own, a slot and an addition each (prom-client's cost 0.8 to
 * 1.5 microseconds an increment: too much beside a log line); the text they are printed as is prom-client's.
 */
export class MetricsRegistry implements Metrics, Exposition {
  readonly #families = new Map<string, Family>()
  /** Every name that is printed -> the family that prints it. */
  readonly #printed = new Map<string, string>()
  readonly #derived = new Map<string, DerivedFamily>()
  /** Derived metric -> those that count in it, where they say who they are. */
  readonly #users = new Map<string, Set<object>>()
  readonly #now: () => number
  readonly #logstash: LogstashNames

  /** `now`: milliseconds of a clock that never goes back, for the age of what summaries saw. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#logstash = new LogstashNames(now)
  }

  counter(name: string, help: string, labels: Labels = {}): Counter {
    const family = this.#own<CounterSlot>(name, help, 'counter', (slot, of) => [{ labels: of, value: slot.value }])
    return family.findOrCreate(labels, () => new CounterSlot())
  }

  gauge(name: string, help: string, labels: Labels, read: Read): void {
    this.#own<Read>(name, help, 'gauge', sampleReader).replace(labels, read)
  }

  /** A counter that is kept elsewhere and read when somebody scrapes. */
  counterReader(name: string, help: string, labels: Labels, read: Read): void {
    this.#own<Read>(name, help, 'counter', sampleReader).replace(labels, read)
  }

  histogram(name: string, help: string, buckets: readonly number[], labels: Labels = {}): Histogram {
    const family = this.#own<HistogramSlot>(name, help, 'histogram', (slot, of) => slot.samples(name, of))
    return family.findOrCreate(labels, () => new HistogramSlot(buckets))
  }

  /** Takes a gauge out whose reader is this one, and no other by now. */
  dropGauge(name: string, labels: Labels, read: Read): void {
    const family = this.#families.get(name)
    if (family instanceof OwnFamily) family.drop(labels, read)
  }

  /**
   * @param user who counts in it, until `leaveDerived`
   * @param heir_of whose definition this one may replace, if nobody else counts in it
   */
  derived(definition: DerivedMetricDefinition, user?: object, heir_of?: object): DerivedMetric {
    this.checkDerived(definition, heir_of)
    const present = this.#derived.get(definition.name)
    const is_same = present !== undefined && conflictBetween(present.definition, definition) === undefined
    if (present !== undefined && !is_same) this.#dropDerived(definition.name)
    if (user !== undefined) {
      const users = this.#users.get(definition.name) ?? new Set()
      this.#users.set(definition.name, users.add(user))
    }
    return is_same ? present : this.#createDerived(definition)
  }

  /** @throws MillraceError METRIC_INVALID or METRIC_CONFLICT where `derived` would */
  checkDerived(definition: DerivedMetricDefinition, heir_of?: object): void {
    checkDefinition(definition)
    const present = this.#derived.get(definition.name)
    if (present === undefined) return this.#checkNames(definition.name, definition.type)
    const conflict = conflictBetween(present.definition, definition)
    const others = [...(this.#users.get(definition.name) ?? [undefined])].filter((user) => user !== heir_of)
    if (conflict === undefined || (heir_of !== undefined && others.length === 0)) return
    throw new MillraceError(
      'METRIC_CONFLICT',
      `metric ${definition.name} is defined twice, with ${conflict}: give them different names or the same definition`,
    )
  }

  /** Somebody counts no more; metrics that nobody counts in any more are gone. */
  leaveDerived(user: object): void {
    for (const [name, users] of this.#users) if (users.delete(user) && users.size === 0) this.#dropDerived(name)
  }

  #dropDerived(name: string): void {
    this.#derived.delete(name)
    this.#users.delete(name)
    this.#families.delete(name)
    for (const [printed, holder] of this.#printed) if (holder === name) this.#printed.delete(printed)
  }

  #createDerived(definition: DerivedMetricDefinition): DerivedMetric {
    this.#reserve(definition.name, definition.type)
    const folded = this.counter(
      'millrace_metric_label_sets_folded_total',
      'Times that an event was counted under __other__ because its metric had max_label_sets label sets already.',
      { metric: definition.name },
    )
    const family = createDerivedFamily(definition, folded, this.#now)
    this.#derived.set(definition.name, family)
    this.#families.set(definition.name, family)
    return family
  }

  /** The same of all such counters, by name. */
  derivedTotals(): { readonly [name: string]: number } {
    return Object.fromEntries(
      [...this.#derived].flatMap(([name, family]) => {
        const total = family.total()
        return total === undefined ? [] : [[name, total]]
      }),
    )
  }

  derivedTotal(name: string): number | undefined {
    return this.#derived.get(name)?.total()
  }

  async text(): Promise<string> {
    const own = [...this.#families.values()]
    return await printFamilies([...own, ...this.#logstash.of(own)])
  }

  /** Everything as data, for a thread that adds up those of several. */
  snapshot(): FamilySnapshot[] {
    return [...this.#families.values()].map((family) => {
      const { name, help, type } = family
      const summaries = type === 'summary' ? family.summaries?.() : undefined
      return summaries === undefined
        ? { name, help, type, samples: family.samples() }
        : { name, help, type, samples: [], summaries }
    })
  }

  #own<S>(name: string, help: string, type: MetricType, sample: (slot: S, labels: Labels) => Sample[]): OwnFamily<S> {
    const present = this.#families.get(name)
    if (present !== undefined) {
      // One name is asked for with one type, so its slots are what they were made as.
      if (present instanceof OwnFamily && present.type === type) return present as OwnFamily<S>
      throw new MillraceError('METRIC_CONFLICT', `metric ${name} is a ${present.type} already and cannot be a ${type} too`)
    }
    this.#reserve(name, type)
    const family = new OwnFamily<S>(name, help, type, sample)
    this.#families.set(name, family)
    return family
  }

  #reserve(name: string, type: MetricType): void {
    this.#checkNames(name, type)
    for (const printed of sampleNames(name, type)) this.#printed.set(printed, name)
  }

  #checkNames(name: string, type: MetricType): void {
    for (const printed of sampleNames(name, type)) {
      const holder = this.#printed.get(printed)
      if (holder === undefined) continue
      throw new MillraceError(
        'METRIC_CONFLICT',
        `metric ${name} would print ${printed}, which ${holder} prints already: choose another name`,
      )
    }
  }
}

function sampleReader(read: Read, labels: Labels): Sample[] {
  try {
    return [{ labels, value: read() }]
  } catch {
    // One reader whose component is gone must not take the whole scrape with it; NaN shows that it failed.
    return [{ labels, value: Number.NaN }]
  }
}
