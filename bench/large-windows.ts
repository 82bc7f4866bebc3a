// Claim: who sends windows of 8 MB holds up others no more than who sends usual ones: short windows, one after the other, are answered
// beside it as fast. And a byte of an event of half a megabyte costs no more than one of a usual event.
import { spread } from './harness/compare.ts'
import { sendMeasured } from './harness/load.ts'
import { LumberjackSender, type SendOrder } from './harness/lumberjack-sender.ts'
import { NullServer } from './harness/null-server.ts'
import { BenchedProgram } from './harness/program.ts'
import { eventsOf, ROUNDS } from './harness/scale.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

type ShapeName = NonNullable<SendOrder['shape']>

const WARM_UP_EVENTS = 60_000
const SHORT_WINDOW_EVENTS = 50
const SHORT_EVENTS = 200 * SHORT_WINDOW_EVENTS
/** What the other one sends over one connection before it makes a new one. */
const OTHERS_EVENTS = 8 * 2_048

/** Of windows of 16 events, as many bytes as of the usual ones. */
const FEW_EVENTS = 160
const FEW_EVENT_BYTES = 500_900
const USUAL_EVENTS = 60_000
const USUAL_EVENT_BYTES = 1_058

const CLAIM_BESIDE = 1.25
const CLAIM_BYTE = 1

interface Round {
  /** Of a short window and its answer. */
  readonly alone_ms: number
  readonly beside_usual_ms: number
  readonly beside_large_ms: number
  /** Processor time of a kilobyte. */
  readonly usual_us: number
  readonly few_us: number
}

async function benchLargeWindows(): Promise<Row[]> {
  await using server = await NullServer.start()
  await using sender = await LumberjackSender.start()
  await using other = await LumberjackSender.start()
  await using program = await BenchedProgram.start(server.url)
  const order = { port: program.beats_port, connections: 1 }

  const answeredIn = async (beside?: ShapeName): Promise<number> => {
    const done = new AbortController()
    const keepSending = async (): Promise<void> => {
      while (!done.signal.aborted) await other.send({ ...order, events: OTHERS_EVENTS, ...(beside && { shape: beside }) })
    }
    const sending = beside === undefined ? undefined : keepSending()
    const { events, seconds } = await sender.send({ ...order, shape: 'short', pipelining: 0, events: eventsOf(SHORT_EVENTS) })
    done.abort()
    await sending
    return (seconds * 1_000) / (events / SHORT_WINDOW_EVENTS)
  }
  const kilobyteOf = async (shape: ShapeName, events: number, event_bytes: number): Promise<number> => {
    const { cpu_us } = await sendMeasured(program.pid, { sender, server }, { ...order, shape, events: eventsOf(events) })
    return (cpu_us * 1_000) / event_bytes
  }

  await sender.send({ ...order, events: eventsOf(WARM_UP_EVENTS) })
  for (const shape of ['usual', 'large'] as const) await other.send({ ...order, shape, events: 160 })
  await sender.send({ ...order, shape: 'few events', events: 16 })
  const rounds: Round[] = []
  for (let round = 1; round <= ROUNDS; round++) {
    showProgress(`Large windows: round ${round} of ${ROUNDS}`)
    rounds.push({
      alone_ms: await answeredIn(),
      beside_usual_ms: await answeredIn('usual'),
      beside_large_ms: await answeredIn('large'),
      usual_us: await kilobyteOf('usual', USUAL_EVENTS, USUAL_EVENT_BYTES),
      few_us: await kilobyteOf('few events', FEW_EVENTS, FEW_EVENT_BYTES),
    })
  }
  const row = (what: string, unit: string, figureOf: (round: Round) => number, at_most?: number): Row => ({
    what,
    unit,
    digits: 2,
    figures: spread(rounds.map(figureOf)),
    ...(at_most === undefined ? {} : { claim: { at_most } }),
  })
  return [
    row('a short window is answered, alone', 'ms', ({ alone_ms }) => alone_ms),
    row('beside a sender of usual windows', 'ms', ({ beside_usual_ms }) => beside_usual_ms),
    row('beside a sender of windows of 8 MB', 'ms', ({ beside_large_ms }) => beside_large_ms),
    row('  to beside usual ones', '', (round) => round.beside_large_ms / round.beside_usual_ms, CLAIM_BESIDE),
    row('CPU of a kilobyte in usual events', 'us', ({ usual_us }) => usual_us),
    row('CPU of a kilobyte in events of half a megabyte', 'us', ({ few_us }) => few_us),
    row('  to that in usual events', '', ({ few_us, usual_us }) => few_us / usual_us, CLAIM_BYTE),
  ]
}

const TITLE = 'Large windows: 2,048 events of 4 KB, and 16 of half a megabyte, at zlib level 3'

printTable(TITLE, await benchLargeWindows())
