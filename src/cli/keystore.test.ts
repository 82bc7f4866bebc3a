import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runTool } from '../../test/helpers/run-tool.ts'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { loadVariables } from './variables.ts'

test('values go in from a pipe, names come out, and configs find the values', async () => {
  await using folder = await temporaryFolder()
  const settings = ['--path.settings', folder.path]
  expect((await runTool(['keystore', 'create', ...settings])).stderr).toContain('MILLRACE_KEYSTORE_PASS')
  expect((await runTool(['keystore', 'add', 'ES_PWD', ...settings], 'hunter2\n')).code).toBe(0)
  await runTool(['keystore', 'add', 'GONE', ...settings], 'x')
  expect((await runTool(['keystore', 'remove', 'GONE', ...settings])).code).toBe(0)
  const listed = await runTool(['keystore', 'list', ...settings])
  expect(listed).toMatchObject({ code: 0, stdout: 'ES_PWD\n' })
  const variables = await loadVariables({ ES_PWD: 'of the environment', OTHER: 'y' }, folder.path)
  expect([variables['ES_PWD'], variables['OTHER'], variables['GONE']]).toEqual(['hunter2', 'y', undefined])
})

test.each([
  [['create', 'x'], 'expected create'],
  [['add'], 'expected add NAME'],
  [['list'], 'make one with keystore create'],
  [['remove', 'A'], 'make one with keystore create'],
  [['add', 'a b'], 'KEYSTORE_NAME_INVALID'],
  [['burn', 'x'], 'expected burn'],
])('keystore %j is refused', async (words, message) => {
  await using folder = await temporaryFolder()
  const { code, stderr } = await runTool(['keystore', ...words, '--path.settings', folder.path], 'secret')
  expect(stderr).toContain(message)
  expect(stderr).not.toContain('secret')
  expect(code).toBe(1)
})

test('a variable may name a file that holds its value; the variable itself comes before it', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'password')
  await writeFile(path, 'from the file\n')
  const variables = await loadVariables({ A_FILE: path, B: 'itself', B_FILE: path, C_FILE: '/nowhere' }, folder.path)
  expect([variables['A'], variables['B'], variables['A_FILE']]).toEqual(['from the file', 'itself', path])
  expect(() => variables['C']).toThrow(expect.objectContaining({ code: 'SECRET_FILE_UNREADABLE' }))
})
