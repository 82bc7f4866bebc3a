import type { Counter, Histogram, Labels } from '../core/context.ts'
import type { SketchData } from './sketch.ts'

export type MetricType = 'counter' | 'gauge' | 'histogram' | 'summary'

/** One printed line of a metric, in the form that prom-client's registry prints. */
export interface Sample {
  /** `name_bucket`, `name_sum`, `name_count`; else the family's own name. */
  readonly metricName?: string
  readonly labels: Labels
  /** Labels printed after `labels`; prom-client keeps their text as long as the object lives. */
  readonly sharedLabels?: Labels
  readonly value: number
  /** Of a gauge that events set: when the newest of them happened, -Infinity where it does not tell. */
  readonly event_time_ms?: number
  /** Of a gauge that events count up and down. */
  readonly is_counted?: boolean
  /** How long from now on it is told, should no event change it; left out where for good. */
  readonly stays_ms?: number
  /** When it was so, printed beside the value; without it, now. */
  readonly timestamp_ms?: number
}

/** All that stands under one metric name. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: MetricType
  samples(): Sample[]
  /** Of a summary: what `samples` are made of, so that those of several threads can be added. */
  summaries?(): SummaryPart[]
}

/** A summary of one label set: sum and count for ever, and the values of late. */
export interface SummaryPart {
  readonly labels: Labels
  readonly quantiles: readonly number[]
  readonly sketch: SketchData
  readonly sum: number
  readonly count: number
}

const NO_LABELS: Labels = {}

export class CounterSlot implements Counter {
  value = 0

  inc(by = 1): void {
    this.value += by
  }
}

/** Observations in buckets; `bounds` are ascending and without +Inf, which every histogram has besides. */
export class HistogramSlot implements Histogram {
  readonly #bounds: readonly number[]
  readonly #counts: Float64Array
  #sum = 0
  #count = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length)
  }

  observe(value: number): void {
    const bounds = this.#bounds
    // Buckets are few (11 by default): walking them beats a binary search.
    for (let index = 0; index < bounds.length; index++) {
      if (value <= (bounds[index] ?? Number.NaN)) {
        this.#counts[index] = (this.#counts[index] ?? 0) + 1
        break
      }
    }
    this.#sum += value
    this.#count++
  }

  samples(name: string, labels: Labels): Sample[] {
    const samples: Sample[] = []
    let below = 0
    for (const [index, bound] of this.#bounds.entries()) {
      below += this.#counts[index] ?? 0
      samples.push({ metricName: `${name}_bucket`, labels: { le: String(bound) }, sharedLabels: labels, value: below })
    }
    samples.push(
      { metricName: `${name}_bucket`, labels: { le: '+Inf' }, sharedLabels: labels, value: this.#count },
      { metricName: `${name}_sum`, labels: NO_LABELS, sharedLabels: labels, value: this.#sum },
      { metricName: `${name}_count`, labels: NO_LABELS, sharedLabels: labels, value: this.#count },
    )
    return samples
  }
}

/** A family of the program's own: instruments by label set, whose values come from closed lists. */
export class OwnFamily<S> implements Family {
  readonly name: string
  readonly help: string
  readonly type: MetricType
  readonly #sample: (slot: S, labels: Labels) => Sample[]
  readonly #slots = new Map<string, { slot: S; readonly labels: Labels }>()

  constructor(name: string, help: string, type: MetricType, sample: (slot: S, labels: Labels) => Sample[]) {
    this.name = name
    this.help = help
    this.type = type
    this.#sample = sample
  }

  findOrCreate(labels: Labels, create: () => S): S {
    const key = keyOfLabels(labels)
    const known = this.#slots.get(key)
    if (known !== undefined) return known.slot
    const slot = create()
    this.#slots.set(key, { slot, labels: { ...labels } })
    return slot
  }

  replace(labels: Labels, slot: S): void {
    this.#slots.set(keyOfLabels(labels), { slot, labels: { ...labels } })
  }

  /** Takes the instrument of these labels out, where it is this one. */
  drop(labels: Labels, slot: unknown): void {
    const key = keyOfLabels(labels)
    if (this.#slots.get(key)?.slot === slot) this.#slots.delete(key)
  }

  samples(): Sample[] {
    return [...this.#slots.values()].flatMap(({ slot, labels }) => this.#sample(slot, labels))
  }
}

/** The same for the same labels in any order. */
export function keyOfLabels(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The names that a family of this type prints: two families must not share one. */
export function sampleNames(name: string, type: MetricType): string[] {
  if (type === 'histogram') return [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]
  return type === 'summary' ? [name, `${name}_sum`, `${name}_count`] : [name]
}
