import { expect, test } from 'vitest'
import { runFilter } from '../../test/helpers/run-filter.ts'
import { date } from '../transform/date.ts'
import { json } from '../transform/json.ts'

test.each([
  [json, { source: 'a', add_field: { '[a][b]': 'x' } }, ['_jsonparsefailure']],
  [json, { source: 'a', add_tag: ['%{[a}'], tag_on_failure: ['x', 'y'] }, ['x', 'y']],
  [date, { match: ['t', 'ISO8601'], add_field: { '@timestamp': 'x' } }, ['_dateparsefailure']],
])('an option that cannot be applied is a failure of the filter', async (filter, options, tags) => {
  const document = await runFilter(filter, options, { a: '{"z":1}', t: '2024-01-02T03:04:05Z' })
  expect(document).toMatchObject({ tags })
})

test.each([
  ['{"s":"old","l":[1],"h":{"a":1},"n":null}', { s: ['old', 'v'], l: [1, 'v'], h: [['a', 1], 'v'], n: ['v'], m: 'v' }],
  ['{"s":5,"l":[],"h":{}}', { s: [5, 'v'], l: ['v'], h: ['v'], n: 'v', m: 'v' }],
])('add_field appends to what is there: %s', async (document, expected) => {
  const add_field = { s: 'v', l: 'v', h: 'v', n: 'v', m: 'v' }
  expect(await runFilter(json, { source: 'none', target: 'x', add_field }, document)).not.toMatchObject(expected)
  const parsing = document.replace('{', '{"message":"{}",')
  expect(await runFilter(json, { source: 'message', add_field }, parsing)).toMatchObject(expected)
})
