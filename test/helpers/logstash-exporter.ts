import type { MetricType } from '../../src/telemetry/family.ts'

export interface ExporterMetric {
  readonly name: string
  readonly type: MetricType
  readonly labels: readonly string[]
}

const POOL = ['pool']
const PIPELINE = ['pipeline']
const PLUGIN = ['pipeline', 'plugin', 'plugin_id', 'plugin_type']

/** What version 2 of kuskoman/logstash-exporter tells: names and types from its README, labels from its collectors. */
export const EXPORTER_METRICS: readonly ExporterMetric[] = [
  ...list('info', 'counter', [], 'up'),
  ...list('info', 'counter', ['host', 'http_address', 'id', 'name', 'version'], 'node'),
  ...list('info', 'counter', ['date', 'sha', 'snapshot'], 'build'),
  ...list('info', 'counter', ['status'], 'status'),
  ...list('info', 'gauge', [], 'pipeline_workers pipeline_batch_size pipeline_batch_delay'),
  ...list('stats_jvm', 'gauge', [], 'threads_count threads_peak_count uptime_millis mem_non_heap_committed_bytes'),
  ...list('stats_jvm_mem_heap', 'gauge', [], 'used_percent used_bytes committed_bytes max_bytes'),
  ...list('stats_jvm_mem_pool', 'gauge', POOL, 'used_bytes committed_bytes max_bytes peak_used_bytes peak_max_bytes'),
  ...list('stats_process', 'gauge', [], 'open_file_descriptors max_file_descriptors mem_total_virtual cpu_percent'),
  ...list('stats_process_cpu_load_average', 'gauge', [], '1m 5m 15m'),
  ...list('stats_process', 'counter', [], 'cpu_total_millis'),
  ...list('stats', 'counter', [], 'reload_successes reload_failures'),
  ...list('stats', 'gauge', [], 'queue_events_count'),
  ...list('stats_events', 'gauge', [], 'in filtered out duration_millis queue_push_duration_millis'),
  ...flows('stats_flow', [], 'input filter output queue_backpressure worker_concurrency'),
  ...list('stats_pipeline', 'gauge', PIPELINE, 'up'),
  ...list('stats_pipeline_events', 'counter', PIPELINE, 'in filtered out'),
  ...list('stats_pipeline_events', 'gauge', PIPELINE, 'duration queue_push_duration'),
  ...flows('stats_pipeline_flow', PIPELINE, 'input filter output queue_backpressure worker_concurrency worker_utilization'),
  ...list('stats_pipeline_reloads', 'counter', PIPELINE, 'successes failures'),
  ...list('stats_pipeline_reloads', 'gauge', PIPELINE, 'last_success_timestamp last_failure_timestamp'),
  ...list('stats_pipeline_queue', 'counter', PIPELINE, 'events_count'),
  ...list('stats_pipeline_queue', 'gauge', PIPELINE, 'events_queue_size max_size_in_bytes'),
  ...list('stats_pipeline_dead_letter_queue', 'gauge', PIPELINE, 'size_in_bytes max_size_in_bytes'),
  ...list('stats_pipeline_dead_letter_queue', 'counter', PIPELINE, 'dropped_events expired_events'),
  ...list('stats_pipeline_plugin_events', 'counter', PLUGIN, 'in out duration'),
  ...list('stats_pipeline_plugin_events', 'gauge', PLUGIN, 'queue_push_duration'),
  ...list(
    'stats_pipeline_plugin',
    'counter',
    PLUGIN,
    'documents_successes documents_non_retryable_failures bulk_requests_errors',
  ),
  ...list('stats_pipeline_plugin', 'counter', ['code', ...PLUGIN], 'bulk_requests_responses'),
  { name: 'logstash_exporter_build_info', type: 'gauge', labels: [] },
]

/** Each has the label `hostname` besides, which tells the programs that one exporter asks apart. */
function list(prefix: string, type: MetricType, labels: readonly string[], names: string): ExporterMetric[] {
  const all = [...labels, 'hostname'].sort()
  return names.split(' ').map((name) => ({ name: `logstash_${prefix}_${name}`, type, labels: all }))
}

function flows(prefix: string, labels: readonly string[], names: string): ExporterMetric[] {
  return names.split(' ').flatMap((name) => list(prefix, 'gauge', labels, `${name}_current ${name}_lifetime`))
}
