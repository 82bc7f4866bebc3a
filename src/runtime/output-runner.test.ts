import { expect, test } from 'vitest'
import { all, startPipeline, TestEnds } from '../../test/helpers/pipeline.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'
import type { WriteResult } from '../core/contracts.ts'

const CONFIG = { pipeline: { batch_delay_ms: 60_000 }, inputs: [{ test: {} }], outputs: [{ test: {} }] }

test('what comes in pieces, one right behind the other, is written as one batch', async () => {
  const ends = new TestEnds()
  await using _running = await startPipeline(CONFIG, ends)
  const first = await ends.feed([{ n: 1 }, { n: 2 }])
  await ends.feed([{ n: 3 }])
  const last = await ends.feed([{ n: 4 }])
  expect(await Promise.all([first.settled, last.settled])).toEqual(['stored', 'stored'])
  expect(ends.batches).toEqual([4])
})

test('a batch that nothing follows does not wait for its timer, and a full one for nothing', async () => {
  const ends = new TestEnds()
  await using _running = await startPipeline(CONFIG, ends)
  expect(await (await ends.feed([{ n: 1 }])).settled).toBe('stored')
  expect(await (await ends.feed(Array.from({ length: 150 }, (_, n) => ({ n })))).settled).toBe('stored')
  expect(ends.batches).toEqual([1, 100, 50])
})

test('an output that prepares events lets their fields go, and gives the document of a rejected one', async () => {
  const ends = new TestEnds()
  const prepared: string[] = []
  ends.prepare = (event) => prepared.push(event.toJsonText()) > 0
  ends.write = (events) => ({
    outcomes: events.map((event, index) => {
      expect(() => event.toJsonText()).toThrow('let go')
      return { kind: 'reject', reason: 'mapping', document: prepared[index] ?? '' }
    }),
  })
  await using running = await startPipeline(CONFIG, ends)
  expect(await (await ends.feed(['{"id":"i1","@metadata":{"m":1}}'])).settled).toBe('stored')
  expect(await running.deadLetters()).toMatchObject([{ document: { id: 'i1' }, metadata: { m: 1 } }])
})

test.each([
  ['another output needs the fields', [true, false]],
  ['the output could not take what it needs', [false]],
])('fields stay where %s', async (_why, answers) => {
  const ends = new TestEnds()
  let asked = 0
  ends.prepare = () => answers[asked++] ?? false
  await using running = await startPipeline({ ...CONFIG, outputs: answers.map(() => ({ test: {} })) }, ends)
  expect(await (await ends.feed([{ a: 1 }])).settled).toBe('stored')
  expect(ends.stored).toMatchObject(answers.map(() => ({ a: 1 })))
  expect(running.pipeline.ledger.totals()).toMatchObject({ states: { stored: 1 }, unbalanced: 0 })
})

test('fields go once all outputs have taken what they need', async () => {
  const ends = new TestEnds()
  ends.prepare = () => true
  ends.write = (events) => {
    for (const event of events) expect(() => event.toJsonText()).toThrow('let go')
    return all('already_there', events.length)
  }
  await using running = await startPipeline({ ...CONFIG, outputs: [{ test: {} }, { test: {} }] }, ends)
  expect(await (await ends.feed([{ a: 1 }])).settled).toBe('stored')
  expect(running.pipeline.ledger.totals()).toMatchObject({ states: { already_there: 1 }, unbalanced: 0 })
})

test('an overloaded other side that asks for a pause gets nothing at all until it is over', async () => {
  const ends = new TestEnds()
  const times: number[] = []
  const asked = Promise.withResolvers<void>()
  ends.write = (events) => {
    times.push(performance.now())
    asked.resolve()
    if (times.length > 1) return all('stored', events.length)
    return { outcomes: events.map(() => ({ kind: 'retry', reason: 'busy', after_ms: 300 })), overloaded: true }
  }
  await using _running = await startPipeline(CONFIG, ends)
  const first = await ends.feed([{ n: 1 }])
  await asked.promise
  const later = await ends.feed([{ n: 2 }])
  expect(await Promise.all([first.settled, later.settled])).toEqual(['stored', 'stored'])
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(295)
})

test.each<[string, () => Promise<WriteResult>]>([
  ['does not answer', () => Promise.reject(new Error('no route'))],
  ['puts off all that it gets', () => Promise.resolve(all('retry', 1))],
])('an output whose other side %s is down, and up once it takes something', async (_what, answer) => {
  const ends = new TestEnds()
  let is_down = true
  ends.write = (events) => (is_down ? answer() : all('stored', events.length))
  await using running = await startPipeline(CONFIG, ends)
  const up = async (): Promise<string | undefined> =>
    /^millrace_output_up\{.*\} (\d)$/m.exec(await running.context.metrics.text())?.[1]
  const { settled } = await ends.feed([{ n: 1 }])
  await waitFor('being down', async () => (await up()) === '0')
  is_down = false
  await settled
  expect(await up()).toBe('1')
})

test('the oldest batch without an answer has its age shown', async () => {
  const ends = new TestEnds()
  const gate = Promise.withResolvers<void>()
  ends.write = async (events) => {
    await gate.promise
    return all('stored', events.length)
  }
  await using running = await startPipeline(CONFIG, ends)
  const age = async (): Promise<number> =>
    Number(/^millrace_oldest_unacknowledged_age_seconds\{.*\} (.*)$/m.exec(await running.context.metrics.text())?.[1])
  expect(await age()).toBe(0)
  const first = await ends.feed([{ n: 1 }])
  await waitFor('an age', async () => (await age()) > 0.05)
  gate.resolve()
  await first.settled
  expect(await age()).toBe(0)
})
