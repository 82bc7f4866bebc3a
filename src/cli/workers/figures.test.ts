import { expect, test } from 'vitest'
import { EVENT_STATES } from '../../core/event.ts'
import type { Books } from '../../ops/ledger.ts'
import type { Status } from '../../ops/status.ts'
import { MetricsRegistry } from '../../telemetry/metrics.ts'
import type { Snapshot } from './calls.ts'
import { type Counted, WorkersFigures } from './figures.ts'

/** Of a worker that had an event of each index in one second after the other, the newest first as every worker tells them. */
function booksOf(indices: readonly string[], newest_ms: number): Books {
  const outcomes = { stored: 1 }
  const targets = indices.map((target, index) => ({
    target,
    outcomes,
    last_event: new Date(newest_ms - index * 1_000).toISOString(),
  }))
  const output = { pipeline: 'main', output: 'out', handed: targets.length, outcomes, held: 0, unbalanced: 0, targets }
  return { events: [], deliveries: [output], unbalanced: 0 }
}

function figuresOf(workers: readonly Counted[], now: () => number = () => 0): WorkersFigures {
  const metrics = new MetricsRegistry()
  const sources = {
    workers: () => workers,
    count: () => 2,
    whyAbsent: () => undefined,
    metrics,
    reload: () => undefined,
    version: '0',
  }
  return new WorkersFigures(sources, now)
}

test('of the indices of several workers those are told that got an event last, whichever worker it came from', () => {
  const now_ms = Date.UTC(2026, 0, 2, 3, 4, 5)
  const old = Array.from({ length: 100 }, (_, index) => `old-${index}`)
  const told = [booksOf([...old.slice(0, 99), 'shared'], now_ms - 60_000), booksOf(['new-0', 'shared', 'new-1'], now_ms)]
  const workers = told.map((books, index) => ({ index, last: { books } as Snapshot, last_whole: undefined, is_late: false }))
  const figures = figuresOf(workers)
  const targets = figures.books().deliveries[0]?.targets ?? []
  expect(targets).toHaveLength(100)
  expect(targets.slice(0, 4)).toMatchObject([
    { target: 'new-0' },
    { target: 'shared', outcomes: { stored: 2 }, last_event: '2026-01-02T03:04:04.000Z' },
    { target: 'new-1' },
    { target: 'old-0' },
  ])
})

const NO_STATES = Object.fromEntries(EVENT_STATES.map((state) => [state, 0])) as Status['totals']['states']

/** A worker that has received so many events, holds two of them, and whose output is well or not. */
function toldOf(received: number, is_well: boolean, families?: Snapshot['families']): Snapshot {
  const stored = received - 2
  const states = { ...NO_STATES, stored }
  const moved = { received, created: 0, states, unbalanced: 0 }
  const component = { name: 'beats', where: '127.0.0.1:5044', state: is_well ? 'open' : 'no answer', is_well }
  return {
    status: {
      pipeline: 'main',
      version: '0',
      uptime_ms: 0,
      listening: [],
      totals: { ...moved, holders: { bulk: 2 }, bytes_in_flight: 10, bytes_in_flight_max: 100 },
      errors_total: received,
      inputs: [{ ...component, id: 'in', counts: { received } }],
      outputs: [{ ...component, id: 'out', counts: { stored } }],
      recent: [],
      places: [],
    },
    books: { events: [{ ...moved, pipeline: 'main', input: 'in', held: 2 }], deliveries: [], unbalanced: 0 },
    reasons: [],
    failed: [],
    held: 2,
    derived: { errors: received },
    files: [],
    families,
  }
}

/** All that grows, as the pages show it. */
function countsOf(figures: WorkersFigures): object {
  const { totals, errors_total, inputs, outputs } = figures.status()
  const counts = [...inputs, ...outputs].map((component) => component.counts)
  const events = figures.books().events.map(({ received, states }) => ({ received, states }))
  return {
    received: totals.received,
    states: totals.states,
    errors_total,
    counts,
    events,
    derived: figures.derivedTotal('errors'),
  }
}

test.each([
  ['with older metrics', toldOf(5, true, [])],
  ['without metrics', undefined],
])('no figure goes back when a worker %s is gone', (_, last_whole) => {
  const gone: Counted = { index: 1, last: toldOf(9, true), last_whole, is_late: false }
  const workers: Counted[] = [{ index: 0, last: toldOf(4, true), last_whole: undefined, is_late: false }, gone]
  const figures = figuresOf(workers)
  const before = countsOf(figures)
  workers.pop()
  figures.retire(gone)
  expect(countsOf(figures)).toEqual(before)
  expect(figures.status().totals).toMatchObject({ abandoned: 2, holders: { bulk: 2 }, bytes_in_flight: 10 })
})

test('how a component is, only workers tell that are there', () => {
  const workers: Counted[] = []
  const figures = figuresOf(workers)
  figures.retire({ index: 0, last: toldOf(9, false), last_whole: undefined, is_late: false })
  const state = 'its worker is being started again'
  expect(figures.status()).toMatchObject({ inputs: [{ state, is_well: false }], outputs: [{ state, is_well: false }] })
  workers.push({ index: 0, last: toldOf(4, true), last_whole: undefined, is_late: false })
  expect(figures.status().outputs).toMatchObject([{ state: 'open', is_well: true, counts: { stored: 9 } }])
})

test('gauges of a worker that is gone age as those of one that is there', async () => {
  let now_ms = 0
  const now = (): number => now_ms
  const definition = { help: 'h', label_names: [], buckets: [], quantiles: [], max_label_sets: 10, type: 'gauge' } as const
  const metrics = new MetricsRegistry(now)
  metrics.derived({ ...definition, name: 'for_good', max_age_s: 0 }).set([], 1, 5)
  metrics.derived({ ...definition, name: 'no_time', max_age_s: 10 }).set([], 2, -Infinity)
  metrics.derived({ ...definition, name: 'counted', max_age_s: 20 }).record([], 3)
  const figures = figuresOf([], now)
  now_ms = 4_000
  const retire = (): void =>
    figures.retire({ index: 1, last: toldOf(9, true), last_whole: toldOf(9, true, metrics.snapshot()), is_late: false })
  const gauges = async (): Promise<string[]> => (await figures.text()).split('\n').filter((line) => /^[a-z]\w* \d/.test(line))
  retire()
  expect(await gauges()).toEqual(['for_good 1', 'no_time 2', 'counted 3'])
  // What counts is a sum, what was set is not, also where no event told when.
  retire()
  expect(await gauges()).toEqual(['for_good 1', 'no_time 2', 'counted 6'])
  now_ms = 11_000
  expect(await gauges()).toEqual(['for_good 1', 'counted 6'])
  now_ms = 21_000
  expect(await gauges()).toEqual(['for_good 1'])
})
