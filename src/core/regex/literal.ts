import type { AlternativeNode, OnigurumaAst } from 'oniguruma-parser/parser'
import { isFlagOn } from './tree.ts'

/**
 * The longest text that every match holds, as far as the pattern shows it; empty where it shows none. To look for it first
 * tells most texts that do not match in a fraction of the time.
 */
export function requiredText(ast: OnigurumaAst): string {
  if (isFlagOn(ast, 'ignoreCase')) return ''
  const reader = new RunReader()
  reader.readOnly(ast.body)
  return reader.longest
}

class RunReader {
  longest = ''
  #run = ''

  /** Of several alternatives none is needed. */
  readOnly(alternatives: readonly AlternativeNode[]): void {
    const [only] = alternatives
    if (only === undefined || alternatives.length > 1) this.#run = ''
    else this.#read(only)
  }

  #read({ body }: AlternativeNode): void {
    for (const element of body) {
      switch (element.type) {
        case 'Character':
          this.#run += String.fromCodePoint(element.value)
          if (this.#run.length > this.longest.length) this.longest = this.#run
          break
        case 'CapturingGroup':
        case 'Group':
          this.readOnly(element.body)
          break
        case 'Assertion':
        case 'Directive':
        case 'LookaroundAssertion':
          break
        case 'Quantifier':
          this.#run = ''
          if (element.min > 0) this.#read({ type: 'Alternative', body: [element.body] })
          this.#run = ''
          break
        default:
          this.#run = ''
      }
    }
  }
}
