import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Event } from '../core/event.ts'
import { parseJson } from '../core/json/json.ts'
import { type Fields, Timestamp } from '../core/values.ts'
import { type DeadLetter, DeadLetters, documentOf } from './dead-letters.ts'
import { listSegments } from './segment-reader.ts'
import { readWaitingLetters } from './stored-letter.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-dead-letters-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

const TIME = new Timestamp(Date.UTC(2026, 0, 2))

function rawLetter(raw: Buffer): DeadLetter {
  return {
    time: TIME,
    pipeline: 'main',
    component: 'beats',
    reason: 'too_large',
    content: { kind: 'raw', raw, size_bytes: 50_000_000 },
  }
}

async function readAll(): Promise<string[]> {
  const lines: string[] = []
  const letters = readWaitingLetters(folder, (path, bytes, why) => lines.push(`${path} ${bytes} ${why}`))
  for await (const letter of letters) lines.push(letter.line())
  return lines
}

test('an event is kept with its reason and origin, its numbers as they came', async () => {
  const { value } = parseJson('{"order_id":12345678901234567890,"price":1.0,"@metadata":{"n":2.50}}')
  const origin = { input: 'kafka', describe: () => 'exchange-logs/3@1205', stableId: () => 'kafka-3-1205' }
  const event = Event.from(value as Fields, TIME, { origin })
  await using letters = await DeadLetters.open(folder)
  await letters.append([
    {
      time: TIME,
      pipeline: 'main',
      component: 'elasticsearch',
      reason: 'mapping: "price"',
      origin: origin.describe(),
      stable_id: event.stableId(),
      content: documentOf(event),
    },
  ])
  const [line = ''] = await readAll()
  expect(JSON.parse(line)).toMatchObject({
    time: '2026-01-02T00:00:00.000Z',
    pipeline: 'main',
    component: 'elasticsearch',
    reason: 'mapping: "price"',
    origin: 'exchange-logs/3@1205',
    id: 'kafka-3-1205',
    document: { '@version': '1' },
  })
  expect(line).toContain('"order_id":12345678901234567890')
  expect(line).toContain('"price":1.0')
  expect(line).toContain('"metadata":{"n":2.50}')
})

test('of raw bytes the first 64 kB are kept, with their real size', async () => {
  await using letters = await DeadLetters.open(folder)
  await letters.append([rawLetter(Buffer.alloc(100_000, 0xff))])
  const [line = ''] = await readAll()
  const entry = JSON.parse(line) as { raw_base64: string; size_bytes: number }
  expect(Buffer.from(entry.raw_base64, 'base64').length).toBe(65_536)
  expect(entry.size_bytes).toBe(50_000_000)
})

test('at their limit they refuse, also several callers at once; made room lets them go on', async () => {
  await using letters = await DeadLetters.open(folder, { max_bytes: 5_000, segment_bytes: 1_000 })
  const attempts = await Promise.allSettled(Array.from({ length: 20 }, () => letters.append([rawLetter(Buffer.alloc(300))])))
  const refused = attempts.filter(({ status }) => status === 'rejected')
  expect(refused.length).toBeGreaterThan(0)
  expect(refused[0]).toMatchObject({ reason: { code: 'STORAGE_FULL' } })
  expect(letters.size_bytes).toBeLessThanOrEqual(5_000)
  expect(letters.entries_written).toBe(20 - refused.length)
  expect((await readAll()).length).toBe(20 - refused.length)
  for (const { path } of await listSegments(folder)) await rm(path)
  await letters.append([rawLetter(Buffer.alloc(300))])
  expect((await readAll()).length).toBe(1)
})

test('they survive a restart and the size is counted from the disk', async () => {
  {
    await using letters = await DeadLetters.open(folder)
    await letters.append([rawLetter(Buffer.from('a'))])
  }
  await using letters = await DeadLetters.open(folder)
  expect(letters.size_bytes).toBeGreaterThan(100)
  await letters.append([rawLetter(Buffer.from('b'))])
  expect((await readAll()).length).toBe(2)
})
