import { expect, test } from 'vitest'
import { readSamples } from '../../test/helpers/books.ts'
import { all, type RunningPipeline, startPipeline, TestEnds } from '../../test/helpers/pipeline.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'
import type { Outcome } from '../core/contracts.ts'
import type { DeliveryHolder, Holder, Loses } from './ledger.ts'
import { TargetBooks } from './target-books.ts'

/** An event without `a` fails in the filters. */
const CONFIG = {
  pipeline: { strict_conditions: true },
  inputs: [{ test: { id: 'in' } }],
  filters: [{ if: '[a] > 100', then: [{ drop: {} }] }],
  outputs: [{ test: { id: 'out' } }],
}

async function samplesOf({ context }: RunningPipeline, name: string): Promise<number[]> {
  const samples = readSamples(await context.metrics.text())
  return samples.filter((sample) => sample.name === name).map(({ value }) => value)
}

/** Loses one event of that holder, and no other. */
function once(lost: Holder | DeliveryHolder): Loses {
  let is_lost = false
  return (holder) => {
    if (holder !== lost || is_lost) return false
    is_lost = true
    return true
  }
}

/** What the output answers first, so that events get to the holder. */
const ANSWERS: { readonly [holder in Holder | DeliveryHolder]: Outcome['kind'] } = {
  intake: 'stored',
  buffered: 'stored',
  filters: 'stored',
  outputs: 'stored',
  dead_letters: 'stored',
  queue: 'stored',
  writes: 'stored',
  retries: 'retry',
  parked: 'park',
}

test.each(Object.entries(ANSWERS) as [Holder | DeliveryHolder, Outcome['kind']][])(
  'an event that is lost in %s shows in the metric',
  async (holder, kind) => {
    const ends = new TestEnds()
    ends.write = (events, attempt) => all(attempt === 1 ? kind : 'stored', events.length)
    const opened = Promise.withResolvers<void>()
    if (holder === 'buffered') ends.open = () => opened.promise
    const blocked = holder === 'buffered' ? { when_blocked: 'spill', blocked_after_ms: 1 } : {}
    const config = { ...CONFIG, outputs: [{ test: { id: 'out', ...blocked } }] }
    await using running = await startPipeline(config, ends, { loses: once(holder), drain_timeout_ms: 1 })
    await ends.feed(holder === 'dead_letters' ? [{}, {}, {}] : [{ a: 1 }, { a: 2 }, { a: 3 }])
    if (holder === 'buffered') await waitFor('the disk', () => running.pipeline.buffered === 3)
    opened.resolve()
    await waitFor('the end of the other two', () => settledOf(running) === 2)
    expect(await samplesOf(running, 'millrace_ledger_unbalanced_events')).toEqual([1])
  },
)

test('an event that one input lost and another has twice do not make up for each other', async () => {
  await using running = await startPipeline(CONFIG, new TestEnds())
  const { ledger } = running.pipeline
  ledger.input('in').received.inc()
  ledger.input('other').states.stored.inc()
  expect(ledger.totals().unbalanced).toBe(0)
  expect(await samplesOf(running, 'millrace_ledger_unbalanced_events')).toEqual([2])
})

function settledOf({ pipeline }: RunningPipeline): number {
  return Object.values(pipeline.ledger.totals().states).reduce((sum, count) => sum + count, 0)
}

test('events are in the books of their input, and what filters made of them is too', async () => {
  const ends = new TestEnds()
  ends.write = (events) => ({ outcomes: all('stored', events.length).outcomes, targets: events.map(() => 'logs-1') })
  const filters = [{ split: { field: 'parts' } }]
  await using running = await startPipeline({ ...CONFIG, pipeline: {}, filters }, ends)
  const { settled } = await ends.feed([{ parts: ['x', 'y'] }, { parts: ['z'] }])
  await settled
  const { ledger, outputs } = running.pipeline
  expect(ledger.input('in').totals()).toEqual({
    received: 2,
    created: 3,
    states: { dead_lettered: 0, dropped: 0, unrouted: 0, stored: 3, already_there: 0, consumed: 2 },
    buffered: 0,
    read_back: 0,
    held: 0,
    unbalanced: 0,
  })
  expect(ledger.unbalanced).toBe(0)
  expect(outputs[0]?.ledger.targets.totals()).toMatchObject([
    { target: 'logs-1', outcomes: { stored: 3 }, last_event: '2026-01-02T03:04:05.000Z' },
  ])
})

test('an input counts what it holds by its receipts', async () => {
  const ends = new TestEnds()
  ends.write = (events) => all('retry', events.length)
  await using running = await startPipeline(CONFIG, ends, { drain_timeout_ms: 1 })
  await ends.feed([{ a: 1 }, { a: 2 }])
  expect(running.pipeline.ledger.input('in').totals()).toMatchObject({ received: 2, held: 2, unbalanced: 0 })
})

test('of very many indices those are known that got an event last', () => {
  const books = new TargetBooks()
  for (let index = 0; index < 150; index++) {
    books.ended('stored', `index-${index}`)
    books.ended('already_there', 'index-0')
  }
  const totals = books.totals()
  expect(totals).toHaveLength(100)
  expect(totals[0]).toMatchObject({ target: 'index-0', outcomes: { stored: 1, already_there: 150 } })
  expect(totals[1]?.target).toBe('index-149')
  expect(totals.at(-1)?.target).toBe('index-51')
})
