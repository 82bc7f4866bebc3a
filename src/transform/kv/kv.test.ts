import { expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { buildFilter, runFilter } from '../../../test/helpers/run-filter.ts'
import { kv } from './kv.ts'

const EVENT = { '@timestamp': '2026-01-02T00:00:00.000Z', '@version': '1' }

/** What was added to the event. */
async function found(options: object, message: unknown, fields: object = {}) {
  const document = await runFilter(kv, { ...options }, JSON.stringify({ ...EVENT, ...fields, message }))
  const { message: _message, '@timestamp': _time, '@version': _version, ...added } = document ?? {}
  return added
}

test.each([
  [{}, 'no pairs', {}],
  [{}, '=x', {}],
  [{}, 'a==b', { a: '=b' }],
  [{}, 'a="b=c d"', { a: 'b=c d' }],
  [{}, 'a= b=1', { a: 'b=1' }],
  [{}, 'h= i', { h: 'i' }],
  [{ whitespace: 'strict' }, 'a= b=1 c =2', { b: '1' }],
  [{ whitespace: 'strict', allow_empty_values: true }, 'a= b=1', { a: '', b: '1' }],
  [{ allow_empty_values: true }, 'a="" b=', { a: '', b: '' }],
  [{}, 'a="" b=', {}],
  [{ include_brackets: false }, 'a=[x y] b=(z w)', { a: '[x', b: '(z' }],
  [{ field_split: '&?', value_split: ':=' }, 'a=1&b:2?c=3', { a: '1', b: '2', c: '3' }],
  [{ field_split: '&?', value_split: ':=' }, 'a=b=c&d', { a: 'b=c' }],
  [{ field_split: '\\s,', value_split: ':' }, 'a:1,b:2\tc:3', { a: '1', b: '2', c: '3' }],
  [{ field_split: 'é' }, 'a=1éb=2', { a: '1', b: '2' }],
  [{ field_split: '[:space:];' }, 'a=b\tc=d;e=f', { a: 'b', c: 'd', e: 'f' }],
  [{ field_split: '&', value_split: '=&' }, 'a=1', { a: '1' }],
  [{ field_split_pattern: ', ?', value_split_pattern: ': ?' }, 'a: 1, b:2,c: x y', { a: '1', b: '2', c: 'x y' }],
  [{ field_split_pattern: ':+' }, 'k1=v1:k2=v2::k3=v3:::k4=v4', { k1: 'v1', k2: 'v2', k3: 'v3', k4: 'v4' }],
  [{ field_split_pattern: '\\+\\+' }, 'k1=v1++k2="v 2"++k3=[v]', { k1: 'v1', k2: 'v 2', k3: 'v' }],
  [{ value_split_pattern: '=>' }, 'a=>1 b => "2 3"', { a: '1', b: '2 3' }],
  [{ value_split_pattern: '=>', whitespace: 'strict' }, 'a=>1 b => 2', { a: '1' }],
])('%j finds in %j %j', async (options, text, pairs) => {
  expect(await found(options, text)).toEqual(pairs)
})

test.each([
  [{}, 'a=1 a=2 a=1', { a: ['1', '2', '1'] }],
  [{ allow_duplicate_values: false }, 'a=1 a=2 a=1 a=3', { a: ['1', '2', '3'] }],
  [{ allow_duplicate_values: false }, 'a=12 a=1', { a: '12' }],
  [{ prefix: 'x_' }, 'a=1', { x_a: '1' }],
  [{ prefix: '%{p}_' }, 'a=1', { p: 'q', q_a: '1' }],
  [{ include_keys: ['a', '%{p}'] }, 'a=1 q=2 c=3', { p: 'q', a: '1', q: '2' }],
  [{ include_keys: ['a', 'b'], exclude_keys: ['b'], prefix: 'x' }, 'a=1 b=2 c=3', { xa: '1' }],
  [{ exclude_keys: ['%{p}'] }, 'q=1 b=2', { p: 'q', b: '2' }],
  [{ trim_key: '<>', trim_value: '<>\\[\\],' }, '<a>=,[1],, b=[2,3],', { a: '1', b: '2,3' }],
  [{ remove_char_key: '<>', remove_char_value: '\\[,' }, 'a<b>=1,2 c=[3', { ab: '12', c: '3' }],
  [{ transform_key: 'uppercase', transform_value: 'capitalize' }, 'ab=cd Ef=GH', { AB: 'Cd', EF: 'Gh' }],
  [{ transform_key: 'lowercase', include_keys: ['ab'] }, 'AB=Cd', { ab: 'Cd' }],
  [{ recursive: true }, 'a="b=1 c=[d=2 e]" f=g', { a: { b: '1', c: { d: '2' } }, f: 'g' }],
  [{ recursive: true }, 'a=[x=1] a=2', { a: [{ x: '1' }, '2'] }],
  [{ target: '[t][u]' }, 'a=1 [b][c]=2', { t: { u: { a: '1', '[b][c]': '2' } } }],
  [{ target: 't', default_keys: { a: 'x', z: 5 } }, 'a=1', { t: { a: '1', z: 5 } }],
])('%j makes of %j %j', async (options, text, pairs) => {
  const fields = 'p' in pairs ? { p: 'q' } : {}
  expect(await found(options, text, fields)).toEqual(pairs)
})

test('keys are field references; what is there is overwritten, the text too', async () => {
  expect(await found({}, 'a=1 [b][c]=2 tags=t', { a: 'old', b: { d: 1 } })).toEqual({ a: '1', b: { c: '2', d: 1 }, tags: 't' })
  expect(await runFilter(kv, {}, { message: 'message=new' })).toMatchObject({ message: 'new' })
  expect(await found({ target: 'a' }, 'b=1', { a: { c: 1 } })).toEqual({ a: { b: '1' } })
})

test.each(['c[0]', '@timestamp', '[a][x]'])('at the key %s it stops with a tag', async (key) => {
  const options = { tag_on_failure: ['bad', 'worse'], add_tag: ['ok'] }
  expect(await found(options, `a=1 ${key}=2 b=3`)).toEqual({ a: '1', tags: ['bad', 'worse'] })
})

test.each([
  [['a=1', 'b=2 a=3', 5, null, { c: 1 }], { a: ['1', '3'], b: '2' }],
  [5, {}],
  [true, {}],
  [null, {}],
  [{ a: 'b=1' }, {}],
  ['', {}],
  [[], {}],
])('of a source %j come %j', async (message, pairs) => {
  const tags = Object.keys(pairs).length === 0 ? {} : { tags: ['ok'] }
  expect(await found({ add_tag: ['ok'] }, message)).toEqual({ ...pairs, ...tags })
})

test('default keys come where nothing else does, which counts as success', async () => {
  const options = { source: 'q', default_keys: { z: 'dz', l: ['a', 'b'] }, add_tag: ['ok'] }
  expect(await runFilter(kv, options, EVENT)).toEqual({ ...EVENT, z: 'dz', l: ['a', 'b'], tags: ['ok'] })
})

test('a text of which a pattern does not come to an end is tagged', async () => {
  const options = { field_split_pattern: '(?:a+)+b', timeout_millis: 50, tag_on_timeout: 'late', add_tag: ['ok'] }
  expect(await found(options, `k=${'a'.repeat(40)}`)).toEqual({ tags: ['late'] })
})

test('hostile keys are data', async () => {
  const run = await buildFilter(kv, { target: 't' })
  const { event } = run({ ...EVENT, message: '__proto__=1 constructor=2 __proto__=3' })
  expect(event.toJsonText()).toContain('"t":{"__proto__":["1","3"],"constructor":"2"}')
})

test('what cannot be read is told with a kind', async () => {
  const context = testContext()
  await runFilter(kv, {}, { message: 5 }, context)
  expect(context.lines).toEqual([expect.stringContaining('warn kv_type')])
})

test.each([
  [{ value_split: '' }, "'value_split' must be a non-empty string"],
  [{ field_split_pattern: '' }, "'field_split_pattern' must be a non-empty string"],
  [{ value_split_pattern: '(' }, 'got /(/: '],
  [{ field_split_pattern: '[' }, 'got /[/: '],
  [{ field_split: '[' }, 'REGEX_INVALID'],
  [{ trim_key: '' }, 'REGEX_INVALID'],
  [{ transform_key: 'title' }, 'one of lowercase, uppercase, capitalize'],
  [{ whitespace: 'loose' }, 'one of lenient, strict'],
])('%j is refused', async (options, message) => {
  await expect(buildFilter(kv, options)).rejects.toThrow(message)
})
