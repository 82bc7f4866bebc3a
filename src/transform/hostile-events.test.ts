import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { catalog } from '../../test/helpers/catalog.ts'
import { TestFilter } from '../../test/helpers/run-filter.ts'

// No event makes these filters throw, and what comes out can be printed.
// biome-ignore format: a list to look through
const FILTERS: readonly (readonly [name: string, options: { readonly [name: string]: unknown }])[] = [
  ['cidr', { address: ['%{a}', '%{message}'], network: ['%{a}', '::/0'] }],
  ['clone', { clones: ['c'] }],
  ['csv', { source: 'a' }],
  ['csv', { source: 'a', autodetect_column_names: true, convert: { column1: 'date_time' } }],
  ['de_dot', {}],
  ['de_dot', { nested: true, recursive: true }],
  ['dissect', { mapping: { message: '%{?k}=%{&k},%{+a}' } }],
  ['dissect', { mapping: { a: '%{x} %{+x/2->} %{&k}', message: '<%{[p][q]}>%{@timestamp}' }, convert_datatype: { x: 'int', a: 'float' } }],
  ['kv', { source: 'a' }],
  ['kv', { recursive: true, target: 't', trim_key: 'a', remove_char_value: 'b' }],
  ['kv', { field_split_pattern: ',+', allow_duplicate_values: false }],
  ['prune', { whitelist_values: { a: 'x' }, blacklist_values: { message: 'y' } }],
  ['prune', { interpolate: true, whitelist_names: ['%{a}'] }],
  ['split', { field: 'a' }],
  ['split', { field: 'tags', target: '[a][b]' }],
  ['syslog_pri', { syslog_pri_field_name: 'a' }],
  ['truncate', { length_bytes: 2 }],
  ['truncate', { fields: ['[a][b]', 'tags'], length_bytes: 1 }],
  ['urldecode', { all_fields: true }],
  ['urldecode', { field: '[a][b]', charset: 'ISO-8859-1' }],
  ['uuid', { target: '[a][b]' }],
]

const NAMES = ['a', 'message', '[a', '__proto__', 'tags', '@timestamp', 'x.y', '%{a}', '@metadata', '[b][c]', 'type', '@version']
const TEXT = fc.string({ unit: fc.constantFrom(...Array.from('ab= ,;[]%{}"\\\n:.é1=&<>()')), maxLength: 12 })
const EVENT = fc.dictionary(fc.constantFrom(...NAMES), fc.oneof(TEXT, fc.jsonValue({ maxDepth: 3 }), fc.array(TEXT)))

test.each(FILTERS)('%s %j', async (name, options) => {
  await using filter = await TestFilter.build(catalog.find('filter', name), options)
  fc.assert(
    fc.property(EVENT, (fields) => {
      const { event, out } = filter.run(JSON.stringify(fields))
      for (const each of [event, ...out]) expect(JSON.parse(each.toJsonText())).toBeTypeOf('object')
    }),
    { numRuns: 200 },
  )
})
