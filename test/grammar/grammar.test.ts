import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import peggy from 'peggy'
import { expect, test } from 'vitest'
import type { ConditionSyntax, OperandSyntax } from '../../src/config/condition-syntax.ts'
import { refusalOf } from '../../src/config/logstash-conf/logstash-grammar.ts'
import { parseConf } from '../../src/config/logstash-conf/parser.ts'
import { readConf } from '../../src/config/logstash-conf/read-conf.ts'
import type { StatementSyntax, ValueSyntax } from '../../src/config/logstash-conf/syntax.ts'
import { SourceText } from '../../src/config/source-text.ts'

const oracle = peggy.generate(readFileSync(join(import.meta.dirname, 'logstash.peggy'), 'utf8'))

// Our tree in the plain form of the oracle's.

function plainStatement(node: StatementSyntax): unknown {
  if (node.kind === 'plugin') return plainValue(node)
  return {
    branch: node.arms.map(({ condition, statements }) => ({
      condition: condition === undefined ? null : plainCondition(condition),
      body: statements.map(plainStatement),
    })),
  }
}

function plainValue(node: ValueSyntax): unknown {
  switch (node.kind) {
    case 'plugin':
      return { plugin: node.name.text, attributes: node.attributes.map(({ name, value }) => [name.text, plainValue(value)]) }
    case 'array':
      return { array: node.items.map(plainValue) }
    case 'hash':
      return { hash: node.entries.map(({ key, value }) => [key.text, plainValue(value)]) }
    default:
      return { [node.kind]: node.text }
  }
}

function plainCondition(node: ConditionSyntax): unknown {
  switch (node.kind) {
    case 'not':
      return { not: plainCondition(node.operand) }
    case 'truthy':
      return { truthy: plainOperand(node.operand) }
    case 'compare':
      return { left: plainOperand(node.left), operator: node.operator, right: plainOperand(node.right) }
    case 'in':
      return { left: plainOperand(node.needle), operator: node.negated ? 'not in' : 'in', right: plainOperand(node.haystack) }
    case 'match':
      return { left: plainOperand(node.operand), operator: node.negated ? '!~' : '=~', pattern: node.pattern }
    default:
      return { [node.kind]: [plainCondition(node.left), plainCondition(node.right)] }
  }
}

function plainOperand(node: OperandSyntax): unknown {
  switch (node.kind) {
    case 'field':
      return { field: node.ref.text }
    case 'list':
      return { list: node.items.map(plainOperand) }
    case 'string':
      return { string: node.value }
    case 'number':
      return { number: node.text }
  }
}

/** The oracle's flat conditions joined as Logstash's own algorithm does: one operator gives way at a time. */
function joinTerms(parts: readonly unknown[]): unknown {
  const output: unknown[] = []
  const waiting: string[] = []
  const apply = (operator: string): void => {
    const [left, right] = output.splice(-2)
    output.push({ [operator]: [left, right] })
  }
  for (const part of parts) {
    if (typeof part !== 'string') output.push(joined(part))
    else {
      if (waiting.at(-1) === 'and' && part === 'or') apply(waiting.pop() as string)
      waiting.push(part)
    }
  }
  for (const operator of waiting.reverse()) apply(operator)
  return output[0]
}

function joined(tree: unknown): unknown {
  if (Array.isArray(tree)) return tree.map(joined)
  if (typeof tree !== 'object' || tree === null) return tree
  if ('group' in tree) return joinTerms(tree.group as unknown[])
  const entries = Object.entries(tree).map(([key, value]): [string, unknown] => [
    key,
    (key === 'not' || key === 'condition') && Array.isArray(value) ? joinTerms(value) : joined(value),
  ])
  return Object.fromEntries(entries)
}

function ours(text: string): unknown {
  const { syntax, faults } = parseConf(new SourceText('test.conf', text))
  expect(faults).toEqual([])
  return syntax.sections.map(({ name, statements }) => ({ section: name, body: statements.map(plainStatement) }))
}

// Generated texts: from small pieces, with blanks and comments wherever they may be.

const gap = fc.constantFrom('', ' ', '\n', '\t', ' # comment } "\n', '\r\n  ')
const space = fc.constantFrom(' ', '\n', '  # x => [\n ', '\t\r\n')
const between = (...parts: readonly (fc.Arbitrary<string> | string)[]): fc.Arbitrary<string> =>
  fc.tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part))).map((texts) => texts.join(''))
const several = (item: fc.Arbitrary<string>, separator: fc.Arbitrary<string>, maxLength = 3): fc.Arbitrary<string> =>
  fc
    .array(fc.tuple(item, separator), { maxLength })
    .map((pairs) => pairs.map(([text, by], at) => (at === 0 ? text : by + text)).join(''))

const quoted = fc.constantFrom('""', '"a b"', `'it\\'s'`, '"say \\"x\\""', `"line\ntwo # { "`, "'${A:b}'", '"中文"', '"\\d+"')
const word = fc.constantFrom('ab', '_x1', 'true', 'if_x', 'input', 'and_more')
const numeral = fc.constantFrom('0', '-1', '3.14', '5.', '007')
const field = fc.constantFrom('[a]', '[a][b]', '[@metadata][x y]', '[a.b]', '[0]')
const key = fc.oneof(quoted, word, numeral)
const pluginName = fc.oneof(fc.constantFrom('mutate', 'x-y', '9a', 'filter', 'ifx', 'elsewhere'), quoted)

const { statement } = fc.letrec<{
  statement: string
  value: string
  condition: string
  term: string
  plugin: string
}>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    word,
    quoted,
    numeral,
    between('[', gap, several(tie('value'), between(gap, ',', gap)), gap, ']'),
    between('{', gap, several(between(key, gap, '=>', gap, tie('value')), space), gap, '}'),
    tie('plugin'),
  ),
  plugin: between(pluginName, gap, '{', gap, several(between(pluginName, gap, '=>', gap, tie('value')), space), gap, '}'),
  term: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    field,
    between(field, gap, fc.constantFrom('==', '!=', '<', '<=', '>', '>='), gap, fc.oneof(field, quoted, numeral)),
    between(
      fc.oneof(field, quoted),
      ' ',
      gap,
      fc.constantFrom('in', 'not in', 'not   in'),
      gap,
      ' ',
      fc.oneof(field, between('[', several(fc.oneof(quoted, numeral), fc.constant(' , ')), ']')),
    ),
    between(field, gap, fc.constantFrom('=~', '!~'), gap, fc.oneof(quoted, fc.constantFrom('/x\\/y/', '/^[a-z]{2} "q/'))),
    between('!', gap, field),
    between(fc.constantFrom('(', '!('), gap, tie('condition'), gap, ')'),
    quoted,
    numeral,
  ),
  condition: fc.oneof(
    several(tie('term'), fc.constantFrom(' and ', ' or ', '\nand# x\n'), 4).filter((text) => text !== ''),
    between(tie('term'), fc.constantFrom(' xor ', ' nand '), tie('term')),
  ),
  statement: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('plugin'),
    between(
      'if ',
      tie('condition'),
      gap,
      '{',
      gap,
      several(tie('statement'), gap),
      gap,
      '}',
      gap,
      several(
        between(
          'else',
          fc.constantFrom(' ', '\n', ''),
          'if ',
          tie('condition'),
          gap,
          '{',
          gap,
          several(tie('statement'), gap),
          gap,
          '}',
        ),
        gap,
        2,
      ),
      fc.constantFrom('', ' else { }', 'else{ drop { } }'),
    ),
  ),
}))
const config = several(
  between(fc.constantFrom('input', 'filter', 'output'), gap, '{', gap, several(statement, gap, 4), gap, '}'),
  gap,
)

test('what the oracle reads is what our parser reads, and Logstash takes it', () => {
  fc.assert(
    fc.property(config, (text) => {
      expect(ours(text)).toEqual(joined(oracle.parse(text)))
      expect(refusalOf(text)).toBeUndefined()
    }),
    { numRuns: 300, endOnFailure: true },
  )
})

/** Texts that are nearly right: one cut out, doubled or replaced piece. */
const damaged = fc
  .tuple(
    config,
    fc.nat(),
    fc.nat({ max: 12 }),
    fc.constantFrom('', ',', '}', '{', '"', "'", '\\', '=>', '=', '[', ']', '(', '#', '“', '/', ' x ', '$', '\n'),
  )
  .map(([text, at, length, piece]) => {
    const start = text.length === 0 ? 0 : at % text.length
    return text.slice(0, start) + piece + text.slice(start + length)
  })

/** Refused for what Logstash's grammar lets pass: it has no meaning there either, or reading it would recurse too deep. */
const REFUSED_BEYOND_GRAMMAR = /Unexpected operator|Invalid FieldReference|at most/
/** Logstash reads such a list as the name of a field, whatever stands in it. */
const LIST_AFTER_IN = /in(?:[ \t\r\n]|#[^\n]*)*\[[ \t\r\n]*["'\d-]/

test('our parser refuses what Logstash refuses, and nothing else', () => {
  fc.assert(
    fc.property(damaged, (text) => {
      const { faults } = parseConf(new SourceText('test.conf', text))
      if (LIST_AFTER_IN.test(text) || faults.some(({ message }) => REFUSED_BEYOND_GRAMMAR.test(message))) return
      expect(faults.length > 0).toBe(refusalOf(text) !== undefined)
    }),
    { numRuns: 1_000, endOnFailure: true },
  )
})

const piece = fc.constantFrom(
  'input {',
  'filter {',
  'output {',
  'if [a]',
  'else',
  'else if',
  'elsif',
  '{',
  '}',
  '[',
  ']',
  '(',
  ')',
  '=>',
  '=',
  ',',
  '"',
  "'",
  '\\"',
  '/',
  '#',
  '\n',
  ' ',
  'a => 1',
  'match => { "x" => "y" }',
  'x',
  '1.5',
  'and',
  'in',
  '==',
  '=~ /x',
  '!',
  '${A}',
  '“x”',
  '\u00a0',
  '\ufeff',
  '\ud800',
)

test('whatever comes, it is read or refused with places that are in the text', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(' ')),
        fc.string({ unit: 'binary' }),
      ),
      (text) => {
        const lines = text.split('\n')
        for (const { at } of readConf(text, 'test.conf', { variables: {} }).problems) {
          expect(at.line).toBeLessThanOrEqual(lines.length)
          expect(at.column).toBeLessThanOrEqual((lines[at.line - 1] ?? '').length + 1)
        }
      },
    ),
    { numRuns: 1_000, endOnFailure: true },
  )
})

test.each([
  '['.repeat(100_000),
  `filter { if ${'('.repeat(100_000)}`,
  `filter { a { b => ${'['.repeat(100_000)}`,
  `filter { ${'a { b => '.repeat(30_000)}`,
  `filter { ${'if [a] { '.repeat(30_000)}`,
  `filter { if [a] {} ${'else if [a] {} '.repeat(30_000)}`,
  `filter { if [a] ${'and [a] '.repeat(30_000)}`,
  `filter { a { ${'b => "x\n=> '.repeat(30_000)}`,
])(
  'hostile nesting %# is refused in good time',
  (text) => {
    const { problems } = readConf(text, 'test.conf', { variables: {} })
    expect(problems.length).toBeGreaterThan(0)
    expect(problems.length).toBeLessThanOrEqual(101)
  },
  10_000,
)
