import { describe, expect, test } from 'vitest'
import { readConf } from './read-conf.ts'

/** `line:column message` and the hint below it, for everything that is wrong with a text. */
function problems(text: string): string[] {
  const read = readConf(text, 'test.conf', { variables: {} })
  return read.problems.map(({ at, message, hint }) => `${at.line}:${at.column} ${message}\n${hint ?? ''}`)
}

const inPlugin = (text: string): string => `input { beats { ${text} } }`
const inIf = (condition: string): string => `filter { if ${condition} { drop { } } }`

const OPTION_END = '[A-Za-z0-9_-], [ \\t\\r\\n], "#", "{", [0-9], ".", "}"'
const PLUGIN_NAME = '[ \\t\\r\\n], "#", "{"'
const VALUE = `[ \\t\\r\\n], "#", [A-Za-z0-9_-], '"', "'", [A-Za-z_], "-", [0-9], "[", "{"`
const HASH_ENTRY = `[ \\t\\r\\n], "#", "-", [0-9], [A-Za-z_], '"', "'", "}"`
const SECTION = '[ \\t\\r\\n], "#", "input", "filter", "output"'
const OPERATOR = '"in", "not ", "==", "!=", "<=", ">=", "<", ">", "=~", "!~", "and", "or", "xor", "nand", "{"'
const RVALUE = `[ \\t\\r\\n], "#", '"', "'", "-", [0-9], "[", [A-Za-z_], '/'`

// The words and places were measured with the real grammar; the cause is ours.
describe.each<readonly [string, readonly (readonly [string, string, string, string])[]]>([
  [
    'options',
    [
      [inPlugin('port => 5044, host => "x"'), '1:29', OPTION_END, 'options are separated by blanks or lines'],
      [inPlugin('host=>"x"port=>1'), '1:26', '[ \\t\\r\\n], "#", "{", "}"', 'put a blank before it'],
      [inPlugin('port => 5044# c\nhost => "x"'), '2:1', '[ \\t\\r\\n], "#", "{", "}"', 'put a blank before the #'],
      [inPlugin('id => a'), '1:25', PLUGIN_NAME, 'a word without quotes has two letters at least: write "a"'],
      [inPlugin('id => a-b'), '1:27', PLUGIN_NAME, 'write "a-b"'],
      [inPlugin('y => 1e3'), '1:26', PLUGIN_NAME, 'write "1e3"'],
      [inPlugin('id => a.b'), '1:24', '[A-Za-z0-9_-], [ \\t\\r\\n], "#", "{", [A-Za-z0-9_]', 'write "a.b"'],
      [inPlugin('id = > ab'), '1:20', '[ \\t\\r\\n], "#", "=>"', 'write id => instead of = >'],
      [inPlugin('id: ab'), '1:19', '[A-Za-z0-9_-], [ \\t\\r\\n], "#", "=>"', 'write id => instead of :'],
      [inPlugin('id "ab"'), '1:20', '[ \\t\\r\\n], "#", "=>"', 'expected => after id'],
      [inPlugin('y => ["a","b",]'), '1:31', VALUE, 'no comma stands after the last element'],
      [inPlugin('y => .5'), '1:22', VALUE, 'a number is written 0.5'],
      [inPlugin('y => +1'), '1:22', VALUE, 'a number is written 1'],
      [inPlugin('port => ${PORT:1}'), '1:25', VALUE, 'a variable stands in quotes: "${PORT:1}"'],
      [inPlugin('y => “a”'), '1:22', VALUE, '“ is a typographic quote: write "'],
      [inPlugin('y => /x/'), '1:22', VALUE, 'write it in quotes: "/x/"'],
      [inPlugin('y => '), '1:23', VALUE, 'the value is missing'],
      [inPlugin('y => ["a" "b"]'), '1:27', '[ \\t\\r\\n], "#", "{", ",", "]"', 'elements of a list are separated by commas'],
      [
        inPlugin('y => { "a" => "b", "c" => "d" }'),
        '1:34',
        `[ \\t\\r\\n], "#", "{", "-", [0-9], [A-Za-z_], '"', "'", "}"`,
        'leave the comma out',
      ],
      [inPlugin('y => { a => 1 }'), '1:25', '', 'write "a"'],
      [inPlugin('y => { [a][b] => 1 }'), '1:24', HASH_ENTRY, 'a field as a name stands in quotes: "[a][b]"'],
    ],
  ],
  [
    'blocks',
    [
      ['\ufeffinput { }', '1:1', SECTION, 'byte order mark'],
      ['x input { }', '1:1', SECTION, 'expected input, filter or output'],
      ['input { } }', '1:11', SECTION, 'one } too many'],
      ['input { }\nmutate { }', '2:1', SECTION, 'mutate { … } stands inside input { … }, filter { … } or output { … }'],
      ['filters { }', '1:7', '[ \\t\\r\\n], "#", "{"', 'did you mean filter?'],
      ['filter {\n  mutate { }\n', '3:1', `[ \\t\\r\\n], "#", "if", [A-Za-z0-9_-], '"', "'", "}"`, 'open are: filter at 1:1'],
      ['filter { if [a] { } elsif [b] { } }', '1:27', PLUGIN_NAME, 'write else if'],
      ['filter { else if [b] { } }', '1:15', PLUGIN_NAME, 'this else has no if right before it'],
      ['input { beats port => 1 }', '1:15', PLUGIN_NAME, 'expected { after beats'],
      ['filter { id => 1 }', '1:13', PLUGIN_NAME, 'an option stands inside a plugin'],
      ['filter { // no\n}', '1:10', `[ \\t\\r\\n], "#", "if", [A-Za-z0-9_-], '"', "'", "}"`, 'a comment begins with #'],
      ['filter {\u00a0drop {} }', '1:9', `[ \\t\\r\\n], "#", "if", [A-Za-z0-9_-], '"', "'", "}"`, 'no-break space'],
    ],
  ],
  [
    'conditions',
    [
      [inIf('!"x" in [tags]'), '1:14', '[ \\t\\r\\n], "#", "(", "["', 'write !("x" in [tags])'],
      [inIf('[a] && [b]'), '1:17', OPERATOR, 'write and'],
      [inIf('[a] || [b]'), '1:17', OPERATOR, 'write or'],
      [inIf('[a] = 1'), '1:17', OPERATOR, 'write =='],
      [inIf('[a] notin [b]'), '1:17', OPERATOR, 'write not in'],
      [inIf('[a] == true'), '1:25', '[ \\t\\r\\n], "#", "("', 'test a boolean or missing field with [field] or ![field]'],
      [inIf('[a] == nil'), '1:24', '[ \\t\\r\\n], "#", "("', 'test a boolean or missing field'],
      [inIf('not [a]'), '1:17', '[ \\t\\r\\n], "#", "("', 'write ![field]'],
      [inIf('[a] =~ /x/i'), '1:23', '[ \\t\\r\\n], "#", "and", "or", "xor", "nand", "{"', '(?i)'],
      [inIf('![a] == 1'), '1:18', '[ \\t\\r\\n], "#", "and", "or", "xor", "nand", "{"', 'write !([field] == …)'],
      [inIf('[a] =~ [b]'), '1:20', `[ \\t\\r\\n], "#", '"', "'", '/'`, 'expected /regex/ or a text'],
      [inIf('/x/ =~ [a]'), '1:20', `[ \\t\\r\\n], "#", '"', "'", '/'`, 'the regex stands on the right: [field] =~ /…/'],
      [inIf('[a] === 1'), '1:19', RVALUE, 'write =='],
      [inIf('[a] <> 1'), '1:18', RVALUE, 'write !='],
      [inIf('[a] in ("x")'), '1:20', RVALUE, 'a list stands in brackets: ["x", "y"]'],
    ],
  ],
])('%s', (_, rows) => {
  test.each(rows)('%s', (text, place, expected, cause) => {
    const [first = '', second] = problems(text)
    expect(first).toMatch(new RegExp(`^${place} Expected `))
    expect(first).toContain(`${expected} at line`.replace(/^ /, ''))
    expect(first.split('\n')[1]).toContain(cause)
    expect(second).toBeUndefined()
  })
})

test('the words of Logstash count bytes and repeat the text', () => {
  expect(problems('input {\n  beats {\n    port 5044\n  }\n}')[0]?.split('\n')[0]).toBe(
    '3:10 Expected one of [ \\t\\r\\n], "#", "=>" at line 3, column 10 (byte 28) after input {\\n  beats {\\n    port ',
  )
  expect(problems('input { }\nfilter { if a == 1 { } }')[0]?.split('\n')[0]).toBe(
    '2:14 Expected [A-Za-z0-9_] at line 2, column 14 (byte 24) after filter { if a',
  )
})

test.each([
  ['"C:\\dir\\"', 'a backslash right before the closing " keeps the text open'],
  ['"a\\\\"', 'a backslash right before the closing " keeps the text open'],
  ['"a', 'its closing " is missing'],
  ["'a", "its closing ' is missing"],
])('%s never ends, which Logstash tells at the end of the file', (value, cause) => {
  const quote = value[0] as string
  const text = `input { beats {\n  x => ${value}\n  port => 5044 } }\n`
  const [first = '', second] = problems(text)
  expect(first).toMatch(/^4:1 Expected one of /)
  expect(first).toContain(
    `${quote === '"' ? `'\\"'` : `"\\\\'"`}, any character, ${quote === '"' ? `'"'` : `"'"`} at line 4, column 1`,
  )
  expect(first).toContain(cause)
  expect(second).toBeUndefined()
})

test('of a text whose closing quote is missing the beginning is told, and the rest is read', () => {
  const text = 'input { beats {\n  host => "x\n  name => "y"\n  port = > 1\n} }'
  expect(problems(text)).toEqual([
    expect.stringContaining('the text that begins with "x goes over several lines: its closing " is missing'),
    expect.stringContaining('write port => instead of = >'),
  ])
})

test('a brace that is missing before a plugin or a section is told there', () => {
  expect(problems('filter {\n  grok {\n    match => { }\n  date { }\n}\noutput { }')).toEqual([
    expect.stringContaining('if date is a plugin, the } of grok in line 2 is missing before it'),
  ])
  expect(problems('filter {\n  if [a] {\n    drop { }\n}\noutput {\n  stdout { id = 1 }\n}')).toEqual([
    expect.stringContaining('a } is missing before this section; open are: filter at 1:1'),
    expect.stringContaining('write id => instead of ='),
  ])
})

test('all faults are told, each at its place, and what is beside them is read', () => {
  const text = `input {
  stdin { codec => json_lines, id => a }
}
filter {
  if [a] == true { drop {} } elsif [b] && [c] { mutate { add_tag => ["a" "b",] } }
  mutate { add_field => { "a" => "b", c => 1 "d" = 2 } }
  mutate { z => “abc” path => "C:\\dir\\"
    ok => 1 }
  kept { }
}
filters { }
`
  expect(problems(text).map((line) => line.split(' ', 1)[0])).toEqual([
    '2:30',
    '2:40',
    '5:18',
    '5:36',
    '5:40',
    '5:74',
    '5:78',
    '6:37',
    '6:40',
    '6:50',
    '7:17',
    '12:1',
    '11:1',
  ])
  const { filters } = readConf(text, 'test.conf', { variables: {} })
  expect(filters.at(-1)).toMatchObject({ name: 'kept' })
  expect(filters[1]).toMatchObject({ options: [{ value: { entries: [{ name: 'a' }, { name: 'c' }, { name: 'd' }] } }] })
})

test('keys that come twice in one hash, and two codecs, are refused', () => {
  expect(problems('filter { x {\n h => { "a" => 1 "b" => 2 "a" => 3 } } }')).toEqual([
    expect.stringContaining('2:7 Duplicate keys found in your configuration: ["a"] At line: 2, column 7 (byte 20)'),
  ])
  expect(problems('input { stdin { codec => json codec => plain } }')).toEqual([
    expect.stringContaining('The input plugin stdin at line 1 has multiple codec declarations'),
  ])
})

test('a variable without value or default is refused at its place', () => {
  expect(problems('input { x {\n a => "${NOPE}" } }')).toEqual([
    expect.stringMatching(
      /^2:7 Cannot evaluate `\$\{NOPE\}`\. Replacement variable `NOPE` is not defined in a Logstash secret store/,
    ),
  ])
})
