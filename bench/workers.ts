// Claim: an event costs with two workers at most 15 % more processor time than with one, and a worker more at most 80 MB.
// The program, the sender and the server are processes of their own; only the program's time and memory are counted.
import { type Spread, spread } from './harness/compare.ts'
import { LumberjackSender } from './harness/lumberjack-sender.ts'
import { NullServer } from './harness/null-server.ts'
import { cpuSecondsOf, residentBytesOf } from './harness/process-usage.ts'
import { BenchedProgram } from './harness/program.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

const ROUNDS = 5
/** Enough for each worker that everything is compiled that will be. */
const WARM_UP_EVENTS = 100_000
const EVENTS = 300_000
const CONNECTIONS = 4
const WORKERS = [1, 2, 3] as const
const MEGABYTE = 1e6

const CLAIM_RATIO = 1.15
const CLAIM_MEGABYTES = 80

interface Load {
  readonly cpu_us: number
  readonly megabytes: number
}

/** In each round a program of each kind, one after the other, so that a change of the machine's speed meets all. */
export async function benchWorkers(): Promise<Row[]> {
  await using server = await NullServer.start()
  await using sender = await LumberjackSender.start()
  const rounds: Load[][] = []
  for (let round = 1; round <= ROUNDS; round++) {
    const loads: Load[] = []
    for (const workers of WORKERS) {
      showProgress(`workers: round ${round} of ${ROUNDS}, workers: ${workers}`)
      loads.push(await measure(server, sender, workers))
    }
    rounds.push(loads)
  }
  const over = (read: (loads: readonly Load[]) => number): Spread => spread(rounds.map(read))
  const cpuOf = (loads: readonly Load[], workers: number): number => loads[workers - 1]?.cpu_us ?? Number.NaN
  const megabytesOf = (loads: readonly Load[], workers: number): number => loads[workers - 1]?.megabytes ?? Number.NaN
  return [
    ...WORKERS.map((workers) => ({
      what: `CPU of an event, workers: ${workers}`,
      unit: 'us',
      digits: 1,
      figures: over((loads) => cpuOf(loads, workers)),
    })),
    {
      what: 'CPU of an event, 2 workers over 1',
      unit: '',
      digits: 2,
      figures: over((loads) => cpuOf(loads, 2) / cpuOf(loads, 1)),
      claim: { at_most: CLAIM_RATIO },
    },
    ...WORKERS.map((workers) => ({
      what: `memory under load, workers: ${workers}`,
      unit: 'MB',
      figures: over((loads) => megabytesOf(loads, workers)),
    })),
    {
      what: 'memory of the second worker, with the thread that is none',
      unit: 'MB',
      figures: over((loads) => megabytesOf(loads, 2) - megabytesOf(loads, 1)),
      claim: { at_most: CLAIM_MEGABYTES },
    },
    {
      what: 'memory of the third worker',
      unit: 'MB',
      figures: over((loads) => megabytesOf(loads, 3) - megabytesOf(loads, 2)),
      claim: { at_most: CLAIM_MEGABYTES },
    },
  ]
}

async function measure(server: NullServer, sender: LumberjackSender, workers: number): Promise<Load> {
  await using program = await BenchedProgram.start(server.url, '-w', String(workers))
  // More connections than workers, so that each of them gets its share.
  const warm_up = { port: program.beats_port, connections: workers * CONNECTIONS, events: WARM_UP_EVENTS * workers }
  await sender.send(warm_up)
  const [cpu_s, documents] = [await cpuSecondsOf(program.pid), await server.documents()]
  const { events } = await sender.send({ port: program.beats_port, connections: CONNECTIONS, events: EVENTS })
  const used_s = (await cpuSecondsOf(program.pid)) - cpu_s
  const stored = (await server.documents()) - documents
  if (stored !== events) throw new Error(`expected ${events} documents at the server, got ${stored}`)
  const { now } = await residentBytesOf(program.pid)
  return { cpu_us: (used_s * 1e6) / events, megabytes: now / MEGABYTE }
}

export const WORKERS_TITLE = '(m) Workers: the default pipeline over four connections of Lumberjack, null Elasticsearch out'

if (import.meta.main) printTable(WORKERS_TITLE, await benchWorkers())
