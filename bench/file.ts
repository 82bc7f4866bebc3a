// Claim: a file of JSON lines goes into Elasticsearch at so many events a second of processor time, and an event takes less of it than in
// other programs. The same work on such lines was measured for those elsewhere, on a quiet machine: Fluent Bit 5.1.1 71,000, Vector 0.58
// 33,000, Logstash 13,000. There a line was parsed and printed by JSON.parse and JSON.stringify in 2.2 us; by that measure an event costs
// Fluent Bit 6.4 of it, Vector 13.8, and 300,000 a second are 1.5.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { requestLog } from '../src/sample/request-log.ts'
import { temporaryFolder } from '../test/helpers/temporary-folder.ts'
import { spread } from './harness/compare.ts'
import { cpuOfFed, DEFAULT_FILTERS } from './harness/fed-program.ts'
import { parseAndPrint_us } from './harness/machine-unit.ts'
import { NullServer } from './harness/null-server.ts'
import { eventsOf, ROUNDS } from './harness/scale.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

const WARM_UP_EVENTS = eventsOf(100_000)
const EVENTS = eventsOf(200_000)
/** A whole file of different lines, as often as it takes. */
const LINES = 10_000
const CLAIM = 300_000
/** Fluent Bit: 14.0 us for an event where parsing and printing took 2.2. */
const FLUENT_BIT_UNITS = 6.4

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
  const units_us: number[] = []
  for (let round = 1; round <= ROUNDS; round++) {
    showProgress(`file to null Elasticsearch: round ${round} of ${ROUNDS}`)
    const before_us = parseAndPrint_us()
    costs_us.push(await cpuOfFed(server, { config, warm_up: WARM_UP_EVENTS, events: EVENTS }))
    units_us.push((before_us + parseAndPrint_us()) / 2)
  }
  return [
    { what: 'CPU of an event', unit: 'us', digits: 1, figures: spread(costs_us) },
    {
      what: 'events in a second of CPU',
      unit: '',
      figures: spread(costs_us.map((cost_us) => 1e6 / cost_us)),
      claim: { at_least: CLAIM },
    },
    { what: 'JSON.parse and JSON.stringify of a line', unit: 'us', digits: 1, figures: spread(units_us) },
    {
      what: 'CPU of an event over that (Fluent Bit 6.4, Vector 13.8)',
      unit: '',
      digits: 1,
      figures: spread(costs_us.map((cost_us, round) => cost_us / (units_us[round] ?? Number.NaN))),
      claim: { at_most: FLUENT_BIT_UNITS },
    },
  ]
}

const TITLE = 'A file of JSON lines in, null Elasticsearch out: the filters of the default pipeline'

printTable(TITLE, await benchFile())
