import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { buildFilter, runFilter, TestFilter } from '../../../test/helpers/run-filter.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { grok } from './grok.ts'

interface Document {
  readonly [name: string]: unknown
}

/** The document after the filter, without what every event has. */
async function run(options: Document, fields: Document | string): Promise<Document> {
  const { '@timestamp': _time, '@version': _version, ...after } = (await runFilter(grok, options, fields as never)) ?? {}
  return after
}

const FAILED = { tags: ['_grokparsefailure'] }

test.each<[pattern: string, message: string, captured: Document]>([
  ['%{WORD:w} %{INT:i}', 'a 5', { w: 'a', i: '5' }],
  ['%{WORD} %{WORD:w}', 'a b', { w: 'b' }],
  ['%{WORD:[a][b]} (?<[c][d]>\\w+) (?<u.v>\\w+)', 'x y z', { a: { b: 'x' }, c: { d: 'y' }, 'u.v': 'z' }],
  ["(?'q'\\d+)-\\k<q>", '12-12', { q: '12' }],
  ['%{WORD:w} %{WORD:w} %{WORD:w}', 'a b c', { w: ['a', 'b', 'c'] }],
  ['%{WORD:w} %{INT:w} %{WORD:w}', 'a 1 c', { w: ['a', 'c', '1'] }],
  ['%{WORD:w ignored} %{INT:i!}', 'a 5', { w: 'a', i: '5' }],
  ['%{ID=[A-Z]{2}} %{ID:id} %{TWO:two=\\d{2}}', 'AB CD 12', { id: 'CD', two: '12' }],
  ['(?:%{INT:i}|%{WORD:w})', 'a', { w: 'a' }],
  ['%{GREEDYDATA:all}', 'one\ntwo', { all: 'one\ntwo' }],
  ['^%{WORD:second}$', '1 2\nb', { second: 'b' }],
  ['(?<a>(?>a+)b)', 'aab', { a: 'aab' }],
  ['(?<a>(?>a+))ab', 'aab', FAILED],
  ['(?<x>\\h+)(?<!f)z', '0aFz', { x: '0aF' }],
  ['%{WORD:w}', 'été', FAILED],
  ['%{} %{WORD:w}', '%{} a', { w: 'a' }],
  ['(?: a=%{INT:a}| b=%{INT:b}| c=%{INT:c}:%{WORD:c2})* end', ' a=1 c=2:x b=3 b=4 end', { a: '1', b: '4', c: '2', c2: 'x' }],
  ['(?:%{WORD:k}(?:=%{INT:v})?,)+', 'a=1,b,', { k: 'b', v: '1' }],
  ['(?:(?:%{INT:a},)?(?:%{WORD:b};)?)+$', '1,2,x;3,', { a: '3', b: 'x' }],
  ['(?<r>a\\g<r>?b)(?<x>c)', 'aabbc', { r: 'aabb', x: 'c' }],
  ['[(?<]%{WORD:w}', '<a', { w: 'a' }],
])('%s on %j', async (match, message, captured) => {
  expect(await run({ match: { message: match } }, { message })).toEqual({ message, ...captured })
})

test.each<[pattern: string, message: string, value: unknown]>([
  ['%{NUMBER:n:int}', '7.9', 7],
  ['%{NUMBER:n:int}', '-12', -12],
  ['%{INT:n:int}', '123456789012345678901234567890', 123456789012345678901234567890n],
  ['%{NUMBER:n:float}', '5', '5.0'],
  ['%{NUMBER:n:float}', '1.25', 1.25],
  ['%{NOTSPACE:n:float}', '1e3x', '1000.0'],
  ['%{NOTSPACE:n:float}', '.5', 0.5],
  ['%{WORD:n:int}', 'abc', 0],
  ['%{WORD:n:float}', 'abc', '0.0'],
  ['x%{DATA:n:int}y', 'xy', 0],
  ['%{NOTSPACE:n:int}', '1_000_x', 1000],
  ['%{INT:n:integer}', '5', '"5"'],
])('%s of %s', async (match, message, value) => {
  const { event } = (await buildFilter(grok, { match: { m: match } }))({ m: message })
  expect(event.toJsonText()).toContain(`"n":${String(value)}`)
})

test.each<[title: string, options: Document, before: Document | string, captured: Document]>([
  [
    'a list of patterns: the first that matches',
    { match: { m: ['^A %{INT:a}', '^B %{INT:b}', '%{WORD:c}'] } },
    { m: 'B 2' },
    { b: '2' },
  ],
  ['match as pairs', { match: ['m', '%{INT:a}'] }, { m: '5' }, { a: '5' }],
  ['no match at all', {}, { m: '5' }, FAILED],
  ['fields: the first that matches', { match: { m: '%{INT:a}', o: '%{WORD:o1}' } }, { m: '5', o: 'z' }, { a: '5' }],
  ['fields: the second where the first does not', { match: { m: '%{INT:a}', o: '%{WORD:b}' } }, { m: 'x', o: 'z' }, { b: 'z' }],
  ['all fields', { match: { m: '%{INT:a}', o: '%{WORD:b}' }, break_on_match: false }, { m: '5', o: 'z' }, { a: '5', b: 'z' }],
  ['all patterns', { match: { m: ['%{WORD:w}', '%{INT:i}'] }, break_on_match: false }, { m: 'a 5' }, { w: 'a', i: '5' }],
  [
    'all patterns, the last one does not match',
    { match: { m: ['%{WORD:w}', '^%{INT:i}'] }, break_on_match: false },
    { m: 'a 5' },
    { w: 'a', ...FAILED },
  ],
  [
    'what an earlier field set',
    {
      match: { m: '^%{WORD} %{GREEDYDATA:rest}', rest: '^%{INT:n} %{GREEDYDATA:tail}', tail: '^%{WORD:w}' },
      break_on_match: false,
    },
    { m: 'a 5 b' },
    { rest: '5 b', n: '5', tail: 'b', w: 'b' },
  ],
  ['a missing field is the empty text', { match: { x: '^$(?<e>)' }, keep_empty_captures: true }, { m: 1 }, { e: '' }],
  ['a missing field', { match: { x: '%{WORD:w}' } }, { m: 'a' }, FAILED],
  ['null', { match: { m: '%{WORD:w}' } }, { m: null }, FAILED],
  ['a number', { match: { m: '%{INT:i:int}' } }, { m: 5 }, { i: 5 }],
  ['a boolean', { match: { m: '%{WORD:w}' } }, { m: true }, { w: 'true' }],
  ['a map', { match: { m: '"a"=>%{INT:i}' } }, { m: { a: 1 } }, { i: '1' }],
  ['a list, element by element', { match: { m: '%{INT:i}' } }, { m: ['a 1', 'x', '2'] }, { i: ['1', '2'] }],
  ['an empty list', { match: { m: '%{INT:i}' } }, { m: [] }, FAILED],
  ['text that is there becomes a list', { match: { m: '%{INT:i}' } }, { m: '1', i: '0' }, { i: ['0', '1'] }],
  ['a list that is there gets longer', { match: { m: '%{INT:i}' } }, { m: '1', i: [0] }, { i: [0, '1'] }],
  ['a number that is there stays', { match: { m: '%{INT:i}' } }, { m: '1', i: 0 }, { i: 0 }],
  ['null that is there does not', { match: { m: '%{INT:i}' } }, { m: '1', i: null }, { i: '1' }],
  ['tags', { match: { m: '%{WORD:tags}' } }, { m: 'a', tags: ['t'] }, { tags: ['t', 'a'] }],
  ['overwrite', { match: { m: '%{INT:i} %{INT:i}' }, overwrite: ['i'] }, { m: '1 2', i: '0' }, { i: '2' }],
  [
    'overwrite of a nested field',
    { match: { m: '%{INT:[a][b]}' }, overwrite: '[a][b]' },
    { m: '1', a: { b: 0 } },
    { a: { b: '1' } },
  ],
  ['target', { match: { m: '%{INT:i} %{INT:[n][k]:int}' }, target: 'to' }, { m: '1 2' }, { to: { i: '1', n: { k: 2 } } }],
  ['a nested target', { match: { m: '%{INT:i}' }, target: '[a][b]' }, { m: '1' }, { a: { b: { i: '1' } } }],
  [
    'target and overwrite',
    { match: { m: '%{INT:i}' }, target: 't', overwrite: ['i'] },
    { m: '1', t: { i: '0' } },
    { t: { i: '1' } },
  ],
  ['empty captures', { match: { m: 'x%{DATA:d}y(?:%{INT:i})?' } }, { m: 'xy' }, {}],
  [
    'empty captures kept',
    { match: { m: 'x%{DATA:d}y(?:%{INT:i:int})?' }, keep_empty_captures: true },
    { m: 'xy' },
    { d: '', i: null },
  ],
  [
    'captures without a field',
    { match: { m: '%{WORD}=%{INT:i}' }, named_captures_only: false },
    { m: 'a=1' },
    { WORD: 'a', i: '1' },
  ],
  [
    'own patterns, one in another',
    { match: { m: '%{PAIR:p}' }, pattern_definitions: { ID: '[A-Z]+', PAIR: '%{ID}-%{ID}' } },
    { m: 'A-B' },
    { p: 'A-B' },
  ],
  [
    'a built-in pattern defined anew',
    { match: { m: '%{WORD:w}' }, pattern_definitions: { WORD: '\\d' } },
    { m: 'a1' },
    { w: '1' },
  ],
  ['own failure tags', { match: { m: '^x' }, tag_on_failure: ['f', 'g'] }, { m: 'a' }, { tags: ['f', 'g'] }],
  ['no failure tag', { match: { m: '^x' }, tag_on_failure: [] }, { m: 'a' }, {}],
  ['common options on success', { match: { m: '^a' }, add_field: { ok: '1' } }, { m: 'a' }, { ok: '1' }],
  ['no common options on failure', { match: { m: '^x' }, add_field: { ok: '1' } }, { m: 'a' }, FAILED],
  ['a field that cannot be set', { match: { m: '(?<a>a)(?<[a][b]>b)(?<c>c)' } }, { m: 'abc' }, { a: 'a', ...FAILED }],
  ['a name that is no field', { match: { m: '(?<a>a)(?<[b>b)' } }, { m: 'ab' }, { a: 'a', ...FAILED }],
])('%s', async (_title, options, before, captured) => {
  expect(await run(options, before)).toEqual({ ...(before as Document), ...captured })
})

test('each event is searched from its start', async () => {
  const apply = await buildFilter(grok, { match: { m: '\\G%{WORD:w}' } })
  for (const m of ['abc def', 'ghi']) expect(apply({ m }).event.toJsonText()).toContain(`"w":"${m.slice(0, 3)}"`)
})

test('captures go to the metadata too', async () => {
  const { event } = (await buildFilter(grok, { match: { m: '%{INT:[@metadata][i]:int}' } }))({ m: '5' })
  expect(event.metadata).toEqual({ i: 5 })
})

test.each<[options: Document, message: RegExp]>([
  [{ match: { m: '%{NOSUCH:x}' } }, /pattern %\{NOSUCH:x\} not defined/],
  [{ match: { m: ['%{NOSUCH}', '(a'] } }, /NOSUCH.*; .*Ruby's syntax, got \/\(a\//],
  [{ match: { m: '%{A}' }, pattern_definitions: { A: '%{B}', B: '%{A}' } }, /the pattern %\{A\} holds itself/],
  // What is wrong in the user's part is found also where our own patterns lead to it or hold it.
  [{ match: { m: '%{USER:u}' }, pattern_definitions: { USERNAME: '(a' } }, /Ruby's syntax, got/],
  [{ match: { m: '%{A=(a}' } }, /Ruby's syntax, got/],
  [{ match: { m: '[%{DATA' } }, /Ruby's syntax, got/],
  [{ match: { m: { a: 'b' } } }, /expected text, got a hash/],
  [{ match: 'm' }, /expected a hash/],
  [{ match: { m: 'x' }, timeout_scope: 'batch' }, /expected one of pattern, event/],
])('%j is refused', async (options, message) => {
  await expect(buildFilter(grok, options as never)).rejects.toThrow(message)
})

describe('patterns_dir', async () => {
  const folder = await temporaryFolder()
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  const A = '# comment\n\nORDER\t[A-Z]+-\\d+ \nBROKEN\n  INDENTED  x+\r\nWORD y+\n'

  beforeAll(async () => {
    await mkdir(join(folder.path, 'patterns', 'inner'), { recursive: true })
    await writeFile(join(folder.path, 'patterns', 'a.grok'), A)
    await writeFile(join(folder.path, 'patterns', 'b.txt'), 'ORDER \\d+\n')
  })
  afterAll(async () => await folder[Symbol.asyncDispose]())

  test.each<[options: Document, message: string, captured: unknown]>([
    [{ patterns_dir: ['patterns'] }, 'A-1', '1'],
    [{ patterns_dir: ['patterns'], patterns_files_glob: '*.grok' }, 'A-1 ', 'A-1 '],
    [{ patterns_dir: 'patterns/a.grok' }, 'A-1 ', 'A-1 '],
    [{ patterns_dir: join(folder.path, 'patterns', '*.txt') }, 'A-1', '1'],
    [{ patterns_dir: 'patterns', pattern_definitions: { ORDER: 'A' } }, 'A-1', 'A'],
  ])('%j', async (options, message, order) => {
    const match = { m: '%{ORDER:order}' }
    expect(await runFilter(grok, { ...options, match }, { m: message }, context)).toMatchObject({ order })
  })

  test('lines with blanks in front and carriage returns, and built-in names', async () => {
    const options = { patterns_dir: 'patterns', match: { m: '^%{INDENTED:x}%{WORD:w}$' } }
    expect(await runFilter(grok, options, { m: 'xxyy' }, context)).toMatchObject({ x: 'xx', w: 'yy' })
  })

  test('a path without files is named', async () => {
    const own = testContext()
    await buildFilter(grok, { match: { m: 'x' }, patterns_dir: ['nowhere'] }, own)
    expect(own.lines).toEqual(['warn grok_patterns_missing: test:1:1: patterns_dir: there is no file at nowhere'])
  })
})

describe('the time limit', () => {
  const hostile = `${'a'.repeat(60)}b`

  test('one hostile event is tagged, and the others of its batch are fine', async () => {
    const context = testContext()
    const options = { match: { m: ['^%{INT:i}$', '^(?:a|a)*$'] }, timeout_millis: 100, add_tag: ['ok'] }
    await using filter = await TestFilter.build(grok, options, context)
    const before = performance.now()
    const texts = ['aaa', hostile, '5', 'b', hostile, '6']
    const runs = await filter.batch(texts.map((m) => ({ m })))
    expect(performance.now() - before).toBeLessThan(5_000)
    expect(runs.map(({ event }) => (JSON.parse(event.toJsonText()) as Document)['tags'])).toEqual([
      ['ok'],
      ['_groktimeout'],
      ['ok'],
      ['_grokparsefailure'],
      ['_groktimeout'],
      ['ok'],
    ])
    expect(context.metrics.counter('millrace_regex_interrupted_total', '', { component: 'test' }).value).toBe(2)
    expect(context.lines[0]).toContain('a match was broken off after 100 ms, of m of an event with ^(?:a|a)*$')
  })

  test.each<[scope: string, tags: unknown]>([
    ['event', ['_slow']],
    ['pattern', ['_slow']],
  ])('by %s, with a tag of its own; what was found before stays', async (timeout_scope, tags) => {
    const options = { match: { m: ['^%{WORD:w}', '^(?:a|a)*$'] }, break_on_match: false, timeout_millis: 60, timeout_scope }
    expect(await run({ ...options, tag_on_timeout: '_slow' }, { m: hostile })).toEqual({ m: hostile, w: hostile, tags })
  })

  test('a field whose patterns look at what others set has it too', async () => {
    const options = { match: { m: '(?<x>.*)', x: '^(?:a|a)*$' }, break_on_match: false, timeout_millis: 60 }
    expect(await run(options, { m: hostile })).toEqual({ m: hostile, x: hostile, tags: ['_groktimeout'] })
  })

  test('0 is none', async () => {
    expect(await run({ match: { m: '%{WORD:w}' }, timeout_millis: 0 }, { m: 'a' })).toEqual({ m: 'a', w: 'a' })
  })
})

test('no text and no field makes the filter throw', async () => {
  const options = { match: { m: ['%{COMBINEDAPACHELOG}', '%{SYSLOGLINE}', '%{QS:q} %{URI:u}', '%{DATA:tags}%{NUMBER:n:float}'] } }
  const apply = await buildFilter(grok, options)
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()), (m) => {
      apply({ m: m as string })
    }),
  )
})
