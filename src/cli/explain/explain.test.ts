import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runTool } from '../../../test/helpers/run-tool.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'

const CONFIG = {
  inputs: [{ stdin: { codec: 'line' } }],
  filters: [
    { json: { source: 'message' } },
    {
      if: '[level] == "debug" or ("x" in [tags] and [n] > 1)',
      then: [{ drop: {} }],
      else: [{ mutate: { rename: { level: 'severity' } } }],
    },
  ],
  outputs: [{ if: '[severity] == "error"', then: [{ file: { path: '/nowhere/x' } }], else: [] }],
}

async function explain(stdin: string, ...flags: string[]) {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'p.json')
  await writeFile(file, JSON.stringify(CONFIG))
  const run = await runTool(['explain', '-f', file, ...flags], stdin)
  return { ...run, stdout: run.stdout.replaceAll(`${folder.path}/`, '') }
}

test('each step tells what it changed, each condition how it went, and the end where the event goes', async () => {
  const { code, stdout } = await explain('{ "message": "{\\"level\\":\\"error\\",\\"id\\":12345678901234567890}" }')
  expect(stdout.split('\n').map((line) => line.trimEnd())).toEqual([
    'event 1',
    expect.stringMatching(/^ {2}p\.json:1:\d+ +json$/),
    '      + [level] "error"',
    '      + [id] 12345678901234567890',
    expect.stringMatching(/ if \[level\] == "debug" or "x" in \[tags\] and \[n\] > 1 {2}no$/),
    expect.stringMatching(/ mutate$/),
    '      - [level] "error"',
    '      + [severity] "error"',
    expect.stringMatching(/ if \[severity\] == "error" {2}yes$/),
    expect.stringMatching(/ to file \(output_file_1\)$/),
    expect.stringContaining('"severity":"error"'),
    '',
  ])
  expect(code).toBe(0)
})

test('lines go through the codec of the input, and a dropped event says where', async () => {
  const { stdout } = await explain('{"level":"debug"}\n{"level":"info"}\n', '--lines', '--json')
  const [dropped, kept] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { steps: { name: string; fate: string }[]; document: { message: string } | null })
  expect(dropped).toMatchObject({ document: null, steps: [{}, { held: true }, { name: 'drop', fate: 'dropped' }] })
  expect(kept).toMatchObject({ document: { message: '{"level":"info"}', severity: 'info' } })
})

test('what goes to no output is told', async () => {
  expect((await explain('{"severity":"info"}')).stdout).toContain('goes to no output')
})

test.each([
  [[], 'expected a config file'],
  [['-f', '/nowhere.json'], 'The given configuration is invalid'],
  [['--nonsense'], '--nonsense'],
])('%j is refused', async (flags, message) => {
  const { code, stderr } = await runTool(['explain', ...flags])
  expect(stderr).toContain(message)
  expect(code).toBe(1)
})
