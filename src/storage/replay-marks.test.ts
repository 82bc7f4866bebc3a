import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { Timestamp } from '../core/values.ts'
import { DeadLetters } from './dead-letters.ts'
import { ReplayMarker, ReplayMarks } from './replay-marks.ts'
import { listSegments } from './segment-reader.ts'

const FAILURE = { replays: 1, time: '2026-01-02T00:00:00.000Z', component: 'output_file_1', reason: 'no' }
const quiet = (): void => {}

test('what was marked is known to whoever reads it later, and what is done has no failure any more', async () => {
  await using folder = await temporaryFolder()
  {
    await using marker = await ReplayMarker.open(folder.path, quiet)
    await Promise.all([marker.done(1n), marker.failed(2n, FAILURE), marker.failed(4n, FAILURE), marker.done(3n)])
    await marker.done(4n)
    expect(marker.marks.isDone(3n)).toBe(true)
  }
  const marks = await ReplayMarks.read(folder.path, quiet)
  expect([0n, 1n, 2n, 3n, 4n, 5n].map((sequence) => marks.isDone(sequence))).toEqual([false, true, false, true, true, false])
  expect(marks.failureOf(2n)).toEqual(FAILURE)
  expect(marks.failureOf(4n)).toBeUndefined()
  expect(marks.newest).toBe(4n)
})

test('a mark that was half written when the machine died is none, and those before it hold', async () => {
  await using folder = await temporaryFolder()
  {
    await using marker = await ReplayMarker.open(folder.path, quiet)
    await marker.done(1n)
  }
  const path = (await listSegments(join(folder.path, 'replayed')))[0]?.path ?? ''
  await appendFile(path, Buffer.from([0, 0, 0, 9, 1, 2]))
  const heard: string[] = []
  expect((await ReplayMarks.read(folder.path, (where) => heard.push(where))).isDone(1n)).toBe(true)
  expect(heard).toEqual([])
  await using marker = await ReplayMarker.open(folder.path, quiet)
  await marker.done(2n)
  expect((await ReplayMarks.read(folder.path, quiet)).isDone(2n)).toBe(true)
})

test('many marks are written anew as few, without those of letters that are gone', async () => {
  await using folder = await temporaryFolder()
  const reason = 'x'.repeat(20_000)
  {
    await using marker = await ReplayMarker.open(folder.path, quiet)
    for (let sequence = 1n; sequence <= 300n; sequence++) await marker.failed(sequence, { ...FAILURE, reason })
    await Promise.all(Array.from({ length: 290 }, (_, index) => marker.done(BigInt(index + 1))))
  }
  const before = (await listSegments(join(folder.path, 'replayed'))).length
  expect(before).toBeGreaterThan(4)
  {
    await using _marker = await ReplayMarker.open(folder.path, quiet)
  }
  expect((await listSegments(join(folder.path, 'replayed'))).length).toBeLessThan(3)
  const marks = await ReplayMarks.read(folder.path, quiet)
  expect([1n, 290n, 291n].map((sequence) => marks.isDone(sequence))).toEqual([true, true, false])
  expect(marks.failureOf(300n)?.reason).toBe(reason)
})

test('a number that a mark was made of is never given to another letter', async () => {
  await using folder = await temporaryFolder()
  {
    await using marker = await ReplayMarker.open(folder.path, quiet)
    await marker.done(7n)
  }
  await using letters = await DeadLetters.open(folder.path)
  const content = { kind: 'raw' as const, raw: Buffer.from('a'), size_bytes: 1 }
  await letters.append([{ time: new Timestamp(0), pipeline: 'main', component: 'x', reason: 'y', content }])
  expect((await listSegments(folder.path)).map(({ first_sequence }) => first_sequence)).toEqual([8n])
})
