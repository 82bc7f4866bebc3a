// Claim: Lumberjack in, null Elasticsearch out, in a bounded memory: the budget for events in flight and 150 MB.
// The program, the sender and the server are processes of their own; only the program's time and memory are counted.
import { spread } from './harness/compare.ts'
import { LumberjackSender } from './harness/lumberjack-sender.ts'
import { NullServer } from './harness/null-server.ts'
import { cpuSecondsOf, residentBytesOf } from './harness/process-usage.ts'
import { BenchedProgram } from './harness/program.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

const ROUNDS = 5
/** Enough that everything is compiled that will be. */
const WARM_UP_EVENTS = 100_000
const EVENTS = 300_000
const CONNECTIONS = [1, 4] as const

const MEGABYTE = 1e6
const CLAIM_BYTES = 64 * 1024 * 1024 + 150 * MEGABYTE

interface Round {
  readonly rate: number
  readonly cpu_us: number
  readonly resident_bytes: number
  readonly peak_bytes: number
}

/** Each round is a program of its own, that first warms up, then takes the events over one and over four connections. */
export async function benchLumberjack(): Promise<Row[]> {
  await using server = await NullServer.start()
  await using sender = await LumberjackSender.start()
  const rounds = CONNECTIONS.map((): Round[] => [])
  for (let round = 1; round <= ROUNDS; round++) {
    await using program = await BenchedProgram.start(server.url)
    await sender.send({ port: program.beats_port, connections: 1, events: WARM_UP_EVENTS })
    for (const [index, connections] of CONNECTIONS.entries()) {
      showProgress(`Lumberjack to null Elasticsearch: round ${round} of ${ROUNDS}, connections: ${connections}`)
      rounds[index]?.push(await measure(program, sender, server, connections))
    }
  }
  return CONNECTIONS.flatMap((connections, index) => rowsOf(connections, rounds[index] ?? []))
}

async function measure(
  program: BenchedProgram,
  sender: LumberjackSender,
  server: NullServer,
  connections: number,
): Promise<Round> {
  const [cpu_s, documents] = [await cpuSecondsOf(program.pid), await server.documents()]
  const { events, seconds } = await sender.send({ port: program.beats_port, connections, events: EVENTS })
  const used_s = (await cpuSecondsOf(program.pid)) - cpu_s
  const stored = (await server.documents()) - documents
  if (stored !== events) throw new Error(`expected ${events} documents at the server, got ${stored}`)
  const { now, peak } = await residentBytesOf(program.pid)
  return { rate: events / seconds, cpu_us: (used_s * 1e6) / events, resident_bytes: now, peak_bytes: peak }
}

function rowsOf(connections: number, rounds: readonly Round[]): Row[] {
  const over = connections === 1 ? '1 connection' : `${connections} connections`
  const row = (what: string, unit: string, figureOf: (round: Round) => number): Row => ({
    what: `${what}, ${over}`,
    unit,
    figures: spread(rounds.map(figureOf)),
  })
  const claim = { at_most: CLAIM_BYTES / MEGABYTE }
  return [
    row('events a second', '', ({ rate }) => rate),
    { ...row('CPU of an event', 'us', ({ cpu_us }) => cpu_us), digits: 1 },
    { ...row('memory at the end', 'MB', ({ resident_bytes }) => resident_bytes / MEGABYTE), claim },
    { ...row('memory at its peak', 'MB', ({ peak_bytes }) => peak_bytes / MEGABYTE), claim },
  ]
}

export const LUMBERJACK_TITLE =
  '(b) Lumberjack in, null Elasticsearch out: the default pipeline, windows of 2,048 at zlib level 3'

if (import.meta.main) printTable(LUMBERJACK_TITLE, await benchLumberjack())
