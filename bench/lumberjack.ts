// Claim: Lumberjack in, null Elasticsearch out, in a bounded memory: 160 MB in the end, and at no time more than the budget for events
// in flight and 150 MB.
// The program, the sender and the server are processes of their own; only the program's time and memory are counted.
import { spread } from './harness/compare.ts'
import { type Ends, type Load, sendMeasured } from './harness/load.ts'
import { LumberjackSender } from './harness/lumberjack-sender.ts'
import { NullServer } from './harness/null-server.ts'
import { residentBytesOf } from './harness/process-usage.ts'
import { BenchedProgram } from './harness/program.ts'
import { eventsOf, ROUNDS } from './harness/scale.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

/** Enough that everything is compiled that will be. */
const WARM_UP_EVENTS = 80_000
const EVENTS = 100_000
const CONNECTIONS = [1, 4] as const

const MEGABYTE = 1e6
const CLAIM_STEADY_MEGABYTES = 160
const CLAIM_PEAK_MEGABYTES = (64 * 1024 * 1024) / MEGABYTE + 150

interface Round extends Load {
  readonly resident_bytes: number
  readonly peak_bytes: number
}

/** Each round is a program of its own, that first warms up, then takes the events over one and over four connections. */
async function benchLumberjack(): Promise<Row[]> {
  await using server = await NullServer.start()
  await using sender = await LumberjackSender.start()
  const rounds = CONNECTIONS.map((): Round[] => [])
  for (let round = 1; round <= ROUNDS; round++) {
    await using program = await BenchedProgram.start(server.url)
    await sender.send({ port: program.beats_port, connections: 1, events: eventsOf(WARM_UP_EVENTS) })
    for (const [index, connections] of CONNECTIONS.entries()) {
      showProgress(`Lumberjack to null Elasticsearch: round ${round} of ${ROUNDS}, connections: ${connections}`)
      rounds[index]?.push(await measure(program, { sender, server }, connections))
    }
  }
  return CONNECTIONS.flatMap((connections, index) => rowsOf(connections, rounds[index] ?? []))
}

async function measure({ pid, beats_port }: BenchedProgram, ends: Ends, connections: number): Promise<Round> {
  const load = await sendMeasured(pid, ends, { port: beats_port, connections, events: eventsOf(EVENTS) })
  const { now, peak } = await residentBytesOf(pid)
  return { ...load, resident_bytes: now, peak_bytes: peak }
}

function rowsOf(connections: number, rounds: readonly Round[]): Row[] {
  const over = connections === 1 ? '1 connection' : `${connections} connections`
  const row = (what: string, unit: string, figureOf: (round: Round) => number): Row => ({
    what: `${what}, ${over}`,
    unit,
    figures: spread(rounds.map(figureOf)),
  })
  return [
    row('events a second', '', ({ rate }) => rate),
    { ...row('CPU of an event', 'us', ({ cpu_us }) => cpu_us), digits: 1 },
    {
      ...row('memory at the end', 'MB', ({ resident_bytes }) => resident_bytes / MEGABYTE),
      claim: { at_most: CLAIM_STEADY_MEGABYTES },
    },
    {
      ...row('memory at its peak', 'MB', ({ peak_bytes }) => peak_bytes / MEGABYTE),
      claim: { at_most: CLAIM_PEAK_MEGABYTES },
    },
  ]
}

const TITLE = 'Lumberjack in, null Elasticsearch out: the default pipeline, windows of 2,048 at zlib level 3'

printTable(TITLE, await benchLumberjack())
