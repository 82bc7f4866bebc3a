import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type TemporaryFolder, temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { ConfigError } from '../core/errors.ts'
import type { PlanNode } from '../core/plan.ts'
import { type ConfigRequest, type LoadedPipeline, loadConfig } from './load.ts'
import { loadSettings } from './settings/load-settings.ts'

type Files = { readonly [name: string]: string | Buffer }

async function folderWith(files: Files): Promise<TemporaryFolder> {
  const folder = await temporaryFolder()
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(folder.path, name, '..'), { recursive: true })
    await writeFile(join(folder.path, name), content)
  }
  return folder
}

function names(nodes: readonly PlanNode[]): string[] {
  return nodes.map((node) => (node.kind === 'component' ? node.name : 'if'))
}

async function load(request: Partial<ConfigRequest>): Promise<readonly LoadedPipeline[]> {
  return await loadConfig({ variables: {}, ...request })
}

async function refusal(request: Partial<ConfigRequest>): Promise<string> {
  const thrown: unknown = await load(request).catch((error: unknown) => error)
  if (!(thrown instanceof ConfigError)) throw new Error(`was read: ${JSON.stringify(thrown)}`)
  return thrown.message
}

const ENDS = 'input { stdin {} } output { stdout {} }'

test('the files of a folder or glob are one pipeline in the order of their names, and places keep their file', async () => {
  await using folder = await folderWith({
    '20-filter.conf': 'filter { b {} }',
    '10-input.conf': 'input { stdin {} }\nfilter { a {} }',
    '30-output.conf': 'output { stdout {} }',
    '30-output.conf~': 'output { old {} }',
    'sub/40.conf': 'output { other {} }',
    '.hidden': '}',
  })
  for (const path of [folder.path, join(folder.path, '*'), join(folder.path, '{10,20,30}-*')]) {
    const [loaded, ...others] = await load({ path })
    expect(others).toEqual([])
    expect(names(loaded?.plan.filters ?? [])).toEqual(['a', 'b'])
    expect(names(loaded?.plan.outputs ?? [])).toEqual(['stdout'])
    expect(loaded?.plan.filters[1]?.at).toEqual({ file: join(folder.path, '20-filter.conf'), line: 1, column: 10 })
    expect(loaded?.plan.warnings.map(({ message }) => message)).toEqual([expect.stringContaining('30-output.conf~ looks like')])
    expect(loaded?.plan.settings).toMatchObject({ id: 'main', ecs_compatibility: 'v8' })
    expect(loaded?.folder).toBe(folder.path)
  }
})

test.each<readonly [string, Files, string, string]>([
  ['an empty folder', {}, '', 'No config files found in path'],
  ['a glob without matches', { 'a.txt': '' }, '*.conf', 'No config files found in path'],
  ['a file that is not there', {}, 'nowhere.conf', 'No config files found in path'],
  [
    'other bytes than UTF-8',
    { 'a.conf': Buffer.from('input { stdin { type => "caf\xe9" } }', 'latin1') },
    'a.conf',
    'expected UTF-8',
  ],
  ['a pipeline.json among others', { 'a.conf': ENDS, 'b.json': '{}' }, '', 'expected one pipeline.json alone'],
])('%s is refused', async (_, files, path, message) => {
  await using folder = await folderWith(files)
  expect(await refusal({ path: join(folder.path, path) })).toContain(message)
})

test('an address is refused with what to do', async () => {
  expect(await refusal({ path: 'https://example.com/x.conf' })).toContain('configs are not fetched')
})

test('without any config the words are those of Logstash', async () => {
  expect(await refusal({})).toContain(
    "No configuration file was specified. Perhaps you forgot to provide the '-f yourlogstash.conf' flag?",
  )
})

test('a text gets the ends that it lacks, with a warning', async () => {
  const [bare] = await load({ text: 'filter { a {} }' })
  expect(names(bare?.plan.inputs ?? [])).toEqual(['stdin'])
  expect(names(bare?.plan.outputs ?? [])).toEqual(['stdout'])
  expect(bare?.plan.warnings.map(({ message }) => message)).toEqual([
    'no input is named, so this one is added: input { stdin { type => stdin } }',
    'no output is named, so this one is added: output { stdout { codec => rubydebug } }',
  ])
  const [whole] = await load({ text: 'input { } output { }' })
  expect([whole?.plan.inputs, whole?.plan.outputs, whole?.plan.warnings]).toEqual([[], [], []])
})

test('conditions that Logstash joins in its own way are told', async () => {
  const [loaded] = await load({
    text: `${ENDS} filter { if ![x] and [a] and [b] or [c] { a {} } if [a] or [b] and [c] { a {} } }`,
  })
  expect(loaded?.plan.warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining('![x] and [a] and [b] or [c]: of several and'),
  ])
})

test('problems bring their line, unless it may hold a password', async () => {
  const [loaded] = await load({ text: 'input { x {\n\tport -> 1\n  password -> "hunter2"\n} } output { stdout {} }' })
  const { message } = new ConfigError(loaded?.problems ?? [])
  expect(message).toContain(
    '\n    2 | \tport -> 1\n      | \t     ^\n    expected => after port, found "->": write port => instead of ->',
  )
  expect(message).toContain(':3:12: ')
  expect(message).not.toContain('hunter2')
})

test('the limits of dead letters stand in logstash.yml, pipelines.yml, on the command line or in a pipeline.json', async () => {
  await using folder = await folderWith({
    'a.conf': ENDS,
    'c.json':
      '{ "pipeline": { "dead_letter_queue_max_bytes": "2mb", "dead_letter_queue_storage_policy": "drop_newer", "dead_letter_queue_retain_age": "1 hour" }, "inputs": [{ "stdin": {} }], "outputs": [{ "stdout": {} }] }',
    'logstash.yml': 'dead_letter_queue:\n  max_bytes: 5mb\n  storage_policy: drop_older\n  retain.age: 2d\n',
    'pipelines.yml':
      '- pipeline.id: x\n  config.string: "input { stdin {} } output { stdout {} }"\n  dead_letter_queue.max_bytes: 7mb\n',
  })
  const loaded = await loadSettings(folder.path, new Map(), {})
  const limitsOf = async (request: Parameters<typeof load>[0]): Promise<unknown> => {
    const [one] = await load(request)
    expect(one?.problems).toEqual([])
    const {
      dead_letter_queue_max_bytes: bytes,
      dead_letter_queue_storage_policy: policy,
      dead_letter_queue_retain_age: age,
    } = one?.plan.settings ?? {}
    return [bytes, policy, age]
  }
  const { settings } = loaded
  expect(loaded.warnings).toEqual([])
  expect(await limitsOf({ path: join(folder.path, 'a.conf') })).toEqual([1024 ** 3, 'block', undefined])
  expect(await limitsOf({ path: join(folder.path, 'a.conf'), settings })).toEqual([5 * 1024 ** 2, 'drop_older', 172_800_000])
  expect(await limitsOf({ settings, settings_folder: folder.path })).toEqual([7 * 1024 ** 2, 'drop_older', 172_800_000])
  expect(await limitsOf({ path: join(folder.path, 'c.json') })).toEqual([2 * 1024 ** 2, 'drop_newer', 3_600_000])
})

const PIPELINES = `
- pipeline.id: first
  path.config: "FOLDER/a.conf"
  pipeline:
    batch.size: 10
    ecs_compatibility: disabled
- pipeline.id: \${SECOND:second}
  config.string: |
    input { stdin {} } filter { x { a => "b\\tc" } } output { stdout {} }
  config.support_escapes: true
  queue.type: persisted
  queue.max_bytes: 4gb
  queue.checkpoint.writes: 1
- pipeline.id: third
  path.config: "FOLDER/c.json"
  pipeline.batch.delay: 7
`

test('pipelines.yml has one pipeline for each entry, on top of logstash.yml', async () => {
  await using folder = await folderWith({
    'a.conf': ENDS,
    'c.json': '{ "pipeline": { "batch_size": 5 }, "inputs": [{ "stdin": {} }], "outputs": [{ "stdout": {} }] }',
    'logstash.yml': 'pipeline.batch:\n  size: 99\n  delay: 3\npipeline.strict_conditions: true\n',
  })
  await writeFile(join(folder.path, 'pipelines.yml'), PIPELINES.replaceAll('FOLDER', folder.path))
  const { settings } = await loadSettings(folder.path, new Map(), {})
  const loaded = await load({ settings, settings_folder: folder.path })
  expect(loaded.map(({ plan }) => plan.settings)).toMatchObject([
    { id: 'first', batch_size: 10, batch_delay_ms: 3, ecs_compatibility: 'disabled' },
    {
      id: 'second',
      batch_size: 99,
      batch_delay_ms: 3,
      ecs_compatibility: 'v8',
      strict_conditions: true,
      queue_type: 'persisted',
      queue_max_bytes: 4 * 1024 ** 3,
    },
    { id: 'third', batch_size: 5, batch_delay_ms: 7, ecs_compatibility: 'disabled' },
  ])
  expect(loaded.flatMap(({ problems }) => problems)).toEqual([])
  const place = { file: `${join(folder.path, 'pipelines.yml')} (second)`, line: 1 }
  expect(loaded[1]?.plan.filters).toMatchObject([{ at: place, options: [{ value: { value: 'b\tc' } }] }])
  expect(loaded[1]?.plan.warnings).toMatchObject([
    { message: expect.stringContaining('queue.checkpoint.writes changes nothing') },
  ])
  const [named] = await load({ path: join(folder.path, 'a.conf'), settings, settings_folder: folder.path })
  expect(named?.plan.settings).toMatchObject({ id: 'main', batch_size: 99 })
  expect(named?.plan.warnings).toMatchObject([{ message: expect.stringContaining("Ignoring the 'pipelines.yml' file") }])
})

test.each([
  [
    '- pipeline.id: a\n  config.string: ""\n- pipeline.id: a\n  config.string: ""\n',
    '3:3: Pipelines YAML file contains duplicate pipeline ids: ["a"]',
  ],
  [
    '- pipeline.id: a\n  config.string: ""\n  path.data: x\n',
    '3:3: Only pipeline related settings are expected. Received "path.data"',
  ],
  [
    '- pipeline.id: a\n  config.string: ""\n  pipeline.wrokers: 2\n',
    '3:3: Only pipeline related settings are expected. Received "pipeline.wrokers"',
  ],
  ['pipeline.id: a\n', '1:1: expected a list of pipelines'],
  ['- pipeline.id: [a\n', '2:1: not YAML: Flow sequence'],
  ['', '1:1: expected at least one pipeline'],
])('pipelines.yml %j is refused', async (text, message) => {
  await using folder = await folderWith({ 'pipelines.yml': text })
  expect(await refusal({ settings_folder: folder.path })).toContain(`pipelines.yml:${message}`)
})

test('a pipeline whose file is missing keeps the others from nothing', async () => {
  await using folder = await folderWith({
    'pipelines.yml':
      '- pipeline.id: a\n  path.config: /nowhere/*.conf\n- pipeline.id: b\n  config.string: "input { } output { }"\n- pipeline.id: c\n',
  })
  const loaded = await load({ settings_folder: folder.path })
  expect(loaded.map(({ plan, problems }) => [plan.settings.id, problems.map(({ message }) => message)])).toEqual([
    ['a', ['No config files found in path: /nowhere/*.conf']],
    ['b', []],
    ['c', ['expected path.config or config.string in a pipeline']],
  ])
})

test.each<readonly [string, object]>([
  ['a: 1', { problems: [{ message: 'Setting "a" doesn\'t exist. Please check if you haven\'t made a typo.' }] }],
  ['pipeline.wokers: 2', { problems: [{ hint: 'did you mean pipeline.workers?' }] }],
  [
    'pipeline:\n  output:\n    workers: 2\n  workers: 2\n',
    { warnings: [{ message: expect.stringMatching(/^pipeline.output.workers changes nothing/) }] },
  ],
  ['pipeline.workers: 1\nqueue.type: memory\nxpack.monitoring.enabled: false', { warnings: [], problems: [] }],
  ['http.port: 9700', { warnings: [{ message: 'http.port is the old name of api.http.port' }] }],
  ['modules:\n  - name: netflow\n', { warnings: [{ message: expect.stringContaining('modules changes nothing') }] }],
  ['log.level: ${NOPE}', { problems: [{ code: 'CONFIG_UNRESOLVED_VARIABLE' }] }],
  ['path.data: "${NOPE:x}"\n# c\n', { problems: [], warnings: [] }],
  ['', { problems: [] }],
])('logstash.yml %j says what is wrong or without effect', async (text, expected) => {
  await using folder = await folderWith({ 'logstash.yml': text })
  expect(await loadSettings(folder.path, new Map(), {})).toMatchObject(expected)
})
