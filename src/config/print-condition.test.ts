import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Condition, Operand } from '../core/condition.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import { parseCondition } from './condition-parser.ts'
import { printCondition } from './print-condition.ts'

const field: fc.Arbitrary<Operand> = fc
  .constantFrom('[a]', '[a][b]', '[@metadata][x]')
  .map((text) => ({ kind: 'field', ref: parseFieldRef(text) }))
const literal: fc.Arbitrary<Operand> = fc.oneof(
  fc.constantFrom('x', "it's", 'say "x"', '').map((value): Operand => ({ kind: 'string', value })),
  fc.constantFrom('1', '-2.50').map((text): Operand => ({ kind: 'number', text })),
)
const list: fc.Arbitrary<Operand> = fc.array(literal, { minLength: 1, maxLength: 3 }).map((items) => ({ kind: 'list', items }))

const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    field.map((operand): Condition => ({ kind: 'truthy', operand })),
    fc.record({
      kind: fc.constant('compare' as const),
      operator: fc.constantFrom('==', '!=', '<', '<=', '>', '>='),
      left: field,
      right: literal,
    }),
    fc.record({ kind: fc.constant('in' as const), negated: fc.boolean(), needle: field, haystack: fc.oneof(field, list) }),
    fc.record({
      kind: fc.constant('match' as const),
      negated: fc.boolean(),
      operand: field,
      pattern: fc.constantFrom('^a/b$', 'x\\/y', '\\d+'),
    }),
    fc.record({ kind: fc.constantFrom('and', 'or', 'xor', 'nand'), left: tie('condition'), right: tie('condition') }),
    tie('condition').map((operand): Condition => ({ kind: 'not', operand })),
  ),
}))

test('what is printed reads as a condition that prints the same', () => {
  fc.assert(
    fc.property(condition, (tree) => {
      const text = printCondition(tree)
      expect(printCondition(parseCondition(text))).toBe(text)
    }),
    { numRuns: 500 },
  )
})

test.each([
  '[a] == 1 and ([b] or [c])',
  '[a] or [b] and [c]',
  '!([a] == 1)',
  '![a]',
  '([a] or [b]) xor [c]',
  '[path] =~ /^\\/var/',
  '[a] not in ["x", 1.0]',
])('%s is printed as it was written', (text) => {
  expect(printCondition(parseCondition(text))).toBe(text)
})
