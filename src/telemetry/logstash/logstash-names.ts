import type { Labels } from '../../core/context.ts'
import type { MetricType, Sample } from '../family.ts'
import type { PrintedFamily } from '../print.ts'
import { FlowMeter } from './flow.ts'
import { type ProcessFacts, ProcessLook } from './process-facts.ts'

/** There only where a whole program tells its metrics. */
const OF_A_PROGRAM = 'millrace_build_info'

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
  readonly #process = new ProcessLook()
  readonly #flow: FlowMeter

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(now: () => number) {
    this.#flow = new FlowMeter(now)
  }

  of(own: readonly PrintedFamily[]): PrintedFamily[] {
    const reading = new Reading(own)
    if (!reading.has(OF_A_PROGRAM)) return []
    const made = new Families()
    this.#flow.look()
    tellProcess(made, this.#process.now(), reading)
    const pipelines = reading.valuesOf('millrace_events_received_total', 'pipeline')
    const figures = pipelines.map((pipeline) => figuresOf(reading, pipeline))
    const all = addUp(figures)
    this.#tellFigures(made, 'stats', 'gauge', ['duration_millis', 'queue_push_duration_millis'], all, {})
    made.gauge('stats_queue_events_count', 'Number of events in the queue.', all.queued)
    for (const [index, pipeline] of pipelines.entries()) {
      const one = figures[index] ?? all
      this.#tellFigures(made, 'stats_pipeline', 'counter', ['duration', 'queue_push_duration'], one, { pipeline })
      tellPipeline(made, reading, pipeline, one)
      tellPlugins(made, reading, pipeline)
    }
    return made.all
  }

  #tellFigures(
    made: Families,
    prefix: string,
    type: MetricType,
    [duration, push]: readonly [string, string],
    figures: Figures,
    labels: Labels,
  ): void {
    const tell = (name: string, help: string, value: number): void =>
      made.add(type, `${prefix}_events_${name}`, help, value, labels)
    tell('in', 'Number of events received.', figures.in)
    tell('filtered', 'Number of events that came out of the filters.', figures.filtered)
    tell('out', 'Number of events out.', figures.out)
    tell(duration, 'Time that filters and outputs took, in milliseconds.', figures.duration_ms)
    tell(push, 'Time that inputs waited for room, in milliseconds.', figures.push_ms)
    const flows = [
      ['input', 'Events received a second', figures.in],
      ['filter', 'Events through the filters a second', figures.filtered],
      ['output', 'Events out a second', figures.out],
      ['queue_backpressure', 'Inputs that wait for room at a time', figures.push_ms / 1_000],
      ['worker_concurrency', 'Filters and writes that are at work at a time', figures.duration_ms / 1_000],
    ] as const
    for (const [name, help, value] of flows) {
      const { current, lifetime } = this.#flow.of(`${JSON.stringify(labels)}${name}`, value)
      made.gauge(`${prefix}_flow_${name}_current`, `${help}, of late.`, current, labels)
      made.gauge(`${prefix}_flow_${name}_lifetime`, `${help}, since the start.`, lifetime, labels)
    }
  }
}

/** The samples of the program's own metrics, by name. */
class Reading {
  readonly #families: ReadonlyMap<string, PrintedFamily>
  readonly #samples = new Map<string, readonly Sample[]>()

  constructor(own: readonly PrintedFamily[]) {
    this.#families = new Map(own.map((family) => [family.name, family]))
  }

  has(name: string): boolean {
    return this.#families.has(name)
  }

  /** Those with all of these labels. `part`: of a histogram, `sum` or `count`. */
  find(name: string, labels: Labels = {}, part?: 'sum' | 'count'): { readonly labels: Labels; readonly value: number }[] {
    const printed = part === undefined ? undefined : `${name}_${part}`
    return this.#samplesOf(name).flatMap(({ metricName, labels: own, sharedLabels, value }) => {
      const all = { ...own, ...sharedLabels }
      const fits = metricName === printed && Object.entries(labels).every(([label, text]) => all[label] === text)
      return fits ? [{ labels: all, value }] : []
    })
  }

  sum(name: string, labels: Labels = {}, part?: 'sum' | 'count'): number {
    return this.find(name, labels, part).reduce((total, { value }) => total + value, 0)
  }

  /** The values that a label has. */
  valuesOf(name: string, label: string): string[] {
    return [...new Set(this.find(name).flatMap(({ labels }) => labels[label] ?? []))]
  }

  #samplesOf(name: string): readonly Sample[] {
    const known = this.#samples.get(name)
    if (known !== undefined) return known
    const samples = this.#families.get(name)?.samples() ?? []
    this.#samples.set(name, samples)
    return samples
  }
}

/** What is printed, with Logstash's prefix. */
class Families {
  readonly #families = new Map<string, PrintedFamily & { readonly values: Sample[] }>()

  get all(): PrintedFamily[] {
    return [...this.#families.values()]
  }

  gauge(name: string, help: string, value: number | undefined, labels: Labels = {}): void {
    this.add('gauge', name, help, value, labels)
  }

  counter(name: string, help: string, value: number | undefined, labels: Labels = {}): void {
    this.add('counter', name, help, value, labels)
  }

  /** Nothing where there is no value. */
  add(type: MetricType, name: string, help: string, value: number | undefined, labels: Labels): void {
    if (value === undefined) return
    const full = `logstash_${name}`
    const values = this.#families.get(full)?.values ?? []
    values.push({ labels, value })
    if (values.length === 1) this.#families.set(full, { name: full, help, type, values, samples: () => values })
  }
}

function figuresOf(reading: Reading, pipeline: string): Figures {
  const of = (name: string, labels: Labels = {}, part?: 'sum'): number => reading.sum(name, { pipeline, ...labels }, part)
  const ended = (state: string): number => of('millrace_events_total', { state })
  const received = of('millrace_events_received_total')
  const before = of('millrace_events_held', { holder: 'intake' }) + of('millrace_events_held', { holder: 'filters' })
  const seconds = of('millrace_filter_seconds_total') + of('millrace_output_write_seconds', {}, 'sum')
  return {
    in: received,
    filtered: received + of('millrace_events_created_total') - before - ended('dropped') - ended('consumed'),
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
  made.gauge('stats_pipeline_up', '0 where the last config was refused.', lastReload(reading), of)
  counter('reloads_successes', 'Number of successful reloads.', reading.sum('millrace_reloads_total', { result: 'loaded' }))
  counter('reloads_failures', 'Number of failed reloads.', reading.sum('millrace_reloads_total', { result: 'refused' }))
  counter('queue_events_count', 'Number of events in the queue.', queued)
  counter('queue_events_queue_size', 'Bytes of the queue on disk.', reading.sum('millrace_queue_size_bytes', of))
  counter('queue_max_size_in_bytes', 'Most bytes of the queue on disk.', reading.sum('millrace_queue_max_bytes', of))
  const dropped = reading.sum('millrace_dead_letters_dropped_total')
  const expired = reading.sum('millrace_dead_letters_dropped_total', { why: 'age' })
  const letters = (name: string, help: string, value: number): void =>
    counter(`dead_letter_queue_${name}`, `${help}, of all pipelines together.`, value)
  letters('size_in_bytes', 'Bytes of the dead letters', reading.sum('millrace_dead_letters_bytes'))
  letters('max_size_in_bytes', 'Most bytes of the dead letters', reading.sum('millrace_dead_letters_max_bytes'))
  letters('dropped_events', 'Dead letters lost for want of room', dropped - expired)
  letters('expired_events', 'Dead letters that became too old', expired)
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
      counter('events_queue_push_duration', 'Time that the input waited for room, in milliseconds.', wait_ms)
    } else if (section === 'filter') {
      counter('events_in', events_in, reading.sum('millrace_filter_events_total', own))
    } else {
      const ended = (outcome: string): number => reading.sum('millrace_deliveries_total', { ...own, outcome })
      counter('events_in', events_in, reading.sum('millrace_deliveries_handed_total', own))
      counter('events_out', events_out, reading.sum('millrace_deliveries_total', own))
      const write_ms = Math.round(reading.sum('millrace_output_write_seconds', own, 'sum') * 1_000)
      counter('events_duration', 'Time that writes took, in milliseconds.', write_ms)
      if (component !== 'elasticsearch') continue
      counter('documents_successes', 'Number of documents that are stored.', ended('stored') + ended('already_there'))
      counter('documents_non_retryable_failures', 'Number of documents that are refused.', ended('dead_lettered'))
      for (const { labels: found, value } of reading.find('millrace_elasticsearch_bulk_requests_total', own)) {
        counter('bulk_requests_responses', 'Bulk requests by status.', value, { code: found['status'] ?? '' })
      }
    }
  }
}

function lastReload(reading: Reading): number {
  return reading.find('millrace_config_last_reload_successful')[0]?.value ?? 1
}

function tellProcess(made: Families, facts: ProcessFacts, reading: Reading): void {
  const gauge = (name: string, help: string, value: number | undefined, labels?: Labels): void =>
    made.gauge(`stats_${name}`, help, value, labels)
  const { heap } = facts
  gauge('jvm_threads_count', 'Threads of the process.', facts.threads)
  gauge('jvm_mem_heap_used_percent', 'Share of the heap that is used.', Math.round((100 * heap.used) / heap.max))
  gauge('jvm_mem_heap_used_bytes', 'Bytes of the heap that are used.', heap.used)
  gauge('jvm_mem_heap_committed_bytes', 'Bytes of the heap.', heap.committed)
  gauge('jvm_mem_heap_max_bytes', 'Most bytes of the heap.', heap.max)
  gauge('jvm_mem_non_heap_committed_bytes', 'Bytes of buffers outside of the heap.', facts.non_heap_committed)
  for (const { pool, used, committed } of facts.pools) {
    gauge('jvm_mem_pool_used_bytes', 'Bytes that are used, by pool.', used, { pool })
    gauge('jvm_mem_pool_committed_bytes', 'Bytes, by pool.', committed, { pool })
  }
  gauge('jvm_uptime_millis', 'Time since the start.', Math.round(performance.now()))
  gauge('process_open_file_descriptors', 'Number of open file descriptors.', facts.open_files)
  gauge('process_max_file_descriptors', 'Limit of open file descriptors.', facts.max_files)
  gauge('process_cpu_percent', 'Share of all processors, of late.', facts.cpu_percent)
  gauge('process_cpu_total_millis', 'Processor time used.', Math.round(facts.cpu_ms))
  for (const [index, minutes] of ['1m', '5m', '15m'].entries()) {
    gauge(`process_cpu_load_average_${minutes}`, `System load average over ${minutes}.`, facts.load[index])
  }
  gauge('process_mem_total_virtual', 'Virtual memory of the process.', facts.virtual_bytes)
  gauge('reload_successes', 'Number of successful reloads.', reading.sum('millrace_reloads_total', { result: 'loaded' }))
  gauge('reload_failures', 'Number of failed reloads.', reading.sum('millrace_reloads_total', { result: 'refused' }))
  made.gauge('info_up', 'Always 1.', 1)
  const version = reading.find(OF_A_PROGRAM)[0]?.labels['version'] ?? ''
  made.counter('info_node', 'Always 1; the labels tell what runs.', 1, { name: 'millrace', version })
}
