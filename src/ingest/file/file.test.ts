import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TestContext, testContext } from '../../../test/helpers/context.ts'
import { buildInput, Collector, type RunningInput, startInput } from '../../../test/helpers/run-input.ts'
import { json } from '../../codecs/json.ts'
import { jsonLines } from '../../codecs/json-lines.ts'
import { line } from '../../codecs/line.ts'
import { plain } from '../../codecs/plain.ts'
import { file } from './file.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-file-input-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

interface Options {
  readonly [name: string]: unknown
}

function start(
  options: Options,
  collector = new Collector(),
  overrides: Partial<TestContext> = {},
  max_event_bytes?: number,
): RunningInput {
  const context = testContext({ paths: { data: join(folder, 'data'), config: folder }, ...overrides })
  const all = {
    path: join(folder, '*.log'),
    start_position: 'beginning',
    stat_interval: '10 ms',
    discover_interval: 2,
    ...options,
  }
  return startInput(
    buildInput(file, [json, jsonLines, line, plain], all, collector, context, max_event_bytes),
    collector,
    context,
  )
}

const messages = ({ collector }: RunningInput): unknown[] => collector.documents.map(({ message }) => message)
const ids = ({ collector }: RunningInput): (string | undefined)[] => collector.events.map((event) => event.stableId())
const at = (name: string): string => join(folder, name)

async function until(input: RunningInput, count: number): Promise<void> {
  await input.collector.until(() => input.collector.events.length >= count)
}

test('lines are read as they are written, a line without its end waits for it', async () => {
  await writeFile(at('a.log'), 'one\nhé')
  await using input = start({})
  await until(input, 1)
  await appendFile(at('a.log'), 'llo\n\nlast\n')
  await until(input, 4)
  expect(messages(input)).toEqual(['one', 'héllo', '', 'last'])
  expect(input.collector.documents[0]).toMatchObject({ path: at('a.log'), host: hostname() })
  expect(input.collector.events[0]?.metadata).toEqual({ path: at('a.log'), host: hostname() })
})

test.each([
  ['nothing there', '{"a":1}', {}, {}],
  ['a host', '{"a":1,"host":"mine"}', { host: 'mine' }, {}],
  ['a host that is null', '{"host":null,"a":1}', { host: null }, {}],
  ['a path', '{"path":"/mine"}', { path: '/mine' }, {}],
  ['metadata', '{"@metadata":{"x":1,"host":"mine"},"a":1}', {}, { x: 1, host: 'mine' }],
  ['metadata that are none', '{"@metadata":7}', {}, undefined],
  ['tags and a time', '{"tags":["t"],"@timestamp":"2026-01-02T03:04:05.000Z"}', { tags: ['t'] }, {}],
  ['names that are parsed', '{"\\u0061":1,"host":"mine"}', { a: 1, host: 'mine' }, {}],
])('a line of JSON with %s keeps what it has of host, path and metadata', async (_what, text, own, metadata) => {
  await writeFile(at('a.log'), `${text}\n`)
  await using input = start({ codec: 'json' })
  await until(input, 1)
  expect(input.collector.documents[0]).toMatchObject({ host: hostname(), path: at('a.log'), ...own })
  const placed = { host: hostname(), path: at('a.log') }
  expect(input.collector.events[0]?.metadata).toEqual(metadata === undefined ? {} : { ...placed, ...metadata })
})

test('with ECS host and path have their places', async () => {
  await writeFile(at('a.log'), '{"host":{"ip":"::1"},"log":"mine"}\nx\n')
  await using input = start({ codec: 'json' }, new Collector(), { ecs_compatibility: 'v8' })
  await until(input, 2)
  expect(input.collector.documents).toMatchObject([
    { host: { ip: '::1', name: hostname() }, log: 'mine' },
    { log: { file: { path: at('a.log') } }, tags: ['_jsonparsefailure'] },
  ])
})

test('at first start files are read from their end unless told otherwise, later files from their beginning', async () => {
  await writeFile(at('a.log'), 'old\n')
  await using input = start({ start_position: 'end' })
  await input.collector.until(() => input.context.lines.length > 0)
  await appendFile(at('a.log'), 'new\n')
  await until(input, 1)
  await writeFile(at('b.log'), 'all\n')
  await until(input, 2)
  expect(messages(input)).toEqual(['new', 'all'])
})

test('after a restart reading goes on where it was stored, also under another name', async () => {
  await writeFile(at('a.log'), 'one\ntwo\n')
  {
    await using input = start({})
    await until(input, 2)
    await input.stop()
  }
  await rename(at('a.log'), at('b.log'))
  await appendFile(at('b.log'), 'three\n')
  await using input = start({})
  await until(input, 1)
  expect(messages(input)).toEqual(['three'])
})

test('what was not stored is read again after a restart, with the same ids', async () => {
  await writeFile(at('a.log'), 'one\ntwo\n')
  const collector = new Collector()
  collector.settleAs = undefined
  const first = start({}, collector)
  await until(first, 2)
  await appendFile(at('a.log'), 'three\n')
  await until(first, 3)
  collector.batches[1]?.settle('stored')
  collector.batches[0]?.settle('abandoned')
  await first.stop()
  await using second = start({})
  await until(second, 3)
  expect(messages(second)).toEqual(['one', 'two', 'three'])
  expect(ids(second)).toEqual(ids(first))
  expect(new Set(ids(second)).size).toBe(3)
})

test('the position follows in the order of the file when batches are stored in another one', async () => {
  await writeFile(at('a.log'), 'one\n')
  const collector = new Collector()
  collector.settleAs = undefined
  const first = start({}, collector)
  await until(first, 1)
  await appendFile(at('a.log'), 'two\n')
  await until(first, 2)
  collector.batches[1]?.settle('stored')
  collector.batches[0]?.settle('stored')
  await first.stop()
  await appendFile(at('a.log'), 'three\n')
  await using second = start({})
  await until(second, 1)
  expect(messages(second)).toEqual(['three'])
})

test('a renamed file is read to its end, and its successor from its beginning', async () => {
  await writeFile(at('a.log'), 'one\n')
  await using input = start({ discover_interval: 1_000 })
  await until(input, 1)
  await rename(at('a.log'), at('a.log.1'))
  await appendFile(at('a.log.1'), 'two\n')
  await writeFile(at('a.log'), 'three\n')
  await until(input, 3)
  expect(new Set(messages(input))).toEqual(new Set(['one', 'two', 'three']))
})

test('the last line of a file that was renamed away counts without its end', async () => {
  await writeFile(at('a.log'), 'one\nunfinished')
  await using input = start({})
  await until(input, 1)
  await rename(at('a.log'), at('a.log.1'))
  await until(input, 2)
  expect(messages(input)).toEqual(['one', 'unfinished'])
})

test('an emptied file (copytruncate) is read anew, and the same line again has another id', async () => {
  await writeFile(at('a.log'), 'start\nmore of it\n')
  await using input = start({})
  await until(input, 2)
  await truncate(at('a.log'))
  await input.collector.until(() => input.context.lines.some((text) => text.includes('emptied or replaced')))
  await appendFile(at('a.log'), 'start\n')
  await until(input, 3)
  expect(messages(input)[2]).toBe('start')
  expect(new Set(ids(input)).size).toBe(3)
})

test('a file that was emptied and outgrew itself between two looks is noticed by its first bytes', async () => {
  await writeFile(at('a.log'), 'one\n')
  {
    await using input = start({})
    await until(input, 1)
    await input.stop()
  }
  await writeFile(at('a.log'), 'another beginning\nand more\n')
  await using input = start({})
  await until(input, 2)
  expect(messages(input)).toEqual(['another beginning', 'and more'])
})

test('a line over max_event_bytes goes to the dead letters, and reading goes on behind it', async () => {
  await writeFile(at('a.log'), `one\n${'x'.repeat(300_000)}\ntwo\n`)
  {
    await using input = start({}, new Collector(), {}, 100_000)
    await until(input, 2)
    expect(messages(input)).toEqual(['one', 'two'])
    expect(input.collector.deadLetters).toMatchObject([{ reason: 'too_large' }])
    expect(input.collector.deadLetters[0]?.raw.length).toBe(65_536)
    await input.stop()
  }
  await appendFile(at('a.log'), 'three\n')
  await using input = start({}, new Collector(), {}, 100_000)
  await until(input, 1)
  expect(messages(input)).toEqual(['three'])
})

test('codecs for streams and for messages both get lines; several events of one line have ids of their own', async () => {
  await writeFile(at('a.log'), '[{"a":1},{"a":2}]\n')
  for (const codec of ['json', 'json_lines']) {
    await using input = start({ codec, sincedb_path: '/dev/null' })
    await until(input, 2)
    expect(input.collector.documents).toMatchObject([{ a: 1 }, { a: 2 }])
    expect(new Set(ids(input)).size).toBe(2)
  }
  expect(await readdir(folder)).toEqual(['a.log'])
})

test("patterns, exclusions and a delimiter of one's own", async () => {
  await mkdir(at('x/y'), { recursive: true })
  await writeFile(at('x/y/a.log'), 'one||two||')
  await writeFile(at('x/y/b.log'), 'no')
  await using input = start({ path: at('**/*.log'), exclude: 'b*', delimiter: '||' })
  await until(input, 2)
  expect(messages(input)).toEqual(['one', 'two'])
})

test('files that are older than ignore_older are passed over until they are written to', async () => {
  await writeFile(at('a.log'), 'old\n')
  await utimes(at('a.log'), 1_000, 1_000)
  await using input = start({ ignore_older: '1 day' })
  await input.collector.until(() => input.context.lines.length > 0)
  await appendFile(at('a.log'), 'new\n')
  await until(input, 1)
  expect(messages(input)).toEqual(['new'])
})

test('mode read: files are read to their end, logged and deleted, then the input ends', async () => {
  await writeFile(at('a.log'), 'one\ntwo')
  await writeFile(at('b.log'), 'three\n')
  await using input = start({
    mode: 'read',
    exit_after_read: true,
    file_sort_by: 'path',
    file_completed_action: 'log_and_delete',
    file_completed_log_path: at('done'),
  })
  await input.ended
  expect(messages(input)).toEqual(['one', 'two', 'three'])
  expect(await readFile(at('done'), 'utf8')).toBe(`${at('a.log')}\n${at('b.log')}\n`)
  expect((await readdir(folder)).toSorted()).toEqual(['data', 'done'])
})

test('mode read: a file is not deleted before all of it is stored', async () => {
  await writeFile(at('a.log'), 'one\n')
  const collector = new Collector()
  collector.settleAs = undefined
  await using input = start({ mode: 'read' }, collector)
  await until(input, 1)
  collector.batches[0]?.settle('abandoned')
  await input.stop()
  expect((await stat(at('a.log'))).size).toBe(4)
})

test('a file of one JSON list: an event for each element, numbers as they came, the rest as bad data', async () => {
  const text = '{"x":[1E+3,"\\n",null,true],"order_id":12345678901234567890,"price":1.0}'
  const deep = '['.repeat(1_500) + ']'.repeat(1_500)
  await writeFile(
    at('a.log'),
    `\ufeff[ ${text}, 5, [], {"__proto__":{"y":1}}, {"s":"${'é'.repeat(60_000)}"}, ${deep}, {"last":"${'é'.repeat(40_000)}"} ]`,
  )
  const options = { mode: 'read', format: 'json_array', exit_after_read: true }
  await using input = start(options, new Collector(), {}, 50_000)
  await input.ended
  const documents = input.collector.events.map((event) => event.toJsonText())
  expect(documents.length).toBe(5)
  for (const member of ['"order_id":12345678901234567890', '"price":1.0', '"x":[1E+3,"\\n",null,true]']) {
    expect(documents[0]).toContain(member)
  }
  expect(documents[1]).toContain('"message":"5","tags":["_jsonparsefailure"]')
  expect(documents[2]).toContain('"message":"[]","tags":["_jsonparsefailure"]')
  expect(documents[3]).toContain('"__proto__":{"y":1}')
  expect(documents[4]).toContain(`"last":"${'é'.repeat(40_000)}"`)
  expect(input.collector.deadLetters.map(({ reason, raw }) => [reason, raw.toString()])).toEqual([
    ['too_large', `element 4 of the list in ${at('a.log')}: too_large`],
    ['too_deep', `element 5 of the list in ${at('a.log')}: too_deep`],
  ])
  expect(new Set(ids(input)).size).toBe(5)
})

test('a JSON list larger than the limit for one event flows through, and goes on where it was stored', async () => {
  const elements = Array.from({ length: 5_000 }, (_, n) => `{"n":${n}}`)
  await writeFile(at('a.log'), `[${elements.join(',\n')}]`)
  const options = {
    mode: 'read',
    format: 'json_array',
    exit_after_read: true,
    file_completed_action: 'log',
    file_completed_log_path: at('done'),
  }
  const collector = new Collector()
  collector.settleAs = undefined
  const first = start(options, collector, {}, 1_000)
  await until(first, 5_000)
  collector.batches[0]?.settle('stored')
  for (const batch of collector.batches.slice(1)) batch.settle('abandoned')
  await first.ended
  await using second = start(options, new Collector(), {}, 1_000)
  await second.ended
  expect(second.collector.documents[0]).toMatchObject({ n: collector.batches[0]?.events.length })
  expect(second.collector.documents.at(-1)).toMatchObject({ n: 4_999 })
})

test.each(['{"a":1}', '[{"a":1},', '[{"a":1}}', 'hello', ''])(
  'a file %j that is no whole list is told, dead-lettered and kept',
  async (text) => {
    await writeFile(at('a.log'), text)
    await using input = start({ mode: 'read', format: 'json_array', exit_after_read: true })
    await input.ended
    expect(input.collector.deadLetters).toMatchObject([{ raw: Buffer.from(text) }])
    expect(input.context.lines.some((logged) => logged.startsWith('error file-json-array'))).toBe(true)
    expect(await readFile(at('a.log'), 'utf8')).toBe(text)
  },
)

test('damaged positions refuse the start with what to do', async () => {
  await writeFile(at('positions'), 'garbage')
  await using input = start({ sincedb_path: at('positions') })
  await expect(input.ended).rejects.toMatchObject({
    code: 'INPUT_CANNOT_START',
    message: expect.stringContaining('move the file away') as string,
  })
})

test.each([
  [{ mode: 'read', file_completed_action: 'log' }, 'needs file_completed_log_path'],
  [{ format: 'json_array' }, 'format json_array needs mode read'],
  [{ delimiter: '' }, 'expected a delimiter'],
  [{ stat_interval: 'soon' }, 'expected a duration such as 45 min'],
  [{ exit_after_read: true }, 'exit_after_read needs mode read'],
])('%j is refused at load', (options, message) => {
  expect(() => start(options)).toThrow(message)
})
