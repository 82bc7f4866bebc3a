import { expect, test } from 'vitest'
import { readSamples } from '../../../test/helpers/books.ts'
import { MetricsRegistry } from '../metrics.ts'

/** A program's metrics, and the clock that its rates are told by. */
function program(): { metrics: MetricsRegistry; clock: { now_ms: number }; read: () => Promise<Map<string, number>> } {
  const clock = { now_ms: 0 }
  const metrics = new MetricsRegistry(() => clock.now_ms)
  metrics.gauge('millrace_build_info', '', { version: '1.2.3' }, () => 1)
  const read = async (): Promise<Map<string, number>> =>
    new Map(
      readSamples(await metrics.text()).flatMap(({ name, labels, value }) =>
        name.startsWith('logstash_') ? [[[name.slice('logstash_'.length), ...Object.values(labels)].join(' '), value]] : [],
      ),
    )
  return { metrics, clock, read }
}

function count(metrics: MetricsRegistry, name: string, labels: { [name: string]: string }, value: number): void {
  metrics.counter(name, '', labels).inc(value)
}

test('metrics that are not of a whole program have no second names', async () => {
  const metrics = new MetricsRegistry()
  count(metrics, 'millrace_events_received_total', { pipeline: 'main', input: 'a' }, 3)
  expect(await metrics.text()).not.toContain('logstash_')
})

test('events of each pipeline and of all', async () => {
  const { metrics, read } = program()
  for (const [pipeline, received] of [
    ['main', 100],
    ['audit', 10],
  ] as const) {
    count(metrics, 'millrace_events_received_total', { pipeline, input: 'a' }, received / 2)
    count(metrics, 'millrace_events_received_total', { pipeline, input: 'b' }, received / 2)
    count(metrics, 'millrace_events_created_total', { pipeline, input: 'a' }, 5)
    for (const [state, events] of Object.entries({
      stored: 3,
      already_there: 1,
      dead_lettered: 1,
      unrouted: 1,
      dropped: 2,
      consumed: 1,
    }))
      count(metrics, 'millrace_events_total', { pipeline, input: 'a', state }, events)
    for (const [holder, events] of Object.entries({ intake: 1, filters: 1, outputs: 4 }))
      metrics.gauge('millrace_events_held', '', { pipeline, holder }, () => events)
    count(metrics, 'millrace_filter_seconds_total', { pipeline }, 2)
    metrics.histogram('millrace_output_write_seconds', '', [1], { pipeline, output: 'es' }).observe(0.5)
    count(metrics, 'millrace_input_wait_seconds_total', { pipeline, input: 'a' }, 0.25)
  }
  const told = await read()
  const of = (name: string): unknown[] => ['main', 'audit'].map((pipeline) => told.get(`stats_pipeline_${name} ${pipeline}`))
  expect(of('events_in')).toEqual([100, 10])
  expect(of('events_filtered')).toEqual([100 + 5 - 2 - 3, 10 + 5 - 2 - 3])
  expect(of('events_out')).toEqual([6, 6])
  expect(of('events_duration')).toEqual([2_500, 2_500])
  expect(of('events_queue_push_duration')).toEqual([250, 250])
  expect(of('queue_events_count')).toEqual([1, 1])
  expect(of('up')).toEqual([1, 1])
  expect([told.get('stats_events_in'), told.get('stats_events_out'), told.get('stats_events_duration_millis')]).toEqual([
    110, 12, 5_000,
  ])
})

test('rates of late and since the start', async () => {
  const { metrics, clock, read } = program()
  const received = metrics.counter('millrace_events_received_total', '', { pipeline: 'main', input: 'a' })
  const rates = async (): Promise<unknown[]> => {
    const told = await read()
    return [told.get('stats_pipeline_flow_input_current main'), told.get('stats_flow_input_lifetime')]
  }
  received.inc(100)
  clock.now_ms = 10_000
  expect(await rates()).toEqual([10, 10])
  received.inc(500)
  clock.now_ms = 20_000
  expect(await rates()).toEqual([50, 30])
  // Who asks twice at once makes no rate of nothing.
  clock.now_ms = 20_001
  expect((await rates())[0]).toBeCloseTo(50, -1)
  clock.now_ms = 40_000
  expect((await rates())[1]).toBe(15)
  // Nor does one who asks all the time: the rate is that of some seconds.
  for (let second = 41; second <= 60; second++) {
    received.inc(7)
    clock.now_ms = second * 1_000
    const [current] = await rates()
    if (second > 50) expect(current).toBe(7)
  }
})

test('plugins, by their ids', async () => {
  const { metrics, read } = program()
  const pipeline = 'main'
  for (const [section, id, component] of [
    ['input', 'in', 'beats'],
    ['filter', 'f', 'grok'],
    ['output', 'es', 'elasticsearch'],
    ['output', 'out', 'file'],
  ] as const)
    metrics.gauge('millrace_component_info', '', { pipeline, section, id, component }, () => 1)
  count(metrics, 'millrace_events_received_total', { pipeline, input: 'in' }, 9)
  count(metrics, 'millrace_filter_events_total', { pipeline, filter: 'f' }, 8)
  count(metrics, 'millrace_deliveries_handed_total', { pipeline, output: 'es' }, 7)
  count(metrics, 'millrace_deliveries_total', { pipeline, output: 'es', outcome: 'stored' }, 4)
  count(metrics, 'millrace_deliveries_total', { pipeline, output: 'es', outcome: 'dead_lettered' }, 2)
  count(metrics, 'millrace_elasticsearch_bulk_requests_total', { pipeline, output: 'es', status: '200' }, 3)
  count(metrics, 'millrace_elasticsearch_bulk_requests_total', { pipeline, output: 'es', status: '429' }, 1)
  const told = await read()
  const plugins = [...told].filter(([key, value]) => key.startsWith('stats_pipeline_plugin_') && value > 0)
  expect(Object.fromEntries(plugins)).toEqual({
    'stats_pipeline_plugin_events_out main input beats in': 9,
    'stats_pipeline_plugin_events_in main filter grok f': 8,
    'stats_pipeline_plugin_events_in main output elasticsearch es': 7,
    'stats_pipeline_plugin_events_out main output elasticsearch es': 6,
    'stats_pipeline_plugin_documents_successes main output elasticsearch es': 4,
    'stats_pipeline_plugin_documents_non_retryable_failures main output elasticsearch es': 2,
    'stats_pipeline_plugin_bulk_requests_responses main output elasticsearch es 200': 3,
    'stats_pipeline_plugin_bulk_requests_responses main output elasticsearch es 429': 1,
  })
})

test('a refused reload takes a pipeline down, as the exporter tells it', async () => {
  const { metrics, read } = program()
  count(metrics, 'millrace_events_received_total', { pipeline: 'main', input: 'a' }, 0)
  count(metrics, 'millrace_reloads_total', { result: 'loaded' }, 2)
  count(metrics, 'millrace_reloads_total', { result: 'refused' }, 1)
  metrics.gauge('millrace_config_last_reload_successful', '', {}, () => 0)
  const told = await read()
  const of = (name: string): number | undefined => told.get(`stats_pipeline_${name} main`)
  expect([of('up'), of('reloads_successes'), of('reloads_failures')]).toEqual([0, 2, 1])
})

test('the process is told in the terms of a JVM', async () => {
  const told = await program().read()
  const positive = [
    'jvm_mem_heap_used_bytes',
    'jvm_mem_heap_max_bytes',
    'jvm_mem_pool_used_bytes old',
    'jvm_uptime_millis',
    'process_cpu_total_millis',
  ]
  for (const name of positive) expect(told.get(`stats_${name}`), name).toBeGreaterThan(0)
  expect(told.get('stats_jvm_mem_heap_used_percent')).toBeLessThanOrEqual(100)
  expect(told.get('info_node 1.2.3 millrace') ?? told.get('info_node millrace 1.2.3')).toBe(1)
})
