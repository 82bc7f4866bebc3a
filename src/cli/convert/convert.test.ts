import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runTool, type ToolRun } from '../../../test/helpers/run-tool.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { loadPipeline } from '../../config/load.ts'
import type { ConfigValue } from '../../core/plan.ts'

const VARIABLES = { HOST: 'es', LIST: '["a"]' }

/** A plan without places. A codec with options and the words true and false are written in another way in each language. */
async function meaningOf(path: string): Promise<unknown> {
  const { plan, problems } = await loadPipeline(path, VARIABLES)
  expect(problems).toEqual([])
  const text = JSON.stringify({ ...plan, warnings: [] }, (key, value: unknown) => (key === 'at' ? undefined : plain(key, value)))
  return JSON.parse(text)
}

function plain(key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return value
  const node = value as ConfigValue
  if (node.kind === 'boolean') return { kind: 'string', value: String(node.value) }
  if (node.kind !== 'component' || key !== 'value') return value
  return { kind: 'hash', entries: [{ name: node.name, value: { kind: 'hash', entries: node.options } }] }
}

async function convert(text: string, check: (run: ToolRun, source: string, result: string) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder()
  const source = join(folder.path, 'a.conf')
  const result = join(folder.path, 'a.json')
  await writeFile(source, text)
  await check(await runTool(['convert', source, '-o', result]), source, result)
}

const ENDS = 'input { stdin { codec => json { target => "doc" } } } output { stdout { } }'

test.each([
  'filter { mutate { add_tag => ["a"] add_tag => "b" replace => { "x" => 5 "y" => true "z" => "1.50" } } }',
  'filter { if [a] == 1 and ([b] or !([c] =~ /^\\/x"/)) { drop { } } else if [d] not in ["x", 1.5] { mutate { } } else { drop { percentage => 50 } } }',
  'filter { mutate { gsub => ["message", "a\\"b\\\\d", \'it "was"\'] } }',
  'filter { if [a] == "x" xor [b] == \'say "x"\' { drop { } } }',
  'filter { mutate { add_field => { "host" => "${HOST}" "other" => "${OTHER:none}" } } if [h] == "${HOST}" { drop { } } }',
  'filter { date { match => ["t", "ISO8601"] timezone => "Europe/Berlin" } }',
])('what is converted means the same: %s', async (filter) => {
  await convert(`${filter} ${ENDS}`, async (run, source, result) => {
    expect(run.stderr).toMatch(/of \d+ plugins converted\n$/)
    expect(run.code).toBe(0)
    expect(await meaningOf(result)).toEqual(await meaningOf(source))
  })
})

test('comments stay beside what they explain, and what is missing is told with its place', async () => {
  await using folder = await temporaryFolder()
  const source = join(folder.path, 'a.conf')
  await writeFile(
    source,
    `# logs
input { stdin { } } # from a pipe
filter {
  # numbers
  mutate { convert => { "n" => "integer" } }
  ruby { code => "event.cancel" }
}
output {
  # to look at
  stdout { }
}
# the end
`,
  )
  const { code, stdout, stderr } = await runTool(['convert', source])
  expect(stdout).toBe(`{
  "pipeline": { "ecs_compatibility": "v8" },
  // logs
  "inputs": [
    { "stdin": {} } // from a pipe
  ],
  // numbers
  "filters": [
    { "mutate": { "convert": { "n": "integer" } } },
    { "ruby": { "code": "event.cancel" } }
  ],
  // to look at
  "outputs": [
    { "stdout": {} }
  ]
  // the end
}
`)
  expect(stderr).toMatch(/a\.conf:6:3: Couldn't find any filter plugin named 'ruby'/)
  expect(stderr).toMatch(/3 of 4 plugins converted\n$/)
  expect(code).toBe(1)
})

test('a config that is not sound is refused with all its faults', async () => {
  await convert('input { stdin { codec = > line } } filter { mutate { a => b } ', async ({ code, stderr }) => {
    expect(stderr).toMatch(/^The given configuration is invalid:\n(.*\n)*.*a\.conf:1:/)
    expect(code).toBe(1)
    await Promise.resolve()
  })
})
