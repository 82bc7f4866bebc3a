import { expect, test } from 'vitest'
import { all, type RunningPipeline, startPipeline, TestEnds } from '../../test/helpers/pipeline.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'
import type { Span, Spans } from '../core/span.ts'

const CONFIG = {
  pipeline: { batch_size: 3, batch_delay_ms: 10 },
  inputs: [{ test: { id: 'in' } }],
  filters: [{ if: '[kind] == "noise"', then: [{ drop: {} }] }, { mutate: { rename: { tid: 'trace_id' } } }],
  outputs: [{ test: { id: 'out' } }],
}

class Kept implements Spans {
  readonly spans: Span[] = []
  isSampled = true
  samples = (): boolean => this.isSampled
  record = (made: Span): void => {
    this.spans.push(made)
  }
  named(name: string): Span[] {
    return this.spans.filter((span) => span.name === name)
  }
}

async function start(ends: TestEnds, kept: Kept): Promise<RunningPipeline> {
  return await startPipeline(CONFIG, ends, { spans: kept })
}

async function received(kept: Kept, batches = 1): Promise<void> {
  await waitFor('the end of receive', () => kept.named('receive in').length === batches)
}

test('a batch is one trace: receive, and in it each turn of the filters and each write', async () => {
  const ends = new TestEnds()
  const kept = new Kept()
  await using _pipeline = await start(ends, kept)
  await (await ends.feed([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5, kind: 'noise' }])).settled
  await received(kept)
  const [receive] = kept.named('receive in')
  expect(receive).toMatchObject({
    parent_id: undefined,
    kind: 'consumer',
    status: 'unset',
    attributes: { pipeline: 'main', events: 5 },
  })
  const inside = kept.spans.filter((span) => span !== receive)
  expect(new Set(inside.map(({ trace_id }) => trace_id))).toEqual(new Set([receive?.trace_id]))
  expect(new Set(inside.map(({ parent_id }) => parent_id))).toEqual(new Set([receive?.span_id]))
  expect(kept.named('filter').map(({ attributes }) => attributes['events'])).toEqual([3, 2])
  const bulks = kept.named('bulk out')
  expect(bulks.reduce((sum, { attributes }) => sum + Number(attributes['of_batch']), 0)).toBe(4)
  for (const span of inside) {
    expect(span.start_ns).toBeGreaterThanOrEqual(receive?.start_ns ?? 0n)
    expect(span.end_ns).toBeLessThanOrEqual(receive?.end_ns ?? 0n)
  }
  expect(new Set(kept.spans.map(({ span_id }) => span_id)).size).toBe(kept.spans.length)
})

test('batches that share a write have it in both traces', async () => {
  const ends = new TestEnds()
  const kept = new Kept()
  const open = Promise.withResolvers<void>()
  ends.open = () => open.promise
  await using _pipeline = await start(ends, kept)
  const settled = [(await ends.feed([{ n: 1 }])).settled, (await ends.feed([{ n: 2 }, { n: 3 }])).settled]
  await waitFor('both to be filtered', () => kept.named('filter').length === 2)
  open.resolve()
  await Promise.all(settled)
  await received(kept, 2)
  expect(ends.batches).toEqual([3])
  const bulks = kept.named('bulk out')
  expect(bulks.map(({ attributes }) => [attributes['events'], attributes['of_batch']])).toEqual([
    [3, 1],
    [3, 2],
  ])
  expect(new Set(bulks.map(({ trace_id }) => trace_id)).size).toBe(2)
})

test('traces that the events name after the filters are links from receive', async () => {
  const ends = new TestEnds()
  const kept = new Kept()
  await using _pipeline = await start(ends, kept)
  const documents = [
    { tid: 'A1', span_id: 'b2' },
    { tid: 'A1', span_id: 'b2' },
    { trace: { id: 'c3' }, span: { id: 'd4' } },
    { tid: 'e5' },
    { tid: '' },
    { tid: 7 },
    {},
  ]
  await (await ends.feed(documents)).settled
  await received(kept)
  expect(kept.named('receive in')[0]?.links).toEqual([
    { trace_id: 'a1'.padStart(32, '0'), span_id: 'b2'.padStart(16, '0') },
    { trace_id: 'c3'.padStart(32, '0'), span_id: 'd4'.padStart(16, '0') },
    { trace_id: 'e5'.padStart(32, '0'), span_id: 'e5'.padStart(16, '0') },
  ])
})

test('an attempt that fails is an error, and the next one a span of its own', async () => {
  const ends = new TestEnds()
  const kept = new Kept()
  ends.write = (events, attempt) => {
    if (attempt === 1) throw new Error('connection refused')
    return all(attempt === 2 ? 'retry' : 'stored', events.length)
  }
  await using _pipeline = await start(ends, kept)
  await (await ends.feed([{}])).settled
  await received(kept)
  expect(kept.named('bulk out').map(({ status, message }) => [status, message])).toEqual([
    ['error', 'connection refused'],
    ['error', '1 events were not stored'],
    ['unset', undefined],
  ])
})

test('a batch whose trace is not kept leaves nothing', async () => {
  const ends = new TestEnds()
  const kept = new Kept()
  kept.isSampled = false
  await using _pipeline = await start(ends, kept)
  await (await ends.feed([{ trace_id: 'a1' }])).settled
  expect(kept.spans).toEqual([])
})
