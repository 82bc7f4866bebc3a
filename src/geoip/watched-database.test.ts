import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { writeDatabase } from './mmdb-writer.ts'
import { WatchedDatabase } from './watched-database.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-geoip-'))
})
afterAll(() => rm(folder, { recursive: true }))

function databaseOf(country: string, build_time_s = 1_767_225_600): Buffer {
  const networks = [{ network: '81.2.69.0/24', record: { country: { iso_code: country } } }]
  return writeDatabase({ database_type: `Country-${country}`, description: 'a test', build_time_s, networks })
}

async function open(name: string, bytes: Buffer, poll_ms?: number) {
  const path = join(folder, name)
  await writeFile(path, bytes)
  const context = testContext()
  const watched = await WatchedDatabase.open(path, context, poll_ms)
  onTestFinished(() => watched.close())
  return { path, watched, lines: context.lines }
}

test('a new file takes over, moved into place or written over', async () => {
  const { path, watched, lines } = await open('takes-over.mmdb', databaseOf('GB'))
  await writeFile(`${path}.new`, databaseOf('SE'))
  await rename(`${path}.new`, path)
  await watched.refresh()
  expect(watched.current.type).toBe('Country-SE')
  await writeFile(path, databaseOf('JP'))
  await watched.refresh()
  expect(watched.current.type).toBe('Country-JP')
  expect(lines.at(-1)).toContain('Country-JP of 2026-01-01')
})

test('a broken, cut, empty or missing file never takes the place of a sound one, and is complained of once', async () => {
  const { path, watched, lines } = await open('broken.mmdb', databaseOf('GB'))
  const before = watched.current
  const sound = databaseOf('SE')
  const cut_in_front = sound.subarray(40)
  for (const broken of [Buffer.from('not a database'), sound.subarray(0, sound.length / 2), cut_in_front, Buffer.alloc(0)]) {
    await writeFile(path, broken)
    await watched.refresh()
    await watched.refresh()
    expect(watched.current).toBe(before)
  }
  await rm(path)
  await watched.refresh()
  await watched.refresh()
  expect(watched.current).toBe(before)
  expect(lines.filter((line) => line.includes('still working with Country-GB'))).toHaveLength(5)
  await writeFile(path, sound)
  await watched.refresh()
  expect(watched.current.type).toBe('Country-SE')
})

test('the same content written anew changes nothing', async () => {
  const { path, watched, lines } = await open('same.mmdb', databaseOf('GB'))
  const before = watched.current
  await writeFile(path, databaseOf('GB'))
  await watched.refresh()
  expect(watched.current).toBe(before)
  expect(lines).toEqual([])
})

test('the file is looked at by itself, until the watch is closed', async () => {
  const { path, watched } = await open('polled.mmdb', databaseOf('GB'), 5)
  await writeFile(`${path}.new`, databaseOf('SE'))
  await rename(`${path}.new`, path)
  await vi.waitFor(() => expect(watched.current.type).toBe('Country-SE'))
  watched.close()
})

test('two watchers of one file share its memory', async () => {
  const { path, watched } = await open('shared.mmdb', databaseOf('GB'))
  const second = await WatchedDatabase.open(path, testContext())
  onTestFinished(() => second.close())
  expect(second.current).toBe(watched.current)
})

test('the build time is a gauge, also after a new file took over', async () => {
  const path = join(folder, 'gauge.mmdb')
  await writeFile(path, databaseOf('GB'))
  const context = testContext()
  const watched = await WatchedDatabase.open(path, context)
  onTestFinished(() => watched.close())
  const sample = `millrace_geoip_database_build_time_seconds{database="${path}"}`
  expect(await context.metrics.text()).toContain(`${sample} 1767225600`)
  await writeFile(path, databaseOf('SE', 1_800_000_000))
  await watched.refresh()
  expect(await context.metrics.text()).toContain(`${sample} 1800000000`)
})

test.each(['missing.mmdb', '.'])('what is no file is refused with its path: %s', async (name) => {
  const path = join(folder, name)
  await expect(WatchedDatabase.open(path, testContext())).rejects.toMatchObject({
    code: 'GEOIP_DATABASE_UNREADABLE',
    message: expect.stringContaining(path) as string,
  })
})
