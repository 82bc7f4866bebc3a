import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { residentBytesOf } from '../../../bench/harness/process-usage.ts'
import { sum } from '../../helpers/books.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { FilebeatSender } from '../filebeat-sender.ts'
import { expectEachOnce, type LogLine, linesAcrossMidnight } from '../log-lines.ts'
import { Millrace } from '../millrace.ts'
import type { Scenario } from '../stage.ts'
import { StubStore } from '../store.ts'

const MIB = 1024 * 1024
const BUDGET_BYTES = 64 * MIB
const WINDOW_EVENTS = 4
/** Longer than what zlib looks back, so that a window stays large on the wire: 160 kB. */
const PAD_BYTES = 40_000
const TIMEOUT_MS = 300_000
/** How long all of them wait. */
const BLOCKED_MS = { full: 20_000, quick: 2_000 }

/** All Filebeats of a large house have a full window to send, at once, and nothing can be stored. */
export const fleet: Scenario = {
  letter: 'K',
  title: 'output blocked, 1,500 Filebeats with a full window each',
  run: async (stage) => {
    const { is_quick } = stage.extent
    const clients = is_quick ? 300 : 1_500
    const lines = padded(linesAcrossMidnight(stage.seed, clients * WINDOW_EVENTS))
    const block = Promise.withResolvers<void>()
    await using store = await StubStore.launch({ onBulk: () => ({ until: block.promise }) })
    await using millrace = await Millrace.start({
      elasticsearch_url: store.url,
      settings: { max_in_flight_bytes: BUDGET_BYTES },
      output: { timeout: 3_600 },
      filters: [{ mutate: { remove_field: ['pad'] } }],
    })
    await millrace.listening()
    const senders = FilebeatSender.forFiles(clients, { port: millrace.beats_port, lines, window_events: WINDOW_EVENTS })
    const sending = Promise.all(senders.map((sender) => sender.run(AbortSignal.timeout(TIMEOUT_MS))))
    sending.catch(() => {}) // Awaited below.
    await waitFor('all to have connected', () => senders.every(({ connections }) => connections > 0), { timeout_ms: TIMEOUT_MS })
    await delay(is_quick ? BLOCKED_MS.quick : BLOCKED_MS.full)
    const { peak: blocked_bytes } = await residentBytesOf(millrace.program.pid)
    if (sum(senders.map(({ acknowledged }) => acknowledged)) > 0)
      throw new Error('something was acknowledged while nothing was stored')
    block.resolve()
    await sending
    await millrace.settle(TIMEOUT_MS)
    expectEachOnce(
      'the documents',
      lines.map(({ id }) => id),
      await store.stored(),
    )
    const peak_bytes = await millrace.peakWithin(BUDGET_BYTES)
    return {
      clients,
      'MiB that they had to send': Math.round((lines.length * PAD_BYTES) / MIB),
      reconnects: sum(senders.map(({ connections }) => connections)) - clients,
      'peak RSS while blocked, MiB': Math.round(blocked_bytes / MIB),
      'peak RSS, MiB': Math.round(peak_bytes / MIB),
      'budget, MiB': BUDGET_BYTES / MIB,
    }
  },
}

/** The same lines, long: made when they are sent, for all of them together would be too much for the test itself. */
function padded(lines: readonly LogLine[]): LogLine[] {
  const pad = randomBytes(PAD_BYTES).toString('base64').slice(0, PAD_BYTES)
  return lines.map(({ id, line }) => ({
    id,
    get line() {
      return `${line.slice(0, -1)},"pad":"${pad}"}`
    },
  }))
}
