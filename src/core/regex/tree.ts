import type { AlternativeElementNode, AlternativeNode, CapturingGroupNode, OnigurumaAst } from 'oniguruma-parser/parser'

/** Everything inside, from the outside in. Bracket expressions are not opened. */
function* elementsOf(alternatives: readonly AlternativeNode[]): Generator<AlternativeElementNode> {
  for (const { body } of alternatives) {
    for (const element of body) {
      yield element
      if (element.type === 'Quantifier') yield* elementsOf([{ type: 'Alternative', body: [element.body] }])
      else if ('body' in element && element.type !== 'CharacterClass') yield* elementsOf(element.body)
    }
  }
}

/** Whether a flag is on for the pattern or any part of it. */
export function isFlagOn(ast: OnigurumaAst, flag: 'ignoreCase' | 'dotAll'): boolean {
  if (ast.flags[flag]) return true
  for (const element of elementsOf(ast.body)) if ('flags' in element && element.flags?.enable?.[flag] === true) return true
  return false
}

/** Whether texts of any length can match. */
export function matchesAnyLength(alternatives: readonly AlternativeNode[]): boolean {
  for (const element of elementsOf(alternatives)) {
    if (element.type === 'Quantifier' && element.max === Infinity) return true
    if (element.type === 'Backreference' || element.type === 'Subroutine') return true
    if (element.type === 'CharacterSet' && element.variableLength === true) return true
  }
  return false
}

/** The group that a subroutine call means; `undefined` for the whole pattern. */
export function findGroup(ast: OnigurumaAst, ref: string | number): CapturingGroupNode | undefined {
  for (const element of elementsOf(ast.body)) {
    if (element.type === 'CapturingGroup' && (element.name === ref || element.number === ref)) return element
  }
  return undefined
}

/** Whether a match can only begin where one of these assertions holds. */
export function beginsWith({ body }: AlternativeNode, kinds: readonly string[]): boolean {
  const [first] = body
  if (first?.type === 'Assertion') return kinds.includes(first.kind)
  const isGroup = first?.type === 'Group' || first?.type === 'CapturingGroup'
  return isGroup && first.body.every((alternative) => beginsWith(alternative, kinds))
}
