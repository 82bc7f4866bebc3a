import { expect, test } from 'vitest'
import { testStatus, withTotals } from '../../test/helpers/status.ts'
import { MetricsRegistry } from '../telemetry/metrics.ts'
import { StatusMonitor } from './monitor.ts'

const MINUTE_MS = 60_000
const ERRORS = {
  type: 'counter',
  name: 'exchange_log_errors_total',
  help: '',
  label_names: ['service'],
  buckets: [],
  quantiles: [],
  max_age_s: 0,
  max_label_sets: 10,
} as const

function watch(metrics = new MetricsRegistry()) {
  const source = testStatus()
  const stop = new AbortController()
  const clock = { now_ms: 1000 * MINUTE_MS }
  const monitor = new StatusMonitor(source, metrics, stop.signal, () => clock.now_ms)
  return { source, clock, monitor, metrics, stop }
}

test('rates are means of the last five seconds', () => {
  const { source, clock, monitor, stop } = watch()
  for (let second = 1; second <= 10; second++) {
    clock.now_ms += 1000
    source.current = withTotals(source.current, second <= 5 ? 0 : (second - 5) * 100, 0)
    monitor.sample()
  }
  expect(monitor.view.received_per_s).toBe(100)
  expect(monitor.view.inputs[0]?.per_s).toBe(100)
  expect(monitor.view.stored_per_s).toBe(0)
  stop.abort()
})

test('errors are counted by the minute for an hour', () => {
  const { source, clock, monitor, stop } = watch()
  for (let minute = 0; minute < 70; minute++) {
    source.current = { ...source.current, errors_total: source.current.errors_total + minute }
    monitor.sample()
    clock.now_ms += MINUTE_MS
  }
  const minutes = monitor.view.errors_per_minute
  expect(minutes).toHaveLength(60)
  expect(minutes[0]).toEqual([1010 * MINUTE_MS, 10])
  expect(minutes[59]).toEqual([1069 * MINUTE_MS, 69])
  expect(monitor.view.errors_source).toBe('dead letters and failures')
  stop.abort()
})

test('the derived counter of errors is what counts as errors where there is one', () => {
  const metrics = new MetricsRegistry()
  const errors = metrics.derived(ERRORS)
  const { monitor, stop } = watch(metrics)
  errors.record(['api'], 2)
  errors.record(['web'], 1)
  monitor.sample()
  expect(monitor.view).toMatchObject({ errors_total: 3, errors_source: 'exchange_log_errors_total' })
  expect(monitor.view.errors_per_minute.at(-1)?.[1]).toBe(3)
  stop.abort()
})

test('a counter that appears later does not count its past as this minute', () => {
  const { metrics, monitor, stop } = watch()
  metrics.derived(ERRORS).record(['api'], 500)
  monitor.sample()
  expect(monitor.view.errors_per_minute.at(-1)?.[1]).toBe(0)
  stop.abort()
})

test('who subscribed gets every view until it has enough', () => {
  const { monitor, stop } = watch()
  let views = 0
  const unsubscribe = monitor.subscribe(() => views++)
  monitor.sample()
  unsubscribe()
  monitor.sample()
  expect(views).toBe(1)
  stop.abort()
})
