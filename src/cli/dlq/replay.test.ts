import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { keepLetters, letterOf, listLetters } from '../../../test/helpers/dead-letters.ts'
import { Program } from '../../../test/helpers/program.ts'
import { runTool, type ToolRun } from '../../../test/helpers/run-tool.ts'
import { type StubElasticsearch, startStubElasticsearch } from '../../../test/helpers/stub-elasticsearch.ts'
import { type TemporaryFolder, temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { type DeadLetter, DeadLetters, deadLettersFolder } from '../../storage/dead-letters.ts'
import { lockFolder } from '../../storage/folder-lock.ts'
import { listSegments } from '../../storage/segment-reader.ts'

// Every test starts the program several times.
vi.setConfig({ testTimeout: 90_000 })

let folder: TemporaryFolder
let stub: StubElasticsearch
let config = ''
beforeEach(async () => {
  folder = await temporaryFolder()
  stub = await startStubElasticsearch()
  config = join(folder.path, 'pipeline.json')
  await writeConfig()
})
afterEach(async () => {
  await stub.close()
  await folder[Symbol.asyncDispose]()
})

async function writeConfig(outputs: object[] = [{ elasticsearch: { hosts: stub.url, index: 'logs' } }]): Promise<void> {
  const filters = [{ mutate: { add_field: { filtered: 'yes' } } }]
  await writeFile(config, JSON.stringify({ inputs: [{ beats: { port: 5044, codec: 'json' } }], filters, outputs }))
}

async function replay(...words: string[]): Promise<ToolRun & { readonly json: { readonly [name: string]: unknown } }> {
  const run = await runTool(['dlq', 'replay', '-f', config, '--path.data', folder.path, '--json', ...words])
  return { ...run, json: (run.stdout === '' ? {} : JSON.parse(run.stdout)) as { readonly [name: string]: unknown } }
}

/** Id -> document, of what Elasticsearch has. */
function stored(): Map<string, { readonly [name: string]: unknown }> {
  const index = stub.documents.get('logs') ?? new Map<string, string>()
  return new Map([...index].map(([id, text]) => [id, JSON.parse(text) as { readonly [name: string]: unknown }]))
}

function numbers(): unknown[] {
  return [...stored().values()].map(({ n }) => n).toSorted((a, b) => Number(a) - Number(b))
}

const raw = (text: string, size_bytes = text.length): DeadLetter['content'] => ({
  kind: 'raw',
  raw: Buffer.from(text),
  size_bytes,
})
const refusing = (reason: string) => () => ({ item: () => ({ status: 400, type: 'illegal_argument_exception', reason }) })

test('letters are stored under their ids with the rest of their way, and are gone then', async () => {
  await keepLetters(folder.path, [
    letterOf('x', '{"n":1,"order_id":12345678901234567890,"price":1.0,"@timestamp":"2024-05-01T00:00:00.000Z"}', {
      stable_id: 'k:1',
    }),
    letterOf('x', '{"n":2}', { stable_id: 'k:2', component: 'filter_grok_1', plugin_type: undefined }),
    letterOf('x', '', { stable_id: 'k:3', component: 'input_beats_1', plugin_type: undefined, content: raw('{"n":3}') }),
    letterOf('x', '{"n":4}', { stable_id: undefined }),
  ])
  const { code, json, stderr } = await replay()
  expect(stderr).toBe('')
  expect(json).toMatchObject({ chosen: 4, done: 4, failed_again: 0, left: 0, events: { stored: 4 } })
  expect(code).toBe(0)
  expect([...stored()].map(([id, { n, filtered }]) => [id, n, filtered])).toEqual([
    ['k:1', 1, undefined],
    ['k:2', 2, 'yes'],
    ['k:3', 3, 'yes'],
    [expect.stringMatching(/^dead-letter-\d+-4$/), 4, undefined],
  ])
  const text = stub.documents.get('logs')?.get('k:1')
  expect(text).toContain('"order_id":12345678901234567890,"price":1.0,"@timestamp":"2024-05-01T00:00:00.000Z"')
  expect((await listLetters(folder.path)).letters).toBe(0)
  expect((await replay()).json).toMatchObject({ chosen: 0 })
  expect(stub.bulks.flatMap(({ items }) => items).length).toBe(4)
})

test('what fails again stays once, with its new reason and how often it was tried', async () => {
  await keepLetters(folder.path, [letterOf('old', '{"n":1}'), letterOf('old', '{"n":2}', { replays: 2 })])
  stub.onBulk = refusing('pipeline with id [p] does not exist')
  expect(await replay()).toMatchObject({ code: 1, json: { chosen: 2, done: 0, failed_again: 2 } })
  const { letters, groups } = await listLetters(folder.path)
  expect(letters).toBe(2)
  const cause = 'illegal_argument_exception: pipeline with id [p] does not exist'
  expect(groups).toMatchObject([{ cause, component: 'output_elasticsearch_1', replays: 3, count: 2 }])
  await replay()
  const { stdout } = await runTool(['dlq', 'show', '--path.data', folder.path, '--where', '[n] == 1'])
  expect(JSON.parse(stdout)).toMatchObject({ reason: 'old', document: { n: 1 }, last_replay: { replays: 2, reason: cause } })
  stub.onBulk = undefined
  expect(await replay()).toMatchObject({ code: 0, json: { done: 2 } })
  expect(numbers()).toEqual([1, 2])
})

test('a replay that was killed and is started again loses nothing and stores nothing twice', async () => {
  const count = 400
  const ids = Array.from({ length: count }, (_, n) => (n % 4 === 0 ? undefined : `k:${n}`))
  await keepLetters(
    folder.path,
    ids.map((stable_id, n) => letterOf('x', `{"n":${n}}`, { stable_id })),
    4_000,
  )
  for (const enough of [40, 120]) {
    const args = ['dlq', 'replay', '-f', config, '--rate', '400']
    await using running = await Program.spawn({ args, data: folder.path })
    await running.waitUntil('some are stored', () => numbers().length >= enough)
    await running.kill()
  }
  expect(numbers().length).toBeLessThan(count)
  const { code, json } = await replay()
  expect([code, json['done']]).toEqual([0, json['chosen']])
  expect(json['chosen']).toBeLessThan(count)
  expect(numbers()).toEqual(Array.from({ length: count }, (_, n) => n))
  expect((await listLetters(folder.path)).letters).toBe(0)
  expect((await listSegments(deadLettersFolder(folder.path))).length).toBe(1)
})

test('a letter goes to the output that gave it up, and to no other that has it already', async () => {
  const [one, two] = ['one', 'two'].map((name) => join(folder.path, name))
  await writeConfig([one, two].map((path) => ({ file: { path, codec: 'json_lines' } })))
  await keepLetters(folder.path, [
    letterOf('x', '{"n":1}', { component: 'output_file_2 (p.json:1:1)' }),
    letterOf('x', '{"n":2}', { component: 'filter_grok_1', plugin_type: undefined }),
    letterOf('x', '{"n":3}', { component: 'output_gone_1 (p.json:1:1)' }),
  ])
  expect(await replay()).toMatchObject({ code: 0, json: { done: 3 } })
  const of = async (path = ''): Promise<unknown[]> =>
    (await readFile(path, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { n: number }).n)
  expect([await of(one), await of(two)]).toEqual([
    [2, 3],
    [1, 2, 3],
  ])
})

test('what no output takes, and what was kept in part only, stays', async () => {
  await writeConfig([{ if: '[n] == 1', then: [{ elasticsearch: { hosts: stub.url, index: 'logs' } }], else: [] }])
  const large = letterOf('too large', '', {
    component: 'input_beats_1',
    plugin_type: undefined,
    content: raw('{"n":', 50_000_000),
  })
  await keepLetters(folder.path, [letterOf('x', '{"n":1}'), letterOf('x', '{"n":2}'), large])
  expect(await replay('--dry-run')).toMatchObject({
    code: 1,
    json: { dry_run: true, letters: 3, outputs: { output_elasticsearch_1: 1 }, no_output: 1, cut: 1 },
  })
  expect(await replay()).toMatchObject({ code: 1, json: { chosen: 3, done: 1, failed_again: 1, cut: 1 } })
  const causes = (await listLetters(folder.path)).groups.map(({ cause }) => cause)
  expect(new Set(causes)).toEqual(new Set(['no output of the config takes it', 'too large']))
})

test.each([
  ['filters.conf', 'filter { if [n] == 2 { drop {} } mutate { convert => { "price" => "integer" } } }'],
  ['filters.json', '{"filters":[{"if":"[n] == 2","then":[{"drop":{}}]},{"mutate":{"convert":{"price":"integer"}}}]}'],
])("--through %s: all that is chosen goes through these filters, in place of the config's", async (name, text) => {
  const through = join(folder.path, name)
  await writeFile(through, text)
  await keepLetters(folder.path, [
    letterOf('x', '{"n":1,"price":"7"}'),
    letterOf('x', '{"n":2}'),
    letterOf('x', '{"n":3}', { component: 'filter_grok_1', plugin_type: undefined }),
  ])
  const forecast = { letters: 3, outputs: { output_elasticsearch_1: 2 }, dropped: 1, failed: {}, no_output: 0 }
  expect(await replay('--dry-run', '--through', through)).toMatchObject({ code: 0, json: forecast })
  expect((await listLetters(folder.path)).letters).toBe(3)
  expect(stub.bulks.length).toBe(0)
  expect(await replay('--through', through)).toMatchObject({ code: 0, json: { done: 3, events: { stored: 2, dropped: 1 } } })
  expect([...stored().values()].map(({ n, price, filtered }) => [n, price, filtered])).toEqual([
    [1, 7, undefined],
    [3, undefined, undefined],
  ])
  expect((await listLetters(folder.path)).letters).toBe(0)
})

test('only what is chosen is sent: a group, a condition, the pipeline of the config', async () => {
  await keepLetters(folder.path, [
    letterOf('a', '{"n":1}'),
    letterOf('b', '{"n":2}'),
    letterOf('a', '{"n":3}'),
    letterOf('a', '{"n":4}', { pipeline: 'other' }),
  ])
  const { groups } = await listLetters(folder.path)
  const group = String(groups.find(({ cause, pipeline }) => cause === 'a' && pipeline === 'main')?.['group'])
  expect((await replay(group, '--where', '[n] > 1')).json).toMatchObject({ done: 1 })
  expect(numbers()).toEqual([3])
  expect((await replay(group)).json).toMatchObject({ done: 1 })
  expect((await replay()).json).toMatchObject({ done: 1 })
  expect(numbers()).toEqual([1, 2, 3])
  expect((await listLetters(folder.path)).groups).toMatchObject([{ pipeline: 'other', count: 1 }])
})

test('it works while the program writes dead letters, and a second replay is refused', async () => {
  const letters = deadLettersFolder(folder.path)
  await using _lock = await lockFolder(folder.path)
  await using program = await DeadLetters.open(letters)
  await program.append([letterOf('a', '{"n":1}')])
  expect((await replay()).json).toMatchObject({ done: 1 })
  await program.append([letterOf('a', '{"n":2}')])
  expect(await listLetters(folder.path)).toMatchObject({ letters: 1 })
  {
    await using _other = await lockFolder(join(letters, 'replayed'))
    const { code, stderr } = await replay()
    expect(code).toBe(1)
    expect(stderr).toContain('another replay of')
  }
  expect((await replay()).json).toMatchObject({ done: 1 })
  expect(numbers()).toEqual([1, 2])
})

test.each([
  [['dlq', 'replay', '-f', '/nowhere/x.json'], 'No config files found'],
  [['dlq', 'replay', '--rate', '0', '-e', 'output { stdout {} }'], '--rate: expected a whole number from 1'],
])('%j is refused with what was expected', async (words, message) => {
  const { code, stderr, stdout } = await runTool([...words, '--path.data', folder.path])
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toContain(message)
})

test('without --json a person reads what happened and what to do', async () => {
  await keepLetters(folder.path, [letterOf('a', '{"n":1}'), letterOf('a', '{"n":2}')])
  stub.onBulk = refusing('no')
  const flags = ['-f', config, '--path.data', folder.path]
  const failed = await runTool(['dlq', 'replay', ...flags])
  expect(failed.stdout).toContain('2 failed again and are kept with their new reason: bin/millrace dlq ls')
  stub.onBulk = undefined
  expect((await runTool(['dlq', 'replay', ...flags, '--dry-run'])).stdout).toContain('2 to output_elasticsearch_1')
  expect((await runTool(['dlq', 'replay', ...flags])).stdout).toContain('2 of 2 letters done: 2 events stored')
  expect((await runTool(['dlq', 'replay', ...flags])).stdout).toContain('no such dead letters')
})
