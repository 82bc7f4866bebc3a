import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { buildInput, Collector, type RunningInput, startInput } from '../../../test/helpers/run-input.ts'
import { type TemporaryFolder, temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { multiline } from '../../codecs/multiline.ts'
import { file } from './file.ts'

function start(
  folder: TemporaryFolder,
  options: { readonly [name: string]: unknown } = {},
  max_event_bytes?: number,
): RunningInput {
  const context = testContext({ paths: { data: join(folder.path, 'data'), config: folder.path } })
  const collector = new Collector()
  const all = {
    path: join(folder.path, '*.log'),
    start_position: 'beginning',
    stat_interval: '10 ms',
    codec: { multiline: { pattern: '^\\s', what: 'previous', ...(options['multiline'] as object) } },
    ...(options['file'] as object),
  }
  return startInput(buildInput(file, [multiline], all, collector, context, max_event_bytes), collector, context)
}

const messages = ({ collector }: RunningInput): unknown[] => collector.documents.map(({ message }) => message)

async function until(input: RunningInput, count: number): Promise<void> {
  await input.collector.until(() => input.collector.events.length >= count)
}

test('lines that wait for others are not lost by a restart, and their event keeps its id', async () => {
  await using folder = await temporaryFolder()
  const log = join(folder.path, 'a.log')
  await writeFile(log, 'one\n 1\ntwo\n 2\n')
  const first = start(folder)
  await until(first, 1)
  await first.stop()
  expect(messages(first)).toEqual(['one\n 1'])
  await appendFile(log, ' 3\nthree\n')
  const second = start(folder)
  await until(second, 1)
  await second.stop()
  expect(messages(second)).toEqual(['two\n 2\n 3'])
  const third = start(folder, { file: { sincedb_path: '/dev/null' } })
  await until(third, 2)
  await third.stop()
  expect(messages(third)).toEqual(['one\n 1', 'two\n 2\n 3'])
  const places = [first, second, third].flatMap(({ collector }) => collector.events.map((event) => event.origin?.describe()))
  expect(places).toEqual([`${log}@0`, `${log}@7`, `${log}@0`, `${log}@7`])
  const ids = [first, second].flatMap(({ collector }) => collector.events.map((event) => event.stableId()))
  expect(third.collector.events.map((event) => event.stableId()?.split('-').slice(-2))).toEqual(
    ids.map((id) => id?.split('-').slice(-2)),
  )
})

test('after its quiet time an event is complete, and stored with its place', async () => {
  await using folder = await temporaryFolder()
  const log = join(folder.path, 'a.log')
  await writeFile(log, 'one\n 1\n')
  const first = start(folder, { multiline: { auto_flush_interval: 0.05 } })
  await until(first, 1)
  await appendFile(log, 'two\n')
  await until(first, 2)
  await first.stop()
  expect(messages(first)).toEqual(['one\n 1', 'two'])
  expect(first.collector.events.map(({ size_bytes }) => size_bytes)).toEqual([5, 3])
  await appendFile(log, 'three\nfour\n')
  const second = start(folder)
  await until(second, 1)
  await second.stop()
  expect(messages(second)).toEqual(['three'])
})

test('read to its end, a file gives its last event too', async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'a.log'), 'one\n 1\ntwo\n 2')
  const input = start(folder, { file: { mode: 'read', exit_after_read: true, file_completed_action: 'delete' } })
  await input.ended
  expect(messages(input)).toEqual(['one\n 1', 'two\n 2'])
})

test('a line that is too long ends the event before it', async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'a.log'), `one\n 1\n${'x'.repeat(100)}\n 2\nthree\n`)
  const input = start(folder, {}, 50)
  await until(input, 2)
  await input.stop()
  expect(messages(input)).toEqual(['one\n 1', ' 2'])
  expect(input.collector.deadLetters).toMatchObject([{ reason: 'too_large' }])
})
