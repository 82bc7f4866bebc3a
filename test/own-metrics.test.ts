import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSamples, type Sample, settledBooks, sum } from './helpers/books.ts'
import { freePort } from './helpers/free-port.ts'
import { encodeWindow, LumberjackClient } from './helpers/lumberjack-client.ts'
import { Program } from './helpers/program.ts'
import { type StubElasticsearch, startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'
import { waitFor } from './helpers/wait-for.ts'

// What /metrics of a running program says of traffic that is known: here from Filebeat to Elasticsearch, and in
// test/integration/kafka-program.test.ts of Kafka.

const WINDOWS = 3
const WINDOW_EVENTS = 100
const EVENTS = WINDOWS * WINDOW_EVENTS
/** Each third event is refused. */
const REFUSED = EVENTS / 3
const HOUR_MS = 3_600_000
const BATCH = { batch_size: 40, batch_delay_ms: 20 }
/** For so long no request is answered, and so long the process stands still. */
const HELD_S = 0.5
const TIMEOUT_MS = 120_000

class Readings {
  readonly #samples: readonly Sample[]

  constructor(text: string) {
    this.#samples = readSamples(text)
  }

  static async of(program: Program): Promise<Readings> {
    return new Readings(await program.metrics())
  }

  /** The sum over what has these labels. */
  sum(name: string, labels: Sample['labels'] = {}): number {
    const found = this.#samples.filter((sample) => sample.name === name && holds(sample.labels, labels))
    if (found.length === 0) throw new Error(`there is no ${name} ${JSON.stringify(labels)}`)
    return sum(found.map(({ value }) => value))
  }

  labelsOf(name: string): Sample['labels'] | undefined {
    return this.#samples.find((sample) => sample.name === name)?.labels
  }
}

function holds(labels: Sample['labels'], wanted: Sample['labels']): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value)
}

async function start(folder: string, elasticsearch: StubElasticsearch, workers: number) {
  const port = await freePort()
  const path = join(folder, 'pipeline.json')
  const config = {
    pipeline: { id: 'main', ...BATCH },
    inputs: [{ beats: { host: '127.0.0.1', port } }],
    filters: [{ date: { match: ['ts', 'ISO8601'] } }],
    outputs: [{ elasticsearch: { hosts: [elasticsearch.url], index: 'logs', on_mapping_conflict: 'dead_letter' } }],
  }
  await writeFile(path, JSON.stringify(config))
  const program = await Program.start({ args: ['-f', path, '-w', String(workers)] })
  return { program, connect: () => LumberjackClient.connect({ host: '127.0.0.1', port }) }
}

/** Half of them were logged an hour ago, half in an hour: by a clock that is ahead, so they are not old at all. */
function eventsOf(window: number): object[] {
  return Array.from({ length: WINDOW_EVENTS }, (_, index) => {
    const n = window * WINDOW_EVENTS + index
    return { n, ts: new Date(Date.now() + (n % 2 === 0 ? -HOUR_MS : HOUR_MS)).toISOString() }
  })
}

test.each([1, 2])(
  'requests, ages and outcomes of known events, with %i workers',
  async (workers) => {
    await using folder = await temporaryFolder()
    const gate = Promise.withResolvers<void>()
    const elasticsearch = await startStubElasticsearch({
      onBulk: () => ({
        until: gate.promise,
        item: ({ source }) =>
          (JSON.parse(source) as { n: number }).n % 3 === 0 ? { status: 400, type: 'document_parsing_exception' } : undefined,
      }),
    })
    const { program, connect } = await start(folder.path, elasticsearch, workers)
    await using _ = program
    const clients = await Promise.all(Array.from({ length: WINDOWS }, connect))
    const sent = clients.map((client, window) => client.send(encodeWindow(eventsOf(window))))

    const held = await program.waitUntil('an age', async () => {
      const now = await Readings.of(program)
      const is_all_there = now.sum('millrace_events_received_total') === EVENTS
      return is_all_there && now.sum('millrace_oldest_unacknowledged_age_seconds') > HELD_S ? now : undefined
    })
    expect(held.sum('millrace_in_flight_bytes')).toBeGreaterThan(0)
    expect(held.sum('millrace_events_held')).toBe(EVENTS)
    expect(held.sum('millrace_log_to_stored_seconds_count')).toBe(0)
    gate.resolve()
    await Promise.all(sent)
    await settledBooks(program, EVENTS)
    const told = await Readings.of(program)
    expect(told.sum('millrace_oldest_unacknowledged_age_seconds')).toBe(0)
    expect(told.sum('millrace_in_flight_bytes')).toBe(0)

    const bulks = elasticsearch.bulks.length
    const bytes = sum(elasticsearch.bulks.map(({ body }) => body.length))
    expect(told.sum('millrace_elasticsearch_bulk_requests_total', { status: '200' })).toBe(bulks)
    expect(told.sum('millrace_elasticsearch_bulk_body_bytes_count')).toBe(bulks)
    expect(told.sum('millrace_elasticsearch_bulk_body_bytes_sum')).toBe(bytes)
    expect(told.sum('millrace_elasticsearch_bulk_bytes_total')).toBe(bytes)
    expect(told.sum('millrace_elasticsearch_bulk_seconds_count')).toBe(bulks)
    expect(told.sum('millrace_elasticsearch_bulk_seconds_sum')).toBeGreaterThan(HELD_S / 2)
    expect(told.sum('millrace_output_batch_events_count')).toBe(bulks)
    expect(told.sum('millrace_output_batch_events_sum')).toBe(EVENTS)
    expect(told.sum('millrace_output_batch_events_bucket', { le: '50' })).toBe(bulks)
    expect(told.sum('millrace_output_write_seconds_count')).toBe(bulks)

    // Odd ones are no older than nothing, even ones an hour: of both a third is refused.
    const stored = EVENTS - REFUSED
    expect(told.sum('millrace_log_to_stored_seconds_count')).toBe(stored)
    expect(told.sum('millrace_log_to_stored_seconds_bucket', { le: '0.01' })).toBe(stored / 2)
    expect(told.sum('millrace_log_to_stored_seconds_bucket', { le: '900' })).toBe(stored / 2)
    const old_s = ((stored / 2) * HOUR_MS) / 1_000
    expect(told.sum('millrace_log_to_stored_seconds_sum')).toBeGreaterThanOrEqual(old_s)
    expect(told.sum('millrace_log_to_stored_seconds_sum')).toBeLessThan(1.1 * old_s)

    const { length: with_errors } = elasticsearch.bulks.filter(({ items }) =>
      items.some(({ source }) => (JSON.parse(source) as { n: number }).n % 3 === 0),
    )
    const logstash = (name: string, labels?: Sample['labels']): number => told.sum(`logstash_${name}`, labels)
    expect(logstash('stats_events_in')).toBe(EVENTS)
    expect(logstash('stats_pipeline_events_filtered', { pipeline: 'main', hostname: hostname() })).toBe(EVENTS)
    expect(logstash('stats_pipeline_events_out')).toBe(EVENTS)
    expect(logstash('stats_queue_events_count')).toBe(0)
    const plugin = { plugin_type: 'output', plugin: 'elasticsearch' }
    expect(logstash('stats_pipeline_plugin_events_in', plugin)).toBe(EVENTS)
    expect(logstash('stats_pipeline_plugin_documents_successes', plugin)).toBe(stored)
    expect(logstash('stats_pipeline_plugin_documents_non_retryable_failures', plugin)).toBe(REFUSED)
    expect(logstash('stats_pipeline_plugin_bulk_requests_responses', { ...plugin, code: '200' })).toBe(bulks)
    expect(logstash('stats_pipeline_plugin_bulk_requests_errors', plugin)).toBe(with_errors)
    expect(logstash('info_pipeline_workers')).toBe(workers)
    expect(logstash('info_pipeline_batch_size')).toBe(BATCH.batch_size)
    expect(logstash('info_pipeline_batch_delay')).toBe(BATCH.batch_delay_ms)
    expect(told.labelsOf('logstash_info_node')).toMatchObject({ http_address: new URL(program.apiUrl).host })
    expect(told.labelsOf('logstash_info_status')).toMatchObject({ status: 'green' })
    const heap_bytes = logstash('stats_jvm_mem_heap_used_bytes')
    expect(heap_bytes).toBeGreaterThan(1_000_000)
    expect(heap_bytes).toBeLessThan(logstash('stats_jvm_mem_heap_max_bytes'))
    for (const client of clients) client.close()
    await elasticsearch.close()
  },
  TIMEOUT_MS,
)

test.each([1, 2])(
  'a loop that stood still was late, and every scrape of the next half minute is told so, with %i workers',
  async (workers) => {
    await using folder = await temporaryFolder()
    const elasticsearch = await startStubElasticsearch()
    const { program } = await start(folder.path, elasticsearch, workers)
    await using _ = program
    const late_s = async (): Promise<number> => (await Readings.of(program)).sum('nodejs_eventloop_lag_max_seconds')
    const stopped_ms = performance.now()
    process.kill(program.pid, 'SIGSTOP')
    await waitFor('a time', () => performance.now() - stopped_ms > HELD_S * 1_000)
    process.kill(program.pid, 'SIGCONT')
    await program.waitUntil('lateness', async () => (await late_s()) > 0.9 * HELD_S)
    for (let scrape = 0; scrape < 3; scrape++) expect(await late_s()).toBeGreaterThan(0.9 * HELD_S)
    await elasticsearch.close()
  },
  TIMEOUT_MS,
)

test(
  'an input is up while it can do its work',
  async () => {
    await using folder = await temporaryFolder()
    const [port, free] = [await freePort(), await freePort()]
    const path = join(folder.path, 'pipeline.json')
    const client = { id: 'away', mode: 'client', host: '127.0.0.1', port }
    const server = { id: 'here', host: '127.0.0.1', port: free }
    await writeFile(path, JSON.stringify({ inputs: [{ tcp: client }, { tcp: server }], outputs: [{ file: { path: 'out' } }] }))
    await using program = await Program.start({ args: ['-f', path] })
    const up = async (input: string): Promise<number> =>
      (await Readings.of(program)).sum('millrace_input_up', { input, pipeline: 'main' })
    await program.waitUntil('an input that is down', async () => (await up('away')) === 0)
    expect(await up('here')).toBe(1)
    const other_side = createServer().listen(port, '127.0.0.1')
    await program.waitUntil('an input that is up again', async () => (await up('away')) === 1, TIMEOUT_MS)
    other_side.close()
  },
  TIMEOUT_MS,
)
