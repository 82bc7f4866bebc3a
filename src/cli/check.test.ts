import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { catalog } from '../../test/helpers/catalog.ts'
import { testContext } from '../../test/helpers/context.ts'
import { runTool } from '../../test/helpers/run-tool.ts'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { instead, SUBSTITUTES } from '../compile/substitutes.ts'
import { loadConfig } from '../config/load.ts'
import { MetricsRegistry } from '../telemetry/metrics.ts'
import { parseArguments } from './arguments.ts'
import { preparePipelines } from './prepare-pipeline.ts'

test('a config that can run is OK, for people and for machines', async () => {
  const words = ['-e', 'input { stdin {} } output { null {} }', '--path.data', '/nowhere/data']
  expect(await runTool(['check', ...words])).toEqual({ code: 0, stdout: 'Configuration OK\n', stderr: '' })
  const { code, stdout } = await runTool(['check', '--json', ...words])
  expect([code, JSON.parse(stdout)]).toEqual([0, { ok: true, pipelines: [{ id: 'main', problems: [], warnings: [] }] }])
  expect(await runTool(['-t', ...words, '--api.enabled=false'])).toEqual({ code: 0, stdout: 'Configuration OK\n', stderr: '' })
})

test('what is wrong is told with its place, its line and what to do, and the code is 1', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'x.conf')
  await writeFile(file, 'input { stdin {} }\nfilter {\n  ruby { code => "x" }\n  json { sorce => "m", }\n}\noutput { null {} }\n')
  const { code, stdout, stderr } = await runTool(['check', file])
  expect([code, stdout]).toEqual([1, '4 problems\n'])
  expect(stderr).toContain(
    `${file}:3:3: Couldn't find any filter plugin named 'ruby'. Are you sure this is correct? [CONFIG_UNKNOWN_COMPONENT]\n    3 |   ruby { code => "x" }\n      |   ^\n    Millrace has no ruby filter. Use instead: `,
  )
  expect(stderr).toContain(`${file}:4:10: Unknown setting 'sorce' for json`)
  expect(stderr).toContain('did you mean source?')
  expect(stderr).toContain(`${file}:4:3: Missing a required setting for the json filter plugin: `)
  expect(stderr).toContain(`${file}:4:22: Expected one of `)
  const read = await runTool(['check', '--json', '-f', file])
  expect(JSON.parse(read.stdout)).toMatchObject({
    ok: false,
    pipelines: [
      {
        problems: [
          { code: 'CONFIG_UNKNOWN_COMPONENT', at: { file, line: 3, column: 3 }, hint: expect.stringContaining('no ruby filter') },
          {},
          {},
          {},
        ],
      },
    ],
  })
})

test('1,000 lines cost less than half a second of computing', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'long.conf')
  const unit = `  if [level] == "error" and [a][b] in ["x", "y"] {
    mutate {
      add_field => { "[@metadata][index]" => "x-%{+YYYY.MM.dd}" "b" => "c" }
      rename => { "a" => "b" }
    }
  } else if [x] =~ /foo \\d+/ {
    date { match => ["time", "ISO8601"] }
    grok { match => { "message" => "^%{COMBINEDAPACHELOG}" } }
  } else { drop { } }\n`
  await writeFile(file, `input { stdin {} }\nfilter {\n${unit.repeat(112)}}\noutput { null {} }\n`)
  const { log } = testContext()
  const before = process.cpuUsage()
  const loaded = await loadConfig({ path: file, variables: {} })
  const child = { ...log, child: () => log, close: () => {} }
  const { ready, refused } = await preparePipelines(loaded, { log: child, metrics: new MetricsRegistry(), data: folder.path })
  const { user, system } = process.cpuUsage(before)
  expect([ready.length, refused.map(({ error }) => error.message)]).toEqual([1, []])
  expect((user + system) / 1_000).toBeLessThan(500)
})

test.each([
  [['-f', 'a.conf', '-e', 'x'], "Settings 'path.config' (-f) and 'config.string' (-e) can't be used simultaneously."],
  [['-e', 'x', '-r'], "Configuration reloading can't be used with 'config.string' (-e)."],
  [['-f', 'a.conf', '--drain.timeout', 'x'], '--drain.timeout: expected a whole number'],
  [['a.conf'], 'did you mean -f a.conf?'],
  [['run', 'a.conf', 'b.conf'], 'got also b.conf'],
  [['-f', 'a.conf', '--nope'], '--nope'],
])('%j is refused', (words, message) => {
  expect(() => parseArguments(words)).toThrow(message)
})

test.each<readonly [readonly string[], { readonly [name: string]: string }]>([
  [
    ['-f', 'a', '-w', '2', '-b', '5', '-u', '7', '-l', 'logs', '-n', 'me', '-t', '-r'],
    {
      'path.config': 'a',
      'pipeline.workers': '2',
      'pipeline.batch.size': '5',
      'pipeline.batch.delay': '7',
      'path.logs': 'logs',
      'node.name': 'me',
      'config.test_and_exit': 'true',
      'config.reload.automatic': 'true',
    },
  ],
  [
    ['--path.config=a', '--pipeline.id=x', '--config.debug=true', '--pipeline.unsafe_shutdown=false', '--log.level', 'warn'],
    {
      'path.config': 'a',
      'pipeline.id': 'x',
      'config.debug': 'true',
      'log.level': 'warn',
    },
  ],
  [
    ['run', 'a', '--pipeline.ecs_compatibility', 'v1', '--api.http.port=9700-9710', '--config.support_escapes'],
    {
      'pipeline.ecs_compatibility': 'v1',
      'api.http.port': '9700-9710',
      'config.support_escapes': 'true',
      'path.config': 'a',
    },
  ],
])('%j are the settings of Logstash', (words, expected) => {
  const command = parseArguments(words)
  if (command.kind !== 'run') throw new Error('expected a run')
  expect(Object.fromEntries([...command.flags].map(([name, { value }]) => [name, value]))).toEqual(expected)
})

test.each([
  'aggregate',
  'ruby',
  'xml',
  'elasticsearch',
  'http',
  'jdbc_static',
  'jdbc_streaming',
  'memcached',
  'age',
  'alter',
  'bytes',
  'cipher',
])('the filter %s is refused by name, with what to use instead', (name) => {
  expect(instead('filter', name, catalog).hint).toMatch(new RegExp(`^Millrace has no ${name} filter\\. Use instead: .{5}`))
})

test.each(['input', 'output'] as const)('what stands for an %s is there', (kind) => {
  const names = (other: 'input' | 'output'): string[] => catalog.all(other).map(({ name }) => name)
  const elsewhere = names(kind === 'input' ? 'output' : 'input').filter((name) => !names(kind).includes(name))
  for (const [name, substitute] of Object.entries(SUBSTITUTES[kind])) {
    for (const word of substitute.match(/\w+/g) ?? []) expect(elsewhere, `${name}: ${substitute}`).not.toContain(word)
  }
  expect(instead(kind, kind === 'output' ? 'udp' : 'gelf', catalog).hint).toContain('Use instead: ')
})
