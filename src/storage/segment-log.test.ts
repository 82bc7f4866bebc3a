import { appendFile, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeError } from './durable.ts'
import { SEGMENT_HEADER } from './segment-format.ts'
import { SegmentLog } from './segment-log.ts'
import { listSegments, readSegments, SegmentReader } from './segment-reader.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-segments-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

const buffers = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text))

async function readAll(damage: string[] = []): Promise<string[]> {
  const found: string[] = []
  for await (const { sequence, payload } of readSegments(folder, (_path, bytes, why) => damage.push(`${bytes}: ${why}`))) {
    found.push(`${sequence} ${payload.toString()}`)
  }
  return found
}

async function lastPath(): Promise<string> {
  return (await listSegments(folder)).at(-1)?.path ?? ''
}

test('what was appended is read back in order, also after the log was opened again', async () => {
  {
    await using log = await SegmentLog.open(folder)
    expect(await log.append(buffers('a', 'b'))).toBe(1n)
    expect(await log.append(buffers(''))).toBe(3n)
  }
  await using log = await SegmentLog.open(folder)
  expect(await log.append(buffers('c'))).toBe(4n)
  expect(await readAll()).toEqual(['1 a', '2 b', '3 ', '4 c'])
  expect(log.segment_count).toBe(1)
})

test('appends at the same time all get through, each with its own numbers', async () => {
  await using log = await SegmentLog.open(folder, { segment_bytes: 500 })
  const sequences = await Promise.all(Array.from({ length: 50 }, (_, index) => log.append(buffers(`first ${index}`, 'second'))))
  expect(sequences).toEqual(Array.from({ length: 50 }, (_, index) => BigInt(index * 2 + 1)))
  expect((await readAll()).length).toBe(100)
})

test('a record that is half written while it is read is not taken for damage, and is read once it is whole', async () => {
  {
    await using log = await SegmentLog.open(folder)
    await log.append(buffers('first', 'second'))
  }
  const path = await lastPath()
  const whole = await readFile(path)
  await truncate(path, whole.length - 3)
  const damage: string[] = []
  const records = readSegments(folder, (_path, bytes, why) => damage.push(`${bytes}: ${why}`))
  expect((await records.next()).value?.payload.toString()).toBe('first')
  await appendFile(path, whole.subarray(-3))
  expect((await records.next()).value?.payload.toString()).toBe('second')
  expect((await records.next()).done).toBe(true)
  expect(damage).toEqual([])
})

test('a new segment keeps the numbers, also when it is the only one left; what is appended meanwhile waits', async () => {
  await using log = await SegmentLog.open(folder)
  await log.append(buffers('a', 'b'))
  const [, sequence] = await Promise.all([log.rotate(), log.append(buffers('c'))])
  expect(sequence).toBe(3n)
  await log.rotate()
  await log.rotate()
  await log.removeBefore(4n)
  expect([log.segment_count, await readAll()]).toEqual([1, []])
  await using again = await SegmentLog.open(folder)
  expect(await again.append(buffers('d'))).toBe(4n)
})

test('segments rotate by size, and those wholly read can be removed', async () => {
  await using log = await SegmentLog.open(folder, { segment_bytes: 100 })
  for (let index = 1; index <= 6; index++) await log.append(buffers('x'.repeat(40)))
  expect((await listSegments(folder)).map(({ first_sequence }) => first_sequence)).toEqual([1n, 3n, 5n])
  await log.removeBefore(4n)
  expect(log.segment_count).toBe(2)
  await log.removeBefore(100n)
  expect((await readAll()).map((line) => line.slice(0, 1))).toEqual(['5', '6'])
  expect(log.size_bytes).toBe((await stat(await lastPath())).size)
})

test('a torn tail is told and cut, what was before stays, and writing goes on', async () => {
  {
    await using log = await SegmentLog.open(folder)
    await log.append(buffers('kept', 'torn'))
  }
  const path = await lastPath()
  await truncate(path, (await stat(path)).size - 1)
  const damage: string[] = []
  expect(await readAll(damage)).toEqual(['1 kept'])
  expect(damage).toEqual(['19: the last record is torn or damaged'])
  await using log = await SegmentLog.open(folder)
  expect(log.repair).toEqual({ path, cut_bytes: 19 })
  await log.append(buffers('next'))
  // What was cut may have been two records.
  expect(await readAll()).toEqual(['1 kept', '4 next'])
})

test.each([0, 3, SEGMENT_HEADER.length])('a crash after %i bytes of a new segment loses nothing', async (size) => {
  {
    await using log = await SegmentLog.open(folder, { segment_bytes: 10 })
    await log.append(buffers('a'))
    await log.append(buffers('b'))
  }
  await truncate(await lastPath(), size)
  await using log = await SegmentLog.open(folder)
  await log.append(buffers('c'))
  expect(await readAll()).toEqual(['1 a', '2 c'])
})

test('damage in an older segment costs the record that it is in, the next ones are read', async () => {
  {
    await using log = await SegmentLog.open(folder, { segment_bytes: 40 })
    for (const text of ['aaaaaaaa', 'bbbbbbbb', 'cccccccc']) await log.append(buffers(text, 'x'))
  }
  const [first] = await listSegments(folder)
  await using file = await open(first?.path ?? '', 'r+')
  await file.write('?', SEGMENT_HEADER.length + 20)
  const damage: string[] = []
  expect(await readAll(damage)).toEqual(['2 x', '3 bbbbbbbb', '4 x', '5 cccccccc', '6 x'])
  expect(damage).toEqual(['24: records are damaged, others follow'])
})

test('wherever bytes are damaged, whole records before and behind them are read, and no others', async () => {
  const texts = Array.from({ length: 20 }, (_, n) => String(n).repeat(n % 7))
  {
    await using log = await SegmentLog.open(folder)
    await log.append(buffers(...texts))
  }
  const path = await lastPath()
  const whole = await readFile(path)
  const ends: number[] = []
  for (const text of texts) ends.push((ends.at(-1) ?? SEGMENT_HEADER.length) + 16 + text.length)
  const place = fc.tuple(fc.integer({ min: SEGMENT_HEADER.length, max: whole.length - 1 }), fc.integer({ min: 1, max: 60 }))
  await fc.assert(
    fc.asyncProperty(place, fc.integer({ min: 1, max: 255 }), async ([at, count], flip) => {
      await writeFile(
        path,
        whole.map((byte, index) => (index >= at && index < at + count ? byte ^ flip : byte)),
      )
      const expected = texts.flatMap((text, index) => {
        const [from, to] = [ends[index - 1] ?? SEGMENT_HEADER.length, ends[index] ?? 0]
        return to <= at || from >= at + count ? [`${index + 1} ${text}`] : []
      })
      const damage: string[] = []
      expect(await readAll(damage)).toEqual(expected)
      expect(damage).toHaveLength(1)
    }),
    { numRuns: 15 },
  )
})

test('a file of another kind is refused with its name and what to do', async () => {
  await writeFile(join(folder, '00000000000000000001.segment'), 'something else')
  await expect(SegmentLog.open(folder)).rejects.toMatchObject({
    code: 'STORAGE_CORRUPT',
    message: expect.stringContaining('move it away') as string,
  })
  const damage: string[] = []
  expect(await readAll(damage)).toEqual([])
  expect(damage[0]).toContain('expected a segment file of version 1')
})

test('a full disk is told by its own code', async () => {
  // Linux gives a device that is always full; elsewhere this cannot be made without root.
  if (process.platform !== 'linux') return
  const full = await open('/dev/full', 'w')
  const thrown = await full.write('x').catch((error: unknown) => error)
  await full.close()
  expect(writeError('here', thrown)).toMatchObject({ code: 'STORAGE_FULL' })
  expect(writeError('here', new Error('gone'))).toMatchObject({
    code: 'STORAGE_WRITE_FAILED',
    message: 'here: cannot write: gone',
  })
})

test('a failed write takes its bytes back, and the next one succeeds', async () => {
  const blocked = join(folder, 'log')
  await writeFile(blocked, 'a file where the folder should be')
  const notYet = SegmentLog.open(blocked)
  await expect(notYet).rejects.toThrow()
  await rm(blocked)
  await using log = await SegmentLog.open(blocked)
  await writeFile(blocked, 'again')
  await expect(log.append(buffers('a'))).rejects.toMatchObject({ code: 'STORAGE_WRITE_FAILED' })
  await rm(blocked)
  await log.append(buffers('a'))
  expect(log.segment_count).toBe(1)
})

test('a closed log refuses, and closing waits for what was appended', async () => {
  const log = await SegmentLog.open(folder)
  const appended = log.append(buffers('a'))
  await log[Symbol.asyncDispose]()
  expect(await appended).toBe(1n)
  await expect(log.append(buffers('b'))).rejects.toMatchObject({ code: 'STORAGE_WRITE_FAILED' })
})

test('whatever bytes a segment holds, reading ends calmly with whole records only', async () => {
  {
    await using log = await SegmentLog.open(folder)
    await log.append(buffers('one', 'two', 'three'))
  }
  const path = await lastPath()
  const whole = await readFile(path)
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.concat([SEGMENT_HEADER, bytes])),
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, value]) => {
      const changed = Buffer.from(whole)
      changed[at] = value
      return changed
    }),
    fc.nat(whole.length).map((length) => whole.subarray(0, length)),
  )
  await fc.assert(
    fc.asyncProperty(hostile, async (bytes) => {
      await writeFile(path, bytes)
      await using reader = await SegmentReader.open(path)
      try {
        for await (const { payload } of reader.records()) expect(['one', 'two', 'three']).toContain(payload.toString())
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'STORAGE_CORRUPT' })
      }
      expect(reader.good_bytes).toBeLessThanOrEqual(bytes.length)
    }),
    { numRuns: 200 },
  )
})

test('a length that promises more than the file has does not make room for it', async () => {
  const path = join(folder, '00000000000000000001.segment')
  await writeFile(path, SEGMENT_HEADER)
  await appendFile(path, Buffer.from('ffffffff00000000000000000000000100', 'hex'))
  await using log = await SegmentLog.open(folder)
  expect(log.repair?.cut_bytes).toBe(17)
})
