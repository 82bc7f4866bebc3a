import { readdir } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TemporaryFolder, temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { Timestamp } from '../core/values.ts'
import { type DeadLetter, DeadLetters, type DeadLettersOptions } from './dead-letters.ts'
import { ReplayMarker } from './replay-marks.ts'
import { readWaitingLetters } from './stored-letter.ts'

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  await folder[Symbol.asyncDispose]()
})

const TIME = Date.UTC(2026, 0, 2)
const HOUR_MS = 3_600_000

function letter(n: number, size = 200): DeadLetter {
  const document = JSON.stringify({ n, text: 'x'.repeat(size) })
  const content = { kind: 'document' as const, document, metadata: '{}', size_bytes: size }
  return { time: new Timestamp(TIME + n), pipeline: 'main', component: 'x', reason: 'y', content }
}

async function numbers(): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const one of readWaitingLetters(folder.path, () => {})) found.push(one.letter.fields?.['n'])
  return found
}

const COUNT = 200
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

async function fill(policy: 'drop_newer' | 'drop_older', at_once: number) {
  const dropped = { newer: 0, older: 0, age: 0 }
  const max_bytes = 10_000
  await using letters = await DeadLetters.open(folder.path, { max_bytes, dropped: (count, why) => void (dropped[why] += count) })
  let kept = 0
  for (let n = 0; n < COUNT; n += at_once) {
    const results = await Promise.all(range(n, n + at_once).map(async (one) => await letters.append([letter(one)], policy)))
    kept += results.filter((is_kept) => is_kept).length
    expect(letters.size_bytes).toBeLessThanOrEqual(max_bytes)
  }
  return { dropped, kept, left: await numbers() }
}

test.each([1, 20])('drop_newer keeps what came first and counts what it dropped (%i at once)', async (at_once) => {
  const { dropped, kept, left } = await fill('drop_newer', at_once)
  expect(left.length).toBeGreaterThan(20)
  expect(left).toEqual(range(0, left.length))
  expect([kept, dropped]).toEqual([left.length, { newer: COUNT - left.length, older: 0, age: 0 }])
})

test.each([1, 20])('drop_older keeps what came last and counts what it dropped (%i at once)', async (at_once) => {
  const { dropped, kept, left } = await fill('drop_older', at_once)
  expect(left.length).toBeGreaterThan(15)
  expect(left).toEqual(range(COUNT - left.length, COUNT))
  expect([kept, dropped]).toEqual([COUNT, { newer: 0, older: COUNT - left.length, age: 0 }])
})

test('what is larger than the limit is dropped itself, whatever the policy, and blocks where nothing may be dropped', async () => {
  const dropped: string[] = []
  const options: DeadLettersOptions = { max_bytes: 10_000, dropped: (count, why) => dropped.push(`${count} ${why}`) }
  await using letters = await DeadLetters.open(folder.path, options)
  expect(await letters.append([letter(1, 20_000)], 'drop_older')).toBe(false)
  expect(await letters.append([letter(1, 20_000)], 'drop_newer')).toBe(false)
  await expect(letters.append([letter(1, 20_000)])).rejects.toThrow(/bin\/millrace dlq ls .* bin\/millrace dlq replay/)
  expect(dropped).toEqual(['1 newer', '1 newer'])
  expect(await letters.append([letter(2)])).toBe(true)
})

test('letters go when they are older than they may become, also the newest; numbers go on', async () => {
  const dropped: string[] = []
  const options: DeadLettersOptions = {
    segment_bytes: 1_000,
    retain_age_ms: HOUR_MS,
    dropped: (count, why) => dropped.push(`${count} ${why}`),
  }
  {
    await using letters = await DeadLetters.open(folder.path, options)
    for (const n of range(0, 9)) await letters.append([letter(n)])
    expect(letters.oldest_ms).toBe(TIME)
    await letters.sweep(Date.now() + HOUR_MS / 2)
    expect((await numbers()).length).toBe(9)
    await letters.sweep(Date.now() + HOUR_MS * 2)
    expect(await numbers()).toEqual([])
    expect(letters.oldest_ms).toBeUndefined()
  }
  expect(dropped.map((text) => Number(text.replace(' age', ''))).reduce((sum, count) => sum + count, 0)).toBe(9)
  await using letters = await DeadLetters.open(folder.path, options)
  await letters.append([letter(9)])
  for await (const { sequence } of readWaitingLetters(folder.path, () => {})) expect(sequence).toBe(10n)
})

test('what was sent again makes room: by itself at the limit, and with the next sweep', async () => {
  const dropped: string[] = []
  const options: DeadLettersOptions = { max_bytes: 4_000, dropped: (count, why) => dropped.push(`${count} ${why}`) }
  await using letters = await DeadLetters.open(folder.path, options)
  let count = 0
  const fillUp = async (): Promise<void> => {
    for (;;) await letters.append([letter(count)]).then(() => count++)
  }
  await expect(fillUp()).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  {
    await using marker = await ReplayMarker.open(folder.path, () => {})
    for (let sequence = 1n; sequence <= 8n; sequence++) await marker.done(sequence)
    expect(await numbers()).toEqual(range(8, count))
    await letters.append([letter(count++)])
    expect(await numbers()).toEqual(range(8, count))
    for (let sequence = 9n; sequence <= 20n; sequence++) await marker.done(sequence)
  }
  await letters.sweep()
  expect(await numbers()).toEqual([])
  expect((await readdir(folder.path)).filter((name) => name.endsWith('.segment')).length).toBe(1)
  expect(letters.size_bytes).toBeLessThan(100)
  expect(dropped).toEqual([])
})
