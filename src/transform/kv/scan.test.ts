import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readAsciiClass } from './char-class.ts'
import { compileScan } from './scan.ts'

type Pair = readonly [key: string, value: string]

interface Options {
  readonly field_split: string
  readonly value_split: string
  readonly include_brackets: boolean
  readonly isLenient: boolean
}

const DEFAULTS: Options = { field_split: ' ', value_split: '=', include_brackets: true, isLenient: true }

function scan(text: string, options: Partial<Options> = {}): Pair[] {
  const { field_split, value_split, ...rest } = { ...DEFAULTS, ...options }
  const [fields, values] = [readAsciiClass(field_split), readAsciiClass(value_split)]
  if (fields === undefined || values === undefined) throw new TypeError('not a class for the scanner')
  const pairs: Pair[] = []
  compileScan({ field_split: fields, value_split: values, ...rest })(text, (key, value) => pairs.push([key, value]))
  return pairs
}

/** The regular expression that Logstash builds, as JavaScript. */
function byRegex(text: string, options: Partial<Options> = {}): Pair[] {
  const { field_split, value_split, include_brackets, isLenient } = { ...DEFAULTS, ...options }
  const run = (stops: string): string => String.raw`((?:\\[^\n]|[^${stops}])+)`
  const splitter = isLenient ? ` *[${value_split}] *` : `[${value_split}]`
  const brackets = include_brackets ? [`\\(${run('\\)')}?\\)`, `\\[${run('\\]')}?\\]`, `<${run('>')}?>`] : []
  const value = [`"${run('"')}?"`, `'${run("'")}?'`, ...brackets, run(field_split)].join('|')
  const regex = new RegExp(`${run(value_split + field_split)}${splitter}(?:${value})?(?:[${field_split}]|(?=\\n)|$)`, 'g')
  return Array.from(text.matchAll(regex), ([, key = '', ...values]) => [key, values.find((found) => found !== undefined) ?? ''])
}

const SETTINGS: Partial<Options>[] = [
  {},
  { isLenient: false },
  { include_brackets: false },
  { field_split: '&?', value_split: ':=' },
  { field_split: ', ', isLenient: false },
  { field_split: '\\n\\s' },
  { field_split: ';\\\\' },
  { value_split: '\\\\' },
  { field_split: '"', value_split: "'" },
]

test.each(SETTINGS)('with %j it finds what the regular expression finds', (options) => {
  const text = fc.string({ unit: fc.constantFrom(...Array.from('ab==  \\\\"\'()[<>]&?:;,\né')), maxLength: 30 })
  fc.assert(
    fc.property(text, (given) => {
      expect(scan(given, options)).toEqual(byRegex(given, options))
    }),
    { numRuns: 1_000 },
  )
})

test.each<[string, Pair[]]>([
  ['a=1 b=two c="quoted value" d=\'single q\' e=[br ack] f=(par en) g=<an gle> h= i', PAIRS()],
  ['a\\ b=c\\ d', [['a\\ b', 'c\\ d']]],
  [
    'a="b\\"c" d=1',
    [
      ['a', 'b\\"c'],
      ['d', '1'],
    ],
  ],
  [
    'a="b"c d=1',
    [
      ['a', '"b"c'],
      ['d', '1'],
    ],
  ],
  [
    'a="" b=',
    [
      ['a', ''],
      ['b', ''],
    ],
  ],
  ['a\\=b c', [['a\\', 'b']]],
])('%s', (text, pairs) => {
  expect(scan(text)).toEqual(pairs)
})

function PAIRS(): Pair[] {
  return [
    ['a', '1'],
    ['b', 'two'],
    ['c', 'quoted value'],
    ['d', 'single q'],
    ['e', 'br ack'],
    ['f', 'par en'],
    ['g', 'an gle'],
    ['h', 'i'],
  ]
}

test.each([
  ['no pair at all', (n: number) => 'x'.repeat(n)],
  ['one pair, then none', (n: number) => `a=${'x'.repeat(n)} ${'y'.repeat(n)}`],
  ['brackets that never close', (n: number) => 'a=( '.repeat(n)],
  ['brackets that close too late', (n: number) => `${'a=( '.repeat(n)})x`],
  ['escapes without end', (n: number) => `${'\\a'.repeat(n)} `],
  ['pairs of backslashes', (n: number) => `a="${'\\\\'.repeat(n)}"x ${'\\\\'.repeat(n)}`],
  ['quotes and escapes', (n: number) => 'a="\\" '.repeat(n)],
  ['blanks', (n: number) => ' '.repeat(n)],
])('%s takes no longer than the text is long', (_what, make) => {
  const started = performance.now()
  scan(make(200_000))
  // A quadratic search would take minutes.
  expect(performance.now() - started).toBeLessThan(2_000)
})

test.each(['', '^a', '-a', 'a-', 'a&&b', '[', ']', '\\p{L}', '\\x41', 'é', 'z-a', 'a\\', '\\b', '\\u0041'])(
  'the class %j is left to the regex engine',
  (source) => {
    expect(readAsciiClass(source)).toBeUndefined()
  },
)

test.each([
  'a',
  ' ',
  '&?',
  ':=',
  '\\t\\n',
  '\\s,',
  'a-f\\d',
  '\\[\\]',
  '\\^\\-',
  '.*+|',
  '\\\\',
  'a-c-e'.slice(0, 3),
  '\\w\\h',
  '+-/',
])('the class %j means the same as to the regex engine', (source) => {
  const set = readAsciiClass(source)
  const regex = new RegExp(`[${source.replace('\\h', '\\dA-Fa-f')}]`)
  const meant = Array.from({ length: 128 }, (_, code) => (regex.test(String.fromCharCode(code)) ? 1 : 0))
  expect(Array.from(set ?? [])).toEqual(meant)
})
