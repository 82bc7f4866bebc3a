import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { componentNode } from '../../../test/helpers/config-value.ts'
import { type TestContext, testContext } from '../../../test/helpers/context.ts'
import { all, startPipelines, TestEnds } from '../../../test/helpers/pipeline.ts'
import { type FilterRun, TestFilter } from '../../../test/helpers/run-filter.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { compileFilter } from '../../compile/filter.ts'
import type { Outcome } from '../../core/contracts.ts'
import { Event, type EventState } from '../../core/event.ts'
import { type Fields, Timestamp } from '../../core/values.ts'
import { deduplicate } from './deduplicate.ts'

interface Options {
  readonly [name: string]: unknown
}

/** A filter whose clock the test moves. */
async function build(
  options: Options,
  data = 'none',
): Promise<{ filter: TestFilter; context: TestContext; at: (s: number) => void }> {
  let now_ms = Date.UTC(2026, 0, 2)
  const context = testContext({
    clock: { now: () => now_ms, timestamp: () => new Timestamp(now_ms) },
    paths: { data, config: '.' },
  })
  const filter = await TestFilter.build(deduplicate, { key: '%{k}', persist: data !== 'none', ...options }, context)
  const at = (seconds: number): void => {
    now_ms = Date.UTC(2026, 0, 2) + seconds * 1000
  }
  return { filter, context, at }
}

/** The one file that the filter keeps. */
async function storeIn(data: string): Promise<string> {
  const folder = join(data, 'deduplicate')
  return join(folder, (await readdir(folder))[0] ?? '')
}

/** Whether an event passes; it ends as `state`. */
function passes(filter: TestFilter, k: unknown, state: EventState = 'stored'): boolean {
  const { event }: FilterRun = filter.run(JSON.stringify({ k }))
  const has_passed = event.cancelled === undefined
  event.settle(has_passed ? state : 'dropped')
  return has_passed
}

test('the first event of a key passes, in each window', async () => {
  const { filter, at } = await build({ window: '10 min' })
  expect(['a', 'a', 'b', 'a', 'b'].map((k) => passes(filter, k))).toEqual([true, false, true, false, false])
  at(599)
  expect(passes(filter, 'a')).toBe(false)
  at(600)
  expect(['a', 'a'].map((k) => passes(filter, k))).toEqual([true, false])
})

test('a duplicate is dropped as such, or goes on with the common options', async () => {
  const { filter: dropping } = await build({ add_tag: ['twice'] })
  dropping.run({ k: 'a' })
  expect(dropping.run({ k: 'a' })).toMatchObject({ event: { cancelled: 'duplicate' }, out: [] })
  const { filter: tagging } = await build({ action: 'tag', add_tag: ['twice'] })
  expect(tagging.run({ k: 'a' }).event.toJsonText()).not.toContain('tags')
  expect(tagging.run({ k: 'a' }).event.toJsonText()).toContain('"tags":["twice"]')
})

test('an event that no output has leaves its place to the next', async () => {
  const { filter } = await build({})
  expect(['a', 'a', 'a'].map((k, index) => passes(filter, k, index === 0 ? 'dead_lettered' : 'stored'))).toEqual([
    true,
    true,
    false,
  ])
})

test('one that an output took keeps its place, whatever the others made of it', async () => {
  const { filter } = await build({})
  filter.run({ k: 'a' }).event.settle('dead_lettered', true)
  expect(passes(filter, 'a')).toBe(false)
})

test('keys are bounded: the oldest are forgotten', async () => {
  const { filter, context } = await build({ max_keys: 10 })
  for (let k = 0; k < 100; k++) expect(passes(filter, k)).toBe(true)
  expect([passes(filter, 99), passes(filter, 0)]).toEqual([false, true])
  expect(context.lines).toContainEqual(expect.stringContaining('warn deduplicate_keys'))
})

test('long keys are told apart', async () => {
  const { filter } = await build({})
  const long = 'x'.repeat(100_000)
  expect([`${long}1`, `${long}2`, `${long}1`].map((k) => passes(filter, k))).toEqual([true, true, false])
})

test('a restart keeps what was seen, as long as the window', async () => {
  await using folder = await temporaryFolder()
  const first = await build({ window: '1h' }, folder.path)
  expect(passes(first.filter, 'a')).toBe(true)
  first.filter.run({ k: 'on its way' })
  expect(passes(first.filter, 'lost', 'dead_lettered')).toBe(true)
  await first.filter[Symbol.asyncDispose]()
  const second = await build({ window: '1h' }, folder.path)
  expect(['a', 'on its way', 'lost'].map((k) => passes(second.filter, k))).toEqual([false, true, true])
  second.at(3600)
  expect(passes(second.filter, 'a')).toBe(true)
  await second.filter[Symbol.asyncDispose]()
  const path = await storeIn(folder.path)
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ entries: [['a', [Date.UTC(2026, 0, 2, 1), null]]] })
})

test('after a restart the window of each key ends by itself, in whatever order the events ended', async () => {
  await using folder = await temporaryFolder()
  const first = await build({ window: '10 s' }, folder.path)
  const { event: slow } = first.filter.run({ k: 'slow' })
  first.at(5)
  expect(passes(first.filter, 'quick')).toBe(true)
  slow.settle('stored')
  await first.filter[Symbol.asyncDispose]()
  const second = await build({ window: '10 s' }, folder.path)
  second.at(10)
  expect([passes(second.filter, 'slow'), passes(second.filter, 'quick')]).toEqual([true, false])
  await second.filter[Symbol.asyncDispose]()
})

test('a dry run keeps nothing', async () => {
  await using folder = await temporaryFolder()
  const context = testContext({ paths: { data: folder.path, config: '.', dry_run: true } })
  const filter = await TestFilter.build(deduplicate, { key: '%{k}' }, context)
  expect([passes(filter, 'a'), passes(filter, 'a')]).toEqual([true, false])
  await filter[Symbol.asyncDispose]()
  expect(await readdir(folder.path)).toEqual([])
})

test('a file that is no such store is refused', async () => {
  await using folder = await temporaryFolder()
  const { filter } = await build({}, folder.path)
  passes(filter, 'a')
  await filter[Symbol.asyncDispose]()
  await writeFile(await storeIn(folder.path), 'nonsense')
  await expect(build({}, folder.path)).rejects.toThrow(/STORAGE_CORRUPT/)
})

test('an event that is delivered once more is no duplicate of itself', async () => {
  const context = testContext()
  const node = componentNode('deduplicate', { key: '%{k}', persist: false })
  const parts = await compileFilter(deduplicate, node, context, () => {})
  const deliver = (id: string): string | undefined => {
    const origin = { input: 'beats', describe: () => id, stableId: () => id }
    const event = Event.from({ k: 'a' }, context.clock.timestamp(), { origin })
    parts?.step(event, () => {})
    return event.cancelled
  }
  expect(['one', 'one', 'other', 'one'].map(deliver)).toEqual([undefined, undefined, 'duplicate', undefined])
})

/** One output refuses what the filters let pass, the other says what a test wants. */
function refusedByOne(ends: TestEnds, options: object = {}, ...filters: readonly object[]): object {
  ends.write = (events) => all('reject', events.length)
  const once = { deduplicate: { key: '%{k}', persist: false } }
  const apart = { if: '[part] == "other"', then: [{ other: options }], else: [{ test: {} }] }
  return {
    inputs: [{ test: {} }],
    filters: [once, ...filters],
    outputs: filters.length > 0 ? [apart] : [{ test: {} }, { other: options }],
  }
}

const SPLIT = { split: { field: 'part' } }
const CLONE = {
  clone: { clones: ['other'], ecs_compatibility: 'disabled', add_field: { part: 'other' }, remove_field: ['type'] },
}

test.each<[what: string, other: Outcome['kind'], passing: number, part: Fields, filters: readonly object[]]>([
  ['events', 'reject', 3, {}, []],
  ['events', 'drop', 3, {}, []],
  ['events', 'stored', 1, {}, []],
  ['events', 'already_there', 1, {}, []],
  ['events of two parts', 'reject', 3, { part: ['one', 'other'] }, [SPLIT]],
  ['events of two parts', 'stored', 1, { part: ['one', 'other'] }, [SPLIT]],
  ['events of two parts, turned round', 'stored', 1, { part: ['other', 'one'] }, [SPLIT]],
  ['events with a copy', 'reject', 3, {}, [CLONE]],
  ['events with a copy', 'stored', 1, {}, [CLONE]],
])('one output refuses its share of three %s, the other says %s: %i pass', async (_what, kind, passing, part, filters) => {
  const [refusing, other] = [new TestEnds('test'), new TestEnds('other')]
  other.write = (events) => all(kind, events.length)
  await using running = await startPipelines([refusedByOne(refusing, {}, ...filters)], [refusing, other])
  for (let times = 0; times < 3; times++) expect(await (await refusing.feed([{ k: 'a', ...part }])).settled).toBe('stored')
  expect([refusing.batches, other.batches]).toEqual([Array(passing).fill(1), Array(passing).fill(1)])
  expect(running.pipelines[0]?.ledger.totals()).toMatchObject({ received: 3, unbalanced: 0 })
})

test('what was copied before the filter has its own end', async () => {
  const [refusing, other] = [new TestEnds('test'), new TestEnds('other')]
  refusing.write = (events) => all('reject', events.length)
  const filters = [CLONE, { if: '![part]', then: [{ deduplicate: { key: '%{k}', persist: false } }] }]
  const outputs = [{ if: '[part]', then: [{ other: {} }], else: [{ test: {} }] }]
  await using _running = await startPipelines([{ inputs: [{ test: {} }], filters, outputs }], [refusing, other])
  for (let times = 0; times < 3; times++) expect(await (await refusing.feed([{ k: 'a' }])).settled).toBe('stored')
  expect([refusing.batches.length, other.batches.length]).toEqual([3, 3])
})

test('one output refuses an event that waits on the disk for the other: the next of its key do not pass', async () => {
  const [refusing, blocked] = [new TestEnds('test'), new TestEnds('other')]
  const opened = Promise.withResolvers<void>()
  const spilled = Promise.withResolvers<void>()
  blocked.open = () => opened.promise
  const config = refusedByOne(refusing, { when_blocked: 'spill', blocked_after_ms: 1 })
  const refuse = refusing.write
  refusing.write = async (events, attempt) => {
    await spilled.promise
    return await refuse(events, attempt)
  }
  await using running = await startPipelines([config], [refusing, blocked])
  const first = await refusing.feed([{ k: 'a' }])
  await waitFor('the disk', () => running.pipelines[0]?.buffered === 1)
  spilled.resolve()
  expect(await first.settled).toBe('stored')
  expect(await (await refusing.feed([{ k: 'a' }])).settled).toBe('stored')
  opened.resolve()
  await waitFor('the end', () => blocked.stored.length === 1 && running.pipelines[0]?.held === 0)
  const states = { dead_lettered: 1, stored: 1, dropped: 1 }
  expect(running.pipelines[0]?.ledger.totals()).toMatchObject({ received: 2, created: 1, states, unbalanced: 0 })
})
