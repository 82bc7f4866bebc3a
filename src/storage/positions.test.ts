import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Json, PositionStore } from './positions.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-positions-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

const isNumber = (value: Json): value is number => typeof value === 'number'

test('what was saved is there after opening again, hostile keys too; values of another kind are left out', async () => {
  const path = join(folder, 'a', 'positions.json')
  const store = await PositionStore.open(path, isNumber)
  store.set('__proto__', 1)
  store.set('x', 2)
  store.set('gone', 3)
  store.delete('gone')
  await store.save()
  expect([...(await PositionStore.open(path, isNumber)).entries()]).toEqual([
    ['__proto__', 1],
    ['x', 2],
  ])
  const isText = (value: Json): value is string => typeof value === 'string'
  expect([...(await PositionStore.open(path, isText)).entries()]).toEqual([])
  expect(await readdir(join(folder, 'a'))).toEqual(['positions.json'])
})

test('a save that was asked for during another one holds the newest state', async () => {
  const path = join(folder, 'positions.json')
  const store = await PositionStore.open(path, isNumber)
  const saves: Promise<void>[] = []
  for (let value = 1; value <= 20; value++) {
    store.set('x', value)
    saves.push(store.save())
  }
  await Promise.all(saves)
  expect((await PositionStore.open(path, isNumber)).get('x')).toBe(20)
})

test('a file that is something else is refused with what to do, and left as it is', async () => {
  const path = join(folder, 'positions.json')
  for (const text of ['', 'null', '{"version":2,"entries":[]}', '[1']) {
    await writeFile(path, text)
    await expect(PositionStore.open(path, isNumber)).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
    expect(await readFile(path, 'utf8')).toBe(text)
  }
})

test('a save that failed can be repeated', async () => {
  const path = join(folder, 'positions.json')
  const store = await PositionStore.open(path, isNumber)
  store.set('x', 1)
  await mkdir(path)
  await expect(store.save()).rejects.toMatchObject({ code: 'STORAGE_WRITE_FAILED' })
  await rm(path, { recursive: true })
  await store.save()
  expect((await PositionStore.open(path, isNumber)).get('x')).toBe(1)
})
