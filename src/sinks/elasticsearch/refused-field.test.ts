import { expect, test } from 'vitest'
import type { Value } from '../../core/values.ts'
import { readRefusedField, ruleFrom, someOf } from './refused-field.ts'

test.each([
  [
    "[1:6] failed to parse field [d] of type [double] in document with id 'a'. Preview of field's value: 'a while' (For input string: \"a while\")",
    'mapping_conflict',
    'd',
  ],
  ["failed to parse field [o.y.z] of type [date] in document with id 'a'", 'mapping_conflict', 'o.y.z'],
  ['[1:24] failed to parse field [g] of type [geo_point] (illegal latitude value [900.0] for g)', 'mapping_conflict', 'g'],
  ['[1:6] object mapping for [o] tried to parse field [o] as object, but found a concrete value', 'mapping_conflict', 'o'],
  ['[1:7] object mapping for [o] tried to parse field [null] as object, but found a concrete value', 'mapping_conflict', 'o'],
  ['[1:11] object mapping for [o.y] tried to parse field [y] as object, but found a concrete value', 'mapping_conflict', 'o.y'],
  ['object mapping for [host] tried to parse field [host] as object, but found a concrete value', 'mapping_conflict', 'host'],
  [
    'Could not dynamically add mapping for field [host.name]. Existing mapping for [host] must be of type object but found [keyword].',
    'mapping_conflict',
    'host',
  ],
  ["can't merge a non object mapping [a.b] with an object mapping", 'mapping_conflict', 'a.b'],
  ["can't merge a non-nested mapping [a] with a nested mapping", undefined, undefined],
  ['mapper [a] cannot be changed from type [long] to [ObjectMapper]', 'mapping_conflict', 'a'],
  ['mapper [a] of different type, current_type [text], merged_type [ObjectMapper]', 'mapping_conflict', 'a'],
  ['[1:7] Cannot write to a field alias [al].', 'mapping_conflict', 'al'],
  ['[1:6] mapping set to strict, dynamic introduction of [c] within [_doc] is not allowed', 'mapping_conflict', 'c'],
  ['[1:6] mapping set to strict, dynamic introduction of [q] within [o.p] is not allowed', 'mapping_conflict', 'o.p.q'],
  [
    "[1:8] failed to parse field [_id] of type [_id] in document with id 'a'. Preview of field's value: 'x' ([1:8] Field [_id] is a metadata field)",
    'field_name',
    '_id',
  ],
  [
    "[1:6] failed to parse field [k] of type [keyword] in document with id 'a'. Preview of field's value: 'xx' (Document contains at least one immense term in field=\"k\" (whose UTF8 encoding is longer than the max length 32766))",
    'value_too_long',
    'k',
  ],
  [
    'Document contains at least one immense term in field="a.b" (whose UTF8 encoding is longer than the max length 32766)',
    'value_too_long',
    'a.b',
  ],
  ['[1:18] failed to parse: Limit of total fields [5] has been exceeded while adding new fields [3]', 'field_limit', undefined],
  ['Limit of total fields [1000] has been exceeded', 'field_limit', undefined],
  ['[1:11] failed to parse: Limit of mapping depth [2] has been exceeded due to object field [a.b]', 'field_limit', 'a.b'],
  ['[1:2] failed to parse: field name cannot be an empty string', 'field_name', undefined],
  ['[1:2] Field name cannot contain only whitespace: [ ]', 'field_name', undefined],
  ["[1:2] failed to parse: field name cannot contain only whitespace: ['a..b']", 'field_name', undefined],
  ['[1:2] failed to parse: field name cannot contain only dots', 'field_name', undefined],
  [
    '[1:2] failed to parse: field name starting or ending with a [.] makes object resolution ambiguous: [.a]',
    'field_name',
    undefined,
  ],
  ['pipeline with id [p] does not exist', undefined, undefined],
  ['[1:7] failed to parse: data stream timestamp field [@timestamp] is missing', undefined, undefined],
  ['only write ops with an op_type of create are allowed in data streams', undefined, undefined],
  ['the document said: failed to parse field [d] of type [double]', undefined, undefined],
  ['', undefined, undefined],
])('%s', (reason, why, path) => {
  const refused = readRefusedField(reason)
  expect(refused?.why).toBe(why)
  expect(refused?.path).toBe(path)
})

const NESTED = { a: 1 }
const LONG = 'x'.repeat(32_767)

/** What is refused once for such a reason, what is refused for certain from then on, and what is not. */
test.each<[string, string, Value, readonly Value[], readonly Value[]]>([
  ['a number', 'failed to parse field [f] of type [double] in', 'a while', ['b', true, ['1', 'x']], [1, '2.5', '', '1e3', null]],
  ['a number, by an object', 'failed to parse field [f] of type [long] in', NESTED, [NESTED, [NESTED]], [1, 'a while', null]],
  ['a keyword', 'failed to parse field [f] of type [keyword] in', NESTED, [NESTED, [1, NESTED]], ['a', 1, true, null, [], LONG]],
  ['a boolean', 'failed to parse field [f] of type [boolean] in', 'yes', ['no', 1, 0], ['true', 'false', '', true, null]],
  ['an object', 'object mapping for [f] tried to parse field [f] as object', 'x', ['x', 1, ['x']], [NESTED, null, [NESTED], []]],
  ['a long keyword', 'Document contains at least one immense term in field="f" (', LONG, [LONG, '漢'.repeat(11_000)], ['x', 1]],
  ['an alias', 'Cannot write to a field alias [f].', 'x', ['x', 1, NESTED], [null]],
])('learned of %s', (_what, reason, first, refused, stored) => {
  const field = readRefusedField(reason)
  const rule = field === undefined ? undefined : ruleFrom(field, [first])
  if (rule === undefined) throw new Error('expected a rule')
  expect(refused.map((value) => someOf(value, rule))).toEqual(refused.map(() => true))
  expect(stored.map((value) => someOf(value, rule))).toEqual(stored.map(() => false))
})

test.each<[string, string, Value]>([
  ['a date that Elasticsearch cannot read', 'failed to parse field [f] of type [date] in', 'yesterday'],
  ['a number beyond its range', 'failed to parse field [f] of type [byte] in', 1000],
  ['an address', 'failed to parse field [f] of type [ip] in', 'nowhere'],
  ['a type of a plugin', 'failed to parse field [f] of type [something] in', NESTED],
])('nothing is learned of %s: others may be stored', (_what, reason, value) => {
  const field = readRefusedField(reason)
  expect(field).toBeDefined()
  expect(field && ruleFrom(field, [value])).toBeUndefined()
})
