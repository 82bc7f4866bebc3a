import type { Labels, Metrics } from '../core/context.ts'

/** The same metrics with these labels on every instrument. Derived metrics are the user's own, and get none. */
export function labelled(metrics: Metrics, labels: Labels): Metrics {
  return {
    counter: (name, help, own) => metrics.counter(name, help, { ...labels, ...own }),
    gauge: (name, help, own, read) => metrics.gauge(name, help, { ...labels, ...own }, read),
    histogram: (name, help, buckets, own) => metrics.histogram(name, help, buckets, { ...labels, ...own }),
    derived: (definition) => metrics.derived(definition),
  }
}
