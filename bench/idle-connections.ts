// Claim: 2,000 Lumberjack connections that have nothing to say cost at most 40 MB and 1 % of a core.
import { setTimeout as wait } from 'node:timers/promises'
import { encodeWindow, LumberjackClient } from '../test/helpers/lumberjack-client.ts'
import { spread } from './harness/compare.ts'
import { NullServer } from './harness/null-server.ts'
import { cpuSecondsOf, residentBytesOf } from './harness/process-usage.ts'
import { BenchedProgram } from './harness/program.ts'
import { ROUNDS } from './harness/scale.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

const CONNECTIONS = 2_000
const AT_A_TIME = 50
const SETTLE_MS = 3_000
const WATCHED_MS = 5_000
const MIB = 1024 * 1024

/** What the program costs more with the connections than without: memory, and processor time while nothing comes. */
async function benchIdleConnections(): Promise<Row[]> {
  await using server = await NullServer.start()
  await using program = await BenchedProgram.start(server.url)
  const { pid } = program
  const open = async (): Promise<LumberjackClient> => {
    const client = await LumberjackClient.connect({ host: '127.0.0.1', port: program.beats_port })
    await client.send(encodeWindow([{ message: 'a line before the silence' }]))
    await client.until(() => client.acks.length === 1, 60_000)
    return client
  }
  showProgress('the program alone')
  await wait(SETTLE_MS)
  // What the first events load and compile counts too, although it is not the connections'.
  const before_bytes = (await residentBytesOf(pid)).now
  for (const client of await Promise.all(Array.from({ length: AT_A_TIME }, open))) client.close()
  await wait(SETTLE_MS)
  const before_percent = await idlePercent(pid)
  const clients: LumberjackClient[] = []
  while (clients.length < CONNECTIONS) {
    showProgress(`${clients.length} of ${CONNECTIONS} connections`)
    clients.push(...(await Promise.all(Array.from({ length: AT_A_TIME }, open))))
  }
  showProgress('all of them silent')
  await wait(SETTLE_MS)
  const percent = await idlePercent(pid)
  const { now } = await residentBytesOf(pid)
  const closed = clients.filter(({ isClosed }) => isClosed).length
  for (const client of clients) client.close()
  if (closed > 0) throw new Error(`${closed} connections were closed meanwhile`)
  const memory = spread([(now - before_bytes) / MIB])
  const processor = spread(percent.map((one) => one - spread(before_percent).median))
  return [
    { what: 'memory', unit: 'MiB', figures: memory, digits: 1, claim: { at_most: 40 } },
    { what: 'processor', unit: '% of a core', figures: processor, digits: 2, claim: { at_most: 1 } },
  ]
}

async function idlePercent(pid: number): Promise<number[]> {
  const percents: number[] = []
  while (percents.length < ROUNDS) {
    const before = await cpuSecondsOf(pid)
    await wait(WATCHED_MS)
    percents.push((((await cpuSecondsOf(pid)) - before) * 1000 * 100) / WATCHED_MS)
  }
  return percents
}

const TITLE = `Limits: ${CONNECTIONS} Lumberjack connections without anything to say`

printTable(TITLE, await benchIdleConnections())
