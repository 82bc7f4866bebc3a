import { expect, test } from 'vitest'
import { readSamples } from '../../test/helpers/books.ts'
import { type RunningPipeline, startPipeline, TestEnds } from '../../test/helpers/pipeline.ts'

const CONFIG = { inputs: [{ test: {} }], outputs: [{ test: {} }] }

/** `name{le="…"}` -> value, of the samples whose names begin like that. */
async function readHistogram({ context }: RunningPipeline, name: string): Promise<{ [sample: string]: number }> {
  const samples = readSamples(await context.metrics.text()).filter((sample) => sample.name.startsWith(`${name}_`))
  return Object.fromEntries(
    samples.map(({ name: own, labels, value }) => [own.slice(name.length + 1) + (labels['le'] ?? ''), value]),
  )
}

test('how old stored events are', async () => {
  const ends = new TestEnds()
  ends.write = (events) => ({
    outcomes: events.map((_event, index) => ({ kind: index === 0 ? 'drop' : 'stored', reason: 'test' })),
  })
  await using running = await startPipeline(CONFIG, ends)
  const ages_s = [1, 20, 2 * 3_600, -50]
  const times = ages_s.map((age_s) => ({ '@timestamp': new Date(Date.now() - age_s * 1_000).toISOString() }))
  await (await ends.feed(times)).settled
  const histogram = await readHistogram(running, 'millrace_log_to_stored_seconds')
  expect(histogram).toMatchObject({ 'bucket0.01': 1, bucket10: 1, bucket60: 2, bucket3600: 2, bucket86400: 3, count: 3 })
  expect(histogram['sum']).toBeCloseTo(20 + 7_200, -1)
})

test('sizes and durations of writes, those that failed too', async () => {
  const ends = new TestEnds()
  ends.write = (events, attempt) => {
    if (attempt === 1) throw new Error('no answer')
    return { outcomes: events.map(() => ({ kind: 'stored' })) }
  }
  await using running = await startPipeline(CONFIG, ends)
  await (await ends.feed(Array.from({ length: 60 }, (_, n) => ({ n })))).settled
  expect(await readHistogram(running, 'millrace_output_batch_events')).toMatchObject({
    bucket50: 0,
    bucket100: 2,
    count: 2,
    sum: 120,
  })
  expect(await readHistogram(running, 'millrace_output_write_seconds')).toMatchObject({ count: 2 })
})

test('how long inputs wait for room, and filters take', async () => {
  const ends = new TestEnds()
  const released = Promise.withResolvers<void>()
  ends.write = async (events) => {
    await released.promise
    return { outcomes: events.map(() => ({ kind: 'stored' })) }
  }
  const settings = { max_in_flight_bytes: 1_100_000 }
  await using running = await startPipeline({ pipeline: settings, filters: [{ uuid: { target: 'id' } }], ...CONFIG }, ends)
  const read = async (name: string): Promise<number> =>
    readSamples(await running.context.metrics.text()).find(
      (sample) => sample.name === name && sample.labels['input'] !== '(filters)',
    )?.value ?? 0
  await ends.feed([{ n: 1 }], 1_000_000)
  expect(await read('millrace_filter_seconds_total')).toBeGreaterThan(0)
  const before_s = await read('millrace_input_wait_seconds_total')
  const second = ends.feed([{ n: 2 }], 1_000_000)
  const started_ms = performance.now()
  while (performance.now() - started_ms < 60) await new Promise((resolve) => setImmediate(resolve))
  released.resolve()
  await (await second).settled
  expect((await read('millrace_input_wait_seconds_total')) - before_s).toBeGreaterThan(0.05)
})
