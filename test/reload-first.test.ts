import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Program } from './helpers/program.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

test('what changed before the first look is seen by it, also where nobody looks until asked', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'main.conf')
  await writeFile(join(folder.path, 'own'), 'MINE a\n')
  await writeFile(
    file,
    `input { heartbeat { interval => 3600 } } filter { grok { patterns_dir => ["${folder.path}/own"] match => { message => "%{MINE}" } } }
     output { null { } }`,
  )
  await using program = await Program.start({ args: ['-f', file] })
  await writeFile(join(folder.path, 'own'), 'MINE b\n')
  const reload = async (): Promise<unknown> => await (await fetch(`${program.apiUrl}/api/pipeline`, { method: 'PUT' })).json()
  expect(await reload()).toMatchObject({ result: 'loaded', changed: ['main'] })
  expect(await reload()).toMatchObject({ result: 'unchanged' })
})
