import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { buildFilter, runFilter, TestFilter } from '../../../test/helpers/run-filter.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import { translate } from './translate.ts'

const CODES = { 200: 'OK', 404: 'Not Found', 'x y': 'z', '': 'nothing' }

/** The field `d` after the translation of `c`. */
async function translated(c: unknown, options: { readonly [name: string]: unknown } = {}): Promise<unknown> {
  const all = { source: 'c', target: 'd', dictionary: CODES, ...options }
  return (await runFilter(translate, all, `{"c":${typeof c === 'string' ? c : JSON.stringify(c)}}`))?.['d']
}

test.each([
  ['"200"', 'OK'],
  ['200', 'OK'],
  ['404', 'Not Found'],
  ['"500"', 'unk-500'],
  ['null', 'nothing'],
  ['["200","404"]', 'OK'],
  ['[]', 'nothing'],
  ['true', 'unk-true'],
  ['200.0', 'unk-200.0'],
  ['{"a":1}', 'unk-{"a":1}'],
  ['"x y"', 'z'],
])('%s becomes %j', async (c, d) => {
  expect(await translated(c, { fallback: 'unk-%{c}' })).toBe(d)
})

test('a missing source, and no entry without a fallback, leave the event as it is', async () => {
  const options = { source: 'c', target: 'd', dictionary: CODES, add_tag: ['ok'], fallback: 'f' }
  expect(await runFilter(translate, options, { z: 1 })).not.toHaveProperty('tags')
  const none = await runFilter(translate, { source: 'c', target: 'd', dictionary: {}, add_tag: ['ok'] }, { c: 5 })
  expect(none).not.toHaveProperty('d')
  expect(none).not.toHaveProperty('tags')
})

test.each([
  [{ override: false }, 'old', undefined],
  [{}, 'old', undefined],
  [{ override: true }, 'OK', ['ok']],
])('with %j a target that is there becomes %j', async (override, d, tags) => {
  const options = { source: 'c', target: 'd', dictionary: CODES, add_tag: ['ok'], ...override }
  const document = await runFilter(translate, options, { c: '200', d: 'old' })
  expect([document?.['d'], document?.['tags']]).toEqual([d, tags])
})

test('in place it replaces by default and always succeeds', async () => {
  const options = { source: 'c', target: 'c', dictionary: CODES, add_tag: ['ok'] }
  expect(await runFilter(translate, options, { c: 200 })).toMatchObject({ c: 'OK', tags: ['ok'] })
  expect(await runFilter(translate, options, { c: 500 })).toMatchObject({ c: 500, tags: ['ok'] })
  expect(await runFilter(translate, { ...options, override: false }, { c: 200 })).toMatchObject({ c: 200 })
})

test('without a target: translation, with ECS the source', async () => {
  const options = { source: 'c', dictionary: CODES }
  expect(await runFilter(translate, options, { c: '200' })).toMatchObject({ c: '200', translation: 'OK' })
  const ecs = testContext({ ecs_compatibility: 'v8' })
  expect(await runFilter(translate, options, { c: '200' }, ecs)).toMatchObject({ c: 'OK' })
})

test('an entry may be any value, and each event has its own', async () => {
  const run = await buildFilter(translate, { source: 'c', target: 'd', dictionary: { a: [1, { b: true }], n: 5 } })
  const { event } = run({ c: 'a' })
  expect(JSON.parse(event.toJsonText())).toMatchObject({ d: [1, { b: true }] })
  ;(event.get(parseFieldRef('d')) as unknown[]).push('changed')
  expect(JSON.parse(run({ c: 'a' }).event.toJsonText())['d']).toEqual([1, { b: true }])
  expect(JSON.parse(run({ c: 'n' }).event.toJsonText())['d']).toBe(5)
})

test.each([
  ['foofing', { foo: 'bar' }, 'barfing'],
  ['foo', { foo: 'bar' }, 'bar'],
  ['a.b', { '.': '-' }, 'a-b'],
  ['axb', { '.': '-' }, undefined],
  ['abab', { ab: '1', a: '2' }, '11'],
  ['abab', { a: '2', ab: '1' }, '2b2b'],
  ['xay', { a: 7 }, 'x7y'],
  ['ab', { '': '-' }, '-a-b-'],
  ['ab', { b: 'B', '': '-' }, '-aB-'],
  ['a12b3', { '\\d+': 'N' }, undefined],
  ['aXXXb', { XX: '', b: 'XX' }, 'aXXX'],
])('not exact, %j by %j is %j', async (c, dictionary, d) => {
  expect(await translated(JSON.stringify(c), { dictionary, exact: false, regex: true })).toBe(d)
})

test('by regular expressions the first entry that matches somewhere', async () => {
  const options = { dictionary: { '^a\\d': 'one', '[xyz]+$': 'two', '': 'rest' }, regex: true }
  expect(await translated('"a1"', options)).toBe('one')
  expect(await translated('"1zz"', options)).toBe('two')
  expect(await translated('7', options)).toBe('rest')
})

test('a regular expression that takes too long is broken off', async () => {
  const options = { source: 'c', target: 'd', dictionary: { '^(a+)+$': 'x' }, regex: true, add_tag: ['ok'], fallback: 'f' }
  const document = await runFilter(translate, options, { c: `${'a'.repeat(40)}b` })
  expect(document?.['tags']).toEqual(['_translatetimeout'])
})

test('the elements of a list, in their order', async () => {
  const options = { iterate_on: 'c', dictionary: { 100: 'Yuki', 103: 'Kwame', nil: null } }
  expect(await translated([100, '103', 110, null], options)).toEqual(['Yuki', 'Kwame', null, null])
  expect(await translated([100, 110], { ...options, fallback: 'x' })).toEqual(['Yuki', 'x'])
  expect(await translated(100, options)).toEqual(['Yuki'])
  expect(await translated([], options)).toEqual([])
  expect(await translated(null, options)).toEqual([])
})

test('a field of each map of a list', async () => {
  const options = { iterate_on: '[l]', source: 'id', target: '[n][m]', dictionary: CODES, add_tag: ['ok'] }
  const l = [{ id: 200 }, { id: 5 }, 'x', { no: 1 }, { id: null }, { id: 404, n: { m: 'old' } }]
  expect(await runFilter(translate, options, { l })).toMatchObject({
    l: [{ id: 200, n: { m: 'OK' } }, { id: 5 }, 'x', { no: 1 }, { id: null }, { id: 404, n: { m: 'Not Found' } }],
    tags: ['ok'],
  })
  for (const other of [5, null, 'x', { id: 200 }, []]) {
    expect(await runFilter(translate, options, { l: other })).not.toHaveProperty('tags')
  }
})

test('a target that cannot be set leaves the event as it is', async () => {
  const context = testContext()
  const options = { source: 'c', target: '[c][d]', dictionary: CODES, add_tag: ['ok'] }
  expect(await runFilter(translate, options, { c: '200' }, context)).not.toHaveProperty('tags')
  expect(context.lines).toEqual([expect.stringContaining('warn translate_failure')])
})

test('the old names of options are taken', async () => {
  expect(await runFilter(translate, { field: 'c', destination: 'd', dictionary: CODES }, { c: '200' })).toMatchObject({ d: 'OK' })
})

test.each([
  [
    'd.yml',
    '"100": Continue\n101: Switching\nmap: { a: [1, 2.5] }\nflag: yes\n',
    { 100: 'Continue', 101: 'Switching', flag: true },
  ],
  ['d.yaml', 'map: { a: [1, 2.5] }\nnull_value:\n', { map: { a: [1, 2.5] }, null_value: null }],
  ['d.json', '\ufeff{"100":"Continue","n":5,"map":{"a":1}}', { 100: 'Continue', n: 5, map: { a: 1 } }],
  [
    'd.csv',
    '\ufeff100,Continue\r\n\r\n"a ""b"", c","d,e",f\nlonely\nempty,\n',
    { 100: 'Continue', 'a "b", c': 'd,e', empty: '', lonely: null },
  ],
])('a dictionary in %s', async (name, text, entries) => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, name), text)
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  for (const [c, d] of Object.entries(entries)) {
    expect(await runFilter(translate, { source: 'c', target: 'd', dictionary_path: name }, { c }, context)).toMatchObject({ d })
  }
})

test.each([
  ['none.yml', undefined, /cannot load the dictionary .*ENOENT/],
  ['d.txt', 'a,b', /ends in \.yml, \.yaml, \.json or \.csv/],
  ['d.yml', 'a: [', /cannot load the dictionary/],
  ['d.yml', '- a', /names and their translations/],
  ['d.json', '{"a":', /cannot load the dictionary/],
  ['d.csv', 'ok,1\na"b,c', /line 2, column 1/],
])('%s with %j is refused', async (name, text, message) => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, name)
  if (text !== undefined) await writeFile(path, text)
  await expect(buildFilter(translate, { source: 'c', dictionary_path: path })).rejects.toThrow(message)
})

test('two dictionaries, a bad regular expression and too long a YAML are refused', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'd.yml')
  await writeFile(path, 'a: b\n')
  const options = { source: 'c', dictionary_path: path }
  await expect(buildFilter(translate, { ...options, dictionary: CODES })).rejects.toThrow(/mutually exclusive/)
  await expect(buildFilter(translate, { ...options, yaml_dictionary_code_point_limit: 3 })).rejects.toThrow(
    /at most 3 characters/,
  )
  await expect(buildFilter(translate, { source: 'c', dictionary: { '(': 'x' }, regex: true })).rejects.toThrow(/REGEX_INVALID/)
  await buildFilter(translate, { ...options, yaml_dictionary_code_point_limit: 3, yaml_load_strategy: 'streaming' })
})

test.each([
  ['merge', ['one', 'TWO', 'three']],
  ['replace', [undefined, 'TWO', 'three']],
])('a changed file is taken over (%s), a broken one is not', async (refresh_behaviour, after) => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'd.json')
  await writeFile(path, '{"1":"one","2":"two"}')
  const context = testContext()
  const options = { source: 'c', target: 'd', dictionary_path: path, refresh_interval: 0.02, refresh_behaviour }
  await using filter = await TestFilter.build(translate, options, context)
  const found = (): unknown[] => ['1', '2', '3'].map((c) => JSON.parse(filter.run({ c }).event.toJsonText())['d'])
  expect(found()).toEqual(['one', 'two', undefined])
  await writeFile(path, '{"2":')
  await waitFor('the refusal', () => context.lines.some((line) => line.includes('going on with')), { timeout_ms: 5000 })
  expect(found()).toEqual(['one', 'two', undefined])
  await writeFile(`${path}.new`, '{"2":"TWO","3":"three"}')
  await rename(`${path}.new`, path)
  await waitFor('the new state', () => found()[1] === 'TWO', { timeout_ms: 5000 })
  expect(found()).toEqual(after)
})
