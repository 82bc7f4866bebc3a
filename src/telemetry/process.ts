import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'
import { LoopDelay } from './loop-delay.ts'
import type { MetricsRegistry } from './metrics.ts'

/**
 * Metrics of the process itself under the names that every Prometheus dashboard knows.
 * The loop's delay is measured until `signal` aborts.
 */
export function registerProcessMetrics(metrics: MetricsRegistry, version: string, signal: AbortSignal): void {
  const started_s = performance.timeOrigin / 1000
  const build = { version, node: process.versions.node }
  metrics.gauge('millrace_build_info', 'Always 1; the labels tell what runs.', build, () => 1)
  metrics.gauge('process_start_time_seconds', 'When the process started, in seconds since 1970.', {}, () => started_s)
  metrics.counterReader('process_cpu_seconds_total', 'Processor time used, user and system, in seconds.', {}, () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  metrics.gauge('process_resident_memory_bytes', 'Memory of the process that is in RAM.', {}, () => process.memoryUsage.rss())
  registerThreadMetrics(metrics, signal)
}

/** Metrics of one thread: those of several add up, and the loop that is latest counts. */
export function registerThreadMetrics(metrics: MetricsRegistry, signal: AbortSignal): void {
  metrics.gauge('nodejs_heap_size_used_bytes', "Memory that V8's heap uses.", {}, () => process.memoryUsage().heapUsed)
  metrics.gauge(
    'nodejs_external_memory_bytes',
    "Memory of buffers outside of V8's heap.",
    {},
    () => process.memoryUsage().external,
  )
  metrics.gauge(
    'nodejs_heap_size_total_bytes',
    "Memory that is set aside for V8's heap.",
    {},
    () => process.memoryUsage().heapTotal,
  )
  metrics.gauge(
    'nodejs_heap_size_limit_bytes',
    "Most memory that V8's heap may use.",
    {},
    () => getHeapStatistics().heap_size_limit,
  )
  for (const [index, { space_name }] of getHeapSpaceStatistics().entries()) {
    const space = { space: space_name.replace(/_space$/, '') }
    const read = (what: 'space_used_size' | 'space_size') => () => getHeapSpaceStatistics()[index]?.[what] ?? 0
    metrics.gauge(
      'nodejs_heap_space_size_used_bytes',
      "Memory that is used of a space of V8's heap.",
      space,
      read('space_used_size'),
    )
    metrics.gauge('nodejs_heap_space_size_total_bytes', "Memory of a space of V8's heap.", space, read('space_size'))
  }
  registerLoopDelay(metrics, signal)
}

function registerLoopDelay(metrics: MetricsRegistry, signal: AbortSignal): void {
  const delay = new LoopDelay()
  signal.addEventListener('abort', () => delay.close(), { once: true })
  const p99_help = 'How late the event loop was, 99th percentile of the last 30 to 60 s.'
  metrics.gauge('nodejs_eventloop_lag_p99_seconds', p99_help, {}, () => delay.p99_s)
  const max_help = 'How late the event loop was at most in the last 30 to 60 s.'
  metrics.gauge('nodejs_eventloop_lag_max_seconds', max_help, {}, () => delay.max_s)
}
