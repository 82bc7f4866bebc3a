import { appendFile, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readBooks } from '../../helpers/books.ts'
import { FilebeatSender } from '../filebeat-sender.ts'
import { expectEachOnce, linesAcrossMidnight } from '../log-lines.ts'
import { Millrace } from '../millrace.ts'
import type { Scenario } from '../stage.ts'
import { StubStore } from '../store.ts'

const TIMEOUT_MS = 300_000
const HALF_RECORD_BYTES_MAX = 400
const EVENTS = { full: 20_000, quick: 4_000 }
/** Of each file, in the blocks of 512 bytes (1,024 in some shells) that the shell counts in: it stands for the disk's size. */
const FILE_BLOCKS = 4_000
const CUTS = { full: 5, quick: 2 }

/**
 * An Elasticsearch that is away and a disk that is full: what was acknowledged is on the disk, nothing else is acknowledged, and
 * a program that is killed in mid-write leaves a torn record, which is cut.
 */
export const fullDisk: Scenario = {
  letter: 'J',
  title: 'disk full, torn segments',
  run: async (stage) => {
    const { is_quick } = stage.extent
    const [events, cuts] = is_quick ? [EVENTS.quick, CUTS.quick] : [EVENTS.full, CUTS.full]
    const lines = linesAcrossMidnight(stage.seed, events)
    await using store = await StubStore.launch()
    await store.kill()
    const output = { when_blocked: 'spill', blocked_after_ms: 50 }
    const ulimit = `-S -f ${FILE_BLOCKS}`
    await using millrace = await Millrace.start({ elasticsearch_url: store.url, output, ulimit })
    const sender = new FilebeatSender({ port: millrace.beats_port, lines, path: '/var/log/exchange/api.log' })
    const sending = sender.run(AbortSignal.timeout(TIMEOUT_MS))
    let acknowledged = 0
    let torn = 0
    for (let cut = 0; cut < cuts; cut++) {
      stage.progress(`killed with a full disk: ${cut} of ${cuts}`)
      const { program } = millrace
      await Promise.race([
        sending,
        program.waitUntil('the full disk being told', () => program.stderr.includes('spill_unwritable'), TIMEOUT_MS),
      ])
      await delay(stage.random() * 200)
      acknowledged = sender.acknowledged
      await millrace.kill()
      torn += await tearSegments(join(millrace.data, 'spill'), stage.random)
      await millrace.start()
      await millrace.program.waitUntil('the torn record being told', () => millrace.program.stderr.includes('spill_repaired'))
    }
    if (acknowledged === 0 || acknowledged === events)
      throw new Error(`${acknowledged} of ${events} were acknowledged before it was full`)
    const recovered = await millrace.program.waitUntil(
      'what is on the disk',
      async () => (await readBooks(millrace.program)).recovered || undefined,
      TIMEOUT_MS,
    )
    if (recovered < acknowledged) throw new Error(`${acknowledged} were acknowledged, and ${recovered} are on the disk`)
    stage.progress('room again')
    await millrace.raiseFileLimit()
    await store.start()
    await sending
    await millrace.settle(TIMEOUT_MS)
    expectEachOnce(
      'the documents',
      lines.map(({ id }) => id),
      await store.stored(),
    )
    return {
      events,
      'acknowledged while Elasticsearch was away, until the disk was full': acknowledged,
      'kills with a full disk': cuts,
      'on the disk after the last': recovered,
      'torn records cut': torn,
    }
  },
}

/** A machine that stops leaves half a record behind the last whole one. Returns how many segments it was done to. */
async function tearSegments(folder: string, random: () => number): Promise<number> {
  const files = await readdir(folder, { recursive: true })
  // Only the last segment of a queue is written to.
  const last = Map.groupBy(
    files.filter((file) => file.endsWith('.segment')),
    (file) => dirname(file),
  )
  for (const segments of last.values()) {
    const path = join(folder, segments.sort().at(-1) ?? '')
    const record = (await readFile(path)).subarray(-HALF_RECORD_BYTES_MAX)
    await appendFile(path, record.subarray(0, 1 + Math.floor(random() * (record.length - 1))))
  }
  return last.size
}
