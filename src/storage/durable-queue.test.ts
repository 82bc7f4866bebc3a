import { appendFile, cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'
import { DurableQueue } from './durable-queue.ts'
import { listSegments } from './segment-reader.ts'

const MIB = 1024 * 1024

function openQueue(folder: string, max_bytes = MIB, damage: string[] = []): Promise<DurableQueue> {
  return DurableQueue.open(folder, { max_bytes, report: (_path, bytes, why) => damage.push(`${bytes}: ${why}`) })
}

const buffers = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text))

async function take(queue: DurableQueue, count = 1_000): Promise<string[]> {
  const records = await queue.read(count, MIB)
  for (const { sequence } of records) queue.done(sequence)
  return records.map(({ payload }) => payload.toString())
}

test('records come back in their order, while more are appended', async () => {
  await using folder = await temporaryFolder()
  await using queue = await openQueue(folder.path)
  expect(await queue.read(10, MIB)).toEqual([])
  await queue.append(buffers('a', 'b', 'c'))
  expect(queue.unread).toBe(3)
  expect(await take(queue, 2)).toEqual(['a', 'b'])
  await queue.append(buffers('d'))
  expect(await take(queue)).toEqual(['c', 'd'])
  expect(queue.isDone).toBe(true)
})

test('a read ends at its limit of bytes, and gives one record at least', async () => {
  await using folder = await temporaryFolder()
  await using queue = await openQueue(folder.path)
  await queue.append(buffers('x'.repeat(100), 'y', 'z'))
  expect((await queue.read(10, 50)).length).toBe(1)
  expect((await queue.read(10, 50)).length).toBe(2)
})

test('what was not done is there again after a restart, what was done is not', async () => {
  await using folder = await temporaryFolder()
  {
    await using queue = await openQueue(folder.path)
    await queue.append(buffers('a', 'b', 'c', 'd'))
    const [, second, third] = await queue.read(3, MIB)
    queue.done(second?.sequence ?? 0n)
    queue.done(third?.sequence ?? 0n)
  }
  {
    await using queue = await openQueue(folder.path)
    // What is done behind the oldest that is not stays done.
    expect(queue.unread).toBe(2)
    expect(await take(queue, 1)).toEqual(['a'])
  }
  await using queue = await openQueue(folder.path)
  expect(await take(queue)).toEqual(['d'])
})

test('what was read and is not done is read again in its place after a rewind', async () => {
  await using folder = await temporaryFolder()
  await using queue = await openQueue(folder.path)
  await queue.append(buffers('a', 'b', 'c', 'd'))
  const [, second] = await queue.read(3, MIB)
  queue.done(second?.sequence ?? 0n)
  expect(await queue.rewind()).toBe(2)
  expect(queue.unread).toBe(3)
  await queue.append(buffers('e'))
  expect(await take(queue)).toEqual(['a', 'c', 'd', 'e'])
  expect(await queue.rewind()).toBe(0)
  expect(queue.isDone).toBe(true)
})

test('what damage in the middle took is counted, without what was done; the rest goes on', async () => {
  await using folder = await temporaryFolder()
  const damage: string[] = []
  {
    await using queue = await openQueue(folder.path)
    for (let n = 0; n < 12; n++) await queue.append([Buffer.alloc(30_000, n)])
    const [, , , , , , seventh, eighth] = await queue.read(8, MIB)
    queue.done(seventh?.sequence ?? 0n)
    queue.done(eighth?.sequence ?? 0n)
  }
  const [, second] = await listSegments(folder.path)
  expect(second?.first_sequence).toBe(6n)
  await truncate(second?.path ?? '', 31_000)
  await using queue = await openQueue(folder.path, MIB, damage)
  expect(queue).toMatchObject({ unread: 8, lost: 2 })
  expect(damage).toHaveLength(1)
  const sequences = (await queue.read(100, MIB)).map(({ sequence }) => Number(sequence))
  expect(sequences).toEqual([1, 2, 3, 4, 5, 6, 11, 12])
})

test('damage in the newest file costs the record that it is in: what is behind it is no torn tail', async () => {
  await using folder = await temporaryFolder()
  const damage: string[] = []
  {
    await using queue = await openQueue(folder.path)
    await queue.append(buffers('aaaa', 'bbbb', 'cccc', 'dddd'))
  }
  const [segment] = await listSegments(folder.path)
  const bytes = await readFile(segment?.path ?? '')
  await writeFile(segment?.path ?? '', Buffer.from(bytes.toString('latin1').replace('bbbb', 'b?bb'), 'latin1'))
  await using queue = await openQueue(folder.path, MIB, damage)
  expect(queue).toMatchObject({ unread: 3, lost: 1, repair: undefined })
  await queue.append(buffers('e'))
  expect(await take(queue)).toEqual(['aaaa', 'cccc', 'dddd', 'e'])
  expect(damage).toHaveLength(1)
})

test('an empty queue has room again, also where its last file is as large as all of it', async () => {
  await using folder = await temporaryFolder()
  await using queue = await openQueue(folder.path, MIB)
  await queue.append([Buffer.alloc(MIB - 1_000)])
  expect(await queue.hasRoom(2_000)).toBe(false)
  await take(queue)
  expect(await queue.hasRoom(2_000)).toBe(true)
  expect(queue.size_bytes).toBeLessThan(100)
})

test('after a crash everything that was appended is there, at most once more than it should be', async () => {
  await using folder = await temporaryFolder()
  await using queue = await openQueue(join(folder.path, 'queue'))
  await queue.append(buffers('a', 'b', 'c'))
  await take(queue, 2)
  await cp(join(folder.path, 'queue'), join(folder.path, 'crashed'), { recursive: true })
  await using again = await openQueue(join(folder.path, 'crashed'))
  expect(await take(again)).toEqual(['a', 'b', 'c'])
})

test('a torn tail is cut, and what is behind it afterwards has new sequences', async () => {
  await using folder = await temporaryFolder()
  {
    await using queue = await openQueue(folder.path)
    await queue.append(buffers('a', 'b'))
  }
  const [segment] = await listSegments(folder.path)
  await truncate(segment?.path ?? '', (await stat(segment?.path ?? '')).size - 1)
  await appendFile(segment?.path ?? '', 'xx')
  await using queue = await openQueue(folder.path)
  expect(queue.repair?.cut_bytes).toBe(18)
  await queue.append(buffers('c'))
  expect(await take(queue)).toEqual(['a', 'c'])
})

test('a full queue refuses, and takes more once its first segments are done', async () => {
  await using folder = await temporaryFolder()
  await using queue = await openQueue(folder.path, MIB)
  const record = Buffer.alloc(100_000)
  let appended = 0
  await expect(
    (async () => {
      for (; ; appended++) await queue.append([record])
    })(),
  ).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  expect(appended).toBe(10)
  expect((await take(queue)).length).toBe(10)
  await waitFor('room', () => queue.append([record]).then(() => true))
})

test('what is done makes room also where nothing can be noted, as on a full disk', async () => {
  await using folder = await temporaryFolder()
  await using queue = await openQueue(folder.path, MIB)
  const record = Buffer.alloc(100_000)
  for (let n = 0; n < 10; n++) await queue.append([record])
  await mkdir(join(folder.path, 'position.json.new'))
  expect(await queue.hasRoom(record.length)).toBe(false)
  await take(queue, 5)
  expect(await queue.hasRoom(record.length)).toBe(true)
  await queue.append([record])
  expect(await take(queue)).toHaveLength(6)
})

test('numbers do not come again when files were removed by hand', async () => {
  await using folder = await temporaryFolder()
  {
    await using queue = await openQueue(folder.path)
    await queue.append(buffers('a', 'b', 'c'))
    await take(queue)
  }
  for (const { path } of await listSegments(folder.path)) await rm(path)
  {
    await using queue = await openQueue(folder.path)
    await queue.append(buffers('d'))
  }
  await using queue = await openQueue(folder.path)
  expect((await queue.read(1, MIB))[0]).toMatchObject({ sequence: 4n })
})

test('remove leaves nothing behind', async () => {
  await using folder = await temporaryFolder()
  const queue = await openQueue(join(folder.path, 'queue'))
  await queue.append(buffers('a'))
  await queue.remove()
  expect(await readdir(folder.path)).toEqual([])
})

test('whatever is appended, read, done and restarted: in order, none missing, only the undone come again', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ kind: fc.constant('read' as const), count: fc.integer({ min: 1, max: 7 }) }),
    fc.record({ kind: fc.constant('restart' as const), count: fc.constant(0) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await using folder = await temporaryFolder()
      let queue = await openQueue(folder.path)
      let appended = 0
      let done = 0
      let read = 0
      for (const { kind, count } of steps) {
        if (kind === 'append') {
          await queue.append(Array.from({ length: count }, (_, index) => Buffer.from(String(appended + index))))
          appended += count
        } else if (kind === 'read') {
          const records = await queue.read(count, MIB)
          expect(records.map(({ payload }) => Number(payload.toString()))).toEqual(
            Array.from({ length: Math.min(count, appended - read) }, (_, index) => read + index),
          )
          read += records.length
          // Every second one stays undone until the next restart, and holds those behind it.
          if (count % 2 === 0 && read - records.length === done) {
            for (const { sequence } of records) queue.done(sequence)
            done = read
          }
        } else {
          await queue[Symbol.asyncDispose]()
          queue = await openQueue(folder.path)
          read = done
        }
        expect(queue.unread).toBe(appended - read)
      }
      await queue[Symbol.asyncDispose]()
    }),
    { numRuns: 25 },
  )
})
