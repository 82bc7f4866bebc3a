import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSamples } from '../../../test/helpers/books.ts'
import { EXPORTER_METRICS, type ExporterMetric } from '../../../test/helpers/logstash-exporter.ts'
import { MetricsRegistry } from '../metrics.ts'
import { registerProcessMetrics } from '../process.ts'

/** A program's metrics, and the clock that its rates are told by. */
function program(): { metrics: MetricsRegistry; clock: { now_ms: number }; read: () => Promise<Map<string, number>> } {
  const clock = { now_ms: 0 }
  const metrics = new MetricsRegistry(() => clock.now_ms)
  metrics.gauge('millrace_build_info', '', { version: '1.2.3' }, () => 1)
  const read = async (): Promise<Map<string, number>> =>
    new Map(
      readSamples(await metrics.text()).flatMap(({ name, labels, value }) =>
        name.startsWith('logstash_') ? [[[name.slice('logstash_'.length), ...valuesOf(labels)].join(' '), value]] : [],
      ),
    )
  return { metrics, clock, read }
}

/** Which program it is goes without saying. */
function valuesOf(labels: { readonly [name: string]: string }): string[] {
  return Object.entries(labels).flatMap(([name, value]) => (name === 'hostname' ? [] : value))
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
    count(metrics, 'millrace_events_filtered_total', { pipeline }, received - 4)
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
  expect(of('events_filtered')).toEqual([96, 6])
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
  count(metrics, 'millrace_filter_ended_events_total', { pipeline, filter: 'f' }, 3)
  count(metrics, 'millrace_filter_created_events_total', { pipeline, filter: 'f' }, 2)
  count(metrics, 'millrace_deliveries_handed_total', { pipeline, output: 'es' }, 7)
  count(metrics, 'millrace_deliveries_total', { pipeline, output: 'es', outcome: 'stored' }, 4)
  count(metrics, 'millrace_deliveries_total', { pipeline, output: 'es', outcome: 'dead_lettered' }, 2)
  count(metrics, 'millrace_elasticsearch_bulk_requests_total', { pipeline, output: 'es', status: '200' }, 3)
  count(metrics, 'millrace_elasticsearch_bulk_requests_total', { pipeline, output: 'es', status: '429' }, 1)
  count(metrics, 'millrace_elasticsearch_bulk_requests_with_errors_total', { pipeline, output: 'es' }, 2)
  const told = await read()
  const plugins = [...told].filter(([key, value]) => key.startsWith('stats_pipeline_plugin_') && value > 0)
  expect(Object.fromEntries(plugins)).toEqual({
    'stats_pipeline_plugin_events_out main input beats in': 9,
    'stats_pipeline_plugin_events_in main filter grok f': 8,
    'stats_pipeline_plugin_events_out main filter grok f': 7,
    'stats_pipeline_plugin_events_in main output elasticsearch es': 7,
    'stats_pipeline_plugin_events_out main output elasticsearch es': 6,
    'stats_pipeline_plugin_documents_successes main output elasticsearch es': 4,
    'stats_pipeline_plugin_documents_non_retryable_failures main output elasticsearch es': 2,
    'stats_pipeline_plugin_bulk_requests_errors main output elasticsearch es': 2,
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
  const { metrics, read } = program()
  using ended = abortAtEnd()
  registerProcessMetrics(metrics, '1.2.3', ended.signal)
  const told = await read()
  const positive = [
    'jvm_mem_heap_used_bytes',
    'jvm_mem_heap_max_bytes',
    'jvm_mem_non_heap_committed_bytes',
    'jvm_mem_pool_used_bytes old',
    'jvm_mem_pool_committed_bytes young',
    'jvm_uptime_millis',
    'process_cpu_total_millis',
  ]
  for (const name of positive) expect(told.get(`stats_${name}`), name).toBeGreaterThan(0)
  expect(told.get('stats_jvm_mem_heap_used_percent')).toBeLessThanOrEqual(100)
})

test('the heap is that of V8, of all threads', async () => {
  const { metrics, read } = program()
  const heap = { used: 10, total: 30 }
  for (const [what, bytes] of Object.entries(heap)) {
    metrics.gauge(`nodejs_heap_size_${what}_bytes`, '', {}, () => bytes)
    for (const [space, share] of Object.entries({ new: 0.1, new_large_object: 0.2, old: 0.3, code: 0.3, large_object: 0.1 }))
      metrics.gauge(`nodejs_heap_space_size_${what}_bytes`, '', { space }, () => share * bytes)
  }
  metrics.gauge('nodejs_heap_size_limit_bytes', '', {}, () => 40)
  const told = await read()
  const of = (names: readonly string[]): unknown[] => names.map((name) => told.get(`stats_jvm_mem_${name}`))
  expect(of(['heap_used_bytes', 'heap_committed_bytes', 'heap_max_bytes', 'heap_used_percent'])).toEqual([10, 30, 40, 25])
  expect(of(['young', 'old', 'survivor'].map((pool) => `pool_used_bytes ${pool}`))).toEqual([3, 7, 0])
  expect(of(['young', 'old', 'survivor'].map((pool) => `pool_committed_bytes ${pool}`))).toEqual([9, 21, 0])
})

test('workers are busy while filters run', async () => {
  const { metrics, clock, read } = program()
  count(metrics, 'millrace_events_received_total', { pipeline: 'main', input: 'a' }, 1)
  const seconds = metrics.counter('millrace_filter_seconds_total', '', { pipeline: 'main' })
  const utilization = async (): Promise<unknown[]> => {
    const told = await read()
    return ['current', 'lifetime'].map((when) => told.get(`stats_pipeline_flow_worker_utilization_${when} main`))
  }
  seconds.inc(4)
  clock.now_ms = 10_000
  expect(await utilization()).toEqual([40, 40])
  metrics.gauge('millrace_workers', '', {}, () => 2)
  expect((await utilization())[1]).toBe(20)
  expect((await read()).get('info_pipeline_workers')).toBe(2)
})

test('sizes of batches, where all pipelines have the same', async () => {
  const { metrics, read } = program()
  const batch = async (): Promise<unknown[]> => {
    const told = await read()
    return ['workers', 'batch_size', 'batch_delay'].map((name) => told.get(`info_pipeline_${name}`))
  }
  const set = (pipeline: string, size: number, delay_s: number): void => {
    metrics.gauge('millrace_pipeline_batch_events', '', { pipeline }, () => size)
    metrics.gauge('millrace_pipeline_batch_delay_seconds', '', { pipeline }, () => delay_s)
  }
  set('main', 125, 0.05)
  expect(await batch()).toEqual([1, 125, 50])
  set('audit', 125, 0)
  expect(await batch()).toEqual([1, 125, undefined])
})

test.each([
  ['green', []],
  ['green', [1, 1]],
  ['yellow', [1, 0]],
  ['red', [0, 0]],
])('the program is %s with outputs that are up: %j', async (status, outputs) => {
  const { metrics, read } = program()
  for (const [index, up] of outputs.entries()) metrics.gauge('millrace_output_up', '', { output: String(index) }, () => up)
  const told = [...(await read()).keys()].filter((key) => key.startsWith('info_status'))
  expect(told).toEqual([`info_status ${status}`])
})

test('what runs, and where', async () => {
  const { metrics } = program()
  metrics.gauge('millrace_api_info', '', { address: '127.0.0.1:9600' }, () => 1)
  const labelsOf = async (name: string): Promise<unknown> =>
    readSamples(await metrics.text()).find((sample) => sample.name === name)?.labels
  const host = hostname()
  const node = { name: host, version: '1.2.3', http_address: '127.0.0.1:9600', host, id: '', hostname: host }
  expect(await labelsOf('logstash_info_node')).toEqual(node)
  expect(await labelsOf('logstash_info_build')).toEqual({ date: '', sha: '', snapshot: 'false', hostname: host })
})

test('the time of a reload is that of its sample, for half an hour', async () => {
  const { metrics } = program()
  count(metrics, 'millrace_events_received_total', { pipeline: 'main', input: 'a' }, 0)
  const reload = (result: string, ago_s: number): number => {
    const at_s = Math.floor(Date.now() / 1_000) - ago_s
    metrics.gauge('millrace_config_last_reload_time_seconds', '', { result }, () => at_s)
    return at_s * 1_000
  }
  const loaded_ms = reload('loaded', 60)
  reload('refused', 31 * 60)
  const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('logstash_stats_pipeline_reloads_last'))
  const labels = `pipeline="main",hostname="${hostname()}"`
  expect(lines).toEqual([`logstash_stats_pipeline_reloads_last_success_timestamp{${labels}} 1 ${loaded_ms}`])
})

test("every metric of Logstash's exporter is told as it tells it, or docs/metrics.md says why not", async () => {
  const { metrics } = program()
  using ended = abortAtEnd()
  registerProcessMetrics(metrics, '1.2.3', ended.signal)
  const pipeline = 'main'
  for (const [section, component] of Object.entries({ input: 'beats', filter: 'grok', output: 'elasticsearch' }))
    metrics.gauge('millrace_component_info', '', { pipeline, section, id: section, component }, () => 1)
  count(metrics, 'millrace_events_received_total', { pipeline, input: 'input' }, 1)
  count(metrics, 'millrace_elasticsearch_bulk_requests_total', { pipeline, output: 'output', status: '200' }, 1)
  for (const result of ['loaded', 'refused'])
    metrics.gauge('millrace_config_last_reload_time_seconds', '', { result }, () => Date.now() / 1_000)
  metrics.gauge('millrace_pipeline_batch_events', '', { pipeline }, () => 125)
  metrics.gauge('millrace_pipeline_batch_delay_seconds', '', { pipeline }, () => 0.05)
  const page = readFileSync(join(import.meta.dirname, '../../../docs/metrics.md'), 'utf8')
  const left_out = new Set([...page.matchAll(/^\| `(logstash_\w+)` \| [^|]+ \|$/gm)].map(([, name]) => name))
  const inOrder = (some: readonly ExporterMetric[]): ExporterMetric[] => some.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  expect(inOrder(await toldBy(metrics))).toEqual(inOrder(EXPORTER_METRICS.filter(({ name }) => !left_out.has(name))))
  expect([...left_out].filter((name) => !EXPORTER_METRICS.some((metric) => metric.name === name))).toEqual([])
})

/** Names, types and labels of what is printed under Logstash's names. */
async function toldBy(metrics: MetricsRegistry): Promise<ExporterMetric[]> {
  const text = await metrics.text()
  const samples = readSamples(text)
  return [...text.matchAll(/^# TYPE (logstash_\w+) (counter|gauge)$/gm)].map(([, name = '', type]) => {
    const labels = samples.filter((sample) => sample.name === name).flatMap((sample) => Object.keys(sample.labels))
    return { name, type: type === 'counter' ? 'counter' : 'gauge', labels: [...new Set(labels)].sort() }
  })
}

function abortAtEnd(): Disposable & { readonly signal: AbortSignal } {
  const ended = new AbortController()
  return { signal: ended.signal, [Symbol.dispose]: () => ended.abort() }
}
