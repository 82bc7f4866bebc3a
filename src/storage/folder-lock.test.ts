import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { lockFolder } from './folder-lock.ts'

test('a folder is locked until the lock is given back, by whatever name it is reached', async () => {
  await using folder = await temporaryFolder()
  const data = join(folder.path, 'data')
  const other = join(folder.path, 'other')
  const lock = await lockFolder(data)
  await symlink(data, other)
  await expect(lockFolder(data)).rejects.toMatchObject({ code: 'STORAGE_IN_USE' })
  await expect(lockFolder(other)).rejects.toThrow('another millrace uses the folder')
  await lock[Symbol.asyncDispose]()
  await using _again = await lockFolder(data)
})

test('folders do not lock each other', async () => {
  await using folder = await temporaryFolder()
  await using _one = await lockFolder(join(folder.path, 'one'))
  await using _two = await lockFolder(join(folder.path, 'two'))
})

test('a folder that cannot be made is refused with its name', async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'file'), '')
  await expect(lockFolder(join(folder.path, 'file', 'data'))).rejects.toMatchObject({ code: 'STORAGE_WRITE_FAILED' })
})
