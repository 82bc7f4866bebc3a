import { expect, test } from 'vitest'
import type { Books } from '../../ops/ledger.ts'
import { MetricsRegistry } from '../../telemetry/metrics.ts'
import type { Snapshot } from './calls.ts'
import { WorkersFigures } from './figures.ts'

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

test('of the indices of several workers those are told that got an event last, whichever worker it came from', () => {
  const now_ms = Date.UTC(2026, 0, 2, 3, 4, 5)
  const old = Array.from({ length: 100 }, (_, index) => `old-${index}`)
  const told = [booksOf([...old.slice(0, 99), 'shared'], now_ms - 60_000), booksOf(['new-0', 'shared', 'new-1'], now_ms)]
  const workers = told.map((books, index) => ({ index, last: { books } as Snapshot, last_whole: undefined, is_late: false }))
  const figures = new WorkersFigures({
    workers: () => workers,
    count: () => workers.length,
    metrics: new MetricsRegistry(),
    reload: () => undefined,
    version: '0',
  })
  const targets = figures.books().deliveries[0]?.targets ?? []
  expect(targets).toHaveLength(100)
  expect(targets.slice(0, 4)).toMatchObject([
    { target: 'new-0' },
    { target: 'shared', outcomes: { stored: 2 }, last_event: '2026-01-02T03:04:04.000Z' },
    { target: 'new-1' },
    { target: 'old-0' },
  ])
})
