import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { runTool, type ToolRun } from '../../../test/helpers/run-tool.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'

const CONFIG = `{
  "inputs": [{ "stdin": { "codec": "line" } }],
  "filters": [
    { "json": { "source": "message", "remove_field": ["message"] } },
    { "if": "[level] == \\"error\\"", "then": [{ "mutate": { "add_tag": ["\${TAG:bad}"] } }], "else": [{ "drop": {} }] }
  ],
  "outputs": [{ "stdout": {} }]
}`

const PASSING = {
  name: 'an error is tagged',
  input: ['{"level":"error","id":12345678901234567890}'],
  output: [{ level: 'error', tags: ['bad'] }],
  ignore: ['id'],
}

async function testFolder(files: { readonly [name: string]: string | object }, ...flags: string[]): Promise<ToolRun> {
  await using folder = await temporaryFolder()
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder.path, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  }
  const run = await runTool(['test', folder.path, ...flags])
  return { ...run, stdout: run.stdout.replaceAll(`${folder.path}/`, '') }
}

test('cases pass, and what none of them reached is told', async () => {
  const { code, stdout } = await testFolder({ 'a.json': CONFIG, 'a.test.json': { cases: [PASSING] } })
  expect(stdout).toContain('ok    an error is tagged')
  expect(stdout).toMatch(
    /4 of 6 parts and branches reached\n {2}not reached a\.json:5:5 if \[level\] == "error": never false\n {2}not reached a\.json:5:\d+ drop/,
  )
  expect(stdout).toMatch(/1 passed, 0 failed\n$/)
  expect(code).toBe(0)
})

test.each([
  ['a changed field', { output: [{ level: 'warn', tags: ['bad'] }] }, '~ [level] expected "warn", got "error"'],
  ['a missing field', { output: [{ level: 'error', tags: ['bad'], x: 1 }] }, '- [x] 1'],
  ['a field too many', { output: [{ level: 'error' }] }, '+ [tags] ["bad"]'],
  [
    'digits of a long number',
    { output: [{ level: 'error', tags: ['bad'], id: 1 }], ignore: [] },
    '~ [id] expected 1, got 12345678901234567890',
  ],
  ['a document too few', { output: [PASSING.output[0], {}] }, 'expected 2 documents, got 1'],
  ['a document too many', { output: [] }, 'expected 0 documents, got 1'],
  ['an unknown input', { from: 'input_kafka_1' }, 'expected one of the inputs input_stdin_1'],
])('%s fails the case, with the difference', async (_what, change, difference) => {
  const { code, stdout } = await testFolder({ 'a.json': CONFIG, 'a.test.json': { cases: [{ ...PASSING, ...change }] } })
  expect(stdout).toContain(`fails ${PASSING.name} a.test.json:1:`)
  expect(stdout).toContain(difference)
  expect(stdout).toMatch(/0 passed, 1 failed\n$/)
  expect(code).toBe(1)
})

test('variables, events as objects, shared ignores and a named config in another folder', async () => {
  const { code, stdout } = await testFolder(
    {
      'conf/p.json': CONFIG,
      'cases/x.test.json': {
        config: '../conf/p.json',
        variables: { TAG: 'worse' },
        ignore: ['[message]'],
        cases: [
          {
            name: 'one',
            input: [{ level: 'error', message: 'no json' }],
            output: [{ level: 'error', tags: ['_jsonparsefailure', 'worse'] }],
          },
          { name: 'two', input: [{ level: 'info' }], output: [] },
        ],
      },
    },
    '--json',
  )
  expect(JSON.parse(stdout)).toMatchObject({ passed: 2, failed: 0, problems: [], coverage: [{ parts: 6, gaps: [] }] })
  expect(code).toBe(0)
})

test.each([
  [{}, 'no cases'],
  [{ 'a.test.json': '{ "cases": [' }, 'a.test.json:1:13: not JSON'],
  [{ 'a.test.json': { cases: [] } }, 'expected "config"'],
  [{ 'a.json': CONFIG, 'a.test.json': { cases: [{ name: 'x', inputs: [] }] } }, 'unknown key "inputs" of a case'],
  [{ 'a.json': '{}', 'a.test.json': { cases: [PASSING] } }, 'expected at least one enabled input'],
])('%j is told and fails', async (files, message) => {
  const { code, stdout } = await testFolder(files)
  expect(stdout).toContain(message)
  expect(code).toBe(1)
})
