// Claim: an event costs with two workers at most 15 % more processor time than with one, and a worker more at most 80 MB.
// The programs, the sender and the server are processes of their own; only the programs' time and memory are counted.
import { type Spread, spread } from './harness/compare.ts'
import { type Ends, sendMeasured } from './harness/load.ts'
import { LumberjackSender } from './harness/lumberjack-sender.ts'
import { NullServer } from './harness/null-server.ts'
import { residentBytesOf } from './harness/process-usage.ts'
import { BenchedProgram } from './harness/program.ts'
import { eventsOf, ROUNDS } from './harness/scale.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

/**
 * Of each worker, until everything is compiled that will be: each thread compiles for itself. After 60,000, with programs of their own for
 * each round, two workers cost 1.22 and 1.29 of one.
 */
const WARM_UP_EVENTS = 150_000
const WARM_UP_CONNECTIONS = 16
const EVENTS = 100_000
/** In one of eight rounds two workers get all from the system for one of them, and in every second one three and one. */
const CONNECTIONS = 4
const MEGABYTE = 1e6

const CLAIM_RATIO = 1.15
const CLAIM_MEGABYTES = 80

interface Usage {
  readonly cpu_us: number
  readonly megabytes: number
}

/** The programs stay, and get events in turn, so that a change of the machine's speed meets all. */
async function benchWorkers(): Promise<Row[]> {
  await using server = await NullServer.start()
  await using sender = await LumberjackSender.start()
  await using one = await BenchedProgram.start(server.url)
  await using two = await BenchedProgram.start(server.url, { flags: ['-w', '2'] })
  await using three = await BenchedProgram.start(server.url, { flags: ['-w', '3'] })
  const programs = [one, two, three]
  for (const [index, { beats_port: port }] of programs.entries()) {
    const workers = index + 1
    showProgress(`workers: ${workers} until everything is compiled`)
    // Which worker gets which is the system's lot: of so many each has enough.
    await sender.send({ port, connections: workers * WARM_UP_CONNECTIONS, events: eventsOf(WARM_UP_EVENTS) * workers })
  }
  const rounds: Usage[][] = []
  for (let round = 1; round <= ROUNDS; round++) {
    const loads: Usage[] = []
    for (const [index, program] of programs.entries()) {
      showProgress(`workers: round ${round} of ${ROUNDS}, workers: ${index + 1}`)
      loads.push(await measure({ server, sender }, program))
    }
    rounds.push(loads)
  }
  const over = (read: (loads: readonly Usage[]) => number): Spread => spread(rounds.map(read))
  const cpuOf = (loads: readonly Usage[], workers: number): number => loads[workers - 1]?.cpu_us ?? Number.NaN
  const megabytesOf = (loads: readonly Usage[], workers: number): number => loads[workers - 1]?.megabytes ?? Number.NaN
  return [
    ...programs.map((_program, index) => ({
      what: `CPU of an event, workers: ${index + 1}`,
      unit: 'us',
      digits: 1,
      figures: over((loads) => cpuOf(loads, index + 1)),
    })),
    {
      what: 'CPU of an event, 2 workers over 1',
      unit: '',
      digits: 2,
      figures: over((loads) => cpuOf(loads, 2) / cpuOf(loads, 1)),
      claim: { at_most: CLAIM_RATIO },
    },
    ...programs.map((_program, index) => ({
      what: `memory under load, workers: ${index + 1}`,
      unit: 'MB',
      figures: over((loads) => megabytesOf(loads, index + 1)),
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

async function measure(ends: Ends, { pid, beats_port: port }: BenchedProgram): Promise<Usage> {
  const { cpu_us } = await sendMeasured(pid, ends, { port, connections: CONNECTIONS, events: eventsOf(EVENTS) })
  const { now } = await residentBytesOf(pid)
  return { cpu_us, megabytes: now / MEGABYTE }
}

const TITLE = 'Workers: the default pipeline over four connections of Lumberjack, null Elasticsearch out'

printTable(TITLE, await benchWorkers())
