import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { componentNode } from '../../test/helpers/config-value.ts'
import { type TestContext, testContext } from '../../test/helpers/context.ts'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { type Codec, compileCodec } from '../compile/codec.ts'
import { Catalog } from '../core/component.ts'
import type { Decoder } from '../core/contracts.ts'
import { stringify } from '../core/values.ts'
import { multiline } from './multiline.ts'

function build(options: { readonly [name: string]: unknown }, context: TestContext = testContext()): Codec {
  const problems: string[] = []
  const codec = compileCodec(componentNode('multiline', options), new Catalog([multiline]), context, {
    report: ({ message }) => problems.push(message),
    warn: () => {},
  })
  if (codec === undefined || problems.length > 0) throw new Error(problems.join('\n'))
  return codec
}

function decodeAll(decoder: Decoder, lines: readonly (string | Buffer)[]): unknown[] {
  const decoded = [...lines.flatMap((line) => decoder.decode(line)), ...decoder.flush()]
  return decoded.map(({ fields }) => JSON.parse(stringify(fields)) as unknown)
}

const TRACE = ['2024-01-01 ERROR boom', '  at a.b(C.java:1)', '  at d.e(F.java:2)', '2024-01-02 INFO next']
const tags = ['multiline']

test.each([
  [{ pattern: '^\\s', what: 'previous' }, TRACE, [{ message: TRACE.slice(0, 3).join('\n'), tags }, { message: TRACE[3] }]],
  [
    { pattern: '^%{TIMESTAMP_ISO8601}|^\\d{4}-\\d\\d-\\d\\d', negate: true, what: 'previous' },
    ['2024-01-01 ERROR boom', 'Caused by: x', '2024-01-02 INFO next', 'tail'],
    [
      { message: '2024-01-01 ERROR boom\nCaused by: x', tags },
      { message: '2024-01-02 INFO next\ntail', tags },
    ],
  ],
  [{ pattern: '\\\\$', what: 'next' }, ['a\\', 'b\\', 'c', 'd'], [{ message: 'a\\\nb\\\nc', tags }, { message: 'd' }]],
  [{ pattern: '^end', negate: true, what: 'next' }, ['a', 'end', 'b'], [{ message: 'a\nend', tags }, { message: 'b' }]],
  [{ pattern: '^\\s', what: 'previous', multiline_tag: '' }, ['a', ' b'], [{ message: 'a\n b' }]],
  [{ pattern: '^\\s', what: 'previous', multiline_tag: 'joined' }, ['a', ' b'], [{ message: 'a\n b', tags: ['joined'] }]],
  [
    { pattern: '^\\s', what: 'previous' },
    ['a\n b\nc\n', ' d'],
    [
      { message: 'a\n b', tags },
      { message: 'c\n d', tags },
    ],
  ],
  [{ pattern: '^\\s', what: 'previous' }, ['', ' a', ''], [{ message: '\n a', tags }, { message: '' }]],
])('%j', (options, lines, expected) => {
  expect(decodeAll(build(options).createDecoder(), lines)).toEqual(expected)
})

test('with ECS the text is kept', () => {
  const codec = build({ pattern: '^\\s', what: 'previous' }, testContext({ ecs_compatibility: 'v8' }))
  expect(decodeAll(codec.createDecoder(), ['a', ' b'])).toEqual([{ message: 'a\n b', event: { original: 'a\n b' }, tags }])
})

test('an event with too many lines or bytes is handed on as it is', () => {
  const lines = ['a', ' 1', ' 2', ' 3', ' 4', 'b']
  expect(decodeAll(build({ pattern: '^\\s', what: 'previous', max_lines: 2 }).createDecoder(), lines)).toEqual([
    { message: 'a\n 1\n 2', tags: ['multiline', 'multiline_codec_max_lines_reached'] },
    { message: ' 3\n 4', tags },
    { message: 'b' },
  ])
  expect(decodeAll(build({ pattern: '.', what: 'next', max_bytes: 5 }).createDecoder(), lines)).toEqual([
    { message: 'a\n 1\n 2', tags: ['multiline', 'multiline_codec_max_bytes_reached'] },
    { message: ' 3\n 4\nb', tags: ['multiline', 'multiline_codec_max_bytes_reached'] },
  ])
})

test('it tells what it holds, for how long, and what an event stands for', () => {
  const decoder = build({ pattern: '^\\s', what: 'previous', auto_flush_interval: 1.5 }).createDecoder()
  expect([decoder.holds, decoder.flush_after_ms]).toEqual([false, 1_500])
  decoder.decode('é')
  expect([decoder.holds, decoder.pending_bytes]).toEqual([true, 2])
  decoder.decode(' b')
  expect(decoder.flush()).toMatchObject([{ size_bytes: 4 }])
  expect([decoder.holds, decoder.pending_bytes]).toEqual([false, 0])
})

test('another character set', () => {
  const decoder = build({ pattern: '^é', what: 'previous', charset: 'ISO-8859-1' }).createDecoder()
  expect(decodeAll(decoder, [Buffer.from('a'), Buffer.from([0xe9])])).toEqual([{ message: 'a\né', tags }])
})

test("the user's own patterns", async () => {
  await using folder = await temporaryFolder()
  await mkdir(join(folder.path, 'patterns'))
  await writeFile(join(folder.path, 'patterns', 'mine'), 'ORDER order-\\d+\n')
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  const options = { pattern: '^%{ORDER}', negate: true, what: 'previous', patterns_dir: 'patterns' }
  expect(decodeAll(build(options, context).createDecoder(), ['order-1', 'x', 'order-2'])).toEqual([
    { message: 'order-1\nx', tags },
    { message: 'order-2' },
  ])
})

test.each([
  [{ what: 'next' }, 'missing the required option pattern'],
  [{ pattern: 'x', what: 'both' }, 'expected one of previous, next'],
  [{ pattern: '%{NOPE}', what: 'next' }, 'pattern %{NOPE} not defined'],
  [{ pattern: '(', what: 'next' }, 'expected a regular expression'],
  [{ pattern: 'x', what: 'next', delimiter: ';' }, 'cannot be honoured'],
])('%j is refused', (options, message) => {
  expect(() => build(options).createDecoder()).toThrow(message)
})

test('it is for inputs only', () => {
  expect(() => build({ pattern: 'x', what: 'next' }).createEncoder()).toThrow('only reads')
})
