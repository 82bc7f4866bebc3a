import { setTimeout as delay } from 'node:timers/promises'
import { filebeatEvent } from '../../helpers/default-pipeline.ts'
import { freePort } from '../../helpers/free-port.ts'
import { compressedFrame, encodeWindow, jsonFrame, LumberjackClient, windowFrame } from '../../helpers/lumberjack-client.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { FilebeatSender } from '../filebeat-sender.ts'
import { expectEachOnce, type LogLine, linesAcrossMidnight } from '../log-lines.ts'
import { Millrace } from '../millrace.ts'
import type { Figures, Scenario, Stage } from '../stage.ts'
import { StubStore } from '../store.ts'
import { isOpen, STRANGERS_OUT, Strangers, strangerInputs, throwBomb } from '../strangers.ts'

const MIB = 1024 * 1024
const TIMEOUT_MS = 300_000
const PIECES = 8
const PIECE_PAUSE_MS = 500
const HONEST_EVENTS = 2_000
/** Of a sound event in a bomb: less would be over the limit of events first. */
const EVENT_BYTES = 4_000
/** Who is silent for so long in the middle of a window is hung up on; slow clients send something twice a second. */
const INACTIVITY_S = 30

interface Attack {
  readonly budget_bytes: number
  readonly slow_clients: number
  readonly half_open: number
  readonly bombs: number
  /** Of each kind: half lines to tcp and to syslog, half bodies to http, and those that say nothing. */
  readonly strangers: number
  /** The limit that the bombs go over. */
  readonly inflated_max: number
}

/** With a budget below the default too: a smaller one has to mean less memory. */
const FEW: Attack = { budget_bytes: 16 * MIB, slow_clients: 200, half_open: 20, bombs: 3, strangers: 50, inflated_max: 32 * MIB }
const MANY: Attack = {
  budget_bytes: 64 * MIB,
  slow_clients: 2_000,
  half_open: 500,
  bombs: 21,
  strangers: 100,
  inflated_max: 256 * MIB,
}

/** Decompression bombs, slow and half-open clients, all at once, and one honest Filebeat among them. */
export const hostileClients: Scenario = {
  letter: 'I',
  title: 'bombs, slow and half-open clients',
  run: async (stage) => {
    // Other scenarios of the quick run are at work beside it.
    if (stage.extent.is_quick) return await withstand(stage, { ...FEW, budget_bytes: 2 * FEW.budget_bytes })
    const few = await withstand(stage, FEW)
    return { ...(await withstand(stage, MANY)), ...peakOf(FEW, few) }
  },
}

function peakOf({ budget_bytes, bombs, slow_clients }: Attack, figures: Figures): Figures {
  const what = `peak RSS, MiB, with ${budget_bytes / MIB} MiB of budget, ${slow_clients} slow clients and ${bombs} bombs`
  return { [what]: figures['peak RSS, MiB'] ?? '' }
}

async function withstand(stage: Stage, attack: Attack): Promise<Figures> {
  const { budget_bytes, slow_clients, half_open, bombs, inflated_max } = attack
  const ports = { tcp: await freePort(), syslog: await freePort(), http: await freePort() }
  await using store = await StubStore.launch()
  await using millrace = await Millrace.start({
    elasticsearch_url: store.url,
    settings: { max_in_flight_bytes: budget_bytes },
    beats: { max_inflated_bytes: inflated_max, client_inactivity_timeout: INACTIVITY_S },
    inputs: strangerInputs(ports),
    filters: [STRANGERS_OUT],
  })
  const connect = (): Promise<LumberjackClient> => millrace.connect()
  const lines = linesAcrossMidnight(stage.seed, slow_clients + HONEST_EVENTS)
  const honest = lines.slice(slow_clients)
  await millrace.listening()

  await using halves = new AsyncDisposableStack()
  const half_clients: LumberjackClient[] = []
  for (let client = 0; client < half_open; client++) {
    const half = halves.use(await connect())
    half_clients.push(half)
    const window = encodeWindow([filebeatEvent('half', client)])
    await half.send(window.subarray(0, Math.ceil(stage.random() * (window.length - 1))))
  }
  await waitFor('the HTTP port', () => isOpen(ports.http))
  // Before others take all places, so that each is really looked at.
  for (let bomb = 0; bomb < bombs; bomb++) {
    const status = await throwBomb(ports)
    if (status !== 413) throw new Error(`a body that is too large was answered with ${status}`)
  }
  using strangers = await Strangers.come(ports, attack.strangers)
  stage.progress(`${slow_clients} slow clients, ${half_open} half-open, ${strangers.count} at other inputs, ${bombs} bombs`)
  const slow = lines.slice(0, slow_clients).map(async (line, client) => {
    await delay(stage.random() * PIECE_PAUSE_MS)
    await dribble(await connect(), line, client)
  })
  const slow_done = Promise.all(slow)
  slow_done.catch(() => {}) // Awaited below.
  const kinds = bombsOf(inflated_max)
  const thrown = Array.from({ length: bombs }, async (_, bomb) => {
    await using client = await connect()
    await client.send(kinds[bomb % kinds.length] ?? kinds[0])
    await client.until(() => client.isClosed, TIMEOUT_MS)
  })
  const sender = new FilebeatSender({ port: millrace.beats_port, lines: honest, path: '/var/log/exchange/api.log' })
  const started_ms = performance.now()
  await sender.run(AbortSignal.timeout(TIMEOUT_MS))
  const honest_s = (performance.now() - started_ms) / 1_000
  await Promise.all([slow_done, ...thrown]).catch(async (thrown_by_client: unknown) => {
    throw new Error(`${await millrace.closedConnections()}\n${millrace.program.stderr}`, { cause: thrown_by_client })
  })
  await waitFor('half-open clients to be hung up on', () => half_clients.every(({ isClosed }) => isClosed), {
    timeout_ms: TIMEOUT_MS,
  })
  await strangers.linesAreClosed(TIMEOUT_MS)
  if (!stage.extent.is_quick) await strangers.bodiesAreClosed(TIMEOUT_MS)
  await millrace.settle(TIMEOUT_MS)
  expectEachOnce(
    'the documents',
    lines.map(({ id }) => id),
    await store.stored(),
  )
  const peak_bytes = await millrace.peakWithin(budget_bytes)
  return {
    'slow clients': slow_clients,
    'half-open clients, all hung up on': half_open,
    'clients of tcp, syslog and http that end nothing': strangers.count,
    [`bombs of over ${inflated_max / MIB} MiB`]: bombs,
    'seconds of an honest client with 2,000 events': honest_s.toFixed(1),
    'peak RSS, MiB': Math.round(peak_bytes / MIB),
    'budget, MiB': budget_bytes / MIB,
  }
}

/** No frames at all, sound events without end, and empty frames in a frame without end: each over the limit. */
function bombsOf(inflated_max: number): [Buffer, Buffer, Buffer] {
  const filled = (count: number, frame: Buffer): Buffer => {
    const repeated = Buffer.alloc(Math.ceil((inflated_max + MIB) / frame.length) * frame.length, frame)
    return Buffer.concat([windowFrame(count), compressedFrame(repeated, 9)])
  }
  const event = jsonFrame(1, { message: 'x'.repeat(EVENT_BYTES) })
  return [
    filled(1, Buffer.from('2J')),
    filled(Math.floor(inflated_max / EVENT_BYTES), event),
    filled(1_000, compressedFrame(Buffer.alloc(0))),
  ]
}

/** Sends one event in pieces with pauses, and waits until it is acknowledged. */
async function dribble(client: LumberjackClient, { line }: LogLine, offset: number): Promise<void> {
  await using slow = client
  const window = encodeWindow([filebeatEvent(line, offset, '/var/log/exchange/slow.log')])
  const size = Math.ceil(window.length / PIECES)
  for (let at = 0; at < window.length; at += size) {
    await slow.send(window.subarray(at, at + size))
    await delay(PIECE_PAUSE_MS)
  }
  await slow.until(() => slow.acks.length > 0 || slow.isClosed, TIMEOUT_MS)
  if (slow.acks.length === 0) throw new Error('a slow client was hung up on', { cause: slow.failure })
}
