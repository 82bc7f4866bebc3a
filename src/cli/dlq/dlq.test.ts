import { rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { keepLetters, letterOf, listLetters } from '../../../test/helpers/dead-letters.ts'
import { runTool } from '../../../test/helpers/run-tool.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { Timestamp } from '../../core/values.ts'

const TIME = Date.UTC(2026, 0, 2, 3, 4, 5)

/** Reasons as they come, and what they have in common. */
const CAUSES: readonly (readonly [cause: string, ...reasons: string[]])[] = [
  [
    'document_parsing_exception: failed to parse field [price] of type [long] in document',
    "document_parsing_exception: [1:23] failed to parse field [price] of type [long] in document with id 'k:3:7'. Preview of field's value: 'n/a'",
    "document_parsing_exception: [4:1] failed to parse field [price] of type [long] in document with id 'it: 9'. Preview of field's value: 'a: \"b\"' (illegal_argument_exception: For input string: \"a\")",
    "document_parsing_exception: [1:9] failed to parse field [price] of type [long] in document. Preview of field's value: 'x\ny…",
  ],
  [
    'document_parsing_exception: failed to parse field [resp2] of type [ip] in document',
    "document_parsing_exception: [1:23] failed to parse field [resp2] of type [ip] in document with id '1'. Preview of field's value: '300'",
  ],
  [
    'illegal_argument_exception: Limit of total fields [1000] has been exceeded while adding new fields [4]',
    'illegal_argument_exception: Limit of total fields [1000] has been exceeded while adding new fields [4]',
  ],
  [
    'index_not_found_exception: no such index [logs-#]',
    'index_not_found_exception: no such index [logs-2026.03.01]',
    'index_not_found_exception: no such index [logs-2026.03.02]',
  ],
  [
    'filter_grok_2 failed: cannot read …',
    'filter_grok_2 (a.conf:3:5) failed: cannot read "x"',
    "filter_grok_2 (/etc/b.conf:14:50) failed: cannot read 'y z'",
  ],
  [
    'status # : the document of # bytes is too large for #',
    'status 413 : the document of 1048577 bytes is too large for 10.0.0.1:9200',
    'status 413 : the document of 99 bytes is too large for 10.0.0.2:9200',
  ],
]

test('dead letters of one cause are one row, whatever their values', async () => {
  await using folder = await temporaryFolder()
  await keepLetters(
    folder.path,
    CAUSES.flatMap(([, ...reasons]) => reasons.map((reason) => letterOf(reason))),
  )
  const { letters, groups } = await listLetters(folder.path)
  expect(new Map(groups.map(({ cause, count: letters_of_it }) => [cause, letters_of_it]))).toEqual(
    new Map(CAUSES.map(([cause, ...reasons]) => [cause, reasons.length])),
  )
  expect(letters).toBe(CAUSES.flatMap(([, ...reasons]) => reasons).length)
})

test('a row tells how many there are, from when to when, and has a sample; components and pipelines are apart', async () => {
  await using folder = await temporaryFolder()
  const first = letterOf('http_404', '{}', { time: new Timestamp(TIME) })
  const last = letterOf('http_404', '{}', {
    time: new Timestamp(TIME + 90_000),
    component: 'output_elasticsearch_1 (a.conf:9:5)',
  })
  const others = [{ component: 'output_http_1 (a.conf:3:5)' }, { pipeline: 'other' }].map((more) =>
    letterOf('http_404', '{}', more),
  )
  await keepLetters(folder.path, [first, last, ...others])
  const { groups } = await listLetters(folder.path)
  expect(groups.map((group) => group['count'])).toEqual([2, 1, 1])
  expect(groups[0]).toMatchObject({
    group: expect.stringMatching(/^[0-9a-f]{8}$/),
    pipeline: 'main',
    component: 'output_elasticsearch_1',
    plugin_type: 'elasticsearch',
    first: '2026-01-02T03:04:05.000Z',
    last: '2026-01-02T03:05:35.000Z',
    sample: { reason: 'http_404', origin: first.origin, id: first.stable_id },
  })
  expect((await listLetters(folder.path)).groups).toEqual(groups)
  const { stdout } = await runTool(['dlq', 'ls', '--path.data', folder.path])
  expect(stdout).toContain(
    `${String(groups[0]?.['group'])}        2  2026-01-02T03:04:05Z  2026-01-02T03:05:35Z  main      output_elasticsearch_1\n`,
  )
  expect(stdout).toContain('4 dead letters. To see them: bin/millrace dlq show')
})

test('a reason with control characters does not drive the terminal', async () => {
  await using folder = await temporaryFolder()
  await keepLetters(folder.path, [letterOf('bad \u001b[2J thing')])
  const { stdout } = await runTool(['dlq', 'ls', '--path.data', folder.path])
  expect(stdout).toContain('bad \\x1b[2J thing')
})

async function show(data: string, ...words: string[]): Promise<{ documents: unknown[]; stderr: string; code: number | null }> {
  const { stdout, stderr, code } = await runTool(['dlq', 'show', '--path.data', data, ...words])
  const lines = stdout.split('\n').filter((line) => line !== '')
  return { documents: lines.map((line) => (JSON.parse(line) as { document?: unknown }).document), stderr, code }
}

test('show prints all, those of a group, those on which a condition holds, and at most so many', async () => {
  await using folder = await temporaryFolder()
  const raw = { kind: 'raw' as const, raw: Buffer.from('{"n":'), size_bytes: 5 }
  await keepLetters(folder.path, [
    letterOf('a', '{"n":1,"level":"error"}'),
    letterOf('b', '{"n":2,"level":"error"}'),
    letterOf('b', '{"n":3,"level":"info"}'),
    letterOf('c', '', { content: raw, component: 'input_beats_1' }),
  ])
  const b = String((await listLetters(folder.path)).groups[0]?.['group'])
  const numbers = async (...words: string[]): Promise<unknown[]> =>
    (await show(folder.path, ...words)).documents.map((document) => (document as { n?: number } | undefined)?.n)
  expect(await numbers()).toEqual([1, 2, 3, undefined])
  expect(await numbers(b)).toEqual([2, 3])
  expect(await numbers(b.slice(0, 4))).toEqual([2, 3])
  expect(await numbers('--where', '[level] == "error"')).toEqual([1, 2])
  expect(await numbers(b, '--where', '[level] == "error"')).toEqual([2])
  expect(await numbers('--where', '[@metadata][index] == "logs" and [@metadata][dead_letter_queue][reason] == "a"')).toEqual([1])
  expect(await numbers('--where', '[message] =~ /^."n/')).toEqual([undefined])
  expect(await numbers('--limit', '2')).toEqual([1, 2])
  expect((await listLetters(folder.path, '--where', '[n] < 3')).letters).toBe(2)
})

test.each([
  [['dlq'], 'expected dlq ls, dlq show'],
  [['dlq', 'show', 'x'], 'expected a group of bin/millrace dlq ls such as 3f2a91bc, got x'],
  [['dlq', 'show', 'abcd', 'abce'], 'got also abce'],
  [
    ['dlq', 'show', '--where', '[a] = 1'],
    '--where: expected and, or, xor, nand or the end of the condition, found "=" at character 5 (write ==)',
  ],
  [['dlq', 'ls', '--limit', '1'], "Unknown option '--limit'"],
])('%j is refused with what was expected', async (words, message) => {
  const { code, stderr, stdout } = await runTool(words)
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toContain(message)
})

test('a data folder that is not there is named; one without dead letters has none', async () => {
  await using folder = await temporaryFolder()
  expect(await show(folder.path)).toMatchObject({ code: 0, documents: [], stderr: expect.stringContaining('no dead letters in') })
  await rm(folder.path, { recursive: true })
  expect(await show(folder.path)).toMatchObject({ code: 1, stderr: expect.stringContaining('name it with --path.data DIR') })
})
