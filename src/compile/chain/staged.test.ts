import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { readSamples } from '../../../test/helpers/books.ts'
import { startPipeline, TestEnds } from '../../../test/helpers/pipeline.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { type AnySpec, defineFilter } from '../../core/component.ts'
import type { FilterParts } from '../../core/contracts.ts'
import { Event } from '../../core/event.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import { Timestamp } from '../../core/values.ts'

const SEEN = parseFieldRef('seen')

/** A filter whose parts a test decides. */
function filter(name: string, parts: FilterParts): AnySpec {
  return defineFilter({ name, summary: 'of a test', options: {}, examples: [], compile: () => parts })
}

/** Waits, then notes on each event how many came with it. */
function counting(name: string): AnySpec {
  let size = 0
  return filter(name, {
    prepare: async (events) => {
      await nextTurn()
      size = events.length
    },
    step: (event, emit) => {
      event.set(SEEN, size)
      if (event.get(parseFieldRef('twin')) !== undefined) emit(event.clone())
    },
  })
}

class Ends extends TestEnds {
  readonly #filters: readonly AnySpec[]

  constructor(filters: readonly AnySpec[]) {
    super()
    this.#filters = filters
  }

  override get specs(): readonly AnySpec[] {
    return [...super.specs, ...this.#filters]
  }
}

const ENDS = { inputs: [{ test: {} }], outputs: [{ test: {} }] }

test('a filter that waits sees the batch whole, and events keep their order through branches', async () => {
  const ends = new Ends([counting('outer'), counting('inner')])
  const filters = [
    { outer: {} },
    { if: '[n] > 2', then: [{ inner: {} }, { mutate: { add_field: { side: 'then' } } }], else: [{ drop: { percentage: 0 } }] },
    { mutate: { add_field: { last: 'yes' } } },
  ]
  await using running = await startPipeline({ ...ENDS, filters }, ends)
  const { settled } = await ends.feed([{ n: 1 }, { n: 3, twin: 1 }, { n: 2 }, { n: 4 }])
  expect(await settled).toBe('stored')
  expect(ends.stored.map(({ n, seen, side, last }) => [n, seen, side, last])).toEqual([
    [1, 4, undefined, 'yes'],
    // A child of the first filter goes through the second one, where it gets a twin again.
    [3, 3, 'then', 'yes'],
    [3, 3, 'then', 'yes'],
    [3, 3, 'then', 'yes'],
    [3, 3, 'then', 'yes'],
    [2, 4, undefined, 'yes'],
    [4, 3, 'then', 'yes'],
  ])
  expect(running.pipeline.ledger.totals()).toMatchObject({ received: 4, created: 3, states: { stored: 7 }, unbalanced: 0 })
})

test('a batch that a filter cannot compute for is kept, with the reason', async () => {
  const broken = filter('broken', {
    prepare: () => Promise.reject(new Error('no resolver')),
    step: () => {},
  })
  const ends = new Ends([broken])
  await using running = await startPipeline({ ...ENDS, filters: [{ broken: {} }] }, ends)
  const { settled } = await ends.feed([{ a: 1 }, { a: 2 }])
  expect(await settled).toBe('stored')
  expect(await running.deadLetters()).toMatchObject([
    { reason: expect.stringContaining('no resolver') },
    { reason: expect.stringContaining('no resolver') },
  ])
  expect(running.pipeline.ledger.totals()).toMatchObject({ states: { dead_lettered: 2 }, unbalanced: 0 })
})

/** Gives out the number of events it saw; at the end only, or at each tick. */
function summing(name: string, when: 'tick' | 'end'): AnySpec {
  let count = 0
  return filter(name, {
    step: (event) => {
      count++
      if (event.get(parseFieldRef('n')) === 0) event.consume()
    },
    flush: (now_ms, emit, final) => {
      if (count === 0 || (when === 'end' && !final)) return
      emit(Event.from({ count }, new Timestamp(now_ms)))
      count = 0
    },
  })
}

test('what a filter holds goes on behind it when the pipeline ends, also out of a branch', async () => {
  const ends = new Ends([summing('sum', 'end')])
  const filters = [
    { if: '[n] < 9', then: [{ sum: {} }, { mutate: { add_field: { inside: 'yes' } } }] },
    { mutate: { add_field: { behind: 'yes' } } },
  ]
  await using running = await startPipeline({ ...ENDS, filters }, ends)
  const { settled } = await ends.feed([{ n: 0 }, { n: 1 }])
  expect(await settled).toBe('stored')
  ends.end()
  expect(await running.ended).toBe(0)
  expect(ends.stored).toMatchObject([
    { n: 1, inside: 'yes', behind: 'yes' },
    { count: 2, inside: 'yes', behind: 'yes' },
  ])
  expect(running.pipeline.ledger.totals()).toMatchObject({
    received: 2,
    created: 1,
    states: { stored: 2, consumed: 1 },
    unbalanced: 0,
  })
})

test('a filter that holds state may give it out while the pipeline runs', async () => {
  const ends = new Ends([summing('sum', 'tick')])
  await using running = await startPipeline({ ...ENDS, filters: [{ sum: {} }] }, ends)
  await ends.feed([{ n: 1 }])
  await waitFor('the sum', () => ends.stored.some(({ count }) => count === 1))
  expect(running.pipeline.ledger.totals()).toMatchObject({ received: 1, created: 1, states: { stored: 2 }, unbalanced: 0 })
})

test('a filter that waits for ever does not keep a program that leaves', async () => {
  const hanging = filter('hanging', {
    prepare: (_events, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      }),
    step: () => {},
  })
  const ends = new Ends([hanging])
  await using running = await startPipeline({ ...ENDS, filters: [{ hanging: {} }] }, ends, { drain_timeout_ms: 20 })
  const { settled } = await ends.feed([{ a: 1 }])
  running.stop()
  expect(await settled).toBe('abandoned')
  expect(await running.ended).toBe(1)
})

test.each<readonly [does: string, parts: FilterParts, counts: { reached: number; ended: number; created: number }]>([
  ['passes all on', { step: () => {} }, { reached: 3, ended: 0, created: 0 }],
  ['cancels one', { step: (event) => void (isSecond(event) && event.cancel('test')) }, { reached: 3, ended: 1, created: 0 }],
  ['makes one of one', { step: (event, emit) => isSecond(event) && emit(event.clone()) }, { reached: 3, ended: 0, created: 1 }],
  [
    'fails at one',
    {
      step: (event) => {
        if (isSecond(event)) throw new Error('test')
      },
    },
    { reached: 3, ended: 1, created: 0 },
  ],
  [
    'fails before it begins',
    { step: () => {}, prepare: () => Promise.reject(new Error('test')) },
    { reached: 3, ended: 3, created: 0 },
  ],
  [
    'gives one out at the end',
    { step: () => {}, flush: (_now_ms, emit, final) => final && emit(Event.from({ n: 9 }, new Timestamp(0))) },
    { reached: 3, ended: 0, created: 1 },
  ],
])('events of a filter that %s', async (_does, parts, counts) => {
  const ends = new Ends([filter('testing', parts)])
  const running = await startPipeline({ ...ENDS, filters: [{ testing: { id: 'it' } }] }, ends)
  await (await ends.feed([{ n: 1 }, { n: 2 }, { n: 3 }])).settled
  await running[Symbol.asyncDispose]()
  const told = readSamples(await running.context.metrics.text()).filter(({ labels }) => labels['filter'] === 'it')
  const valueOf = (name: string): number | undefined =>
    told.find((sample) => sample.name === `millrace_filter_${name}_total`)?.value
  const { reached, ended, created } = counts
  expect(['events', 'ended_events', 'created_events'].map(valueOf)).toEqual([reached, ended, created])
  expect(ends.stored).toHaveLength(reached - ended + created)
})

function isSecond(event: Event): boolean {
  return event.get(parseFieldRef('n')) === 2
}
