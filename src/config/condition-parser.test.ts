import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ConditionError, parseCondition } from './condition-parser.ts'

function fault(text: string): { offset: number; message: string; hint: string | undefined } {
  try {
    parseCondition(text)
  } catch (thrown) {
    if (thrown instanceof ConditionError) return { offset: thrown.offset, message: thrown.message, hint: thrown.hint }
    throw thrown
  }
  throw new Error(`was read: ${text}`)
}

/** The shape of a condition as text with all its parentheses. */
function shape(text: string): string {
  const print = (condition: ReturnType<typeof parseCondition>): string => {
    switch (condition.kind) {
      case 'and':
      case 'or':
      case 'xor':
      case 'nand':
        return `(${print(condition.left)} ${condition.kind} ${print(condition.right)})`
      case 'not':
        return `!${print(condition.operand)}`
      default:
        return condition.kind === 'truthy' && condition.operand.kind === 'field' ? condition.operand.ref.text : condition.kind
    }
  }
  return print(parseCondition(text))
}

test.each([
  ['[a] or [b] and [c]', '([a] or ([b] and [c]))'],
  ['[a] and [b] or [c] and [d]', '(([a] and [b]) or ([c] and [d]))'],
  ['[a] and [b] and [c] or [d]', '([a] and (([b] and [c]) or [d]))'],
  ['([a] or [b]) and [c]', '(([a] or [b]) and [c])'],
  ['[a] xor [b]', '([a] xor [b])'],
  ['![a] and !([b] or [c])', '(![a] and !([b] or [c]))'],
  ['[a]==1and[b]==2', '(compare and compare)'],
])('%s is read as %s', (text, expected) => {
  expect(shape(text)).toBe(expected)
})

test('a list of one after in is a list, not a field as Logstash reads it', () => {
  expect(parseCondition('[a] in ["x"]')).toMatchObject({
    kind: 'in',
    haystack: { kind: 'list', items: [{ kind: 'string', value: 'x' }] },
  })
  expect(parseCondition('[a] in [b]')).toMatchObject({ haystack: { kind: 'field' } })
})

test('a slash inside a regex is escaped', () => {
  expect(parseCondition('[path] =~ /^\\/api\\/\\d+/')).toMatchObject({ kind: 'match', pattern: '^/api/\\d+' })
})

test.each([
  ['[a] && [b]', 4, 'write and'],
  ['[a] = 1', 4, 'write =='],
  ['[a] == true', 7, 'test a boolean or missing field with [field] or ![field]'],
  ['level == "error"', 0, 'a field is written [level], a text "level"'],
  ['!"x" in [tags]', 1, 'write !("x" in [tags])'],
  ['[a] and [b] xor [c]', 12, 'xor and nand join two conditions: put parentheses around one pair'],
  ['[a] xor [b] xor [c]', 12, 'xor and nand join two conditions: put parentheses around one pair'],
  ['[a] == "x', 7, undefined],
  ['[a] =~ [b]', 7, undefined],
  ['', 0, undefined],
])('%s is refused at character %i', (text, offset, hint) => {
  expect(fault(text)).toMatchObject({ offset, hint })
})

test('whatever comes, a condition is read or refused with a place', () => {
  const piece = fc.constantFrom(
    '[a]',
    '[b][c]',
    '"x"',
    "'y'",
    '1',
    '-2.5',
    '==',
    '=~',
    '/r/',
    'in',
    'not in',
    'and',
    'or',
    'xor',
    '(',
    ')',
    '!',
    '[',
    ']',
    ',',
    ' ',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(piece).map((pieces) => pieces.join(' ')),
        fc.string(),
      ),
      (text) => {
        try {
          parseCondition(text)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(ConditionError)
        }
      },
    ),
  )
  expect(fault('('.repeat(100_000))).toMatchObject({ message: 'expected at most 200 nested parentheses' })
})
