import { expect, test } from 'vitest'
import type { ConfigValue, PlanNode } from '../../core/plan.ts'
import type { LowerOptions } from './lower.ts'
import { readConf } from './read-conf.ts'

/** What a value says, without its places. */
function plain(value: ConfigValue): unknown {
  switch (value.kind) {
    case 'list':
      return value.items.map(plain)
    case 'hash':
      return Object.fromEntries(value.entries.map((entry) => [entry.name, plain(entry.value)]))
    case 'component':
      return { [value.name]: Object.fromEntries(value.options.map((option) => [option.name, plain(option.value)])) }
    case 'null':
      return null
    default:
      return value.value
  }
}

function outline(node: PlanNode): unknown {
  if (node.kind === 'component') return plain(node)
  return { if: node.condition.kind, then: node.then.map(outline), else: node.else.map(outline) }
}

/** The filters of a text that has no fault. */
function filters(text: string, options: Partial<LowerOptions> = {}): unknown[] {
  const read = readConf(`filter { ${text} }`, 'test.conf', { variables: {}, ...options })
  expect(read.problems).toEqual([])
  return read.filters.map(outline)
}

function values(text: string, more: Partial<LowerOptions> = {}): unknown {
  const [plugin] = filters(`x { ${text} }`, more) as { x: unknown }[]
  return plugin?.x
}

test.each<readonly [string, unknown]>([
  ['port=>5044 host=>"x"', { port: 5044, host: 'x' }],
  ['a => 1 # c\n # d\n b => 2', { a: 1, b: 2 }],
  ['flag => true short => ab', { flag: 'true', short: 'ab' }],
  ['n => -1 f => 1. g => -2.50', { n: -1, f: 1, g: -2.5 }],
  [
    'h => {"a"=>"b""c"=>"d" 5 => x2 nested => { "k" => [1, two, "3"] }}',
    { h: { a: 'b', c: 'd', 5: 'x2', nested: { k: [1, 'two', '3'] } } },
  ],
  ['e => [] g => {}', { e: [], g: {} }],
  [`t => 'it\\'s' u => "two\nlines" v => "a\\"b\\n"`, { t: "it\\'s", u: 'two\nlines', v: 'a\\"b\\n' }],
  ['"quoted name" => 1 \'other\' => 2', { 'quoted name': 1, other: 2 }],
  ['codec => json', { codec: 'json' }],
  ['codec => json { target => "t" }', { codec: { json: { target: 't' } } }],
  ['codec => "json" {}', { codec: { json: {} } }],
  ['l => [ line { }, plain ]', { l: [{ line: {} }, 'plain'] }],
  // Repeated options
  ['t => "a" t => "b"', { t: ['a', 'b'] }],
  ['t => "a" t => "a"', { t: 'a' }],
  ['t => ["a"] t => "a" t => ["b"]', { t: ['a', 'a', 'b'] }],
  ['t => "a" t => ["b"]', { t: ['a', ['b']] }],
  ['h => { "a" => 1 } h => { "b" => 2 "a" => 3 }', { h: { a: [1, 3], b: 2 } }],
  ['h => { "a" => [1] } h => { "a" => [1, 2] }', { h: { a: [1, 2] } }],
  ['h => { "a" => { "b" => 1 } } h => { "a" => { "c" => 2 } }', { h: { a: { b: 1, c: 2 } } }],
  ['h => { "a" => 1 a1 => 2 \'a\' => 3 }', { h: { a: 3, a1: 2 } }],
])('%s says %j', (text, expected) => {
  expect(values(text)).toEqual(expected)
})

test.each<readonly [string, unknown]>([
  ['v => "${A}"', { v: 'one' }],
  ['v => "<${A}${NONE:}${NONE:d}>"', { v: '<oned>' }],
  ['v => ["${A}", "x"] h => { "k" => "${A}" "${A}" => 1 }', { v: ['one', 'x'], h: { k: 'one', '${A}': 1 } }],
  ['v => "${QUOTED}"', { v: 'in quotes' }],
  ['v => "${LIST}"', { v: ['a', 'b', 'c'] }],
  ['v => ["z", "${LIST}"]', { v: ['z', 'a', 'b', 'c'] }],
  ["v => '[a, b]'", { v: '[a, b]' }],
  ['v => "${NONE:[]}"', { v: [] }],
  ['v => "${a.b:c}" w => "$A ${} ${1}"', { v: 'c', w: '$A ${} ${1}' }],
])('%s with variables says %j', (text, expected) => {
  expect(values(text, { variables: { A: 'one', QUOTED: '\'"in quotes"\'', LIST: `[a, 'b', "c"]` } })).toEqual(expected)
})

test('escapes mean something only with support_escapes', () => {
  const text = String.raw`v => "a\tb\"c\\d\x\0" w => 'it\'s'`
  expect(values(text)).toEqual({ v: String.raw`a\tb\"c\\d\x\0`, w: String.raw`it\'s` })
  expect(values(text, { support_escapes: true })).toEqual({ v: 'a\tb"c\\d\\x\0', w: "it's" })
})

test('else if is an if inside the else', () => {
  const text = 'if [a] { drop {} } else if"x" in [b] { } elseif [c]{} else{ x{} y{} }'
  expect(filters(text)).toEqual([
    {
      if: 'truthy',
      then: [{ drop: {} }],
      else: [{ if: 'in', then: [], else: [{ if: 'truthy', then: [], else: [{ x: {} }, { y: {} }] }] }],
    },
  ])
})

test.each(['', ' \r\n', '# only a comment', '# one\r\n\t# two\n', 'input{}filter{}output{}', 'filter { filter {} }'])(
  '%j is a config',
  (text) => {
    expect(readConf(text, 'test.conf', { variables: {} }).problems).toEqual([])
  },
)

test('several sections of a name follow one another, and every node knows its place', () => {
  const { filters: read } = readConf('filter { x {} }\noutput{}\nfilter {\n  y { a => 1 } }', 'f.conf', { variables: {} })
  expect(read).toMatchObject([
    { name: 'x', at: { file: 'f.conf', line: 1, column: 10 } },
    { name: 'y', at: { file: 'f.conf', line: 4, column: 3 }, options: [{ at: { line: 4, column: 7 } }] },
  ])
})
