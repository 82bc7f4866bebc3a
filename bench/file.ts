// Claim: a file of JSON lines goes into Elasticsearch at so many events a second of processor time. The same work on such lines was measured
// for other programs on another machine: Fluent Bit 71,000, Vector 33,000, Logstash 13,000 (docs/performance.md).
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { requestLog } from '../src/sample/request-log.ts'
import { temporaryFolder } from '../test/helpers/temporary-folder.ts'
import { spread } from './harness/compare.ts'
import { cpuOfFed, DEFAULT_FILTERS } from './harness/fed-program.ts'
import { NullServer } from './harness/null-server.ts'
import { eventsOf, ROUNDS } from './harness/scale.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

const WARM_UP_EVENTS = eventsOf(100_000)
const EVENTS = eventsOf(200_000)
/** A whole file of different lines, as often as it takes. */
const LINES = 10_000
const CLAIM = 300_000

/** Each round is a program of its own that reads the file once. */
async function benchFile(): Promise<Row[]> {
  await using server = await NullServer.start()
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'exchange.log')
  const lines = [...requestLog({ seed: 7, count: LINES, start_ms: Date.UTC(2026, 0, 2) })].join('\n')
  await writeFile(file, `${lines}\n`.repeat((WARM_UP_EVENTS + EVENTS) / LINES))
  const config = {
    inputs: [{ file: { path: [file], start_position: 'beginning', sincedb_path: '/dev/null', codec: 'json' } }],
    filters: DEFAULT_FILTERS,
    outputs: [{ elasticsearch: { hosts: [server.url], index: '%{[@metadata][index]}' } }],
  }
  const costs_us: number[] = []
  for (let round = 1; round <= ROUNDS; round++) {
    showProgress(`file to null Elasticsearch: round ${round} of ${ROUNDS}`)
    costs_us.push(await cpuOfFed(server, { config, warm_up: WARM_UP_EVENTS, events: EVENTS }))
  }
  return [
    { what: 'CPU of an event', unit: 'us', digits: 1, figures: spread(costs_us) },
    {
      what: 'events in a second of CPU',
      unit: '',
      figures: spread(costs_us.map((cost_us) => 1e6 / cost_us)),
      claim: { at_least: CLAIM },
    },
  ]
}

const TITLE = 'A file of JSON lines in, null Elasticsearch out: the filters of the default pipeline'

printTable(TITLE, await benchFile())
