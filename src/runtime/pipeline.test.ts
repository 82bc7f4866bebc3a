import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { all, startPipeline, TestEnds } from '../../test/helpers/pipeline.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'
import { MillraceError } from '../core/errors.ts'

const ENDS = { inputs: [{ test: {} }], outputs: [{ test: {} }] }

test('an event comes through the filters to the output, and its batch settles', async () => {
  const ends = new TestEnds()
  await using running = await startPipeline({ ...ENDS, filters: [{ mutate: { add_field: { x: '%{a}!' } } }] }, ends)
  const { settled } = await ends.feed([{ a: '1' }, { a: '2' }])
  expect(await settled).toBe('stored')
  expect(ends.stored).toMatchObject([
    { a: '1', x: '1!' },
    { a: '2', x: '2!' },
  ])
  expect(running.pipeline.ledger.totals()).toMatchObject({ received: 2, states: { stored: 2 }, unbalanced: 0 })
})

test('a batch is not settled before all of it is stored', async () => {
  const ends = new TestEnds()
  const gate = Promise.withResolvers<void>()
  ends.write = async (events) => {
    await gate.promise
    return all('stored', events.length)
  }
  await using running = await startPipeline(ENDS, ends)
  const { settled } = await ends.feed([{ a: 1 }])
  await waitFor('the state', () => ends.batches.length === 1)
  expect(await Promise.race([settled, Promise.resolve('open')])).toBe('open')
  expect(running.pipeline.ledger.totals()).toMatchObject({ holders: { outputs: 1 }, unbalanced: 0 })
  gate.resolve()
  expect(await settled).toBe('stored')
})

test('an output that throws gets the same events again', async () => {
  const ends = new TestEnds()
  ends.write = (events, attempt) => {
    if (attempt < 3) throw new Error('connection refused')
    return all('stored', events.length)
  }
  await using running = await startPipeline(ENDS, ends)
  const { settled } = await ends.feed([{ a: 1 }, { a: 2 }])
  expect(await settled).toBe('stored')
  expect(ends.batches).toEqual([2, 2, 2])
  expect(running.context.lines.filter((line) => line.includes('connection refused')).length).toBe(2)
})

test('only the events that the output names are tried again', async () => {
  const ends = new TestEnds()
  ends.write = (events, attempt) =>
    attempt === 1
      ? { outcomes: [{ kind: 'stored' }, { kind: 'retry', reason: 'queue full' }, { kind: 'already_there' }] }
      : all('stored', events.length)
  await using running = await startPipeline(ENDS, ends)
  const { settled } = await ends.feed([{ a: 1 }, { a: 2 }, { a: 3 }])
  expect(await settled).toBe('stored')
  expect(ends.batches).toEqual([3, 1])
  expect(running.pipeline.ledger.totals()).toMatchObject({ states: { stored: 2, already_there: 1 }, unbalanced: 0 })
})

test('what can never be stored is among the dead letters, with its reason, before the batch settles', async () => {
  const ends = new TestEnds()
  ends.write = (events) => all('reject', events.length)
  await using running = await startPipeline(ENDS, ends)
  const { settled } = await ends.feed(['{"order_id":12345678901234567890}'])
  expect(await settled).toBe('stored')
  expect(await running.deadLetters()).toMatchObject([{ reason: 'test', component: expect.stringContaining('output_test_1') }])
  expect(running.pipeline.ledger.totals()).toMatchObject({ states: { dead_lettered: 1 }, unbalanced: 0 })
})

test.each([
  [false, { stored: 2, dead_lettered: 0 }],
  [true, { stored: 1, dead_lettered: 1 }],
])('a comparison that cannot be made is false, with strict_conditions %s', async (strict_conditions, states) => {
  const ends = new TestEnds()
  const filters = [{ if: '[latency] > 100', then: [{ mutate: { add_tag: ['slow'] } }] }]
  await using running = await startPipeline({ ...ENDS, pipeline: { strict_conditions }, filters }, ends)
  const { settled } = await ends.feed([{ latency: 5 }, {}])
  expect(await settled).toBe('stored')
  expect(running.pipeline.ledger.totals()).toMatchObject({ states, unbalanced: 0 })
  const reasons = (await running.deadLetters()).map(({ reason }) => reason)
  expect(reasons).toEqual(strict_conditions ? [expect.stringContaining('a comparison could not be made')] : [])
  expect(await running.context.metrics.text()).toMatch(/^millrace_condition_incomparable_total\{.*\} 1$/m)
})

test('parked events wait by themselves while others go on, and follow later', async () => {
  const ends = new TestEnds()
  let isOpen = false
  ends.write = (events) => ({
    outcomes: events.map((event) =>
      event.toJsonText().includes('closed') && !isOpen
        ? { kind: 'park', key: 'index-closed', reason: 'index_closed_exception' }
        : { kind: 'stored' },
    ),
  })
  await using running = await startPipeline(ENDS, ends)
  const parked = await ends.feed([{ to: 'closed' }])
  const others = await ends.feed([{ to: 'open' }])
  expect(await others.settled).toBe('stored')
  await waitFor('the state', () => running.pipeline.outputs[0]?.state.includes('index-closed') ?? false)
  expect(running.pipeline.ledger.totals()).toMatchObject({ holders: { outputs: 1 }, unbalanced: 0 })
  isOpen = true
  expect(await parked.settled).toBe('stored')
})

test('an output that answers with too few outcomes is asked again, and nothing is lost', async () => {
  const ends = new TestEnds()
  ends.write = (events, attempt) => all('stored', attempt === 1 ? events.length - 1 : events.length)
  await using _running = await startPipeline(ENDS, ends)
  const { settled } = await ends.feed([{ a: 1 }, { a: 2 }])
  expect(await settled).toBe('stored')
})

test('an event that no output takes is unrouted, a dropped one is dropped, and both let the batch settle', async () => {
  const ends = new TestEnds()
  const config = {
    inputs: [{ test: {} }],
    filters: [{ if: '[kind] == "noise"', then: [{ drop: {} }] }],
    outputs: [{ if: '[kind] == "log"', then: [{ test: {} }] }],
  }
  await using running = await startPipeline(config, ends)
  const { settled } = await ends.feed([{ kind: 'noise' }, { kind: 'log' }, { kind: 'other' }])
  expect(await settled).toBe('stored')
  expect(running.pipeline.ledger.totals()).toMatchObject({ states: { dropped: 1, stored: 1, unrouted: 1 }, unbalanced: 0 })
})

test('an event for two outputs ends in the worse of both states, once', async () => {
  const ends = new TestEnds()
  ends.write = (events) => all('reject', events.length)
  await using running = await startPipeline({ inputs: [{ test: {} }], outputs: [{ null: {} }, { test: {} }] }, ends)
  const { settled } = await ends.feed([{ a: 1 }])
  expect(await settled).toBe('stored')
  expect(running.pipeline.ledger.totals()).toMatchObject({ received: 1, states: { stored: 0, dead_lettered: 1 }, unbalanced: 0 })
  expect(running.pipeline.outputs.map((output) => output.ledger.totals().unbalanced)).toEqual([0, 0])
})

test('a metric counts an event once when it is stored, not at every try, and not when it was there already', async () => {
  const ends = new TestEnds()
  ends.write = (events, attempt) => {
    if (attempt === 1) throw new Error('no answer')
    return all(attempt === 2 ? 'stored' : 'already_there', events.length)
  }
  const metric = { type: 'counter', name: 'errors_total', help: 'errors', labels: { service: '%{service}' } }
  await using running = await startPipeline({ ...ENDS, filters: [{ metric }] }, ends)
  await (await ends.feed([{ service: 'api' }, {}])).settled
  await (await ends.feed([{ service: 'api' }])).settled
  const text = await running.context.metrics.text()
  expect(text).toContain('errors_total{service="api"} 1\n')
  expect(text).toContain('errors_total{service="unknown"} 1\n')
})

test('who brings more than the budget waits until there is room', async () => {
  const ends = new TestEnds()
  const gate = Promise.withResolvers<void>()
  ends.write = async (events) => {
    await gate.promise
    return all('stored', events.length)
  }
  const config = { ...ENDS, pipeline: { max_in_flight_bytes: 1024 * 1024 } }
  await using running = await startPipeline(config, ends)
  await ends.feed([{ a: 1 }], 600_000)
  let admitted = false
  const second = ends.feed([{ a: 2 }], 600_000).then((delivered) => {
    admitted = true
    return delivered
  })
  await waitFor('the state', () => running.budget.waiting === 1)
  expect(admitted).toBe(false)
  expect(running.pipeline.ledger.totals()).toMatchObject({ received: 2, holders: { intake: 1, outputs: 1 }, unbalanced: 0 })
  gate.resolve()
  expect(await (await second).settled).toBe('stored')
  await waitFor('the state', () => running.budget.used === 0)
})

test('a stop brings what is on its way to its end', async () => {
  const ends = new TestEnds()
  await using running = await startPipeline(ENDS, ends)
  const { settled } = await ends.feed([{ a: 1 }])
  running.stop()
  expect(await running.ended).toBe(0)
  expect(await settled).toBe('stored')
})

test('a stop with a dead output ends at the deadline, and what is left is abandoned, never acknowledged', async () => {
  const ends = new TestEnds()
  ends.write = () => {
    throw new Error('connection refused')
  }
  await using running = await startPipeline(ENDS, ends, { drain_timeout_ms: 50 })
  const { settled } = await ends.feed([{ a: 1 }, { a: 2 }])
  running.stop()
  expect(await running.ended).toBe(2)
  expect(await settled).toBe('abandoned')
})

test('a stop with a filter that waits for an answer ends at the deadline, also for who stands in line behind it', async () => {
  const silent = createSocket('udp4').bind(0, '127.0.0.1')
  await once(silent, 'listening')
  const nameserver = [`127.0.0.1:${silent.address().port}`]
  const filters = [{ dns: { resolve: ['host'], action: 'replace', nameserver, timeout: 3_600, max_retries: 1 } }]
  const ends = new TestEnds()
  const config = { ...ENDS, pipeline: { batch_size: 1 }, filters }
  await using running = await startPipeline(config, ends, { drain_timeout_ms: 50 })
  const first = await ends.feed([{ host: 'a.example.com' }])
  const second = ends.feed([{ host: 'b.example.com' }])
  running.stop()
  expect(await running.ended).toBe(2)
  expect(await first.settled).toBe('abandoned')
  expect(await (await second).settled).toBe('abandoned')
  silent.close()
})

test('an input that comes to its end ends the program when all of it is stored', async () => {
  const ends = new TestEnds()
  await using running = await startPipeline(ENDS, ends)
  await ends.feed([{ a: 1 }])
  ends.end()
  expect(await running.ended).toBe(0)
  expect(ends.stored.length).toBe(1)
})

test('an output that cannot start stops the pipeline with its reason', async () => {
  const ends = new TestEnds()
  ends.open = () => Promise.reject(new MillraceError('OUTPUT_CANNOT_START', 'refused'))
  await using running = await startPipeline(ENDS, ends)
  await expect(running.ended).rejects.toThrow('refused')
})

test('an output that cannot start says so while the pipeline before it still runs, not only at the end of that', async () => {
  const ends = new TestEnds()
  ends.open = () => Promise.reject(new MillraceError('OUTPUT_CANNOT_START', 'refused'))
  const options = { predecessor: new Promise(() => {}), drain_timeout_ms: 3_600_000 }
  await using running = await startPipeline(ENDS, ends, options)
  await expect(running.ended).rejects.toThrow('refused')
})

test('a stop after a pipeline has come to its end by itself leaves no timer that keeps the program', async () => {
  const ends = new TestEnds()
  await using running = await startPipeline({ ...ENDS, inputs: [{ generator: { count: 1 } }] }, ends)
  expect(await running.ended).toBe(0)
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  running.stop()
  expect(timers()).toBe(before)
})

test('whatever an output does, every settled event was stored or dead-lettered, and the books balance', async () => {
  const answer = fc.constantFrom(
    'stored',
    'already_there',
    'reject',
    'retry',
    'park',
    'drop',
    'throw',
    'short',
    'store and throw',
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(answer, { minLength: 1, maxLength: 6 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 5 }),
      async (script, batches) => {
        const ends = new TestEnds()
        const kept = new Set<unknown>()
        ends.write = (events, attempt) => {
          const answers = script[attempt - 1] ?? ['stored']
          const outcomes = events.map((event, index) => {
            const kind = answers[index % answers.length] ?? 'stored'
            const { n } = JSON.parse(event.toJsonText()) as { n: number }
            if (kind === 'stored' || kind === 'already_there' || kind === 'store and throw' || kind === 'drop') kept.add(n)
            return (
              all(kind === 'throw' || kind === 'short' || kind === 'store and throw' ? 'stored' : kind, 1).outcomes[0] ?? {
                kind: 'stored' as const,
              }
            )
          })
          if (answers.some((kind) => kind.endsWith('throw'))) throw new Error('no answer')
          return { outcomes: answers.includes('short') ? outcomes.slice(1) : outcomes }
        }
        await using running = await startPipeline(ENDS, ends)
        const delivered = []
        for (let batch = 0; batch < batches; batch++) delivered.push(await ends.feed([{ n: batch * 2 }, { n: batch * 2 + 1 }]))
        for (const { settled } of delivered) expect(await settled).toBe('stored')
        for (const letter of await running.deadLetters()) kept.add((letter['document'] as { n: number }).n)
        expect(kept.size).toBe(batches * 2)
        expect(running.pipeline.ledger.totals()).toMatchObject({ received: batches * 2, unbalanced: 0 })
        expect(running.pipeline.outputs[0]?.ledger.totals().unbalanced).toBe(0)
      },
    ),
    { numRuns: 25 },
  )
}, 240_000)
