import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SharedDatabaseFiles } from './database-file.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-geoip-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('all who ask for a file get the same memory, until there is another', async () => {
  const files = new SharedDatabaseFiles()
  const path = join(folder, 'a.mmdb')
  await writeFile(path, 'first')
  const [one, other] = await Promise.all([files.read(path), files.read(path)])
  const later = await files.read(path)
  expect(Buffer.from(one.bytes).toString()).toBe('first')
  expect(one.bytes.buffer).toBeInstanceOf(SharedArrayBuffer)
  expect(other.bytes.buffer).toBe(one.bytes.buffer)
  expect(later.bytes.buffer).toBe(one.bytes.buffer)

  await writeFile(path, 'second')
  const [newer, newer_too] = await Promise.all([files.read(path), files.read(path)])
  expect(Buffer.from(newer.bytes).toString()).toBe('second')
  expect(newer_too.bytes.buffer).toBe(newer.bytes.buffer)
  expect(Buffer.from(one.bytes).toString()).toBe('first')
})

test('a file that cannot be read is refused each time, and read once it is there', async () => {
  const files = new SharedDatabaseFiles()
  const path = join(folder, 'missing.mmdb')
  for (let attempt = 0; attempt < 2; attempt++) {
    await expect(files.read(path)).rejects.toMatchObject({ code: 'GEOIP_DATABASE_UNREADABLE' })
  }
  await writeFile(path, 'here')
  expect(Buffer.from((await files.read(path)).bytes).toString()).toBe('here')
  await rm(path)
  await expect(files.read(path)).rejects.toThrow('ENOENT')
})
