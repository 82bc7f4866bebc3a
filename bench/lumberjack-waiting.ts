// Claim: to acknowledge only what is stored costs a sender with two windows in flight at most a tenth of its speed. A sender that
// waits for no acknowledgement stands for a server that gives them at once: nothing but the server's reading holds it up.
import { spread } from './harness/compare.ts'
import { sendMeasured } from './harness/load.ts'
import { LumberjackSender } from './harness/lumberjack-sender.ts'
import { NullServer } from './harness/null-server.ts'
import { BenchedProgram } from './harness/program.ts'
import { eventsOf, ROUNDS } from './harness/scale.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

const WARM_UP_EVENTS = 50_000
const EVENTS = 60_000
/** More than a round sends. */
const NO_WAITING = 1_000_000
const PIPELINING = [0, 1, 2] as const
const CLAIM = { pipelining: 2, at_least: 0.9 }

interface Round {
  /** Without waiting: the mean of one run before and one behind those that wait. */
  readonly at_once: number
  /** By how many windows may be in flight. */
  readonly waiting: readonly number[]
}

async function benchLumberjackWaiting(): Promise<Row[]> {
  await using server = await NullServer.start()
  await using sender = await LumberjackSender.start()
  await using program = await BenchedProgram.start(server.url)
  const order = { port: program.beats_port, connections: 1, events: eventsOf(EVENTS) }
  const rateOf = async (pipelining: number): Promise<number> =>
    (await sendMeasured(program.pid, { sender, server }, { ...order, pipelining })).rate
  await sender.send({ ...order, events: eventsOf(WARM_UP_EVENTS) })
  const rounds: Round[] = []
  for (let round = 1; round <= ROUNDS; round++) {
    showProgress(`Lumberjack, waiting for the store: round ${round} of ${ROUNDS}`)
    const before = await rateOf(NO_WAITING)
    const waiting: number[] = []
    for (const pipelining of PIPELINING) waiting.push(await rateOf(pipelining))
    rounds.push({ at_once: (before + (await rateOf(NO_WAITING))) / 2, waiting })
  }
  return [
    { what: 'events a second, no waiting', unit: '', figures: spread(rounds.map(({ at_once }) => at_once)) },
    ...PIPELINING.flatMap((pipelining, index): Row[] => [
      {
        what: `events a second, pipelining ${pipelining}`,
        unit: '',
        figures: spread(rounds.map(({ waiting }) => waiting[index] ?? Number.NaN)),
      },
      {
        what: '  to no waiting',
        unit: '',
        digits: 2,
        figures: spread(rounds.map(({ waiting, at_once }) => (waiting[index] ?? Number.NaN) / at_once)),
        ...(pipelining === CLAIM.pipelining ? { claim: { at_least: CLAIM.at_least } } : {}),
      },
    ]),
  ]
}

const TITLE = 'Waiting for the store: Lumberjack with one connection, on the clock of the wall'

printTable(TITLE, await benchLumberjackWaiting())
