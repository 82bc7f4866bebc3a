import type { FieldRef } from './field-ref.ts'

/** A parsed condition in Logstash's language (semantics: docs/conditions.md). Evaluated by `compile/condition.ts`. */
export type Condition =
  | { readonly kind: 'and' | 'or' | 'xor' | 'nand'; readonly left: Condition; readonly right: Condition }
  | { readonly kind: 'not'; readonly operand: Condition }
  /** `[field]`: neither missing, null, false, nor the empty text. A lone constant is true. */
  | { readonly kind: 'truthy'; readonly operand: Operand }
  | { readonly kind: 'compare'; readonly operator: CompareOperator; readonly left: Operand; readonly right: Operand }
  | { readonly kind: 'in'; readonly negated: boolean; readonly needle: Operand; readonly haystack: Operand }
  | { readonly kind: 'match'; readonly negated: boolean; readonly operand: Operand; readonly pattern: string }

export type CompareOperator = '==' | '!=' | '<' | '<=' | '>' | '>='

export type Operand =
  | { readonly kind: 'field'; readonly ref: FieldRef }
  | { readonly kind: 'string'; readonly value: string }
  /** A number keeps its text: `1.0` and `1` are different values. */
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly Operand[] }
