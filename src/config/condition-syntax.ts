import type { CompareOperator, Condition, Operand } from '../core/condition.ts'
import type { FieldRef } from '../core/field-ref.ts'
import type { Range } from './text-reader.ts'

/** A condition as it stands in a text: `core/condition.ts` with the place of every part. Parentheses count to what they enclose. */
export type ConditionSyntax =
  | JoinedSyntax
  | (Range & { readonly kind: 'not'; readonly operand: ConditionSyntax })
  | (Range & { readonly kind: 'truthy'; readonly operand: OperandSyntax })
  | (Range & {
      readonly kind: 'compare'
      readonly operator: CompareOperator
      readonly left: OperandSyntax
      readonly right: OperandSyntax
    })
  | (Range & { readonly kind: 'in'; readonly negated: boolean; readonly needle: OperandSyntax; readonly haystack: OperandSyntax })
  | (Range & {
      readonly kind: 'match'
      readonly negated: boolean
      readonly operand: OperandSyntax
      readonly pattern: string
      /** Whether the pattern stands in quotes and not between slashes. */
      readonly is_text: boolean
    })

interface JoinedSyntax extends Range {
  readonly kind: BooleanOperator
  /** Logstash joins these otherwise than `and` before `or`. */
  readonly is_surprising?: boolean
  readonly left: ConditionSyntax
  readonly right: ConditionSyntax
}

export type BooleanOperator = 'and' | 'or' | 'xor' | 'nand'

export type OperandSyntax =
  | (Range & { readonly kind: 'field'; readonly ref: FieldRef })
  /** `value` is what stands between the quotes. */
  | (Range & { readonly kind: 'string'; readonly value: string })
  | (Range & { readonly kind: 'number'; readonly text: string })
  | (Range & { readonly kind: 'list'; readonly items: readonly OperandSyntax[] })

/** The condition without places, every text in it given by `text` (variables, escapes). */
export function lowerCondition(syntax: ConditionSyntax, text: (value: string, range: Range) => string): Condition {
  const operand = (part: OperandSyntax): Operand => {
    switch (part.kind) {
      case 'string':
        return { kind: 'string', value: text(part.value, part) }
      case 'list':
        return { kind: 'list', items: part.items.map(operand) }
      case 'number':
        return { kind: 'number', text: part.text }
      case 'field':
        return { kind: 'field', ref: part.ref }
    }
  }
  switch (syntax.kind) {
    case 'not':
      return { kind: 'not', operand: lowerCondition(syntax.operand, text) }
    case 'truthy':
      return { kind: 'truthy', operand: operand(syntax.operand) }
    case 'compare':
      return { kind: 'compare', operator: syntax.operator, left: operand(syntax.left), right: operand(syntax.right) }
    case 'in':
      return { kind: 'in', negated: syntax.negated, needle: operand(syntax.needle), haystack: operand(syntax.haystack) }
    case 'match':
      return { kind: 'match', negated: syntax.negated, operand: operand(syntax.operand), pattern: syntax.pattern }
    default:
      return { kind: syntax.kind, left: lowerCondition(syntax.left, text), right: lowerCondition(syntax.right, text) }
  }
}

/** The parts that Logstash, and so we, join in another way than most people read them. */
export function surprises(syntax: ConditionSyntax): JoinedSyntax[] {
  if (syntax.kind === 'not') return surprises(syntax.operand)
  if (!('left' in syntax) || syntax.kind === 'compare') return []
  return [...(syntax.is_surprising === true ? [syntax] : []), ...surprises(syntax.left), ...surprises(syntax.right)]
}
