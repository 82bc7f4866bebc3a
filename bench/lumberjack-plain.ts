// Claim: an event of Filebeat costs a fifth of what it costs with plain libraries, and 1/3.5 where the members of the envelope come in
// random order, as Filebeat's do. Both programs, the sender and the server are processes of their own; both do the same work.
import { type Spread, spread } from './harness/compare.ts'
import { type Ends, type Load, sendMeasured } from './harness/load.ts'
import { SAMPLE_DATABASE } from './harness/located.ts'
import { LumberjackSender } from './harness/lumberjack-sender.ts'
import { NullServer } from './harness/null-server.ts'
import { PlainProgram } from './harness/plain-program.ts'
import { BenchedProgram } from './harness/program.ts'
import { eventsOf, ROUNDS } from './harness/scale.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

/** Enough that everything is compiled that will be. */
const WARM_UP_EVENTS = 50_000
const EVENTS = 60_000
/** The floor of each way in which the members of an envelope can stand. */
const FLOORS = { same: 5, random: 3.5 } as const
type MemberOrder = keyof typeof FLOORS
const MEMBER_ORDERS = ['same', 'random'] as const

interface Round {
  readonly plain: Load
  readonly ours: Load
}

/** In each round both programs take the events one after the other, so that a change of the machine's speed meets both. */
async function benchLumberjackPlain(): Promise<Row[]> {
  await using server = await NullServer.start()
  await using sender = await LumberjackSender.start()
  const rounds: Record<MemberOrder, Round[]> = { same: [], random: [] }
  for (let round = 1; round <= ROUNDS; round++) {
    await using plain = await PlainProgram.start(server.url)
    await using ours = await BenchedProgram.start(server.url, { env: { MILLRACE_GEOIP_DATABASE: SAMPLE_DATABASE } })
    for (const member_order of MEMBER_ORDERS) {
      showProgress(`Lumberjack, ours and plain libraries: round ${round} of ${ROUNDS}, members in ${member_order} order`)
      const ends = { sender, server }
      rounds[member_order].push({
        plain: await measure(plain, ends, member_order),
        ours: await measure(ours, ends, member_order),
      })
    }
  }
  return MEMBER_ORDERS.flatMap((order) => rowsOf(order, rounds[order]))
}

async function measure(
  { pid, beats_port }: { readonly pid: number; readonly beats_port: number },
  ends: Ends,
  member_order: MemberOrder,
): Promise<Load> {
  const order = { port: beats_port, connections: 1, member_order }
  await ends.sender.send({ ...order, events: eventsOf(WARM_UP_EVENTS) })
  return await sendMeasured(pid, ends, { ...order, events: eventsOf(EVENTS) })
}

function rowsOf(order: MemberOrder, rounds: readonly Round[]): Row[] {
  const over = (read: (round: Round) => number): Spread => spread(rounds.map(read))
  const members = `members in ${order === 'same' ? 'the same' : 'random'} order`
  return [
    { what: `CPU of an event, plain libraries, ${members}`, unit: 'us', digits: 1, figures: over(({ plain }) => plain.cpu_us) },
    { what: `CPU of an event, ours, ${members}`, unit: 'us', digits: 1, figures: over(({ ours }) => ours.cpu_us) },
    {
      what: `plain libraries to ours, ${members}`,
      unit: '',
      digits: 2,
      figures: over(({ plain, ours }) => plain.cpu_us / ours.cpu_us),
      claim: { at_least: FLOORS[order] },
    },
  ]
}

const TITLE = 'Lumberjack in, null Elasticsearch out, against plain libraries: windows of 2,048 at zlib level 3, 1 connection'

printTable(TITLE, await benchLumberjackPlain())
