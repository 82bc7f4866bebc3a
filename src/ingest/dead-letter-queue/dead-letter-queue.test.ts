import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { all, startPipelines, TestEnds } from '../../../test/helpers/pipeline.ts'
import { buildInput, Collector, type RunningInput, startInput } from '../../../test/helpers/run-input.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { plain } from '../../codecs/plain.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import { Timestamp } from '../../core/values.ts'
import { type DeadLetter, DeadLetters, deadLettersFolder } from '../../storage/dead-letters.ts'
import { ReplayMarker } from '../../storage/replay-marks.ts'
import { deadLetterQueue } from './dead-letter-queue.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  await folder[Symbol.asyncDispose]()
})

const TIME = Date.UTC(2026, 0, 2, 3, 4, 5)

function letter(document: string, more: Partial<DeadLetter> = {}): DeadLetter {
  return {
    time: new Timestamp(TIME),
    pipeline: 'main',
    component: 'output_elasticsearch_1 (a.conf:3:5)',
    reason: 'mapper_parsing_exception',
    origin: 'logs/3@7',
    stable_id: 'logs:3:7',
    content: { kind: 'document', document, metadata: '{"index":"logs"}', size_bytes: document.length },
    ...more,
  }
}

function start(options: { readonly [name: string]: unknown } = {}, collector = new Collector()): RunningInput {
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  return startInput(buildInput(deadLetterQueue, [plain], options, collector, context), collector, context)
}

async function keep(letters: readonly DeadLetter[], segment_bytes?: number): Promise<void> {
  const options = segment_bytes === undefined ? {} : { segment_bytes }
  await using kept = await DeadLetters.open(deadLettersFolder(folder.path), options)
  for (const one of letters) await kept.append([one])
}

const numbered = (count: number, from = 0): DeadLetter[] => Array.from({ length: count }, (_, n) => letter(`{"n":${from + n}}`))

function numbersOf({ documents }: Collector): unknown[] {
  return documents.map(({ n }) => n)
}

test('a dead letter comes back as the event it was, with what had happened to it', async () => {
  await keep([letter('{"order_id":12345678901234567890,"price":1.0,"@timestamp":"2024-05-01T00:00:00.000Z","tags":["a"]}')])
  await using running = start()
  await running.collector.until(() => running.collector.events.length === 1)
  const [event] = running.collector.events
  expect(event?.toJsonText()).toContain('"order_id":12345678901234567890')
  expect(event?.toJsonText()).toContain('"price":1.0')
  expect(running.collector.documents).toMatchObject([{ '@timestamp': '2024-05-01T00:00:00.000Z', tags: ['a'] }])
  expect(event?.stableId()).toBe('logs:3:7')
  expect(event?.origin?.describe()).toBe('dead letter 1 (logs/3@7)')
  expect(event?.get(parseFieldRef('[@metadata][index]'))).toBe('logs')
  expect(event?.get(parseFieldRef('[@metadata][dead_letter_queue]'))).toEqual({
    plugin_type: 'elasticsearch',
    plugin_id: 'output_elasticsearch_1',
    reason: 'mapper_parsing_exception',
    entry_time: new Timestamp(TIME),
  })
})

test('what never became an event is decoded with the codec', async () => {
  await keep([letter('', { content: { kind: 'raw', raw: Buffer.from('too long'), size_bytes: 99 }, plugin_type: 'beats' })])
  await using running = start()
  await running.collector.until(() => running.collector.events.length === 1)
  expect(running.collector.documents).toMatchObject([{ message: 'too long' }])
})

test.each([
  ['of another pipeline', letter('{"n":1}', { pipeline: 'other' }), {}],
  ['older than the start', letter('{"n":1}'), { start_timestamp: '2026-01-02T03:04:06Z' }],
  ['read back before', letter('{"n":1}', { replays: 1 }), {}],
])('a letter that is %s is passed over', async (_name, passed, options) => {
  await keep([passed, letter('{"n":2}', { time: new Timestamp(TIME + 60_000) })])
  await using running = start(options)
  await running.collector.until(() => running.collector.events.length === 1)
  expect(numbersOf(running.collector)).toEqual([2])
})

test('replays_max gives letters another try', async () => {
  await keep([letter('{"n":1}', { replays: 1 }), letter('{"n":2}', { replays: 2 })])
  await using running = start({ replays_max: 2 })
  await running.collector.until(() => running.collector.events.length === 1)
  expect(numbersOf(running.collector)).toEqual([1])
  expect(running.collector.events[0]?.origin?.replays).toBe(2)
})

test('new letters are read as they come, and a restart goes on behind what was stored', async () => {
  await keep(numbered(3))
  {
    await using running = start()
    await running.collector.until(() => running.collector.events.length === 3)
    await keep(numbered(2, 3))
    await running.collector.until(() => running.collector.events.length === 5)
    await running.stop()
  }
  await keep(numbered(1, 5))
  await using again = start()
  await again.collector.until(() => again.collector.events.length > 0)
  expect(numbersOf(again.collector)).toEqual([5])
})

test('letters that come after the old ones were taken away by hand are read, although their numbers begin anew', async () => {
  await keep(numbered(3))
  {
    await using running = start()
    await running.collector.until(() => running.collector.events.length === 3)
    await running.stop()
  }
  await rm(deadLettersFolder(folder.path), { recursive: true })
  await keep(numbered(1, 7))
  await using again = start()
  await again.collector.until(() => again.collector.events.length > 0)
  expect(numbersOf(again.collector)).toEqual([7])
})

test('what a person has sent again is passed over, and what failed then is not tried once more', async () => {
  await keep(numbered(4))
  {
    await using marker = await ReplayMarker.open(deadLettersFolder(folder.path), () => {})
    await marker.done(1n)
    await marker.done(3n)
    await marker.failed(4n, { replays: 1, time: '2026-01-02T00:00:00.000Z', component: 'output_file_1', reason: 'no' })
  }
  await using running = start()
  await running.collector.until(() => running.collector.events.length === 1)
  await waitFor('the last is looked at', () => running.context.lines.some((line) => line.includes('dead_letter_failed_again')))
  expect(numbersOf(running.collector)).toEqual([1])
})

test.each([{ commit_offsets: false }, {}])('what was not stored comes again (%o)', async (options) => {
  await keep(numbered(2))
  const abandoning = new Collector()
  abandoning.settleAs = options.commit_offsets === false ? 'stored' : 'abandoned'
  {
    await using running = start(options, abandoning)
    await abandoning.until(() => abandoning.events.length === 2)
    await running.stop()
  }
  await using again = start(options)
  await again.collector.until(() => again.collector.events.length === 2)
  expect(numbersOf(again.collector)).toEqual([0, 1])
})

test('clean_consumed removes files that are stored as a whole, and none that holds something else', async () => {
  await keep([...numbered(1), letter('{"n":1}', { pipeline: 'other' }), ...numbered(2, 2)], 1)
  const segments = async (): Promise<number> => (await readdir(deadLettersFolder(folder.path))).length
  expect(await segments()).toBe(4)
  await using running = start({ clean_consumed: true })
  await running.collector.until(() => running.collector.events.length === 3)
  // The last one is still written to.
  await waitFor('the files', async () => (await segments()) === 2)
  expect(await readdir(deadLettersFolder(folder.path))).toEqual(['00000000000000000002.segment', '00000000000000000004.segment'])
})

test("where path holds Logstash's own dead letters, ours are read", async () => {
  await keep(numbered(1))
  await mkdir(join(folder.path, 'theirs', 'main'), { recursive: true })
  await writeFile(join(folder.path, 'theirs', 'main', '1.log'), '1')
  await using running = start({ path: 'theirs' })
  await running.collector.until(() => running.collector.events.length === 1)
  expect(running.context.lines.join('\n')).toContain('holds dead letters of Logstash')
})

test.each([
  [{ start_timestamp: 'yesterday' }, 'start_timestamp: expected a time'],
  [{ clean_consumed: true, commit_offsets: false }, 'clean_consumed needs commit_offsets'],
])('%o is refused', (options, message) => {
  expect(() => buildInput(deadLetterQueue, [plain], options, new Collector())).toThrow(message)
})

test('an event is mended and stored; one that fails again stays among the dead letters and is not read again', async () => {
  const ends = [new TestEnds('in'), new TestEnds('strict'), new TestEnds('mended')] as const
  ends[1].write = (events) => all('reject', events.length)
  ends[2].write = (events) => ({
    outcomes: events.map((event) =>
      event.toJsonText().includes('hopeless') ? { kind: 'reject', reason: 'still' } : { kind: 'stored' },
    ),
  })
  const reason = { mutate: { add_field: { why: '%{[@metadata][dead_letter_queue][reason]}' } } }
  await using running = await startPipelines(
    [
      { pipeline: { id: 'main' }, inputs: [{ in: {} }], outputs: [{ strict: {} }] },
      // It reads its own dead letters too.
      {
        pipeline: { id: 'mend' },
        inputs: [{ dead_letter_queue: {} }, { dead_letter_queue: { pipeline_id: 'mend' } }],
        filters: [reason],
        outputs: [{ mended: {} }],
      },
    ],
    ends,
  )
  await ends[0].feed([{ n: 1 }, { n: 'hopeless' }])
  await waitFor('the last word', async () => (await running.deadLetters()).length === 3)
  await waitFor('the warning', () => running.context.lines.some((line) => line.includes('failed again')))
  expect(ends[2].stored).toMatchObject([{ n: 1, why: 'test' }])
  const letters = await running.deadLetters()
  expect(letters.map(({ pipeline, replays, plugin_type }) => [pipeline, replays, plugin_type])).toEqual([
    ['main', undefined, 'strict'],
    ['main', undefined, 'strict'],
    ['mend', 1, 'mended'],
  ])
})
