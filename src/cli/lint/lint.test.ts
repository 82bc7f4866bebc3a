import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { catalog } from '../../../test/helpers/catalog.ts'
import { runTool } from '../../../test/helpers/run-tool.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { parseConf } from '../../config/logstash-conf/parser.ts'
import { SourceText } from '../../config/source-text.ts'
import { applyFixes, type LintFinding, lintConfig, RULES } from './lint-config.ts'

function findings(text: string, files = 2): LintFinding[] {
  const { syntax, faults } = parseConf(new SourceText('x.conf', text))
  expect(faults).toEqual([])
  return lintConfig(syntax, catalog, files)
}

function rulesOf(text: string, files?: number): string[] {
  return findings(text, files).map(({ rule }) => rule)
}

test.each(RULES)(
  '$name fires where it should, keeps quiet where it should, and mends what it can',
  ({ name, fires, quiet, fixed }) => {
    expect(rulesOf(fires)).toContain(name)
    expect(rulesOf(quiet)).not.toContain(name)
    const own = findings(fires).filter(({ rule }) => rule === name)
    if (fixed === undefined) expect(own.filter(({ fix }) => fix !== undefined)).toEqual([])
    else {
      expect(applyFixes(fires, own)).toBe(fixed)
      expect(rulesOf(fixed)).not.toContain(name)
    }
  },
)

test.each([
  // A field is known where an outer condition asked for it, and where it was compared before.
  ['filter { if [n] { if [n] > 1 { drop { } } } }', []],
  ['filter { if [n] > 1 and [n] < 5 { drop { } } }', ['unguarded-comparison']],
  ['filter { if [a] or [n] > 1 { drop { } } }', ['unguarded-comparison']],
  ['filter { if !([n] > 1) { drop { } } }', ['unguarded-comparison']],
  ['filter { if [n] { drop { } } else if [n] > 1 { drop { } } }', ['unguarded-comparison']],
  ['filter { if [a] not in ["x"] { drop { } } }', ['one-element-list']],
  ['filter { if [a] in [b] { drop { } } }', []],
  ['filter { if [a] =~ /^(a+)+$/ { drop { } } }', ['exponential-regex']],
  ['filter { mutate { add_field => { "[a]" => "%{+YYYY.MM.DD} %{+YYYY.ww}" } } }', ['day-of-year', 'week-of-year']],
  ['filter { mutate { rename => { "b" => "a" } add_field => { "c" => "%{a}" } } }', []],
  ['output { http { url => "https://u:secret@host/" } }', ['unconditional-output', 'plaintext-password']],
  ['output { http { url => "https://u:${P}@host/" } }', ['unconditional-output']],
])('%s: %j', (text, expected) => {
  expect(rulesOf(text)).toEqual(expected)
})

test('one file alone may have outputs outside any if', () => {
  expect(rulesOf('output { stdout { } }', 1)).toEqual([])
  expect(rulesOf('output { stdout { } }', 2)).toEqual(['unconditional-output'])
})

test('a comment allows a rule on its line and the next one', () => {
  const condition = 'if [a] in ["x"] { drop { } }'
  expect(rulesOf(`filter {\n# lint: allow one-element-list\n${condition}\n}`)).toEqual([])
  expect(rulesOf(`filter {\n${condition} # lint: allow one-element-list\n}`)).toEqual([])
  expect(rulesOf(`filter {\n# lint: allow day-of-year\n${condition}\n}`)).toEqual(['one-element-list'])
})

test('--fix rewrites the file, keeps comments and layout, and tells what is left', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'a.conf')
  const text = (day: string): string =>
    `# first\nfilter {\n  mutate { add_field => { "d" => "%{+YYYY.MM.${day}}" } } # kept\n  grok { match => { "message" => "x" } }\n}\n`
  await writeFile(file, text('DD'))
  const { code, stdout } = await runTool(['lint', '--fix', file])
  expect(await readFile(file, 'utf8')).toBe(text('dd'))
  expect(stdout).toMatch(/a\.conf:4:34: .*\[unanchored-grok\]\n.*\n1 finding, 1 mended\n$/)
  expect(code).toBe(1)
})

test('--fix tells of what is left where it stands afterwards', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'a.conf')
  await writeFile(file, 'filter { if [n] > 1 { grok { match => { "message" => "x" } } } }')
  const { stdout } = await runTool(['lint', '--fix', file])
  const column = (await readFile(file, 'utf8')).indexOf('"x"') + 1
  expect(stdout).toContain(`a.conf:1:${column}: `)
})

test('--json prints one object per finding', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'a.conf')
  await writeFile(file, 'filter { if [a] in ["x"] { drop { } } }')
  const { code, stdout } = await runTool(['lint', '--json', file])
  expect(JSON.parse(stdout)).toMatchObject({ rule: 'one-element-list', file, line: 1, column: 20, can_fix: true })
  expect(code).toBe(1)
})

test.each([
  [['lint'], 'expected a logstash.conf'],
  [['lint', '/nowhere.conf'], 'No config files found in path: /nowhere.conf'],
  [['lint', 'package.json'], 'expected a logstash.conf, got a pipeline.json'],
])('%j is refused', async (words, message) => {
  const { code, stderr } = await runTool(words)
  expect(stderr).toContain(message)
  expect(code).toBe(1)
})
