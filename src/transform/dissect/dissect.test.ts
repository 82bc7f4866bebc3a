import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { buildFilter, runFilter } from '../../../test/helpers/run-filter.ts'
import { dissect } from './dissect.ts'

const EVENT = { '@timestamp': '2026-01-02T00:00:00.000Z', '@version': '1' }

async function cut(pattern: string, message: unknown, fields: object = {}, options: object = {}) {
  const document = await runFilter(
    dissect,
    { mapping: { m: pattern }, ...options },
    JSON.stringify({ ...EVENT, ...fields, m: message }),
  )
  const { m: _source, '@timestamp': _time, '@version': _version, ...found } = document ?? {}
  return found
}

test.each([
  ['%{a} %{b}', '1 2 3 4', { a: '1', b: '2 3 4' }],
  ['%{a} %{b} %{c}', 'x  y', { a: 'x', b: '', c: 'y' }],
  ['%{a} %{b}', 'x ', { a: 'x', b: '' }],
  ['%{a}', 'all of it', { a: 'all of it' }],
  ['%{a}\n%{b}', 'x\ny\nz', { a: 'x', b: 'y\nz' }],
  ['<%{a}>--[%{b}],,%{c}', '<1>--[2],,3,4', { a: '1', b: '2', c: '3,4' }],
  ['T %{a} %{b}', 'T  y', { a: '', b: 'y' }],
  ['%{a},%{b},', '1,2,', { a: '1', b: '2' }],
  ['%{a} - %{b}.', 'x - y. more', { a: 'x', b: 'y' }],
  ['{%{a}}', '{x', { a: 'x' }],
  ['%{a}→%{b}', 'été→中文', { a: 'été', b: '中文' }],
  ['%{a} %{a}', 'x y', { a: 'y' }],
  ['%{[client][ip]} %{[client][port]} %{a.b}', '1.2.3.4 80 x', { client: { ip: '1.2.3.4', port: '80' }, 'a.b': 'x' }],
  // A delimiter that the text begins with does not count.
  ['%{a},%{b},%{c}', ',,', { a: '', b: '', c: ',,' }],
  ['%{a} %{b}', ' y', { a: '', b: ' y' }],
])('%j cuts %j into %j', async (pattern, text, found) => {
  expect(await cut(pattern, text)).toEqual(found)
})

test.each([
  ['%{a} %{} %{?skipped} %{b}', '1 2 3 4', { a: '1', b: '4' }],
  ['%{+a/2} %{+a/1} %{+a/4} %{+a/3}', '1 2 3 go', { a: '2 1 go 3' }],
  ['%{+a/2} %{+a/1} %{?skip} %{} %{b->} %{c}', 'x y s e b     c', { a: 'y x', b: 'b', c: 'c' }],
  ['%{a} %{b} %{+a}', '1 2 3 go', { a: '1 3 go', b: '2' }],
  ['%{+a} %{a}', '1 2', { a: '2 1' }],
  ['%{a}-%{+a}:%{+a}', '1-2:3', { a: '1-2:3' }],
  ['T14 %{+a/2} %{+a} %{+a/1}', 'T14 x y z', { a: 'y zT14 x' }],
  ['%{a->} %{b->}|%{c}', 'x     y||||z', { a: 'x', b: 'y', c: 'z' }],
  ['%{a->} %{b}', 'x y', { a: 'x', b: 'y' }],
  ['T %{a->}, %{b}', 'T x, , , y', { a: 'x', b: 'y' }],
  ['T %{a} %{->} %{b}', 'T x    y', { a: 'x', '': '', b: 'y' }],
  ['T %{a} %{b->}', 'T x y   ', { a: 'x', b: 'y   ' }],
  ['%{+a->} %{+a/1->} %{b}', '1   2   3', { a: '1 2', b: '3' }],
  ['%{?k}=%{&k};%{?k2}=%{&k2}', 'a=1;b=2', { a: '1', b: '2' }],
  ['%{k}: %{&k}', 'foo: bar', { k: 'foo', foo: 'bar' }],
  ['%{&k}: %{?k}', 'bar: foo', { foo: 'bar' }],
  ['T %{?k}=%{&k}', 'T =value', {}],
  ['%{*k}=%{&k}', 'foo=bar', { '*k': 'foo' }],
  ['%{?k}=%{&k}', '[x][y]=1', { x: { y: '1' } }],
])('marks: %j cuts %j into %j', async (pattern, text, found) => {
  expect(await cut(pattern, text)).toEqual(found)
})

test.each([
  ['<%{a}>%{b}', 'x<1>2'],
  ['%{a} - %{b}', 'no dash'],
  ['%{a},%{b},', '1,2'],
  ['%{a}%{b} %{c}', 'x y'],
  ['%{a}', ''],
  ['%{a}', null],
  ['%{a} %{b}', 5],
  ['%{@timestamp}', 'x'],
  ['%{a} %{[tags][x]}', 'x y'],
])('%j does not take %j', async (pattern, message) => {
  expect(await cut(pattern, message, {}, { tag_on_failure: ['bad', 'worse'], add_tag: ['ok'] })).toMatchObject({
    tags: ['bad', 'worse'],
  })
})

test.each([
  [5, '5'],
  [true, 'true'],
  [['x', 1], '["x", 1]'],
  [{ b: 'c' }, '{"b"=>"c"}'],
])('%j is cut as %j', async (message, a) => {
  expect(await cut('%{a}', message)).toEqual({ a })
})

test('what is there is overwritten, or appended to; an indirect name may come from the event', async () => {
  expect(await cut('%{m} %{w}', 'new rest')).toEqual({ w: 'rest' })
  expect(await cut('%{+a} %{&k}', 'x y', { a: ['1', '2'], k: 'n' })).toEqual({ a: '1,2 x', k: 'n', n: 'y' })
  expect(await cut('%{+a} %{&k}', 'x y', { a: null, k: 'n' })).toMatchObject({ a: null, tags: ['_dissectfailure'] })
  expect(await cut('%{tags} %{+tags}', 'a b', { tags: ['t'] })).toEqual({ tags: 'a b' })
})

test('several mappings: each acts, a missing field is passed over, one that fails does not stop the others', async () => {
  const options = { mapping: { a: '%{x} %{y}', b: '%{z}-%{w}', c: '%{v}', d: '' }, add_tag: ['ok'] }
  expect(await runFilter(dissect, options, { ...EVENT, a: '1 2', b: '3-4' })).toEqual({
    ...EVENT,
    a: '1 2',
    b: '3-4',
    x: '1',
    y: '2',
    z: '3',
    w: '4',
    tags: ['ok', 'ok'],
  })
  expect(await runFilter(dissect, options, { ...EVENT, a: '1', b: '3-4' })).toMatchObject({
    z: '3',
    tags: ['_dissectfailure', 'ok'],
  })
  expect(await runFilter(dissect, options, EVENT)).toEqual(EVENT)
})

test.each([
  ['int', '"42"', '42'],
  ['int', '"-7.9"', '-7'],
  ['int', '"1e3"', '1000'],
  ['INT', '"+2"', '2'],
  ['int', '".5"', '0'],
  ['int', '"12345678901234567890"', '12345678901234567890'],
  ['int', '3.9', '3'],
  ['float', '"2"', '2'],
  ['float', '"1.50"', '1.50'],
  ['float', '".5"', '0.5'],
  ['float', '"5."', '5'],
  ['float', '"-0"', '0'],
  ['float', '"007.25"', '7.25'],
  ['float', '"1e3"', '1E3'],
  ['float', '7', '7'],
])('as %s %s becomes %s', async (type, before, after) => {
  const run = await buildFilter(dissect, { convert_datatype: { x: type }, remove_field: ['@timestamp'] })
  expect(run(`{"@version":"1","x":${before}}`).event.toJsonText()).toContain(`"x":${after}`)
})

test.each(['abc', '', ' 3', '1_000', '0x10', 'NaN', '1e9999', '9'.repeat(1_001), true, {}, [1, 2]])('%j is no int', async (x) => {
  expect(await runFilter(dissect, { convert_datatype: { x: 'int' } }, JSON.stringify({ x }))).toMatchObject({
    x,
    tags: ['_dataconversionuncoercible_x_int'],
  })
})

test('conversions of what is not there are tagged, also after a failure', async () => {
  const options = { mapping: { m: '%{a} %{b}' }, convert_datatype: { a: 'int', '[c][d]': 'float' } }
  expect(await runFilter(dissect, options, { m: 'x', c: { d: null } })).toMatchObject({
    tags: ['_dissectfailure', '_dataconversionnullvalue_a_int', '_dataconversionnullvalue_[c][d]_float'],
  })
})

test.each(['no fields', '%{+}', '%{&}', '%{+->}', '%{+&a}', '%{&+a}', '%{a[b}'])('the pattern %j is refused', async (pattern) => {
  await expect(buildFilter(dissect, { mapping: { m: pattern } })).rejects.toThrow('CONFIG_CANNOT_START')
})

test('a type that is none is refused', async () => {
  await expect(buildFilter(dissect, { convert_datatype: { a: 'integer' } })).rejects.toThrow('datatype not supported: integer')
})

test('what is put together from texts without the delimiters is cut into them again', async () => {
  const word = fc.stringMatching(/^[a-z]{1,5}$/)
  const delimiter = fc.stringMatching(/^[ ,;|>-]{1,3}$/)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(delimiter, word), { minLength: 1, maxLength: 6 }), async (parts) => {
      const pattern = parts.map(([before], index) => `${before}%{f${index}}`).join('')
      const text = parts.map(([before, found]) => before + found).join('')
      expect(await cut(pattern, text)).toEqual(Object.fromEntries(parts.map(([, found], index) => [`f${index}`, found])))
    }),
  )
})
