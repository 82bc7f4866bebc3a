import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { Keystore } from './keystore.ts'

test('what was kept is found again, and the file shows neither names nor values', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'settings', 'millrace.keystore')
  const made = Keystore.create(path, 'open sesame')
  made.set('ES_PWD', 'hunter2')
  made.set('other.name', 'ä"\n')
  await made.save()
  const text = await readFile(path, 'utf8')
  expect(text).not.toMatch(/ES_PWD|hunter2|other/)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  const found = await Keystore.open(path, 'open sesame')
  expect(found?.names).toEqual(['ES_PWD', 'other.name'])
  expect([found?.get('ES_PWD'), found?.get('other.name'), found?.get('absent')]).toEqual(['hunter2', 'ä"\n', undefined])
})

test('the same secrets never make the same file', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'k')
  const made = Keystore.create(path, '')
  await made.save()
  const first = await readFile(path, 'utf8')
  await made.save()
  expect(await readFile(path, 'utf8')).not.toBe(first)
})

test('where there is none, none is opened', async () => {
  await using folder = await temporaryFolder()
  expect(await Keystore.open(join(folder.path, 'absent'), '')).toBeUndefined()
})

test.each([
  ['another password', (text: string) => text, 'wrong'],
  [
    'a bit that tipped over',
    (text: string) => text.replace(/"secrets":"(.)/, (_all, char) => `"secrets":"${char === 'A' ? 'B' : 'A'}`),
    'right',
  ],
  ['a file of another kind', () => 'PK\u0003\u0004', 'right'],
  ['a later format', (text: string) => text.replace('"format":1', '"format":2'), 'right'],
])('%s is refused', async (_what, damage, password) => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'k')
  const made = Keystore.create(path, 'right')
  made.set('a', 'b')
  await made.save()
  await writeFile(path, damage(await readFile(path, 'utf8')))
  await expect(Keystore.open(path, password)).rejects.toMatchObject({ code: 'KEYSTORE_UNREADABLE' })
})

test.each(['', 'a b', 'a}', '1a'])('the name %j is refused, for no config could ask for it', (name) => {
  expect(() => Keystore.create('k', '').set(name, 'x')).toThrow(expect.objectContaining({ code: 'KEYSTORE_NAME_INVALID' }))
})
