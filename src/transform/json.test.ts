import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { buildFilter, runFilter } from '../../test/helpers/run-filter.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import { json } from './json.ts'

async function parse(message: unknown, options: { readonly [name: string]: unknown } = {}): Promise<string> {
  const run = await buildFilter(json, { source: 'message', remove_field: ['message', '@timestamp', '@version'], ...options })
  return run(JSON.stringify({ message })).event.toJsonText()
}

test('numbers leave as they came', async () => {
  const text = '{"a":1.10,"b":1e3,"c":3.141592653589793238462643383279,"d":-0.0,"e":12345678901.234567,"id":12345678901234567890}'
  expect(await parse(text)).toBe(text)
})

test('any value may go to a target', async () => {
  for (const text of ['[1,2]', '"s"', '42', 'null', 'true', '{"a":{"b":1}}']) {
    expect(await parse(text, { target: '[x][doc]' })).toBe(`{"x":{"doc":${text}}}`)
  }
})

test.each(['{"a":', 'nope', '{"a":1} x', '{"a":1,}', '{"a":01}', '{"a":NaN}', '', '   ', '[1]', '"s"', '1', 'null'])(
  'without a target %s is a failure',
  async (message) => {
    expect(await runFilter(json, { source: 'message', add_tag: ['ok'] }, { message })).toMatchObject({
      message,
      tags: ['_jsonparsefailure'],
    })
  },
)

test('a source that is missing, null or false is passed over, one that is no text fails', async () => {
  const run = await buildFilter(json, { source: 'message', target: 't', tag_on_failure: ['bad'], add_tag: ['ok'] })
  for (const fields of [{}, { message: null }, { message: false }]) expect(run(fields).event.toJsonText()).not.toContain('tags')
  for (const message of [5, true, ['{}'], { a: 1 }]) {
    expect(JSON.parse(run({ message }).event.toJsonText())).toMatchObject({ message, tags: ['bad'] })
  }
})

test('skip_on_invalid_json passes over what is not JSON, not what is no object', async () => {
  const run = await buildFilter(json, { source: 'message', skip_on_invalid_json: true })
  expect(run({ message: 'nope' }).event.toJsonText()).not.toContain('tags')
  expect(run({ message: '[1]' }).event.toJsonText()).toContain('_jsonparsefailure')
})

test('of several objects in one text the last one wins, with a warning', async () => {
  const context = testContext()
  expect(await runFilter(json, { source: 'message' }, { message: ' {"a":"}"} \n{"b":2} ' }, context)).not.toHaveProperty('a')
  expect(context.lines).toEqual([expect.stringContaining('warn json_several')])
  expect(await parse('{"a":1}{"b":2}')).toBe('{"b":2}')
  expect(await parse('{"a":1} x')).toContain('_jsonparsefailure')
  expect(await parse('{"a":1}{b}')).toContain('_jsonparsefailure')
})

test('a byte order mark is skipped', async () => {
  expect(await parse('\ufeff{"a":1}')).toBe('{"a":1}')
})

test('the time inside becomes the time of the event', async () => {
  const run = await buildFilter(json, { source: 'message' })
  const timeOf = (time: unknown) =>
    JSON.parse(run({ message: JSON.stringify({ '@timestamp': time }) }).event.toJsonText()) as unknown
  expect(timeOf('2024-01-02T03:04:05.123456789+02:00')).toMatchObject({ '@timestamp': '2024-01-02T01:04:05.123456789Z' })
  const now = '2026-01-02T03:04:05.000Z'
  for (const [time, kept] of [
    ['2024-01-02 03:04:05', '2024-01-02 03:04:05'],
    [1704164645, '1704164645'],
    [{}, '{}'],
    [[], '[]'],
    [true, 'true'],
  ]) {
    expect(timeOf(time)).toMatchObject({ '@timestamp': now, '_@timestamp': kept, tags: ['_timestampparsefailure'] })
  }
  expect(timeOf(null)).not.toHaveProperty('tags')
})

test('metadata inside goes to the metadata, a key in brackets makes a nested field', async () => {
  const run = await buildFilter(json, { source: 'message' })
  const { event } = run({ message: '{"@metadata":{"x":1},"[c][d]":2,"e":{"[f]":3}}' })
  expect(event.metadata).toEqual({ x: 1 })
  expect(JSON.parse(event.toJsonText())).toMatchObject({ c: { d: 2 }, e: { '[f]': 3 } })
})

test.each(['{"p":1,"x[0]":7,"q":2}', '{"p":1,"a]":7,"q":2}', '{"p":1,"tags":{"a":1},"q":2}', '{"p":1,"tags":null,"q":2}'])(
  '%s stops half-way with a tag, as in Logstash',
  async (message) => {
    const document = await runFilter(json, { source: 'message' }, { message })
    expect(document).toMatchObject({ p: 1, tags: ['_jsonparsefailure'] })
    expect(document).not.toHaveProperty('q')
  },
)

test('hostile names are inert data', async () => {
  const text = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},"toString":3}'
  expect(await parse(text)).toBe(text)
  expect(({} as { polluted?: number }).polluted).toBeUndefined()
})

test('JSON nested too deep is a failure', async () => {
  expect(await parse('['.repeat(100_000) + ']'.repeat(100_000), { target: 't' })).toContain('_jsonparsefailure')
})

test('no text makes the filter throw', async () => {
  const run = await buildFilter(json, { source: 'message' })
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.json(), fc.string({ unit: fc.constantFrom(...Array.from('{}[]",:1 ae\\')) })),
      (message) => {
        run({ message })
      },
    ),
  )
})

test.each([
  '"@timestamp":"2024-01-02T03:04:05.1Z","tags":["x"],"@version":"7","@metadata":{"m":1.0},"a":1.10',
  '"@timestamp":"yesterday","a":{"b":[1E+3]}',
  '"@timestamp":null,"tags":"x"',
  '"@metadata":null,"a":1',
  '"tags":[1],"a":1',
  '"message":"over the source","a":12345678901234567890',
])('members are the same whether the text is scanned or, for a name with an escape, parsed: %s', async (members) => {
  const filter = await buildFilter(json, { source: 'message' })
  const documentOf = (last: string): unknown => {
    const { event } = filter({ message: `{${members},${last}}`, kept: 'k' })
    const fields = [...event.entries()].filter(
      ([name]) => name !== 'message' || event.get(parseFieldRef('message')) === 'over the source',
    )
    return { fields: Object.fromEntries(fields), metadata: event.metadata }
  }
  expect(documentOf('"z":1')).toEqual(documentOf('"\\u007a":1'))
})
