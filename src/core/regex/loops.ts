import type { AlternativeElementNode, AlternativeNode, OnigurumaAst, QuantifierNode } from 'oniguruma-parser/parser'

/**
 * Loops whose rounds need not set all groups inside, such as `(?: a=(?<a>\d+)| b=(?<b>\d+))*`. Ruby keeps what an earlier round
 * found, JavaScript forgets it at every round.
 */
export interface ForgetfulLoops {
  /** The pattern with each loop in a group `loop0`, `loop1`… */
  readonly pattern: OnigurumaAst
  /** One round of each loop. */
  readonly rounds: readonly OnigurumaAst[]
}

/** Changes the tree; `undefined` where it has no such loop. */
export function nameForgetfulLoops(ast: OnigurumaAst): ForgetfulLoops | undefined {
  const rounds: OnigurumaAst[] = []
  nameIn(ast.body, (loop) => {
    rounds.push({ ...ast, body: [{ type: 'Alternative', body: [loop.body] }] })
    const inside: AlternativeNode[] = [{ type: 'Alternative', body: [loop] }]
    return { type: 'CapturingGroup', number: 0, name: `loop${rounds.length - 1}`, body: inside }
  })
  return rounds.length === 0 ? undefined : { pattern: ast, rounds }
}

function nameIn(alternatives: readonly AlternativeNode[], wrap: (loop: QuantifierNode) => AlternativeElementNode): void {
  for (const alternative of alternatives) {
    alternative.body = alternative.body.map((element) => {
      if (element.type === 'Quantifier') {
        const inside: AlternativeNode[] = [{ type: 'Alternative', body: [element.body] }]
        if (element.max > 1) return mayForget(inside, false) ? wrap(element) : element
        nameIn(inside, wrap)
        const [body] = inside[0]?.body ?? []
        return body === undefined ? element : { ...element, body: body as QuantifierNode['body'] }
      }
      if (element.type === 'CapturingGroup' || element.type === 'Group') nameIn(element.body, wrap)
      return element
    })
  }
}

/** Whether a group inside need not take part. */
function mayForget(alternatives: readonly AlternativeNode[], isOptional: boolean): boolean {
  const optional = isOptional || alternatives.length > 1
  return alternatives.some(({ body }) =>
    body.some((element) => {
      if (element.type === 'CapturingGroup') return optional || mayForget(element.body, optional)
      if (element.type === 'Group') return mayForget(element.body, optional)
      if (element.type !== 'Quantifier') return false
      return mayForget([{ type: 'Alternative', body: [element.body] }], optional || element.min === 0)
    }),
  )
}
