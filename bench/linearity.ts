// Claim: an event costs the same among ten million as among ten thousand, a member the same among 1,000 as among 20, and an event
// the same where the lines before it had 1,000 names or 20, and where it goes to one of 100 indices or always to the same.

import { requestLog } from '../src/sample/request-log.ts'
import { spread } from './harness/compare.ts'
import { cpuOfFed, DEFAULT_FILTERS, type Feed } from './harness/fed-program.ts'
import { NullServer } from './harness/null-server.ts'
import { eventsOf, IS_FULL, ROUNDS } from './harness/scale.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

const WARM_UP_EVENTS = eventsOf(60_000)
const EVENTS = eventsOf(60_000)
const FEW_EVENTS = 10_000
const FEW_TIMES = 10
/** Ten millions take a quarter of an hour. */
const MANY_EVENTS = IS_FULL ? 10_000_000 : eventsOf(300_000)
const MANY_ROUNDS = IS_FULL ? 1 : ROUNDS
/** So many different lines, again and again. */
const LINES = 2_000
const FLAT = { at_most: 1.2 }

/** A pipeline that is given the lines over and over, and ends at the server. */
function configOf(server: NullServer, lines: readonly string[], index = '%{[@metadata][index]}'): object {
  return {
    inputs: [{ generator: { lines, codec: 'json' } }],
    filters: DEFAULT_FILTERS,
    outputs: [{ elasticsearch: { hosts: [server.url], index } }],
  }
}

/** One of two ways, in what it differs from the other. */
interface Case extends Partial<Omit<Feed, 'config'>> {
  readonly name: string
  readonly config: object
  /** Parts of an event that its cost is divided by. */
  readonly parts?: number
}

/** Both ways in turn: what an event, or a part of it, costs the second to what it costs the first. */
async function pair(
  server: NullServer,
  what: string,
  unit: string,
  cases: readonly [Case, Case],
  rounds = ROUNDS,
): Promise<Row[]> {
  const costs: [number[], number[]] = [[], []]
  for (let round = 1; round <= rounds; round++) {
    for (const [index, { name, parts = 1, ...feed }] of cases.entries()) {
      showProgress(`linearity: ${name}, round ${round} of ${rounds}`)
      costs[index]?.push((await cpuOfFed(server, { warm_up: WARM_UP_EVENTS, events: EVENTS, ...feed })) / parts)
    }
  }
  const ratios = costs[1].map((cost, round) => cost / (costs[0][round] ?? Number.NaN))
  return [
    ...cases.map(({ name }, index) => ({ what: `${what}, ${name}`, unit, digits: 2, figures: spread(costs[index] ?? []) })),
    { what: `  ${cases[1].name} to ${cases[0].name}`, unit: '', digits: 2, figures: spread(ratios), claim: FLAT },
  ]
}

async function benchLinearity(): Promise<Row[]> {
  await using server = await NullServer.start()
  const lines = [...requestLog({ seed: 7, count: LINES, start_ms: Date.UTC(2026, 0, 2) })]
  const config = configOf(server, lines)
  const manyIndices = configOf(
    server,
    lines.map((line, at) => withMember(line, 'n', at % 100)),
    'exchange-logs-%{n}',
  )
  return [
    ...(await pair(
      server,
      'CPU of an event',
      'us',
      [
        { name: `${FEW_EVENTS.toLocaleString('en')} events`, config, events: FEW_EVENTS, times: FEW_TIMES },
        { name: `${MANY_EVENTS.toLocaleString('en')} events`, config, events: MANY_EVENTS },
      ],
      MANY_ROUNDS,
    )),
    ...(await pair(server, 'CPU of a member', 'us', [
      { name: '20 in an event', config: configOf(server, linesOf(20, 20)), parts: 20 },
      {
        name: '1,000 in an event',
        config: configOf(server, linesOf(1_000, 1_000)),
        parts: 1_000,
        warm_up: 3_000,
        events: 10_000,
      },
    ])),
    ...(await pair(server, 'CPU of an event of 20 members', 'us', [
      { name: '20 names', config: configOf(server, linesOf(20, 20)) },
      { name: '1,000 names', config: configOf(server, linesOf(20, 1_000)) },
    ])),
    ...(await pair(server, 'CPU of an event', 'us', [
      {
        name: '1 index',
        config: configOf(
          server,
          lines.map((line) => withMember(line, 'n', 0)),
          'exchange-logs-%{n}',
        ),
      },
      { name: '100 indices', config: manyIndices },
    ])),
  ]
}

function withMember(line: string, name: string, value: number): string {
  return `${line.slice(0, -1)},${JSON.stringify(name)}:${value}}`
}

/** Lines with a time and so many members, whose names are among so many. As many lines, for few stay in the processor's cache. */
function linesOf(members: number, names: number): string[] {
  return Array.from({ length: members > 100 ? 20 : 500 }, (_, line) => {
    const fields = Array.from({ length: members }, (__, at) => [
      `field_${(line * members + at) % names}`,
      `value ${line} of ${at}`,
    ])
    return JSON.stringify({ ts: '2026-01-02T00:00:00.000Z', ...Object.fromEntries(fields) })
  })
}

const TITLE = 'Linear: generated events through the filters of the default pipeline, null Elasticsearch out'

printTable(TITLE, await benchLinearity())
