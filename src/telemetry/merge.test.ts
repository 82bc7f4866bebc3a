import { expect, test } from 'vitest'
import type { DerivedMetricDefinition } from '../core/context.ts'
import { lastingFamilies, mergeFamilies, samplesOf } from './merge.ts'
import { MetricsRegistry } from './metrics.ts'

function definitionOf(type: DerivedMetricDefinition['type'], name: string): DerivedMetricDefinition {
  const common = {
    help: 'h',
    label_names: ['service'],
    buckets: [1, 10],
    quantiles: [0.5, 0.9],
    max_age_s: 600,
    max_label_sets: 10,
  }
  return { type, name, ...common }
}

/** What a thread has counted: `values` one by one, and a gauge that was set at a time. */
function threadOf(values: readonly number[], gauge_time_ms: number, lag_s: number): MetricsRegistry {
  const metrics = new MetricsRegistry()
  metrics.gauge('millrace_events_held', 'h', { holder: 'filters' }, () => values.length)
  metrics.gauge('millrace_output_up', 'h', {}, () => (lag_s > 1 ? 0 : 1))
  metrics.gauge('millrace_input_up', 'h', {}, () => (lag_s > 1 ? 0 : 1))
  metrics.gauge('kafka_consumer_lag', 'h', {}, () => lag_s)
  metrics.gauge('nodejs_eventloop_lag_p99_seconds', 'h', {}, () => lag_s)
  const histogram = metrics.derived(definitionOf('histogram', 'sizes'))
  const summary = metrics.derived(definitionOf('summary', 'times'))
  for (const value of values) {
    metrics.counter('millrace_events_received_total', 'h', { b: '2', a: '1' }).inc(value)
    histogram.record(['x'], value)
    summary.record(['x'], value)
  }
  metrics.derived(definitionOf('gauge', 'latest')).set(['x'], values[0] ?? 0, gauge_time_ms)
  metrics.derived(definitionOf('gauge', 'sessions')).record(['x'], 2)
  return metrics
}

function valuesOf(families: ReturnType<typeof mergeFamilies>, name: string): { readonly [line: string]: number } {
  const samples = families.filter((family) => family.name === name).flatMap(samplesOf)
  return Object.fromEntries(
    samples.map(({ metricName = name, labels, value }) => [[metricName, ...Object.values(labels)].join(' '), value]),
  )
}

test('counters, histograms and counting gauges add, the newest, largest or smallest of others holds, and quantiles are of all', () => {
  const first = Array.from({ length: 50 }, (_, index) => index + 1)
  const second = first.map((value) => value + 50)
  const threads = [threadOf(first, 2_000, 0.5), threadOf(second, 1_000, 3)]
  const merged = mergeFamilies(threads.map((thread) => thread.snapshot()))
  expect(valuesOf(merged, 'millrace_events_received_total')).toEqual({ 'millrace_events_received_total 2 1': 5_050 })
  expect(valuesOf(merged, 'millrace_events_held')).toEqual({ 'millrace_events_held filters': 100 })
  expect(valuesOf(merged, 'millrace_output_up')).toEqual({ millrace_output_up: 0 })
  expect(valuesOf(merged, 'millrace_input_up')).toEqual({ millrace_input_up: 0 })
  expect(valuesOf(merged, 'kafka_consumer_lag')).toEqual({ kafka_consumer_lag: 3 })
  expect(valuesOf(merged, 'nodejs_eventloop_lag_p99_seconds')).toEqual({ nodejs_eventloop_lag_p99_seconds: 3 })
  expect(valuesOf(merged, 'latest')).toEqual({ 'latest x': 1 })
  expect(valuesOf(merged, 'sessions')).toEqual({ 'sessions x': 4 })
  expect(valuesOf(merged, 'sizes')).toMatchObject({
    'sizes_bucket 1': 1,
    'sizes_bucket 10': 10,
    'sizes_bucket +Inf': 100,
    sizes_sum: 5_050,
  })
  const times = valuesOf(merged, 'times')
  expect(times).toMatchObject({ 'times_sum x': 5_050, 'times_count x': 100 })
  // Within the sketch's 1 % of what one thread would have seen.
  expect(Math.abs((times['times 0.5'] ?? 0) - 50)).toBeLessThanOrEqual(0.51)
  expect(Math.abs((times['times 0.9'] ?? 0) - 90)).toBeLessThanOrEqual(0.91)
})

test('of a thread that is gone its counts stay, and not what it held', () => {
  const lasting = lastingFamilies(threadOf([3, 4], 1_000, 0).snapshot())
  expect(lasting.map(({ name }) => name).toSorted()).toEqual(
    [
      'latest',
      'millrace_events_received_total',
      'millrace_metric_label_sets_folded_total',
      'sessions',
      'sizes',
      'times',
    ].toSorted(),
  )
  expect(valuesOf(lasting, 'times')).toMatchObject({ 'times_sum x': 7, 'times_count x': 2, 'times 0.5': Number.NaN })
})
