import type { Condition, Operand } from '../core/condition.ts'

/** How tightly a form binds; a looser one inside a tighter one needs parentheses. */
const BINDING = { or: 1, xor: 1, nand: 1, and: 2, not: 3, truthy: 4, compare: 4, in: 4, match: 4 } as const

/** A condition as text that reads as the same condition: for a person, and for a converted config. */
export function printCondition(condition: Condition): string {
  switch (condition.kind) {
    case 'or':
    case 'and':
      return `${inner(condition.left, condition.kind)} ${condition.kind} ${inner(condition.right, condition.kind)}`
    case 'xor':
    case 'nand':
      return `${closed(condition.left)} ${condition.kind} ${closed(condition.right)}`
    case 'not':
      return condition.operand.kind === 'truthy' && condition.operand.operand.kind === 'field'
        ? `!${printOperand(condition.operand.operand)}`
        : `!(${printCondition(condition.operand)})`
    case 'truthy':
      return printOperand(condition.operand)
    case 'compare':
      return `${printOperand(condition.left)} ${condition.operator} ${printOperand(condition.right)}`
    case 'in':
      return `${printOperand(condition.needle)} ${condition.negated ? 'not in' : 'in'} ${printOperand(condition.haystack)}`
    case 'match':
      return `${printOperand(condition.operand)} ${condition.negated ? '!~' : '=~'} ${printPattern(condition.pattern)}`
  }
}

/** `xor` and `nand` cannot stand beside other operators. */
function closed(condition: Condition): string {
  const text = printCondition(condition)
  return BINDING[condition.kind] < BINDING.not ? `(${text})` : text
}

function inner(condition: Condition, outer: 'or' | 'and'): string {
  const is_exclusive = condition.kind === 'xor' || condition.kind === 'nand'
  // Of several `and` before an `or` Logstash joins the last one first: see the condition parser.
  const is_chain =
    outer === 'or' && condition.kind === 'and' && [condition.left, condition.right].some(({ kind }) => kind === 'and')
  const text = printCondition(condition)
  return is_exclusive || is_chain || BINDING[condition.kind] < BINDING[outer] ? `(${text})` : text
}

function printOperand(operand: Operand): string {
  switch (operand.kind) {
    case 'field':
      return operand.ref.text.startsWith('[') ? operand.ref.text : `[${operand.ref.text}]`
    case 'string':
      return printText(operand.value)
    case 'number':
      return operand.text
    case 'list':
      return `[${operand.items.map(printOperand).join(', ')}]`
  }
}

/** A quote behind a backslash does not end a text, and the backslash stays in it. */
function printText(text: string): string {
  return /(?<!\\)"/.test(text) ? `'${text}'` : `"${text}"`
}

function printPattern(pattern: string): string {
  return `/${pattern.replace(/\\.|\//gs, (found) => (found === '/' ? '\\/' : found))}/`
}
