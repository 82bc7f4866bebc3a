import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildOutput, eventOf } from '../../test/helpers/build-output.ts'
import { testContext } from '../../test/helpers/context.ts'
import { jsonLines } from '../codecs/json-lines.ts'
import { line } from '../codecs/line.ts'
import type { Outcome, Sink } from '../core/contracts.ts'
import { file } from './file.ts'

let folder = ''
let sinks: Sink[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-file-output-'))
})
afterEach(async () => {
  for (const sink of sinks) await sink.close()
  sinks = []
  await rm(folder, { recursive: true })
})

const signal = new AbortController().signal

function build(options: { [name: string]: unknown }, context = testContext()): Sink {
  const sink = buildOutput(file, [jsonLines, line], options, context)
  sinks.push(sink)
  return sink
}

async function write(sink: Sink, ...documents: string[]): Promise<readonly Outcome[]> {
  const { outcomes } = await sink.write(documents.map(eventOf), signal)
  return outcomes
}

const lines = async (path: string): Promise<string[]> => (await readFile(join(folder, path), 'utf8')).split('\n')

test('each event goes to the file of its own values, in order, numbers as they came', async () => {
  const sink = build({ path: `${folder}/a/%{[@metadata][index]}-%{+YYYY.MM.dd}.ndjson` })
  const outcomes = await write(
    sink,
    '{"@metadata":{"index":"x"},"n":12345678901234567890}',
    '{"@metadata":{"index":"y"},"n":2}',
    '{"@metadata":{"index":"x"},"n":1.0}',
  )
  expect(outcomes).toEqual([{ kind: 'stored' }, { kind: 'stored' }, { kind: 'stored' }])
  const numbers = async (path: string): Promise<(string | undefined)[]> =>
    (await lines(path)).map((document) => /"n":([\d.]+)/.exec(document)?.[1])
  expect(await numbers('a/x-2026.01.02.ndjson')).toEqual(['12345678901234567890', '1.0', undefined])
  expect(await numbers('a/y-2026.01.02.ndjson')).toEqual(['2', undefined])
})

test.each(['../../etc/x', '..', '../', '.', 'a/', 'a\\u0000b', '../../../../../../../../tmp/x'])(
  'a field %s that leads out of the folder is rejected',
  async (name) => {
    const sink = build({ path: `${folder}/in/%{name}`, codec: 'line' })
    expect(await write(sink, `{"name":"${name}"}`)).toEqual([{ kind: 'reject', reason: 'path_outside_folder' }])
    expect(await readdir(folder)).toEqual([])
  },
)

test('a sibling folder whose name begins alike is outside too', async () => {
  const sink = build({ path: `${folder}/in/%{name}`, codec: 'line' })
  expect(await write(sink, '{"name":"../in-secret/x"}')).toMatchObject([{ kind: 'reject' }])
})

test('a name that no file can have is rejected, the others are stored', async () => {
  const sink = build({ path: `${folder}/%{name}`, codec: 'line' })
  expect(await write(sink, `{"name":"${'x'.repeat(300)}"}`, '{"name":"ok"}')).toEqual([
    { kind: 'reject', reason: 'path_unwritable_enametoolong' },
    { kind: 'stored' },
  ])
})

test('a path that begins with a placeholder is refused', () => {
  expect(() => build({ path: '%{name}.log' })).toThrow('The starting part of the path should not be dynamic')
})

test('more files than stay open at once are all written, and continued afterwards', async () => {
  const sink = build({ path: `${folder}/%{n}.log`, codec: { line: { format: '%{n}' } } })
  const documents = Array.from({ length: 100 }, (_, n) => `{"n":${n}}`)
  await write(sink, ...documents)
  await write(sink, ...documents)
  expect(await lines('0.log')).toEqual(['0', '0', ''])
  expect(await lines('99.log')).toEqual(['99', '99', ''])
})

test('a file that was moved away or deleted is made anew, one that was emptied is continued', async () => {
  const path = join(folder, 'a.log')
  const sink = build({ path, codec: { line: { format: '%{n}' } } })
  await write(sink, '{"n":1}')
  await rename(path, `${path}.1`)
  await write(sink, '{"n":2}')
  expect(await lines('a.log.1')).toEqual(['1', ''])
  expect(await lines('a.log')).toEqual(['2', ''])
  await rm(path)
  await write(sink, '{"n":3}')
  await writeFile(path, '')
  await write(sink, '{"n":4}')
  expect(await lines('a.log')).toEqual(['4', ''])
})

test('a line that a crash left unfinished stays a line of its own', async () => {
  const path = join(folder, 'a.log')
  await writeFile(path, 'whole\nunfin')
  const sink = build({ path, codec: { line: { format: '%{n}' } } })
  await write(sink, '{"n":1}')
  await write(sink, '{"n":2}')
  expect(await lines('a.log')).toEqual(['whole', 'unfin', '1', '2', ''])
})

test('overwrite empties the file once, append never', async () => {
  const path = join(folder, 'a.log')
  await writeFile(path, 'old\n')
  await write(build({ path, codec: { line: { format: '%{n}' } } }), '{"n":1}')
  expect(await lines('a.log')).toEqual(['old', '1', ''])
  const sink = build({ path, write_behavior: 'overwrite', codec: { line: { format: '%{n}' } } })
  await write(sink, '{"n":2}')
  await write(sink, '{"n":3}')
  expect(await lines('a.log')).toEqual(['2', '3', ''])
  expect(() => build({ path: `${folder}/%{n}`, write_behavior: 'overwrite' })).toThrow('write_behavior overwrite needs a path')
})

test('what cannot be written now is tried again, with a log line that says why', async () => {
  const context = testContext()
  const sink = build({ path: '/dev/full', codec: 'line' }, context)
  if (process.platform !== 'linux') return
  expect(await write(sink, '{"n":1}')).toMatchObject([{ kind: 'retry', reason: expect.stringContaining('ENOSPC') as string }])
  expect(context.lines[0]).toContain('error file_write: test:1:1: ENOSPC')
})

test('modes of new files and folders are set as asked', async () => {
  if (process.platform === 'win32') return
  const sink = build({ path: `${folder}/d/a.log`, file_mode: 0o600, dir_mode: 0o700 })
  await write(sink, '{"n":1}')
  expect((await stat(join(folder, 'd/a.log'))).mode & 0o777).toBe(0o600)
  expect((await stat(join(folder, 'd'))).mode & 0o777).toBe(0o700)
})

test('a folder in place of the file is rejected with a reason', async () => {
  await mkdir(join(folder, 'x'))
  const sink = build({ path: `${folder}/%{name}` })
  expect(await write(sink, '{"name":"x"}')).toEqual([{ kind: 'reject', reason: 'path_unwritable_eisdir' }])
})
