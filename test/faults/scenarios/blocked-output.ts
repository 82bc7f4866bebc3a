import { setTimeout as delay } from 'node:timers/promises'
import { sum } from '../../helpers/books.ts'
import { FilebeatSender } from '../filebeat-sender.ts'
import { expectEachOnce, linesAcrossMidnight } from '../log-lines.ts'
import { Millrace } from '../millrace.ts'
import type { Scenario } from '../stage.ts'
import { StubStore } from '../store.ts'

const WINDOWS_EACH = 4
const WINDOW_EVENTS = 10
/** Filebeat hangs up after 30 s without an answer; it must never come near that. A quick run shares the machine with others. */
const SILENCE_MAX_MS = { full: 5_000, quick: 25_000 }
const TIMEOUT_MS = 300_000
/** The program runs, and clients come one after the other: how fast it starts is another question. */
const ARRIVAL_MS = { full: 20_000, quick: 1_000 }

/** An Elasticsearch that takes requests and does not answer them, and many Filebeats that must be kept waiting politely. */
export const blockedOutput: Scenario = {
  letter: 'H',
  title: 'output blocked, 200 Lumberjack clients wait',
  run: async (stage) => {
    const { blocked_ms, is_quick } = stage.extent
    const clients = is_quick ? 50 : 200
    const lines = linesAcrossMidnight(stage.seed, clients * WINDOWS_EACH * WINDOW_EVENTS)
    const block = Promise.withResolvers<void>()
    await using store = await StubStore.launch({ onBulk: () => ({ until: block.promise }) })
    // One attempt for the whole time: an attempt that is given up would be the same to the senders.
    await using millrace = await Millrace.start({ elasticsearch_url: store.url, output: { timeout: 3_600 } })
    const senders = FilebeatSender.forFiles(clients, { port: millrace.beats_port, lines, window_events: WINDOW_EVENTS })
    await millrace.ready()
    const arrival_ms = is_quick ? ARRIVAL_MS.quick : ARRIVAL_MS.full
    const arriving = senders.map(async (sender) => {
      await delay(stage.random() * arrival_ms)
      await sender.run(AbortSignal.timeout(blocked_ms + TIMEOUT_MS))
    })
    const sending = Promise.all(arriving)
    const until_ms = performance.now() + blocked_ms
    for (let left_ms = blocked_ms; left_ms > 0; left_ms = until_ms - performance.now()) {
      stage.progress(`blocked for another ${Math.ceil(left_ms / 1_000)} s`)
      await Promise.race([sending, delay(Math.min(left_ms, 1_000))])
    }
    const early = sum(senders.map(({ acknowledged }) => acknowledged))
    if (early > 0) throw new Error(`${early} events were acknowledged while nothing was stored`)
    block.resolve()
    await sending
    await millrace.settle(TIMEOUT_MS)
    expectEachOnce(
      'the documents',
      lines.map(({ id }) => id),
      await store.stored(),
    )
    const connections = sum(senders.map((sender) => sender.connections))
    const silence_ms = Math.max(...senders.map(({ longest_silence_ms }) => longest_silence_ms))
    // What this process was not there for is not silence of the program: the senders leave it out, each for itself.
    const absence_ms = Math.max(...senders.map(({ longest_absence_ms }) => longest_absence_ms))
    if (connections !== clients) {
      throw new Error(
        `${clients} clients made ${connections} connections; the longest silence was ${Math.round(silence_ms)} ms, the longest absence ` +
          `of this process ${Math.round(absence_ms)} ms\n${await millrace.closedConnections()}\n${millrace.program.stderr}`,
      )
    }
    if (silence_ms > (is_quick ? SILENCE_MAX_MS.quick : SILENCE_MAX_MS.full))
      throw new Error(
        `a client heard nothing for ${Math.round(silence_ms)} ms; this process itself was kept waiting ${Math.round(absence_ms)} ms at most`,
      )
    return {
      'blocked, s': blocked_ms / 1_000,
      clients,
      'windows sent and stored': clients * WINDOWS_EACH,
      reconnects: connections - clients,
      'longest gap between answers, s': (silence_ms / 1_000).toFixed(1),
      'longest wait of the test for the processor, s': (absence_ms / 1_000).toFixed(1),
    }
  },
}
