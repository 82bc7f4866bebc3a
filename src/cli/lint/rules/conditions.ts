import { type ConditionSyntax, type OperandSyntax, surprises } from '../../../config/condition-syntax.ts'
import { type Finding, type LintedConfig, partsOf, type Rule } from '../rule.ts'

export const oneElementList: Rule = {
  name: 'one-element-list',
  summary:
    'Logstash reads `["x"]` behind `in` as a field called `"x"`, so that the condition is never true. Millrace reads the list that is ' +
    'meant. Written with two elements it means the same everywhere.',
  fires: 'filter { if [level] in ["error"] { drop { } } }',
  fixed: 'filter { if [level] in ["error", "error"] { drop { } } }',
  quiet: 'filter { if [level] in ["error", "fatal"] { drop { } } }',
  check: (config) =>
    allParts(config).flatMap((part): Finding[] => {
      if (part.kind !== 'in' || part.haystack.kind !== 'list' || part.haystack.items.length !== 1) return []
      const [item] = part.haystack.items
      const { start, end } = part.haystack
      const text = item === undefined ? '' : config.textOf(item)
      return [
        {
          start,
          message: `Logstash reads ${config.textOf(part.haystack)} as a field, and the condition is always ${part.negated}; Millrace reads the list`,
          hint: `write [${text}, ${text}], or == where the field is always text`,
          fix: { start, end, text: `[${text}, ${text}]` },
        },
      ]
    }),
}

export const unguardedComparison: Rule = {
  name: 'unguarded-comparison',
  summary:
    'Logstash drops an event whose field is missing where it is compared by `<`, `<=`, `>` or `>=`; Millrace takes the comparison as ' +
    'false and counts it. A condition that asks for the field first says what is meant.',
  fires: 'filter { if [duration] > 1000 { drop { } } }',
  fixed: 'filter { if ([duration] and [duration] > 1000) { drop { } } }',
  quiet: 'filter { if [duration] and [duration] > 1000 { drop { } } }',
  check: (config) =>
    config.conditions.flatMap(({ condition, outer }) => {
      const known = new Set(outer.flatMap(fieldsKnownIn))
      return unguarded(condition, known).map((part): Finding => {
        const fields = [...new Set([part.left, part.right].flatMap(fieldOf))].filter((field) => !known.has(field))
        const text = `(${fields.join(' and ')} and ${config.textOf(part)})`
        const what = fields.join(' or ')
        return {
          start: part.start,
          message: `where ${what} is missing, Logstash drops the event here without a word; Millrace takes the comparison as false`,
          hint: `write ${text.slice(1, -1)}`,
          fix: { start: part.start, end: part.end, text },
        }
      })
    }),
}

export const andsBeforeOr: Rule = {
  name: 'ands-before-or',
  summary:
    '`[a] and [b] and [c] or [d]` is `[a] and (([b] and [c]) or [d])` in Logstash, and so in Millrace: of several `and` before an `or` ' +
    'the last one is joined first. Parentheses say which is meant.',
  fires: 'filter { if [a] and [b] and [c] or [d] { drop { } } }',
  quiet: 'filter { if ([a] and [b] and [c]) or [d] { drop { } } }',
  check: (config) =>
    config.conditions.flatMap(({ condition }) =>
      surprises(condition).map(
        (part): Finding => ({
          start: part.start,
          message: `of the several and before an or, Logstash joins the last one first: ${config.textOf(part)}`,
          hint: 'put parentheses around what belongs together',
        }),
      ),
    ),
}

function allParts(config: LintedConfig): ConditionSyntax[] {
  return config.conditions.flatMap(({ condition }) => partsOf(condition))
}

function fieldOf(operand: OperandSyntax): string[] {
  if (operand.kind !== 'field') return []
  return [operand.ref.text.startsWith('[') ? operand.ref.text : `[${operand.ref.text}]`]
}

/** Fields that are certainly there where the condition holds. */
function fieldsKnownIn(condition: ConditionSyntax): string[] {
  switch (condition.kind) {
    case 'and':
      return [...fieldsKnownIn(condition.left), ...fieldsKnownIn(condition.right)]
    case 'truthy':
      return fieldOf(condition.operand)
    case 'compare':
      // `!=` is true for a field that is not there.
      return condition.operator === '!=' ? [] : [condition.left, condition.right].flatMap(fieldOf)
    case 'match':
      return condition.negated ? [] : fieldOf(condition.operand)
    case 'in':
      return condition.negated ? [] : fieldOf(condition.needle)
    default:
      return []
  }
}

type Comparison = Extract<ConditionSyntax, { kind: 'compare' }>

/** Comparisons by order of fields that may be missing where they are made. */
function unguarded(condition: ConditionSyntax, known: ReadonlySet<string>): Comparison[] {
  switch (condition.kind) {
    case 'and':
      return [
        ...unguarded(condition.left, known),
        ...unguarded(condition.right, new Set([...known, ...fieldsKnownIn(condition.left)])),
      ]
    case 'or':
    case 'xor':
    case 'nand':
      return [...unguarded(condition.left, known), ...unguarded(condition.right, known)]
    case 'not':
      return unguarded(condition.operand, known)
    case 'compare': {
      if (condition.operator === '==' || condition.operator === '!=') return []
      return [condition.left, condition.right].flatMap(fieldOf).some((field) => !known.has(field)) ? [condition] : []
    }
    default:
      return []
  }
}
