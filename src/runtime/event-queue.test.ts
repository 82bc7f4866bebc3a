import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { all, type RunningPipeline, startPipeline, TestEnds } from '../../test/helpers/pipeline.ts'
import { type TemporaryFolder, temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'
import { DurableQueue } from '../storage/durable-queue.ts'
import type { Loses } from './ledger.ts'

interface Settings {
  readonly queue_type?: 'memory' | 'persisted'
  readonly queue_max_bytes?: string
  readonly queue_drain?: boolean
  readonly path_queue?: string
}

function config(settings: Settings = {}, filters: readonly object[] = []): object {
  return {
    pipeline: { queue_type: 'persisted', ...settings },
    inputs: [{ test: { id: 'in' } }],
    filters,
    outputs: [{ test: { id: 'out' } }],
  }
}

const numbered = (count: number, from = 0, more: object = {}) =>
  Array.from({ length: count }, (_, n) => ({ n: from + n, ...more }))

const numbersOf = ({ stored }: TestEnds): unknown[] => stored.map(({ n }) => n)

async function until(what: string, condition: () => boolean): Promise<void> {
  await waitFor(what, condition)
}

/** An output that takes nothing before `open` is called. */
function closedEnds(): TestEnds & { readonly release: () => void } {
  const ends = new TestEnds()
  const { promise, resolve } = Promise.withResolvers<void>()
  ends.open = () => promise
  return Object.assign(ends, { release: resolve })
}

/** One run of the program on a folder, which ends with a stop; what it left behind is checked to balance. */
async function run<T>(
  folder: TemporaryFolder,
  [settings, ends, filters]: readonly [Settings, TestEnds, (readonly object[])?],
  body: (running: RunningPipeline) => Promise<T>,
): Promise<T> {
  await using running = await startPipeline(config(settings, filters), ends, { folder: folder.path })
  const result = await body(running)
  running.stop()
  expect(await running.ended).toBe(0)
  expect(running.pipeline.ledger.unbalanced).toBe(0)
  expect(running.pipeline.ledger.totals().holders).toMatchObject({ intake: 0, filters: 0, outputs: 0, dead_letters: 0 })
  for (const { ledger } of running.pipeline.outputs) expect(ledger.totals().held).toBe(0)
  return result
}

test('a sender is told once its events are on the disk; they come after a restart, in order and once', async () => {
  await using folder = await temporaryFolder()
  const down = closedEnds()
  await run(folder, [{}, down], async ({ pipeline }) => {
    for (let batch = 0; batch < 10; batch++) {
      const { settled } = await down.feed(numbered(300, batch * 300))
      expect(await settled).toBe('stored')
    }
    expect(pipeline.ledger.totals()).toMatchObject({ received: 3_000, states: { stored: 0 }, unbalanced: 0 })
  })
  const ends = new TestEnds()
  await run(folder, [{}, ends], async ({ pipeline, budget }) => {
    await ends.feed(numbered(10, 3_000))
    await until('all', () => ends.stored.length === 3_010)
    expect(numbersOf(ends)).toEqual(numbered(3_010).map(({ n }) => n))
    await until('the end', () => pipeline.held === 0)
    expect(pipeline.ledger.totals()).toMatchObject({ received: 10, recovered: 3_000, states: { stored: 3_010 }, unbalanced: 0 })
    expect(pipeline.ledger.input('in').totals()).toMatchObject({ buffered: 10, read_back: 3_010, held: 0, unbalanced: 0 })
    expect(budget.used).toBe(0)
  })
  const later = new TestEnds()
  await run(folder, [{}, later], async ({ pipeline }) => {
    await (await later.feed(numbered(1, 5_000))).settled
    await until('the new one', () => later.stored.length === 1)
    expect(pipeline.ledger.totals()).toMatchObject({ recovered: 0 })
  })
})

test('what filters made of an event is made again after a stop, under the same ids', async () => {
  await using folder = await temporaryFolder()
  const split = [{ split: { field: 'parts' } }]
  const ids: (string | undefined)[][] = [[], []]
  const down = new TestEnds()
  down.write = (events) => {
    ids[0] = events.map((event) => event.stableId())
    throw new Error('down')
  }
  await run(folder, [{}, down, split], async () => {
    await (await down.feed([{ parts: [1, 2, 3] }])).settled
    await until('a try', () => ids[0]?.length === 3)
  })
  const ends = new TestEnds()
  ends.write = (events) => {
    ids[1] = events.map((event) => event.stableId())
    return all('stored', events.length)
  }
  await run(folder, [{}, ends, split], async ({ pipeline }) => {
    await until('the end', () => pipeline.ledger.totals().states.stored === 3)
  })
  expect(new Set(ids[0]).size).toBe(3)
  expect(ids[1]).toEqual(ids[0])
})

test('an input that ends by itself is waited for until the queue is empty', async () => {
  await using folder = await temporaryFolder()
  const ends = new TestEnds()
  await using running = await startPipeline(config(), ends, { folder: folder.path })
  for (let batch = 0; batch < 5; batch++) await ends.feed(numbered(100, batch * 100))
  ends.end()
  expect(await running.ended).toBe(0)
  expect(ends.stored).toHaveLength(500)
})

test('a stop leaves the queue as it is, or empties it where it is to drain', async () => {
  await using folder = await temporaryFolder()
  const down = closedEnds()
  await run(folder, [{}, down], async () => {
    await (await down.feed(numbered(5_000))).settled
  })
  const slow = closedEnds()
  await using running = await startPipeline(config({ queue_drain: true }), slow, { folder: folder.path })
  running.stop()
  slow.release()
  expect(await running.ended).toBe(0)
  expect(slow.stored).toHaveLength(5_000)
})

test('with queue_type memory what is in the queue comes to its end beside what is new, and the queue goes', async () => {
  await using folder = await temporaryFolder()
  const down = closedEnds()
  await run(folder, [{}, down], async () => {
    await (await down.feed(numbered(50))).settled
  })
  const ends = new TestEnds()
  await run(folder, [{ queue_type: 'memory' }, ends], async ({ pipeline }) => {
    await (await ends.feed(numbered(10, 50))).settled
    await until('all', () => ends.stored.length === 60 && pipeline.held === 0)
  })
  expect(numbersOf(ends).toSorted((a, b) => Number(a) - Number(b))).toEqual(numbered(60).map(({ n }) => n))
  expect(await readdir(join(folder.path, 'queue'))).toEqual([])
})

test('without a queue no folder is made', async () => {
  await using folder = await temporaryFolder()
  const ends = new TestEnds()
  await run(folder, [{ queue_type: 'memory' }, ends], async () => {
    await (await ends.feed(numbered(1))).settled
  })
  expect(existsSync(join(folder.path, 'queue'))).toBe(false)
})

test('a full queue takes no more batches, loses none, and goes on when there is room', async () => {
  await using folder = await temporaryFolder()
  const ends = closedEnds()
  await run(folder, [{ queue_max_bytes: '1mb' }, ends], async ({ pipeline, context }) => {
    let taken = 0
    const pad = 'x'.repeat(20_000)
    const feeding = (async () => {
      for (; taken < 100; taken++) await ends.feed([{ n: taken, pad }], 20_000)
    })()
    await until('a full queue', () => context.lines.some((line) => line.startsWith('warn queue_full')))
    expect(taken).toBeLessThan(60)
    expect(pipeline.ledger.unbalanced).toBe(0)
    ends.release()
    await feeding
    await until('all', () => ends.stored.length === 100)
    expect(numbersOf(ends)).toEqual(numbered(100).map(({ n }) => n))
    await until('the end', () => pipeline.held === 0)
  })
})

test('a batch larger than its share of the memory is taken while the output takes nothing', async () => {
  await using folder = await temporaryFolder()
  const ends = closedEnds()
  await run(folder, [{}, ends], async ({ pipeline }) => {
    // What it sends fills half of the memory, as long as nothing is stored.
    for (let batch = 0; batch < 40; batch++) await (await ends.feed(numbered(100, 0), 10_000)).settled
    expect(await (await ends.feed(numbered(10), 3_000_000)).settled).toBe('stored')
    expect(pipeline.ledger.totals()).toMatchObject({ received: 4_010, unbalanced: 0 })
    expect(pipeline.held).toBeLessThan(4_010)
  })
})

test('an event without room in the queue goes on without: its sender is told when it is stored', async () => {
  await using folder = await temporaryFolder()
  const ends = closedEnds()
  await run(folder, [{ queue_max_bytes: '1mb' }, ends], async ({ pipeline }) => {
    const large = await ends.feed([{ n: 1, pad: 'x'.repeat(300_000) }], 300_000)
    const small = await ends.feed(numbered(1))
    expect(await small.settled).toBe('stored')
    await until('both at the output', () => pipeline.held === 2)
    ends.release()
    expect(await large.settled).toBe('stored')
    await until('both', () => ends.stored.length === 2 && pipeline.held === 0)
  })
})

test('a record that is no event goes to the dead letters, and the others go on', async () => {
  await using folder = await temporaryFolder()
  const path_queue = join(folder.path, 'elsewhere')
  {
    await using queue = await DurableQueue.open(join(path_queue, 'main'), { max_bytes: 1_000_000, report: () => {} })
    await queue.append([Buffer.from('no event')])
  }
  const ends = new TestEnds()
  await run(folder, [{ path_queue }, ends], async (running) => {
    await ends.feed(numbered(1))
    await until('both', () => ends.stored.length === 1 && running.pipeline.held === 0)
    const [letter] = await running.deadLetters()
    expect(letter).toMatchObject({ reason: expect.stringContaining('is no event') })
    expect(running.pipeline.ledger.totals()).toMatchObject({ recovered: 1, states: { dead_lettered: 1, stored: 1 } })
  })
})

test('a folder with something else is told, and the pipeline does not run', async () => {
  await using folder = await temporaryFolder()
  await using other = await startPipeline(config(), new TestEnds(), { folder: folder.path })
  other.stop()
  await other.ended
  await writeFile(join(folder.path, 'queue/main/position.json'), 'something else')
  await using running = await startPipeline(config(), new TestEnds(), { folder: folder.path })
  await expect(running.ended).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
})

test('a folder that another program uses is not used by a second one', async () => {
  await using folder = await temporaryFolder()
  const settings = { path_queue: join(folder.path, 'queues') }
  const ends = new TestEnds()
  await using first = await startPipeline(config(settings), ends)
  await (await ends.feed(numbered(1))).settled
  await using second = await startPipeline(config(settings), new TestEnds())
  await expect(second.ended).rejects.toMatchObject({
    code: 'STORAGE_IN_USE',
    message: expect.stringContaining('--path.queue'),
  })
  expect(first.pipeline.ledger.unbalanced).toBe(0)
})

test.each(['intake', 'filters', 'outputs', 'buffered'] as const)('an event that %s loses shows in the books', async (holder) => {
  const ends = new TestEnds()
  let lost = 0
  const loses: Loses = (where) => where === holder && lost++ === 0
  await using running = await startPipeline(config(), ends, { loses })
  await ends.feed(numbered(5))
  await until('the rest', () => ends.stored.length >= 4)
  await until('the loss', () => running.pipeline.ledger.unbalanced === 1)
})
