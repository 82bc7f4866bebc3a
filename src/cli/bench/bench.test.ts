import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runTool } from '../../../test/helpers/run-tool.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import type { BenchReport } from './report.ts'

const CONFIG = `input { stdin { codec => json } }
filter {
  if [kind] == "pair" {
    split { field => "parts" }
    grok { match => { "message" => "%{INT:number:int}" } }
  } else { drop { } }
}
output { stdout { } }
`
const LINES = Array.from({ length: 500 }, (_, index) =>
  JSON.stringify(index % 5 === 0 ? { kind: 'other' } : { kind: 'pair', parts: ['a', 'b'], message: `no ${index}` }),
)

async function bench(...flags: string[]) {
  return await benchOf(CONFIG, LINES, ...flags)
}

async function benchOf(config_text: string, lines: readonly string[], ...flags: string[]) {
  await using folder = await temporaryFolder()
  const config = join(folder.path, 'a.conf')
  await writeFile(config, config_text)
  await writeFile(join(folder.path, 'lines'), lines.join('\n'))
  const run = await runTool(['bench', '-f', config, '--seconds', '0.1', '--lines', join(folder.path, 'lines'), ...flags])
  return { ...run, stdout: run.stdout.replaceAll(`${folder.path}/`, '') }
}

test('every step tells how many events reached it and how long it took', async () => {
  const { code, stdout } = await bench('--json')
  expect(code).toBe(0)
  const report = JSON.parse(stdout) as BenchReport
  expect(report.rows.map(({ what, depth, events }) => [what, depth, events])).toEqual([
    ['lines into events', 0, 500],
    ['if [kind] == "pair"', 0, 500],
    ['split', 1, 400],
    ['grok', 1, 800],
    ['drop', 1, 100],
    ['events into documents', 0, 800],
  ])
  expect(report.rows.every(({ ns }) => ns > 0)).toBe(true)
  expect(report.rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 0)
  expect(report.events_per_s.median).toBeGreaterThan(0)
})

test('people get a table with the places', async () => {
  const { stdout } = await bench()
  expect(stdout).toMatch(/^ +grok +800 +\d+ +[\d.]+ {2}a\.conf:5:5$/m)
  expect(stdout).toMatch(/^[\d,]+ lines\/s on one core/m)
})

const PLAIN = '{"a":"1","b":{"c":2}}'
const TWICE = '{"a":"1","a":"2"}'
const ALL_ON_IT = 'All of it is on the byte path: no text was parsed, and each document was put together of the text that came.'

test.each([
  ['json', 'mutate { add_field => { "x" => "%{a}" } }', [PLAIN], [ALL_ON_IT]],
  [
    'json',
    'if [b][c] == 2 { mutate { add_field => { "x" => "1" } } }',
    [PLAIN, '{"a":"1"}'],
    ['Not on the byte path:', '  a.conf:2:10 if [b][c] == 2: parses `b`, which is a map or a list: 0.50 times an event'],
  ],
  [
    'json',
    'mutate { add_field => { "x" => "1" } }',
    [PLAIN, TWICE],
    [
      'Not on the byte path:',
      '  lines into events: 1 events were parsed: text stays a line that is one plain object (no name twice or with an escape, ' +
        '16 levels at most, with ECS no `event`), where the codec has no target',
      '  events into documents: 1 of 2 documents were printed from their fields, for they had no text that was left',
    ],
  ],
  [
    'plain',
    'json { source => "message" target => "inner" }',
    [PLAIN],
    [
      'Not on the byte path:',
      '  lines into events: 1 events were no text from the start: their codec finds fields, and no JSON object',
      '  a.conf:2:10 json: parses a whole text: 1.00 times an event',
      '  events into documents: 1 of 1 documents were printed from their fields, for they had no text that was left',
    ],
  ],
])('what is not on the byte path, of codec %s and %s', async (codec, filter, lines, expected) => {
  const config = `input { stdin { codec => ${codec} } }\nfilter { ${filter} }\noutput { stdout { } }\n`
  const { stdout } = await benchOf(config, lines)
  expect(stdout.trimEnd().split('\n\n').at(-1)?.split('\n')).toEqual(expected)
})

test.each([
  [['--seconds', '0'], '--seconds: expected a number up to 600, got 0'],
  [['--lines', '/nowhere/lines'], '--lines: expected a file that can be read, got /nowhere/lines'],
  [['--input', 'x'], '--input: expected one of input_stdin_1, got x'],
])('%j is refused', async (flags, message) => {
  const { code, stderr } = await bench(...flags)
  expect([code, stderr]).toEqual([1, expect.stringContaining(message)])
})
