import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { all, startPipeline, startPipelines, TestEnds } from '../../test/helpers/pipeline.ts'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'
import type { Outcome } from '../core/contracts.ts'
import type { Event } from '../core/event.ts'
import { parseFieldRef } from '../core/field-ref.ts'

const INDEX = parseFieldRef('index')
const NUMBER = parseFieldRef('n')

function config(options: object, more: readonly object[] = []): object {
  return { inputs: [{ test: { id: 'in' } }], outputs: [{ test: { id: 'out', blocked_after_ms: 20, ...options } }, ...more] }
}

const numbered = (count: number, from = 0, index?: string) =>
  Array.from({ length: count }, (_, n) => ({ n: from + n, ...(index === undefined ? {} : { index }) }))

const numbersOf = (documents: readonly { [name: string]: unknown }[]): unknown[] => documents.map(({ n }) => n)

async function until(what: string, condition: () => boolean): Promise<void> {
  await waitFor(what, condition)
}

/** An output that parks what is for a closed index. */
function parking(ends: TestEnds, closed: Set<string>): void {
  ends.write = (events) => ({
    outcomes: events.map((event): Outcome => {
      const index = event.get(INDEX) as string
      return closed.has(index) ? { kind: 'park', key: index, reason: 'closed' } : { kind: 'stored' }
    }),
  })
}

test('what a blocked output does not take goes to the disk, is acknowledged, and follows in order before what is younger', async () => {
  const ends = new TestEnds()
  let is_down = true
  ends.write = (events) => {
    if (is_down) throw new Error('down')
    return all('stored', events.length)
  }
  await using running = await startPipeline(config({ when_blocked: 'spill' }), ends)
  const { pipeline } = running
  for (let batch = 0; batch < 5; batch++) {
    const { settled } = await ends.feed(numbered(300, batch * 300))
    expect(await settled).toBe('stored')
  }
  await until('all on the disk', () => pipeline.buffered + pipeline.held === 1_500)
  expect(pipeline.ledger.totals()).toMatchObject({ received: 1_500, unbalanced: 0 })
  expect(running.budget.used).toBeLessThan(1_500 * 812)
  is_down = false
  await ends.feed(numbered(10, 1_500))
  await until('the end of all', () => ends.stored.length === 1_510)
  expect(numbersOf(ends.stored)).toEqual(numbersOf(numbered(1_510)))
  await until('empty books', () => pipeline.held + pipeline.buffered === 0)
  expect(pipeline.ledger.totals()).toMatchObject({ received: 1_510, states: { stored: 1_510 }, unbalanced: 0 })
  expect(pipeline.ledger.unbalanced).toBe(0)
  expect(running.budget.used).toBe(0)
})

test('one closed index goes to the disk while the others go on, and follows when it is open again', async () => {
  const ends = new TestEnds()
  const closed = new Set(['b'])
  parking(ends, closed)
  await using running = await startPipeline(config({ when_blocked: 'spill' }), ends)
  const { pipeline } = running
  const mixed = ['a', 'b', 'c'].flatMap((index) => numbered(200, 0, index))
  expect(await (await ends.feed(mixed)).settled).toBe('stored')
  await until('those of the others', () => ends.stored.length === 400)
  // While it is closed, others are not held up, and more of it may come.
  expect(await (await ends.feed([...numbered(100, 200, 'b'), ...numbered(100, 200, 'a')])).settled).toBe('stored')
  await until('those of the other', () => ends.stored.length === 500)
  closed.clear()
  await until('the rest', () => ends.stored.length === 800)
  expect(numbersOf(ends.stored.filter(({ index }) => index === 'b'))).toEqual(numbersOf(numbered(300)))
  expect(pipeline.ledger.unbalanced).toBe(0)
})

test('batches that mix a closed index with open ones wait once, not each of them anew', async () => {
  const ends = new TestEnds()
  const closed = new Set(['b'])
  parking(ends, closed)
  ends.batching = { ...ends.batching, retry_first_ms: 500, retry_max_ms: 4_000 }
  const blocked_after_ms = 1_500
  await using running = await startPipeline(config({ when_blocked: 'spill', blocked_after_ms }), ends)
  const feed = async (from: number): Promise<void> => {
    const mixed = ['a', 'b', 'c'].flatMap((index) => numbered(20, from, index))
    expect(await (await ends.feed(mixed)).settled).toBe('stored')
  }
  await feed(0)
  const started_ms = performance.now()
  for (let batch = 1; batch <= 5; batch++) await feed(batch * 20)
  expect(performance.now() - started_ms).toBeLessThan(3 * blocked_after_ms)
  expect(running.pipeline.buffered + running.pipeline.held).toBe(120)
  closed.clear()
  await until('all of them', () => ends.stored.length === 360)
  expect(numbersOf(ends.stored.filter(({ index }) => index === 'b'))).toEqual(numbersOf(numbered(120)))
  expect(running.pipeline.ledger.unbalanced).toBe(0)
})

/** Puts off, one by one, what is for a recipient that does not want it now. */
function puttingOff(ends: TestEnds, unwilling: Set<string>): void {
  ends.write = (events) => ({
    outcomes: events.map((event): Outcome => {
      const is_unwilling = unwilling.has(event.get(INDEX) as string)
      return is_unwilling ? { kind: 'retry', reason: 'not now' } : { kind: 'stored' }
    }),
  })
}

test('what is put off one by one goes to the disk too, holds up nobody, and is tried again until it is taken, once', async () => {
  await using folder = await temporaryFolder()
  const unwilling = new Set(['b'])
  {
    const ends = new TestEnds()
    puttingOff(ends, unwilling)
    await using running = await startPipeline(config({ when_blocked: 'spill' }), ends, { folder: folder.path })
    const { pipeline } = running
    const mixed = ['a', 'b', 'c'].flatMap((index) => numbered(40, 0, index))
    expect(await (await ends.feed(mixed)).settled).toBe('stored')
    // On a busy machine some of them go over the disk too.
    await until('the others', () => ends.stored.length === 80)
    // It is on the disk, and what is younger goes on.
    expect(await (await ends.feed(numbered(40, 40, 'a'))).settled).toBe('stored')
    expect(await (await ends.feed(numbered(10, 40, 'b'))).settled).toBe('stored')
    const tries = ends.batches.length
    await until('more tries', () => ends.batches.length > tries + 2 && ends.stored.length >= 120)
    expect(ends.stored).toHaveLength(120)
    expect(pipeline.ledger.totals()).toMatchObject({ received: 170, states: { stored: 120 }, unbalanced: 0 })
    expect(running.context.lines.some((line) => line.includes('events that are put off wait on the disk'))).toBe(true)
  }
  const ends = new TestEnds()
  puttingOff(ends, unwilling)
  await using running = await startPipeline(config({ when_blocked: 'spill' }), ends, { folder: folder.path })
  await until('a try', () => ends.batches.length > 0)
  expect(ends.stored).toEqual([])
  unwilling.clear()
  await until('the end of all', () => running.pipeline.held + running.pipeline.buffered === 0)
  expect(numbersOf(ends.stored).sort((a, b) => Number(a) - Number(b))).toEqual(numbersOf(numbered(50)))
  expect(running.pipeline.ledger.totals()).toMatchObject({ recovered: 50, states: { stored: 50 }, unbalanced: 0 })
})

test.each(['drop', 'block'])('%s: what is put off one by one', async (when_blocked) => {
  const ends = new TestEnds()
  const unwilling = new Set(['b'])
  puttingOff(ends, unwilling)
  await using running = await startPipeline(config({ when_blocked }), ends)
  const { settled } = await ends.feed([...numbered(5, 0, 'a'), ...numbered(5, 0, 'b')])
  if (when_blocked === 'block') {
    await until('some tries', () => ends.batches.length > 10)
    unwilling.clear()
  }
  expect(await settled).toBe('stored')
  const states = when_blocked === 'block' ? { stored: 10, dropped: 0 } : { stored: 5, dropped: 5 }
  expect(running.pipeline.ledger.totals()).toMatchObject({ states, unbalanced: 0 })
})

test('a blocked output does not hold up the other one, and books of both balance', async () => {
  const [ends, other] = [new TestEnds(), new TestEnds('other')]
  const opened = Promise.withResolvers<void>()
  ends.open = () => opened.promise
  const running = await startPipelines([config({}, [{ other: { id: 'other' } }])], [ends, other])
  await using _running = running
  const [pipeline] = running.pipelines
  expect(await (await ends.feed(numbered(50))).settled).toBe('stored')
  expect(other.stored).toHaveLength(50)
  // Two deliveries of one event: one has its end, and the event is on the disk for the other one.
  expect(pipeline?.ledger.totals()).toMatchObject({
    received: 50,
    states: { stored: 0 },
    holders: { buffered: 50 },
    unbalanced: 0,
  })
  opened.resolve()
  await until('the end', () => pipeline?.ledger.totals().states.stored === 50)
  expect(pipeline?.ledger.totals()).toMatchObject({ received: 50, created: 0, states: { stored: 50 }, unbalanced: 0 })
  expect(pipeline?.ledger.unbalanced).toBe(0)
})

test('both outputs blocked: each brings its own to the end', async () => {
  const [ends, other] = [new TestEnds(), new TestEnds('other')]
  const opened = Promise.withResolvers<void>()
  ends.open = () => opened.promise
  other.open = () => opened.promise
  await using running = await startPipelines([config({}, [{ other: { id: 'other', blocked_after_ms: 50 } }])], [ends, other])
  const [pipeline] = running.pipelines
  expect(await (await ends.feed(numbered(50))).settled).toBe('stored')
  opened.resolve()
  await until('the end', () => pipeline?.held === 0 && pipeline.buffered === 0)
  expect([ends.stored.length, other.stored.length]).toEqual([50, 50])
  expect(pipeline?.ledger.totals()).toMatchObject({ received: 50, states: { stored: 100 }, unbalanced: 0 })
  expect(pipeline?.ledger.unbalanced).toBe(0)
})

test('drop loses what waits, and counts it', async () => {
  const ends = new TestEnds()
  ends.open = () => new Promise(() => {})
  await using running = await startPipeline(config({ when_blocked: 'drop' }), ends)
  expect(await (await ends.feed(numbered(30))).settled).toBe('stored')
  expect(running.pipeline.ledger.totals()).toMatchObject({ states: { dropped: 30 }, unbalanced: 0 })
  expect(running.pipeline.outputs[0]?.ledger.totals().outcomes.dropped).toBe(30)
  expect(running.context.lines.filter((line) => line.startsWith('error output_dropped'))).not.toEqual([])
})

test('one output alone keeps its senders waiting', async () => {
  const ends = new TestEnds()
  let is_down = true
  ends.write = (events) => all(is_down ? 'retry' : 'stored', events.length)
  await using running = await startPipeline(config({}), ends)
  const { settled } = await ends.feed(numbered(30))
  await until('some tries', () => ends.batches.length > 20)
  expect(running.pipeline.buffered).toBe(0)
  is_down = false
  expect(await settled).toBe('stored')
})

test('a stop puts what a blocked output holds on the disk, and the next start brings it to its end', async () => {
  await using folder = await temporaryFolder()
  const started = performance.now()
  {
    const ends = new TestEnds()
    ends.write = () => {
      throw new Error('down')
    }
    const options = { when_blocked: 'spill', blocked_after_ms: 60_000 }
    await using running = await startPipeline(config(options), ends, { drain_timeout_ms: 20_000, folder: folder.path })
    const { settled } = await ends.feed(numbered(40))
    await until('a try', () => ends.batches.length > 0)
    running.stop()
    expect(await running.ended).toBe(0)
    expect(await settled).toBe('stored')
  }
  expect(performance.now() - started).toBeLessThan(15_000)
  const ends = new TestEnds()
  await using running = await startPipeline(config({ when_blocked: 'block' }), ends, { folder: folder.path })
  await until('the end', () => ends.stored.length === 40)
  expect(numbersOf(ends.stored)).toEqual(numbersOf(numbered(40)))
  const { pipeline } = running
  await until('empty books', () => pipeline.held + pipeline.buffered === 0)
  expect(pipeline.ledger.totals()).toMatchObject({ received: 0, recovered: 40, states: { stored: 40 }, unbalanced: 0 })
  expect(pipeline.ledger.unbalanced).toBe(0)
  await waitFor('no files left', async () => (await readdir(join(folder.path, 'spill/main/out'))).length === 0)
})

test('spilled events that are more than spill_max_bytes wait in memory, and hold the sender back', async () => {
  const ends = new TestEnds()
  const opened = Promise.withResolvers<void>()
  ends.open = () => opened.promise
  await using running = await startPipeline(config({ when_blocked: 'spill', spill_max_bytes: 1024 * 1024 }), ends)
  let acknowledged = 0
  const all_settled: Promise<unknown>[] = []
  for (const document of numbered(20)) {
    const { settled } = await ends.feed([{ ...document, text: 'x'.repeat(100_000) }], 100_000)
    all_settled.push(settled.then(() => acknowledged++))
    await until(
      'its place',
      () => acknowledged === all_settled.length || running.context.lines.some((line) => line.includes('spill_max_bytes')),
    )
  }
  expect(acknowledged).toBeGreaterThan(3)
  expect(acknowledged).toBeLessThan(15)
  expect(running.pipeline.ledger.unbalanced).toBe(0)
  opened.resolve()
  await Promise.all(all_settled)
  await until('the end', () => ends.stored.length === 20)
  expect(new Set(numbersOf(ends.stored)).size).toBe(20)
})

test('an event without a stable id has the same own id at every attempt, from the disk too, in this run and the next', async () => {
  await using folder = await temporaryFolder()
  const ids = new Map<unknown, Set<string>>()
  const note = (events: readonly Event[]): void => {
    for (const event of events) {
      const n = event.get(NUMBER)
      ids.set(n, (ids.get(n) ?? new Set()).add(event.lastingId()))
    }
  }
  {
    const ends = new TestEnds()
    let tries = 0
    ends.write = (events) => {
      note(events)
      tries++
      throw new Error('down')
    }
    await using running = await startPipeline(config({ when_blocked: 'spill' }), ends, { folder: folder.path })
    expect(await (await ends.feed(numbered(20))).settled).toBe('stored')
    await until('all on the disk', () => running.pipeline.buffered + running.pipeline.held === 20)
    const before = tries
    await until('a try from the disk', () => tries > before + 1)
  }
  const ends = new TestEnds()
  ends.write = (events) => {
    note(events)
    return all('stored', events.length)
  }
  await using _running = await startPipeline(config({}), ends, { folder: folder.path })
  await until('the end', () => ends.stored.length === 20)
  expect([...ids.values()].map(({ size }) => size)).toEqual(numbered(20).map(() => 1))
  expect(new Set([...ids.values()].flatMap((each) => [...each])).size).toBe(20)
})

test('an event that nothing is known of any more goes to the dead letters', async () => {
  await using folder = await temporaryFolder()
  {
    const ends = new TestEnds()
    ends.prepare = () => true
    ends.open = () => new Promise(() => {})
    ends.saved = { save: () => Buffer.from('own bytes'), restore: () => true, forget: () => {} }
    await using _running = await startPipeline(config({ when_blocked: 'spill' }), ends, { folder: folder.path })
    expect(await (await ends.feed(numbered(2))).settled).toBe('stored')
  }
  const ends = new TestEnds()
  await using running = await startPipeline(config({}), ends, { folder: folder.path })
  await until('the dead letters', () => running.pipeline.ledger.totals().states.dead_lettered === 2)
  expect(running.pipeline.ledger.unbalanced).toBe(0)
  expect(await running.deadLetters()).toMatchObject([{ component: 'out' }, { component: 'out' }])
})

test('what is derived from a spilled event counts once, when it is safe', async () => {
  const ends = new TestEnds()
  const opened = Promise.withResolvers<void>()
  ends.open = () => opened.promise
  const filters = [{ metric: { type: 'counter', name: 'seen_total', help: 'test' } }]
  await using running = await startPipeline({ ...config({ when_blocked: 'spill' }), filters }, ends)
  await (await ends.feed(numbered(7))).settled
  const count = async () => /^seen_total(?:\{.*\})? (\d+)$/m.exec(await running.context.metrics.text())?.[1]
  expect(await count()).toBe('7')
  opened.resolve()
  await until('the end', () => ends.stored.length === 7)
  await until('empty books', () => running.pipeline.held === 0)
  expect(await count()).toBe('7')
})
