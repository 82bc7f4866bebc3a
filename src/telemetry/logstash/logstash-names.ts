import { availableParallelism, hostname } from 'node:os'
import type { Labels } from '../../core/context.ts'
import type { MetricType } from '../family.ts'
import type { PrintedFamily } from '../print.ts'
import { Families } from './families.ts'
import { FlowMeter } from './flow.ts'
import { type ProcessFacts, readProcessFacts } from './process-facts.ts'
import { Reading } from './reading.ts'

/** There only where a whole program tells its metrics. */
const OF_A_PROGRAM = 'millrace_build_info'

/**
 * How long the times of reloads are told. They are the times of samples, which Prometheus shows for five minutes and, older
 * than an hour, refuses with a warning at every scrape.
 */
const RELOAD_TIMES_MS = 30 * 60 * 1_000

/** What Logstash counts of a pipeline, or of all. Times in milliseconds. */
interface Figures {
  readonly in: number
  /** Came out of the filters. */
  readonly filtered: number
  /** Have their end, at an output. */
  readonly out: number
  readonly duration_ms: number
  readonly push_ms: number
  readonly queued: number
}

/**
 * The program's metrics once more, under the names of the public exporter for Logstash (kuskoman/logstash-exporter), so that
 * dashboards made for it go on. They are made of the program's own: what those do not tell is not there. docs/metrics.md
 * has the list, and what is different.
 */
export class LogstashNames {
  readonly #cpu_used = process.cpuUsage()
  readonly #flow: FlowMeter

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(now: () => number) {
    this.#flow = new FlowMeter(now)
  }

  of(own: readonly PrintedFamily[]): PrintedFamily[] {
    const reading = new Reading(own)
    if (!reading.has(OF_A_PROGRAM)) return []
    const made = new Families(hostname())
    this.#flow.look()
    tellProgram(made, reading)
    tellProcess(made, readProcessFacts(), reading)
    made.gauge('stats_process_cpu_percent', 'Share of all processors, of late.', this.#cpuPercent())
    const pipelines = reading.valuesOf('millrace_events_received_total', 'pipeline')
    const figures = pipelines.map((pipeline) => figuresOf(reading, pipeline))
    const all = addUp(figures)
    this.#tellFigures(made, 'stats', 'gauge', 'duration_millis', all, {})
    made.gauge('stats_queue_events_count', 'Number of events in the queue.', all.queued)
    for (const [index, pipeline] of pipelines.entries()) {
      const one = figures[index] ?? all
      this.#tellFigures(made, 'stats_pipeline', 'counter', 'duration', one, { pipeline })
      this.#tellUtilization(made, reading, pipeline)
      tellPipeline(made, reading, pipeline, one)
      tellPlugins(made, reading, pipeline)
    }
    return made.all
  }

  #tellFigures(
    made: Families,
    prefix: string,
    type: MetricType,
    duration: 'duration' | 'duration_millis',
    figures: Figures,
    labels: Labels,
  ): void {
    const tell = (name: string, help: string, value: number): void =>
      made.add(type, `${prefix}_events_${name}`, help, value, labels)
    tell('in', 'Number of events received.', figures.in)
    tell('filtered', 'Number of events that came out of the filters.', figures.filtered)
    tell('out', 'Number of events out.', figures.out)
    const time = (name: string, help: string, value: number): void => made.gauge(`${prefix}_events_${name}`, help, value, labels)
    time(duration, 'Time that filters and outputs took, in milliseconds.', figures.duration_ms)
    time(`queue_push_${duration}`, 'Time that inputs waited for room, in milliseconds.', figures.push_ms)
    const flows = [
      ['input', 'Events received a second', figures.in],
      ['filter', 'Events through the filters a second', figures.filtered],
      ['output', 'Events out a second', figures.out],
      ['queue_backpressure', 'Inputs that wait for room at a time', figures.push_ms / 1_000],
      ['worker_concurrency', 'Filters and writes that are at work at a time', figures.duration_ms / 1_000],
    ] as const
    for (const [name, help, value] of flows) this.#tellFlow(made, `${prefix}_flow_${name}`, help, value, labels)
  }

  #cpuPercent(): number {
    const { user, system } = process.cpuUsage(this.#cpu_used)
    const { current } = this.#flow.of('cpu', (user + system) / 1e6)
    return Math.round((100 * current) / availableParallelism())
  }

  /** Filters are the work of a worker, which gives them one batch at a time: the outputs' waiting keeps none busy. */
  #tellUtilization(made: Families, reading: Reading, pipeline: string): void {
    const percent = (100 * reading.sum('millrace_filter_seconds_total', { pipeline })) / workersOf(reading)
    const help = 'Per cent of the time that workers were busy with the filters'
    this.#tellFlow(made, 'stats_pipeline_flow_worker_utilization', help, percent, { pipeline })
  }

  #tellFlow(made: Families, name: string, help: string, value: number, labels: Labels): void {
    const { current, lifetime } = this.#flow.of(`${JSON.stringify(labels)}${name}`, value)
    made.gauge(`${name}_current`, `${help}, of late.`, current, labels)
    made.gauge(`${name}_lifetime`, `${help}, since the start.`, lifetime, labels)
  }
}

function figuresOf(reading: Reading, pipeline: string): Figures {
  const of = (name: string, labels: Labels = {}, part?: 'sum'): number => reading.sum(name, { pipeline, ...labels }, part)
  const ended = (state: string): number => of('millrace_events_total', { state })
  const seconds = of('millrace_filter_seconds_total') + of('millrace_output_write_seconds', {}, 'sum')
  return {
    in: of('millrace_events_received_total'),
    filtered: of('millrace_events_filtered_total'),
    out: ['stored', 'already_there', 'dead_lettered', 'unrouted'].reduce((sum, state) => sum + ended(state), 0),
    duration_ms: Math.round(seconds * 1_000),
    push_ms: Math.round(of('millrace_input_wait_seconds_total') * 1_000),
    queued: of('millrace_queue_events') + of('millrace_events_held', { holder: 'intake' }),
  }
}

function addUp(figures: readonly Figures[]): Figures {
  const sum = (name: keyof Figures): number => figures.reduce((total, one) => total + one[name], 0)
  return {
    in: sum('in'),
    filtered: sum('filtered'),
    out: sum('out'),
    duration_ms: sum('duration_ms'),
    push_ms: sum('push_ms'),
    queued: sum('queued'),
  }
}

function tellPipeline(made: Families, reading: Reading, pipeline: string, { queued }: Figures): void {
  const of = { pipeline }
  const counter = (name: string, help: string, value: number): void => made.counter(`stats_pipeline_${name}`, help, value, of)
  const gauge = (name: string, help: string, value: number): void => made.gauge(`stats_pipeline_${name}`, help, value, of)
  const [last_reload] = reading.find('millrace_config_last_reload_successful')
  gauge('up', '0 where the last config was refused.', last_reload?.value ?? 1)
  counter('reloads_successes', 'Number of successful reloads.', reading.sum('millrace_reloads_total', { result: 'loaded' }))
  counter('reloads_failures', 'Number of failed reloads.', reading.sum('millrace_reloads_total', { result: 'refused' }))
  counter('queue_events_count', 'Number of events in the queue.', queued)
  gauge('queue_events_queue_size', 'Bytes of the queue on disk.', reading.sum('millrace_queue_size_bytes', of))
  gauge('queue_max_size_in_bytes', 'Most bytes of the queue on disk.', reading.sum('millrace_queue_max_bytes', of))
  const dropped = reading.sum('millrace_dead_letters_dropped_total')
  const expired = reading.sum('millrace_dead_letters_dropped_total', { why: 'age' })
  const [bytes, bytes_max] = [reading.sum('millrace_dead_letters_bytes'), reading.sum('millrace_dead_letters_max_bytes')]
  gauge('dead_letter_queue_size_in_bytes', 'Bytes of the dead letters, of all pipelines together.', bytes)
  gauge('dead_letter_queue_max_size_in_bytes', 'Most bytes of the dead letters, of all pipelines together.', bytes_max)
  const lost_help = 'Dead letters lost for want of room, of all pipelines together.'
  counter('dead_letter_queue_dropped_events', lost_help, dropped - expired)
  counter('dead_letter_queue_expired_events', 'Dead letters that became too old, of all pipelines together.', expired)
  tellReloadTime(made, reading, pipeline, 'success', 'loaded')
  tellReloadTime(made, reading, pipeline, 'failure', 'refused')
}

function tellReloadTime(made: Families, reading: Reading, pipeline: string, name: string, result: string): void {
  const [at] = reading.find('millrace_config_last_reload_time_seconds', { result })
  if (at === undefined) return
  const at_ms = Math.round(at.value * 1_000)
  if (Date.now() - at_ms > RELOAD_TIMES_MS) return
  const help = `Always 1; the time of the sample is that of the last ${name} of a reload.`
  made.add('gauge', `stats_pipeline_reloads_last_${name}_timestamp`, help, 1, { pipeline }, at_ms)
}

function tellPlugins(made: Families, reading: Reading, pipeline: string): void {
  for (const { labels } of reading.find('millrace_component_info', { pipeline })) {
    const { section = '', component = '', id = '' } = labels
    const of = { pipeline, plugin_type: section, plugin: component, plugin_id: id }
    const counter = (name: string, help: string, value: number, more: Labels = {}): void =>
      made.counter(`stats_pipeline_plugin_${name}`, help, value, { ...of, ...more })
    const [events_in, events_out] = ['Number of events received by the plugin.', 'Number of events out of the plugin.']
    const own = { pipeline, [section]: id }
    if (section === 'input') {
      counter('events_out', events_out, reading.sum('millrace_events_received_total', own))
      const wait_ms = Math.round(reading.sum('millrace_input_wait_seconds_total', own) * 1_000)
      const wait_help = 'Time that the input waited for room, in milliseconds.'
      made.gauge('stats_pipeline_plugin_events_queue_push_duration', wait_help, wait_ms, of)
    } else if (section === 'filter') {
      const reached = reading.sum('millrace_filter_events_total', own)
      const ended = reading.sum('millrace_filter_ended_events_total', own)
      counter('events_in', events_in, reached)
      counter('events_out', events_out, reached - ended + reading.sum('millrace_filter_created_events_total', own))
    } else {
      const ended = (outcome: string): number => reading.sum('millrace_deliveries_total', { ...own, outcome })
      counter('events_in', events_in, reading.sum('millrace_deliveries_handed_total', own))
      counter('events_out', events_out, reading.sum('millrace_deliveries_total', own))
      const write_ms = Math.round(reading.sum('millrace_output_write_seconds', own, 'sum') * 1_000)
      counter('events_duration', 'Time that writes took, in milliseconds.', write_ms)
      if (component !== 'elasticsearch') continue
      counter('documents_successes', 'Number of documents that are stored.', ended('stored') + ended('already_there'))
      counter('documents_non_retryable_failures', 'Number of documents that are refused.', ended('dead_lettered'))
      const with_errors = reading.sum('millrace_elasticsearch_bulk_requests_with_errors_total', own)
      counter('bulk_requests_errors', 'Bulk requests that not each document of was stored.', with_errors)
      for (const { labels: found, value } of reading.find('millrace_elasticsearch_bulk_requests_total', own)) {
        counter('bulk_requests_responses', 'Bulk requests by status.', value, { code: found['status'] ?? '' })
      }
    }
  }
}

function tellProcess(made: Families, facts: ProcessFacts, reading: Reading): void {
  const gauge = (name: string, help: string, value: number | undefined, labels?: Labels): void =>
    made.gauge(`stats_${name}`, help, value, labels)
  const [used, max] = [reading.sum('nodejs_heap_size_used_bytes'), reading.sum('nodejs_heap_size_limit_bytes')]
  gauge('jvm_threads_count', 'Threads of the process.', facts.threads)
  gauge('jvm_mem_heap_used_percent', 'Share of the heap that is used.', Math.round((100 * used) / max))
  gauge('jvm_mem_heap_used_bytes', 'Bytes of the heap that are used.', used)
  gauge('jvm_mem_heap_committed_bytes', 'Bytes of the heap.', reading.sum('nodejs_heap_size_total_bytes'))
  gauge('jvm_mem_heap_max_bytes', 'Most bytes of the heap.', max)
  const external = reading.sum('nodejs_external_memory_bytes')
  gauge('jvm_mem_non_heap_committed_bytes', 'Bytes of buffers outside of the heap.', external)
  for (const pool of ['young', 'old', 'survivor'] as const) {
    const sum = (name: string): number =>
      reading.find(name).reduce((total, { labels, value }) => (poolOf(labels['space']) === pool ? total + value : total), 0)
    gauge('jvm_mem_pool_used_bytes', 'Bytes that are used, by pool.', sum('nodejs_heap_space_size_used_bytes'), { pool })
    gauge('jvm_mem_pool_committed_bytes', 'Bytes, by pool.', sum('nodejs_heap_space_size_total_bytes'), { pool })
  }
  gauge('jvm_uptime_millis', 'Time since the start.', Math.round(performance.now()))
  gauge('process_open_file_descriptors', 'Number of open file descriptors.', facts.open_files)
  gauge('process_max_file_descriptors', 'Limit of open file descriptors.', facts.max_files)
  made.counter('stats_process_cpu_total_millis', 'Processor time used.', Math.round(facts.cpu_ms))
  for (const [index, minutes] of ['1m', '5m', '15m'].entries()) {
    gauge(`process_cpu_load_average_${minutes}`, `System load average over ${minutes}.`, facts.load[index])
  }
  gauge('process_mem_total_virtual', 'Virtual memory of the process.', facts.virtual_bytes)
}

function poolOf(space: string | undefined): 'young' | 'old' {
  return space?.startsWith('new') === true ? 'young' : 'old'
}

function tellProgram(made: Families, reading: Reading): void {
  const reloads = (result: string): number => reading.sum('millrace_reloads_total', { result })
  made.counter('stats_reload_successes', 'Number of successful reloads.', reloads('loaded'))
  made.counter('stats_reload_failures', 'Number of failed reloads.', reloads('refused'))
  made.counter('info_up', 'Always 1.', 1)
  const version = reading.find(OF_A_PROGRAM)[0]?.labels['version'] ?? ''
  const http_address = reading.find('millrace_api_info')[0]?.labels['address'] ?? ''
  const host = hostname()
  made.counter('info_node', 'Always 1; the labels tell what runs.', 1, { name: host, version, http_address, host, id: '' })
  const build = { date: '', sha: '', snapshot: String(version.includes('-')) }
  made.counter('info_build', 'Always 1; the label tells whether this is a version before a release.', 1, build)
  made.counter('info_status', 'Always 1; the label tells whether the outputs are up.', 1, { status: statusOf(reading) })
  made.gauge('info_pipeline_workers', 'Threads that each run the pipelines.', workersOf(reading))
  const size = onlyValue(reading, 'millrace_pipeline_batch_events')
  made.gauge('info_pipeline_batch_size', 'Most events of a batch, where that is the same in all pipelines.', size)
  const delay_s = onlyValue(reading, 'millrace_pipeline_batch_delay_seconds')
  const delay_help = 'How long a batch is waited for, in milliseconds, where that is the same in all pipelines.'
  made.gauge('info_pipeline_batch_delay', delay_help, delay_s && Math.round(delay_s * 1_000))
}

/** Green while all outputs take events, red when none does. */
function statusOf(reading: Reading): 'green' | 'yellow' | 'red' {
  const are_up = reading.find('millrace_output_up').map(({ value }) => value === 1)
  if (!are_up.includes(false)) return 'green'
  return are_up.includes(true) ? 'yellow' : 'red'
}

/** Those that the pipelines run in: the main thread itself where it is not told how many. */
function workersOf(reading: Reading): number {
  return reading.sum('millrace_workers') || 1
}

/** `undefined` where pipelines differ. */
function onlyValue(reading: Reading, name: string): number | undefined {
  const values = new Set(reading.find(name).map(({ value }) => value))
  return values.size === 1 ? [...values][0] : undefined
}
