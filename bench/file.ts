// Claim: a file of JSON lines goes into Elasticsearch at so many events a second of processor time. The same work on the same lines
// was measured for other programs: Fluent Bit 71,000, Vector 33,000, Logstash 13,000.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requestLog } from '../src/sample/request-log.ts'
import { Program } from '../test/helpers/program.ts'
import { spread } from './harness/compare.ts'
import { NullServer } from './harness/null-server.ts'
import { cpuBetween } from './harness/process-usage.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

const ROUNDS = 5
/** Enough that everything is compiled that will be. */
const WARM_UP_EVENTS = 100_000
const EVENTS = 400_000
/** A whole file of different lines, as often as it takes. */
const LINES = 50_000
const CLAIM = 300_000

/** Each round is a program of its own that reads the file once. */
export async function benchFile(): Promise<Row[]> {
  await using server = await NullServer.start()
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    const file = join(folder, 'exchange.log')
    const lines = [...requestLog({ seed: 7, count: LINES, start_ms: Date.UTC(2026, 0, 2) })].join('\n')
    await writeFile(file, `${lines}\n`.repeat((WARM_UP_EVENTS + EVENTS) / LINES))
    const config = join(folder, 'file.json')
    await writeFile(config, JSON.stringify(configOf(file, server.url)))
    const figures: number[] = []
    for (let round = 1; round <= ROUNDS; round++) {
      showProgress(`file to null Elasticsearch: round ${round} of ${ROUNDS}`)
      await using program = await Program.spawn({ args: ['-f', config] })
      const used_s = await cpuBetween(program.pid, server, await server.documents(), WARM_UP_EVENTS, EVENTS)
      figures.push(EVENTS / used_s)
    }
    return [{ what: 'events in a second of CPU', unit: '', figures: spread(figures), claim: { at_least: CLAIM } }]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The filters of the default pipeline, behind a file whose lines are JSON. */
function configOf(path: string, elasticsearch_url: string): object {
  const counter = (name: string, label: string): object => ({
    metric: { type: 'counter', name, help: name, labels: { [label]: `%{${label}}` } },
  })
  return {
    inputs: [{ file: { path: [path], start_position: 'beginning', sincedb_path: '/dev/null', codec: 'json' } }],
    filters: [
      { date: { match: ['ts', 'ISO8601'] } },
      { mutate: { add_field: { '[@metadata][index]': 'exchange-logs-%{+YYYY.MM.dd}' } } },
      { if: '[ip]', then: [{ geoip: { source: 'ip' } }] },
      { if: '[level] == "error"', then: [counter('exchange_log_errors_total', 'service')] },
      { if: '[duration] and [duration] > 1000', then: [counter('exchange_slow_queries_total', 'endpoint')] },
    ],
    outputs: [{ elasticsearch: { hosts: [elasticsearch_url], index: '%{[@metadata][index]}' } }],
  }
}

export const FILE_TITLE = 'A file of JSON lines in, null Elasticsearch out: the filters of the default pipeline'

if (import.meta.main) printTable(FILE_TITLE, await benchFile())
