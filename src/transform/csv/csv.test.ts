import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { buildFilter, runFilter } from '../../../test/helpers/run-filter.ts'
import { csv } from './csv.ts'

const EVENT = { '@timestamp': '2026-01-02T00:00:00.000Z', '@version': '1' }

/** The columns of a row by their numbers, or the tags. */
async function columns(message: unknown, options: object = {}) {
  const document = await runFilter(csv, { target: 'c', ...options }, JSON.stringify({ ...EVENT, message }))
  return document?.['tags'] ?? (document?.['c'] === undefined ? [] : Object.values(document['c'] as object))
}

test.each<[string, (string | null)[]]>([
  ['1,two,"three, 3",', ['1', 'two', 'three, 3', null]],
  ['a', ['a']],
  [',', [null, null]],
  ['"",a', ['', 'a']],
  ['"a ""b"" c"', ['a "b" c']],
  [' a , b ', [' a ', ' b ']],
  ['"a\nb",c', ['a\nb', 'c']],
  ['a,b\nc,d', ['a', 'b']],
  ['a,b\r\n', ['a', 'b']],
  ['a,b\r', ['a', 'b']],
  ['"a\r\nb",c\r\nd', ['a\r\nb', 'c']],
  ['\na,b', []],
  [' ', [' ']],
  ['été,"日,本"', ['été', '日,本']],
])('the row %j has the columns %j', async (text, row) => {
  expect(await columns(text)).toEqual(row)
})

test.each(['', 'a"b,c', ' "a"', '"a" ,b', '"a"b', '"a', 'a,"', '"a\r\nb",c\nd', 5, true, ['a,b'], { a: 1 }])(
  '%j is no row',
  async (message) => {
    const document = await runFilter(csv, { add_tag: ['ok'] }, JSON.stringify({ ...EVENT, message }))
    expect(document).toEqual({ ...EVENT, message, tags: ['_csvparsefailure'] })
  },
)

test.each([[{}], [{ message: null }], [{ message: false }]])('%j is passed over', async (fields) => {
  expect(await runFilter(csv, { add_tag: ['ok'], skip_empty_rows: true }, JSON.stringify({ ...EVENT, ...fields }))).toEqual({
    ...EVENT,
    ...fields,
  })
})

test.each([
  [{ separator: ';' }, 'a,b;c', ['a,b', 'c']],
  [{ separator: '\t' }, '1\t2', ['1', '2']],
  [{ separator: '||' }, 'a|b||c', ['a|b', 'c']],
  [{ quote_char: "'" }, `'a,b',"c"`, ['a,b', '"c"']],
  [{ quote_char: '\\x00' }, 'a,"b" c', ['a', '"b" c']],
  [{ skip_empty_columns: true }, 'a,,"",b', ['a', 'b']],
])('%j reads %j as %j', async (options, text, row) => {
  expect(await columns(text, options)).toEqual(row)
})

test.each([
  [{ columns: ['a', 'b'] }, '1,2,3', { a: '1', b: '2', column3: '3' }],
  [{ columns: ['a', 'b'] }, '1', { a: '1' }],
  [{ columns: ['a'], autogenerate_column_names: false }, '1,2,3', { a: '1' }],
  [{ columns: ['[a][b]', 'c.d'] }, '1,2', { a: { b: '1' }, 'c.d': '2' }],
  [{ columns: ['a'], target: 't' }, '1', { t: { a: '1' } }],
  [{ columns: ['a'], target: '[t][u]' }, '1', { t: { u: { a: '1' } } }],
  [{ columns: ['message'] }, '1', { message: '1' }],
])('with %j the row %j sets %j', async (options, message, found) => {
  expect(await runFilter(csv, { ...options, add_tag: ['ok'] }, { ...EVENT, message })).toEqual({
    ...EVENT,
    message,
    ...found,
    tags: ['ok'],
  })
})

test('an empty row: a tag of its own where asked for', async () => {
  expect(await columns('', { skip_empty_rows: true })).toEqual(['_csvskippedemptyfield'])
  expect(await columns([], { skip_empty_rows: true })).toEqual(['_csvskippedemptyfield'])
  expect(await columns(' ', { skip_empty_rows: true })).toEqual([' '])
})

test('the first row gives the names and is dropped; rows like it only with skip_header', async () => {
  const rows = ['h1,,h3', '1,2,3', 'h1,,h3']
  const document = (run: { event: { toJsonText(): string } }) => JSON.parse(run.event.toJsonText()) as unknown
  const kept = await buildFilter(csv, { autodetect_column_names: true })
  const [first, second, third] = rows.map((message) => kept({ ...EVENT, message }))
  expect(first?.out).toEqual([])
  expect(second && document(second)).toEqual({ ...EVENT, message: '1,2,3', h1: '1', column2: '2', h3: '3' })
  expect(third && document(third)).toMatchObject({ h1: 'h1', h3: 'h3' })
  const skipped = await buildFilter(csv, { autodetect_column_names: true, skip_header: true })
  expect(rows.map((message) => skipped({ message }).out.length)).toEqual([0, 1, 0])
  const named = await buildFilter(csv, { columns: ['a', 'b'], autodetect_column_names: true, skip_header: true })
  expect(['a,b', 'x,y'].map((message) => named({ message }).out.length)).toEqual([0, 1])
})

test('a name from the first row that is no field is a failure of each row', async () => {
  const run = await buildFilter(csv, { autodetect_column_names: true })
  run({ message: 'a,b]' })
  expect(JSON.parse(run({ ...EVENT, message: '1,2' }).event.toJsonText())).toEqual({
    ...EVENT,
    message: '1,2',
    a: '1',
    tags: ['_csvparsefailure'],
  })
})

test.each([
  ['integer', '7', 7],
  ['integer', ' 0x1A ', 26],
  ['integer', '-017', -15],
  ['integer', '0b11', 3],
  ['integer', '1_000', 1000],
  ['integer', '5.7', '5.7'],
  ['integer', '1__0', '1__0'],
  ['integer', '08', '08'],
  ['integer', 'abc', 'abc'],
  ['integer', '', null],
  ['float', '1.5', 1.5],
  ['float', '1e3', 1000],
  ['float', '.5', 0.5],
  ['float', '5.', '5.'],
  ['float', 'NaN', 'NaN'],
  ['float', '1_0.5', 10.5],
  ['float', '', null],
  ['boolean', ' TRUE ', true],
  ['boolean', 'False', false],
  ['boolean', ' Yes', 'yes'],
  ['date_time', '2026-03-01T10:00:00.1234567+01:00', '2026-03-01T09:00:00.123456700Z'],
  ['date_time', '2026-03-01 10:00:00', '2026-03-01T10:00:00.000Z'],
  ['date_time', '2026-03-01 10:00:00 UTC', '2026-03-01T10:00:00.000Z'],
  ['date_time', '2026-03-01 10:00', '2026-03-01T10:00:00.000Z'],
  ['date_time', '2026-03-01', '2026-03-01T00:00:00.000Z'],
  ['date_time', 'Sun Mar 1 10:00:00 2026', '2026-03-01T10:00:00.000Z'],
  ['date_time', '2026-02-30T10:00', '2026-02-30T10:00'],
  ['date_time', '01.03.2026', '01.03.2026'],
  ['date', 'no date', 'no date'],
  ['date', '2026-13-01', '2026-13-01'],
])('as %s %j becomes %j', async (type, text, value) => {
  const document = await runFilter(csv, { columns: ['x'], convert: { x: type }, separator: ',' }, { message: `${text},` })
  expect(document).toMatchObject({ x: value })
})

test.each(['2026-03-01', 'March 1, 2026', 'Sunday, Mar 1 26'])('the date %j is midnight here', async (text) => {
  const document = await runFilter(csv, { convert: { column1: 'date' }, separator: ';' }, { message: text })
  expect(document?.['column1']).toBe(new Date(2026, 2, 1).toISOString())
})

test('a whole float keeps its point, an integer its digits; nothing is no boolean', async () => {
  const run = await buildFilter(csv, { convert: { column1: 'float', column2: 'integer' } })
  const text = run({ message: '5,12345678901234567890' }).event.toJsonText()
  expect(text).toContain('"column1":5.0')
  expect(text).toContain('"column2":12345678901234567890')
  expect(await columns('a,', { convert: { column2: 'boolean' } })).toEqual(['_csvparsefailure'])
})

test.each([
  [{ convert: { a: 'int' } }, 'Invalid conversion types: int'],
  [{ separator: '' }, 'separator: expected at least one character'],
  [{ quote_char: '""' }, 'quote_char: expected one character'],
  [{ columns: ['a]'] }, 'Invalid FieldReference'],
])('%j is refused', async (options, message) => {
  await expect(buildFilter(csv, options)).rejects.toThrow(message)
})

test('what is written with quotes is read back', async () => {
  const cell = fc.option(fc.string({ unit: fc.constantFrom(...Array.from('ab,"\n\r ;é')) }), { nil: null })
  await fc.assert(
    fc.asyncProperty(fc.array(cell, { minLength: 1, maxLength: 6 }), async (row) => {
      const text = row.map((value) => (value === null ? '' : `"${value.replaceAll('"', '""')}"`)).join(',')
      if (text !== '') expect(await columns(text)).toEqual(row)
    }),
  )
})
