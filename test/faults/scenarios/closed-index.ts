import { sum } from '../../helpers/books.ts'
import { FilebeatSender } from '../filebeat-sender.ts'
import { expectEachOnce, type LogLine, linesOfDay } from '../log-lines.ts'
import { Millrace } from '../millrace.ts'
import type { Scenario } from '../stage.ts'

const DAYS = [0, 1, 2] as const
const CLOSED_DAY = '2026.03.02'
const TIMEOUT_MS = 300_000
const SPEED_KEPT = 0.8
/** One that is not measured, for it makes the indices and warms the program up; all open; one closed. */
const ROUNDS = 3

/** Three Filebeats with a day each; the index of the first day is closed, then opened again. */
export const closedIndex: Scenario = {
  letter: 'G',
  title: 'one of three daily indices closed',
  run: async (stage) => {
    const { events, is_quick } = stage.extent
    const each = Math.ceil(Math.min(events, 90_000) / 9)
    await using store = await stage.store()
    await using millrace = await Millrace.start({ elasticsearch_url: store.url })
    const lines = DAYS.map((day) => linesOfDay(stage.seed * 3 + day, each * ROUNDS, day))
    const stop = AbortSignal.timeout(TIMEOUT_MS)
    const ship = (day: number, part: readonly LogLine[], round: string): { sender: FilebeatSender; done: Promise<void> } => {
      const path = `/var/log/exchange/${day}-${round}.log`
      const sender = new FilebeatSender({ port: millrace.beats_port, lines: part, path })
      return { sender, done: sender.run(stop) }
    }
    const secondsFor = async (work: readonly Promise<void>[]): Promise<number> => {
      const started_ms = performance.now()
      await Promise.all(work)
      return (performance.now() - started_ms) / 1_000
    }
    const partOf = (day: number, round: number): LogLine[] => (lines[day] ?? []).slice(round * each, (round + 1) * each)

    stage.progress('making the indices')
    await Promise.all(DAYS.map((day) => ship(day, partOf(day, 0), 'first').done))
    stage.progress('all indices open')
    const open_s = await secondsFor(DAYS.map((day) => ship(day, partOf(day, 1), 'open').done))
    await store.closeIndex(CLOSED_DAY)
    stage.progress('one index closed')
    const parked = ship(0, partOf(0, 2), 'closed')
    const closed_s = await secondsFor([1, 2].map((day) => ship(day, partOf(day, 2), 'closed').done))
    const waiting = each - parked.sender.acknowledged
    stage.progress('open again')
    await store.openIndex(CLOSED_DAY)
    await parked.done
    await millrace.settle(TIMEOUT_MS)
    expectEachOnce(
      'the documents',
      lines.flat().map(({ id }) => id),
      await store.stored(),
    )
    const [open, closed] = [(each * 3) / open_s, (each * 2) / closed_s]
    // Of the speed of three, the other two have two thirds. Short runs measure the start and the other programs of the machine.
    const kept = closed / ((open * 2) / 3)
    if (!is_quick && kept < SPEED_KEPT) throw new Error(`the other two keep ${Math.round(kept * 100)} % of their speed`)
    return {
      events: sum(lines.map((day) => day.length)),
      'events/s of the other two, all open': Math.round((open * 2) / 3),
      'events/s of the other two, one closed': Math.round(closed),
      'unacknowledged while closed': waiting,
    }
  },
}
