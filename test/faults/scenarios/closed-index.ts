import { readBooks } from '../../helpers/books.ts'
import { FilebeatSender } from '../filebeat-sender.ts'
import { expectEachOnce, type LogLine, linesOfDay } from '../log-lines.ts'
import { Millrace } from '../millrace.ts'
import type { Figures, Scenario, Stage } from '../stage.ts'
import type { Store } from '../store.ts'

const DAYS = [0, 1, 2] as const
const CLOSED_DAY = '2026.03.02'
const TIMEOUT_MS = 900_000
const SPEED_KEPT = 0.8
/** One that is not measured, for it makes the indices and warms the program up; all open; one closed. */
const SEPARATE_ROUNDS = 3
/** The same, and one more that is not measured: until the first events are on the disk. */
const MIXED_ROUNDS = 4
/** Windows that mix the days wait so long once; their events of the closed index are on the disk then. */
const BLOCKED_AFTER_MS = 2_000

/** Three senders at once, each with its own part of the lines. */
interface Round {
  readonly senders: readonly FilebeatSender[]
  readonly done: readonly Promise<void>[]
}

/** The index of the first of three days is closed, then opened again: for Filebeats with a day each, and for mixed windows. */
export const closedIndex: Scenario = {
  letter: 'G',
  title: 'one of three daily indices closed',
  run: async (stage) => {
    const each = eachOf(stage)
    await using store = await stage.store()
    const parts = DAYS.map((day) => linesOfDay(stage.seed * 3 + day, each * (SEPARATE_ROUNDS + MIXED_ROUNDS), day))
    const separate = await separateDays(
      stage,
      store,
      parts.map((lines) => lines.slice(0, each * SEPARATE_ROUNDS)),
    )
    const mixed = await mixedDays(
      stage,
      store,
      parts.map((lines) => lines.slice(each * SEPARATE_ROUNDS)),
    )
    expectEachOnce(
      'the documents',
      parts.flat().map(({ id }) => id),
      await store.stored(),
    )
    return { events: parts.flat().length, ...separate, ...mixed }
  },
}

/** A Filebeat for each day: that of the closed index waits, the others do not notice. */
async function separateDays(stage: Stage, store: Store, days: readonly LogLine[][]): Promise<Figures> {
  const each = eachOf(stage)
  await using millrace = await Millrace.start({ elasticsearch_url: store.url })
  const roundOf = (round: number): Round =>
    ship(
      millrace,
      `separate-${round}`,
      days.map((lines) => lines.slice(round * each, (round + 1) * each)),
    )
  stage.progress('making the indices')
  await Promise.all(roundOf(0).done)
  stage.progress('all indices open')
  const before = roundOf(1)
  const open_s = await secondsFor(before.done.slice(1))
  await Promise.all(before.done)
  await store.closeIndex(CLOSED_DAY)
  stage.progress('one index closed')
  const { senders, done } = roundOf(2)
  const closed_s = await secondsFor(done.slice(1))
  const waiting = each - (senders[0]?.acknowledged ?? 0)
  stage.progress('open again')
  await store.openIndex(CLOSED_DAY)
  await Promise.all(done)
  await millrace.settle(TIMEOUT_MS)
  // Of the speed of three, the other two have two thirds.
  const [open, closed] = [(each * 2) / open_s, (each * 2) / closed_s]
  return {
    'events/s of the other two, all open': Math.round(open),
    'one closed': Math.round(closed),
    'speed kept': holdSpeed(stage, 'the other two', closed / open),
    'unacknowledged while closed': waiting,
  }
}

/** Windows with events of all three days: those of the closed index go to the disk, and their windows are acknowledged. */
async function mixedDays(stage: Stage, store: Store, days: readonly LogLine[][]): Promise<Figures> {
  const each = eachOf(stage)
  const lines = Array.from({ length: days[0]?.length ?? 0 }, (_, index) => days.flatMap((day) => day[index] ?? [])).flat()
  const output = { when_blocked: 'spill', blocked_after_ms: BLOCKED_AFTER_MS }
  await using millrace = await Millrace.start({ elasticsearch_url: store.url, output })
  const roundOf = (round: number): Round =>
    ship(
      millrace,
      `mixed-${round}`,
      DAYS.map((share) => lines.slice((round * 3 + share) * each, (round * 3 + share + 1) * each)),
    )
  stage.progress('mixed windows, all indices open')
  await Promise.all(roundOf(0).done)
  const open_s = await secondsFor(roundOf(1).done)
  await store.closeIndex(CLOSED_DAY)
  stage.progress('mixed windows, one index closed')
  await Promise.all(roundOf(2).done)
  const closed_s = await secondsFor(roundOf(3).done)
  const { held } = await readBooks(millrace.program)
  stage.progress('mixed windows, open again')
  await store.openIndex(CLOSED_DAY)
  await millrace.settle(TIMEOUT_MS)
  return {
    'mixed windows, events/s, all open': Math.round((each * 3) / open_s),
    'mixed, one closed': Math.round((each * 3) / closed_s),
    'mixed, speed kept': holdSpeed(stage, 'mixed windows', open_s / closed_s),
    'acknowledged and on the disk while closed': held,
  }
}

function eachOf({ extent }: Stage): number {
  return Math.ceil(Math.min(extent.events, 90_000) / 9)
}

function ship({ beats_port: port }: Millrace, name: string, parts: readonly LogLine[][]): Round {
  const senders = parts.map((lines, part) => new FilebeatSender({ port, lines, path: `/var/log/exchange/${part}-${name}.log` }))
  const stop = AbortSignal.timeout(TIMEOUT_MS)
  return { senders, done: senders.map((sender) => sender.run(stop)) }
}

async function secondsFor(work: readonly Promise<void>[]): Promise<number> {
  const started_ms = performance.now()
  await Promise.all(work)
  return (performance.now() - started_ms) / 1_000
}

/** @throws Error where less than 80 % is kept. Short runs measure the start and the other programs of the machine: not those. */
function holdSpeed(stage: Stage, whose: string, kept: number): string {
  const text = `${Math.round(kept * 100)} %`
  if (!stage.extent.is_quick && kept < SPEED_KEPT) throw new Error(`${whose} keep ${text} of their speed`)
  return text
}
