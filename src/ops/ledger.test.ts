import { expect, test } from 'vitest'
import { type Books, type EventBooks, LedgerHistory } from './ledger.ts'

const STATES = { dead_lettered: 0, dropped: 0, unrouted: 0, stored: 0, already_there: 0, consumed: 0 }

function booksOf(received: number, stored: number): Books {
  const events: EventBooks = {
    pipeline: 'main',
    input: 'in',
    received,
    created: 0,
    states: { ...STATES, stored },
    held: received - stored,
    unbalanced: 0,
  }
  const targets = [{ target: 'logs-1', outcomes: { stored }, last_event: '2026-01-02T03:04:05.000Z' }]
  const output = {
    pipeline: 'main',
    output: 'out',
    handed: received,
    outcomes: { stored },
    held: received - stored,
    unbalanced: 0,
  }
  return { events: [events], deliveries: [{ ...output, targets }], unbalanced: 0 }
}

test('rows of five minutes tell what moved in each, and totals what happened since the start', () => {
  const stop = new AbortController()
  let now = Date.parse('2026-01-02T03:04:00Z')
  let books = booksOf(0, 0)
  const history = new LedgerHistory(
    () => books,
    stop.signal,
    () => now,
  )
  books = booksOf(10, 8)
  now = Date.parse('2026-01-02T03:05:00Z')
  history.view()
  now = Date.parse('2026-01-02T03:07:00Z')
  books = booksOf(15, 15)
  const { rows, ...rest } = history.view()
  expect(rest).toEqual({ started: '2026-01-02T03:04:00.000Z', now: '2026-01-02T03:07:00.000Z', ...books })
  expect(rows).toMatchObject([
    {
      from: '2026-01-02T03:04:00.000Z',
      to: '2026-01-02T03:05:00.000Z',
      events: [{ input: 'in', received: 10, states: { stored: 8 } }],
      deliveries: [{ output: 'out', handed: 10, outcomes: { stored: 8 } }],
    },
    {
      from: '2026-01-02T03:05:00.000Z',
      to: '2026-01-02T03:07:00.000Z',
      events: [{ received: 5, states: { stored: 7 } }],
      deliveries: [{ handed: 5, outcomes: { stored: 7 } }],
    },
  ])
  stop.abort()
})

test('no more than an hour is kept, and rows in which nothing moved are empty', () => {
  const stop = new AbortController()
  let now = Date.parse('2026-01-02T00:00:00Z')
  const history = new LedgerHistory(
    () => booksOf(now / 60_000, now / 60_000),
    stop.signal,
    () => now,
  )
  for (let page = 0; page < 100; page++) {
    now += 5 * 60_000
    history.view()
  }
  expect(history.view().rows.at(-1)).toMatchObject({ events: [], deliveries: [] })
  now += 60_000
  const { rows } = history.view()
  expect(rows.map(({ events }) => events[0]?.received)).toEqual([5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 1])
  stop.abort()
})
