import type { Counter, DerivedMetric, DerivedMetricDefinition, Histogram, Labels, Metrics } from '../core/context.ts'
import { MillraceError } from '../core/errors.ts'
import { conflictBetween } from './derived.ts'
import type { MetricsRegistry } from './metrics.ts'

interface Gauge {
  readonly name: string
  readonly help: string
  readonly labels: Labels
  readonly read: () => number
}

/** A derived metric that is counted in when its pipeline runs. */
interface Derived extends DerivedMetric {
  readonly definition: DerivedMetricDefinition
  target: DerivedMetric | undefined
}

/**
 * The metrics of one pipeline as long as it lives. While a pipeline is made it may still come to nothing, and an older one with
 * the same metrics may be at work: then nothing of that one's is replaced before `begin`. Counters are common to both and go on.
 */
export class PipelineMetrics implements Metrics {
  readonly #registry: MetricsRegistry
  readonly #predecessor: PipelineMetrics | undefined
  readonly #gauges: Gauge[] = []
  readonly #derived = new Map<string, Derived>()
  #has_begun = false

  constructor(registry: MetricsRegistry, predecessor?: PipelineMetrics) {
    this.#registry = registry
    this.#predecessor = predecessor
  }

  counter(name: string, help: string, labels?: Labels): Counter {
    return this.#registry.counter(name, help, labels)
  }

  histogram(name: string, help: string, buckets: readonly number[], labels?: Labels): Histogram {
    return this.#registry.histogram(name, help, buckets, labels)
  }

  gauge(name: string, help: string, labels: Labels, read: () => number): void {
    this.#gauges.push({ name, help, labels, read })
    if (this.#has_begun) this.#registry.gauge(name, help, labels, read)
  }

  derived(definition: DerivedMetricDefinition): DerivedMetric {
    const known = this.#derived.get(definition.name)
    const conflict = known && conflictBetween(known.definition, definition)
    if (conflict !== undefined) {
      throw new MillraceError(
        'METRIC_CONFLICT',
        `metric ${definition.name} is defined twice, with ${conflict}: give them different names or the same definition`,
      )
    }
    if (known !== undefined) return known
    this.#registry.checkDerived(definition, this.#predecessor)
    const derived: Derived = {
      definition,
      target: undefined,
      record: (label_values, value) => derived.target?.record(label_values, value),
      set: (label_values, value, event_time_ms) => derived.target?.set(label_values, value, event_time_ms),
    }
    this.#derived.set(definition.name, derived)
    return derived
  }

  /** The pipeline is complete and will run. */
  begin(): void {
    this.#has_begun = true
    for (const { name, help, labels, read } of this.#gauges) this.#registry.gauge(name, help, labels, read)
    for (const derived of this.#derived.values()) {
      derived.target = this.#registry.derived(derived.definition, this, this.#predecessor)
    }
  }

  /** The pipeline has ended: what a successor has replaced stays, everything else that is read from it goes. */
  end(): void {
    for (const { name, labels, read } of this.#gauges) this.#registry.dropGauge(name, labels, read)
    this.#gauges.length = 0
    this.#registry.leaveDerived(this)
  }
}
