import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { buildFilter, runFilter } from '../../../test/helpers/run-filter.ts'
import { type Fields, setMember, stringify } from '../../core/values.ts'
import { mutate } from './mutate.ts'

/** The document as text without the fields that every event has. */
async function run(options: { readonly [name: string]: unknown }, fields: string): Promise<string> {
  const apply = await buildFilter(mutate, options)
  const { event } = apply(fields)
  const document: Fields = {}
  for (const [name, value] of event.entries()) if (!/^@(version|timestamp)$/.test(name)) setMember(document, name, value)
  return stringify(document)
}

describe('convert', () => {
  // What Logstash 9.3.8 makes of them.
  test.each([
    ['integer', '"5"', '5'],
    ['integer', '"5.7"', '5'],
    ['integer', '"-12.7"', '-12'],
    ['integer', '" 7 "', '7'],
    ['integer', '"1,234"', '1234'],
    ['integer', '"1.234,5"', '1'],
    ['integer', '"0x1A"', '26'],
    ['integer', '"-0x1a"', '-26'],
    ['integer', '"010"', '8'],
    ['integer', '"1_000"', '1000'],
    ['integer', '"+5"', '5'],
    ['integer', '"0"', '0'],
    ['integer', '5.9', '5'],
    ['integer', '-5.9', '-5'],
    ['integer', 'true', '1'],
    ['integer', 'false', '0'],
    ['integer', 'null', 'null'],
    ['integer', '{"a":"1"}', '{"a":"1"}'],
    ['integer', '["1","2.5",3,true,null]', '[1,2,3,1,null]'],
    ['integer', '"9223372036854775808"', '9223372036854775808'],
    ['integer', '12345678901234567890', '12345678901234567890'],
    ['integer', '1e20', '100000000000000000000'],
    ['integer', '123456789012345678901.9', '123456789012345678901'],
    ['integer_eu', '"1.234.567,89"', '1234567'],
    ['integer_eu', '1.5', '1'],
    ['float', '"1,234.5"', '1234.5'],
    ['float', '"1e3"', '1000.0'],
    ['float', '"1e400"', '"Infinity"'],
    ['float', '".5"', '0.5'],
    ['float', '"1,5"', '15.0'],
    ['float', '5', '5.0'],
    ['float', '3.0000000000000000001', '3.0'],
    ['float', '[true,false]', '[1.0,0.0]'],
    ['float_eu', '"1.234,5"', '1234.5'],
    ['float_eu', '"1.5"', '15.0'],
    ['string', '5', '"5"'],
    ['string', 'true', '"true"'],
    ['string', '100.0', '"100.0"'],
    ['string', '12345678901234567890', '"12345678901234567890"'],
    ['string', '[1.5,null,{"a":1},[2]]', '["1.5",null,"{\\"a\\"=>1}","[2]"]'],
    ['boolean', '"Yes"', 'true'],
    ['boolean', '"T"', 'true'],
    ['boolean', '1.0', 'true'],
    ['boolean', '"0.0"', 'false'],
    ['boolean', '""', 'false'],
    ['boolean', '0', 'false'],
    ['boolean', '"abc"', '"abc"'],
    ['boolean', '["true","0","x",null]', '[true,false,"x",null]'],
  ])('to %s makes of %s: %s', async (type, value, expected) => {
    expect(await run({ convert: { v: type } }, `{"v":${value}}`)).toBe(`{"v":${expected}}`)
  })

  test.each([
    ['integer', '"abc"'],
    ['integer', '""'],
    ['integer', '"1e3"'],
    ['integer', '"12abc"'],
    ['integer', '"true"'],
    ['integer', '"08"'],
    ['integer', '"１２"'],
    ['integer', '["1","x"]'],
    ['integer', '[{"a":1}]'],
    ['integer', '1e999999999'],
    ['float', '"5."'],
    ['float', '""'],
    ['float', '"nan"'],
    ['float', '"Infinity"'],
  ])('to %s fails on %s, which stays', async (type, value) => {
    expect(await run({ convert: { v: type } }, `{"v":${value}}`)).toBe(`{"v":${value},"tags":["_mutate_error"]}`)
  })

  test('an unknown type is refused at load', async () => {
    await expect(buildFilter(mutate, { convert: { v: 'int' } })).rejects.toThrow(/Invalid conversion type 'int'/)
    await expect(buildFilter(mutate, { convert: { v: 'interger' } })).rejects.toThrow(/did you mean integer/)
  })

  test('an integer text of any length is exact', async () => {
    const apply = await buildFilter(mutate, { convert: { v: 'integer' } })
    fc.assert(
      fc.property(fc.bigInt(), (value) => {
        expect(apply({ v: String(value) }).event.toJsonText()).toMatch(new RegExp(`"v":${value}[,}]`))
      }),
    )
  })
})

describe('gsub', () => {
  test.each([
    [['v', '/', '_'], 'x/y/z', 'x_y_z'],
    [['v', '[\\\\?#-]', '.'], 'q\\w?e#r-t', 'q.w.e.r.t'],
    [['v', '(\\w+) (\\w+)', '\\2 \\1'], 'hello world foo bar', 'world hello bar foo'],
    [['v', '\\s+', ''], ' a  b\tc\nd ', 'abcd'],
    [['v', '(?<first>\\w)(\\w*)', '[\\k<first>|\\0|\\1]'], 'hello wo', '[h|hello|] [w|wo|]'],
    [['v', '^', '> '], 'l1\nl2', '> l1\n> l2'],
    [['v', '(?>a)(b)', '\\1\\1'], 'ab', 'bb'],
    [['v', 'b', "[\\`|\\'|\\&|\\\\]"], 'abc', 'a[a|c|b|\\]c'],
    [['v', '[[:space:]]+', '_'], 'a\u00a0 b', 'a_b'],
    [['v', 'a', '$&$1\\9'], 'xa', 'x$&$1'],
  ])('%j', async (gsub, before, after) => {
    expect(await runFilter(mutate, { gsub }, { v: before })).toMatchObject({ v: after })
  })

  test('pattern and replacement take fields of the event', async () => {
    const apply = await buildFilter(mutate, { gsub: ['a', '%{p}', '<%{s}>'] })
    expect(JSON.parse(apply({ a: 'x.y', p: '\\.', s: 'S' }).event.toJsonText())).toMatchObject({ a: 'x<S>y' })
    expect(JSON.parse(apply({ a: 'x', p: '[' }).event.toJsonText())).toMatchObject({ a: 'x', tags: ['_mutate_error'] })
  })

  test('texts in lists change, everything else stays', async () => {
    const apply = await buildFilter(mutate, { gsub: ['a', 'x', 'y', 'n', '1', '2', 'missing', 'a', 'b'] })
    expect(JSON.parse(apply({ a: ['xx', 'z', 5], n: 11 }).event.toJsonText())).toMatchObject({ a: ['yy', 'z', 5], n: 11 })
  })

  test('what takes too long is broken off: the event gets the tag, and the next one is fine', async () => {
    const apply = await buildFilter(mutate, { gsub: ['v', '^(?:a|a)*$', 'x'], add_field: { done: 'yes' } })
    const hostile = `${'a'.repeat(60)}b`
    expect(apply({ v: hostile }).event.toJsonText()).toMatch(/"v":"a+b".*"tags":\["_mutate_error"\]/)
    expect(JSON.parse(apply({ v: 'aa' }).event.toJsonText())).toMatchObject({ v: 'x', done: 'yes' })
  })

  test.each([[['a', 'b']], [['a', '(', 'c']]])('%j is refused at load', async (gsub) => {
    await expect(buildFilter(mutate, { gsub })).rejects.toThrow(/triples|Ruby's syntax/)
  })
})

describe('text and lists', () => {
  test.each<[{ readonly [name: string]: unknown }, string, string]>([
    [{ uppercase: ['v'] }, '"aé ß b"', '"AÉ SS B"'],
    [{ uppercase: ['v'] }, '["ab",1]', '["AB",1]'],
    [{ lowercase: ['v'] }, '"AÉ İ Σ"', '"aé i̇ σ"'],
    [{ capitalize: ['v'] }, '"hELLO wORLD"', '"Hello world"'],
    [{ capitalize: ['v'] }, '""', '""'],
    [{ strip: ['v'] }, '" \\t x y\\n "', '"x y"'],
    [{ strip: ['v'] }, '"\\u0000x\\u0000"', '"x"'],
    [{ strip: ['v'] }, '"\u00a0x"', '"\u00a0x"'],
    [{ strip: ['v'] }, '[" a ","b "]', '["a","b"]'],
    [{ strip: ['v'] }, '5', '5'],
    [{ split: { v: ',' } }, '"1,2,,3,,"', '["1","2","","3"]'],
    [{ split: { v: ',' } }, '""', '[]'],
    [{ split: { v: ' ' } }, '" a  b "', '["a","b"]'],
    [{ split: { v: '||' } }, '"p||q"', '["p","q"]'],
    [{ split: { v: '' } }, '"abc"', '["a","b","c"]'],
    [{ split: { v: '%{sep}' } }, '"1;2"', '["1;2"]'],
    [{ join: { v: '-' } }, '[1,["a",null],{"x":1.0}]', '"1-a--{\\"x\\"=>1.0}"'],
    [{ join: { v: '-' } }, '"s"', '"s"'],
  ])('%j on %s gives %s', async (options, before, after) => {
    expect(await run(options, `{"v":${before}}`)).toBe(`{"v":${after}}`)
  })

  test('strip fails on a list with other values', async () => {
    expect(await run({ strip: ['v'] }, '{"v":[" a ",5]}')).toBe('{"v":[" a ",5],"tags":["_mutate_error"]}')
  })

  test.each([
    ['{"a":["x"],"b":["y","x"]}', '["x","y","x"]'],
    ['{"a":"x","b":"y"}', '["x","y"]'],
    ['{"a":{"p":1,"q":1},"b":{"q":2,"r":3}}', '{"p":1,"q":2,"r":3}'],
    ['{"a":{"p":1},"b":"y"}', '{"p":1}'],
    ['{"a":["x"],"b":{"k":1}}', '["x"]'],
    ['{"b":"y"}', '["y"]'],
    ['{"a":"x"}', '["x"]'],
    ['{"a":null,"b":"y"}', '["y"]'],
  ])('merge of b into a in %s makes a %s', async (before, after) => {
    const apply = await buildFilter(mutate, { merge: { a: 'b' } })
    expect((JSON.parse(apply(before).event.toJsonText()) as { a: unknown }).a).toEqual(JSON.parse(after))
  })

  test.each([
    ['{"a":["x"],"b":"y","c":"z"}', '["x","y","z"]'],
    ['{"a":"x","b":"y","c":"z"}', '["x","z"]'],
    ['{"b":["y"],"c":"z"}', '["z"]'],
    ['{"a":5,"b":"y"}', '[5]'],
  ])('merge of b and c into a in %s makes a %s, as in Logstash', async (before, after) => {
    const apply = await buildFilter(mutate, { merge: { a: ['b', 'c'] } })
    expect((JSON.parse(apply(before).event.toJsonText()) as { a: unknown }).a).toEqual(JSON.parse(after))
  })

  test('a merge does not bring back what was removed, and shares nothing with its source', async () => {
    const apply = await buildFilter(mutate, { merge: { a: ['b', 'c'] }, remove_field: ['[b][x]', '[c][deep][y]'] })
    expect(JSON.parse(apply('{"a":{"x":1},"b":{"x":2},"c":{"deep":{"y":3}}}').event.toJsonText())).toMatchObject({
      a: { x: 2, deep: { y: 3 } },
      c: { deep: {} },
    })
  })
})

describe('fields', () => {
  test('rename takes placeholders on both sides, moves nulls and overwrites', async () => {
    expect(await run({ rename: { a: 'b_%{s}', '%{s}_k': 'c', missing: 'd' } }, '{"s":"q","a":1,"q_k":5,"c":0}')).toBe(
      '{"s":"q","b_q":1,"c":5}',
    )
    expect(await run({ rename: { a: 'b' } }, '{"a":null,"b":2}')).toBe('{"b":null}')
    expect(await run({ rename: { a: 'a' } }, '{"a":1}')).toBe('{"a":1}')
    expect(await run({ rename: { '[a][b]': 'a' } }, '{"a":{"b":{"b":1}}}')).toBe('{"a":{"b":1}}')
  })

  test('a rename that cannot be done keeps the value', async () => {
    expect(await run({ rename: { a: '[s][x]' } }, '{"a":1,"s":"text"}')).toBe('{"a":1,"s":"text","tags":["_mutate_error"]}')
  })

  test('entries run in the order of the file', async () => {
    expect(await run({ rename: { b: 'c', a: 'b' } }, '{"a":1,"b":2}')).toBe('{"c":2,"b":1}')
    expect(await run({ rename: { a: 'b', b: 'c' } }, '{"a":1,"b":2}')).toBe('{"c":1}')
  })

  test('update changes what is there, replace makes it, coerce fills null', async () => {
    expect(await run({ update: { a: 'n-%{i}', b: 'x', n: 'z' } }, '{"a":1,"i":5,"n":null}')).toBe('{"i":5,"a":"n-5","n":"z"}')
    expect(await run({ replace: { a: 'n-%{i}', b: 7 } }, '{"a":[1],"i":5}')).toBe('{"i":5,"a":"n-5","b":"7"}')
    expect(await run({ replace: { a: ['x', '%{i}'] } }, '{"i":5}')).toBe('{"i":5,"a":"[\\"x\\", \\"5\\"]"}')
    expect(await run({ coerce: { a: 'd', b: 'd', e: 'd' } }, '{"a":null,"e":""}')).toBe('{"e":"","a":"d"}')
  })

  test('copy makes a copy of its own, of null and of nothing none', async () => {
    const options = { copy: { h: 'g', missing: 'x', n: 'y' }, add_field: { '[g][added]': '1' } }
    expect(await run(options, '{"h":{"x":[1]},"n":null}')).toBe('{"n":null,"h":{"x":[1]},"g":{"x":[1],"added":"1"}}')
  })
})

test('operations run in the fixed order whatever the file says', async () => {
  expect(await run({ convert: { b: 'integer' }, rename: { a: 'b' } }, '{"a":"5"}')).toBe('{"b":5}')
  expect(await run({ lowercase: ['a'], capitalize: ['a'], uppercase: ['a'] }, '{"a":"hELLO"}')).toBe('{"a":"hello"}')
  expect(await run({ gsub: ['a', 'x', ''], convert: { a: 'integer' } }, '{"a":"5x6"}')).toBe(
    '{"a":"5x6","tags":["_mutate_error"]}',
  )
  expect(await run({ copy: { a: 'b' }, uppercase: ['a'] }, '{"a":"x"}')).toBe('{"a":"X","b":"X"}')
})

test('a failure ends the block, and the common options do not act', async () => {
  const options = { replace: { x: '1', '@timestamp': 'zz' }, uppercase: ['b'], add_tag: ['ok'], tag_on_failure: '_mine' }
  expect(await run(options, '{"b":"b"}')).toBe('{"b":"b","x":"1","tags":["_mine"]}')
})

test('a failure of a common option is a failure of the block', async () => {
  const document = await runFilter(mutate, { add_field: { '[tags][x]': '1' } }, { tags: ['a'] })
  expect(document).toMatchObject({ tags: ['a', '_mutate_error'] })
})

test.each([
  { add_field: { '[]': '1' } },
  { add_field: { '[b': '1' } },
  { add_field: { b: '%{[a}' } },
  { add_field: { b: '%{+Q}' } },
  { add_field: { b: 'x%{{bad{}}' } },
  { add_tag: ['%{{s}'] },
  { remove_field: ['[a'] },
  { rename: { '[a': 'b' } },
  { rename: { a: '[b' } },
  { update: { a: '%{[]}' } },
  { replace: { 'b]': 'x' } },
  { convert: { '[a': 'string' } },
  { gsub: ['[a', 'x', 'y'] },
  { gsub: ['a', 'x', '%{[]}'] },
  { uppercase: ['a]'] },
  { split: { '[a': ',' } },
  { merge: { a: '[' } },
  { copy: { a: '[b' } },
])('%j is known to fail at load, and fails with every event', async (options) => {
  const context = testContext()
  const document = await runFilter(mutate, { ...options, lowercase: ['b'] }, { a: 'x' }, context)
  expect(document).toMatchObject({ a: 'x', tags: ['_mutate_error'] })
  expect(context.lines[0]).toMatch(/^warn config: .*this will fail with every event/)
})

test('a null field is left alone by all but coerce, update and rename', async () => {
  const options = {
    uppercase: ['n'],
    strip: ['n'],
    split: { n: ',' },
    join: { n: ',' },
    gsub: ['n', 'a', 'b'],
    convert: { n: 'integer' },
  }
  expect(await run(options, '{"n":null}')).toBe('{"n":null}')
})

test('failures are logged without stopping anything', async () => {
  const context = testContext()
  await runFilter(mutate, { convert: { v: 'integer' } }, { v: 'x'.repeat(1000) }, context)
  expect(context.lines).toEqual([expect.stringMatching(/^warn mutate_failure: .*expected an integer, got "x{50}…"/)])
})

test('the option that Logstash dropped is refused with what to use', async () => {
  await expect(buildFilter(mutate, { remove: ['a'] })).rejects.toThrow(/use remove_field/)
})

test('hostile field names are inert', async () => {
  const options = { rename: { a: '__proto__' }, replace: { '[constructor][prototype]': 'x' }, uppercase: ['toString'] }
  expect(await run(options, '{"a":{"polluted":1}}')).toBe('{"__proto__":{"polluted":1},"constructor":{"prototype":"x"}}')
  expect(({} as { polluted?: number }).polluted).toBeUndefined()
})

test('no value makes the filter throw', async () => {
  const apply = await buildFilter(mutate, {
    convert: { a: 'integer', b: 'float', c: 'boolean', d: 'string' },
    gsub: ['e', '(.)', '\\1\\k<x>'],
    strip: ['f'],
    merge: { g: 'h' },
    join: { i: ',' },
  })
  const names = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i')
  fc.assert(
    fc.property(fc.dictionary(names, fc.jsonValue()), (fields) => {
      apply(JSON.stringify(fields))
    }),
  )
})
