import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { SourceFiles } from './source-files.ts'

const HOUR_MS = 3_600_000

test('a file has changed when its content has; at the first look when it was written since', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'main.conf')
  await writeFile(file, 'a')
  const all = (since_ms?: number) => new SourceFiles().changed([file, join(folder.path, 'missing')], since_ms)
  expect([...(await all())]).toEqual([])
  expect([...(await all(Date.now() + HOUR_MS))]).toEqual([])
  expect([...(await all(Date.now() - HOUR_MS))]).toEqual([file])

  const files = new SourceFiles()
  await files.changed([file])
  await writeFile(file, 'a')
  expect([...(await files.changed([file]))]).toEqual([])
  await writeFile(file, 'b')
  expect([...(await files.changed([file]))]).toEqual([file])
})
