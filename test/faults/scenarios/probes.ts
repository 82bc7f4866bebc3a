import { setTimeout as delay } from 'node:timers/promises'
import { showDeadLetters } from '../../helpers/default-pipeline.ts'
import type { StubBulk } from '../../helpers/stub-elasticsearch.ts'
import { FilebeatSender } from '../filebeat-sender.ts'
import { expectEachOnce, linesAcrossMidnight, orderIdOf } from '../log-lines.ts'
import { Millrace } from '../millrace.ts'
import type { Figures, Scenario, Stage } from '../stage.ts'
import { StubStore } from '../store.ts'

const TIMEOUT_MS = 120_000
const EVENTS = { full: 20_000, quick: 1_000 }
const DOWN_MS = { full: 10_000, quick: 1_500 }
/** As many as the 89 of 17,800 that the probe was made of. */
const REFUSED_EVERY = 200

type Behave = (bulk: StubBulk, random: () => number) => ReturnType<NonNullable<StubStore['stub']['onBulk']>>

/** One probe: what is stored and what is among the dead letters are together what was sent, each once. */
async function probe(stage: Stage, behave: Behave, down_ms = 0): Promise<{ stored: number; dead: number }> {
  const lines = linesAcrossMidnight(stage.seed, stage.extent.is_quick ? EVENTS.quick : EVENTS.full)
  await using store = await StubStore.launch({ onBulk: (bulk) => behave(bulk, stage.random) })
  if (down_ms > 0) await store.kill()
  await using millrace = await Millrace.start({ elasticsearch_url: store.url })
  const sender = new FilebeatSender({ port: millrace.beats_port, lines, path: '/var/log/exchange/api.log' })
  const sending = sender.run(AbortSignal.timeout(TIMEOUT_MS))
  await Promise.race([sending, delay(down_ms)])
  await store.start()
  await sending
  const books = await millrace.settle(TIMEOUT_MS)
  await millrace.stop()
  const letters = (await showDeadLetters(millrace.data)).map((letter) => orderIdOf(JSON.stringify(letter).replaceAll('\\', '')))
  const stored = await store.stored()
  const ids = lines.map(({ id }) => id)
  expectEachOnce('documents and dead letters', ids, [...stored, ...letters])
  if ((books.states['dead_lettered'] ?? 0) !== letters.length)
    throw new Error(`${letters.length} dead letters, and the ledger says ${JSON.stringify(books.states)}`)
  return { stored: stored.length, dead: letters.length }
}

/** What peers lost events of without a word: refusals of whole requests, of single documents, for good, and no server at all. */
export const probes: Scenario = {
  letter: 'F',
  title: 'four probes: 429, items 429, items 400, away',
  run: async (stage): Promise<Figures> => {
    const tell = ({ stored, dead }: { stored: number; dead: number }): string => `${stored} stored, ${dead} dead letters`
    stage.progress('30 % of the requests get 429')
    const requests = await probe(stage, (_bulk, random) => (random() < 0.3 ? { status: 429 } : undefined))
    stage.progress('5 % of the documents get 429')
    const busy = { status: 429, type: 'es_rejected_execution_exception' }
    const items = await probe(stage, (_bulk, random) => ({ item: () => (random() < 0.05 ? busy : undefined) }))
    stage.progress('0.5 % of the documents get 400')
    const bad = { status: 400, type: 'document_parsing_exception' }
    const refused = await probe(stage, () => ({
      item: ({ source }) => (Number(orderIdOf(source).slice(-9)) % REFUSED_EVERY === 0 ? bad : undefined),
    }))
    stage.progress('away at first')
    const away = await probe(stage, () => undefined, stage.extent.is_quick ? DOWN_MS.quick : DOWN_MS.full)
    return {
      '30 % of requests 429': tell(requests),
      '5 % of documents 429': tell(items),
      '0.5 % of documents 400': tell(refused),
      [`away for ${stage.extent.is_quick ? 1.5 : 10} s`]: tell(away),
    }
  },
}
