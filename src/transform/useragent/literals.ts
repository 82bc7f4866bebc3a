/** Texts in lower case of which at least one is there. */
export type Choice = readonly string[]

/** Shorter texts occur nearly everywhere. */
export const LITERAL_LENGTH_MIN = 3

/**
 * Choices that every text fulfils that the regular expression matches, whatever its case. There may be none. Understands
 * what uap-core's rules are made of; what it does not understand gives no choice.
 */
export function requiredLiterals(source: string): readonly Choice[] {
  return new LiteralReader(source).alternatives().filter((choice) => weight(choice) >= LITERAL_LENGTH_MIN)
}

/** A choice is worth as much as its shortest text. */
function weight(choice: Choice): number {
  return Math.min(...choice.map(({ length }) => length))
}

const ZERO_WIDTH = /^\((?:\?[=!]|\?<[=!])/
const QUANTIFIER = /^(?:[*+?]|\{\d+(?:,\d*)?\})[?+]?/

class LiteralReader {
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  /** Up to the end or the closing parenthesis of the group. */
  alternatives(): readonly Choice[] {
    const branches = [this.#sequence()]
    while (this.#source[this.#at] === '|') {
      this.#at++
      branches.push(this.#sequence())
    }
    const [only] = branches
    if (only !== undefined && branches.length === 1) return only
    // One of the branches is there, so one of what each asks for: the best of each.
    const best = branches.map((choices) => choices.toSorted((a, b) => weight(b) - weight(a))[0])
    return best.includes(undefined) ? [] : [best.flatMap((choice) => choice ?? [])]
  }

  #sequence(): readonly Choice[] {
    const all: Choice[] = []
    let run = ''
    while (this.#at < this.#source.length && this.#source[this.#at] !== '|' && this.#source[this.#at] !== ')') {
      const atom = this.#atom()
      const quantifier = this.#quantifier()
      const isOptional = /^(?:[*?]|\{0)/.test(quantifier)
      if (typeof atom === 'string' && !isOptional) run += atom
      if (typeof atom === 'string' && quantifier === '') continue
      if (run !== '') all.push([run])
      run = ''
      if (typeof atom === 'object' && !isOptional) all.push(...atom)
    }
    return run === '' ? all : [...all, [run]]
  }

  /** A letter, the choices of a group, or nothing. */
  #atom(): string | readonly Choice[] | undefined {
    const rest = this.#source.slice(this.#at)
    if (rest.startsWith('(')) return this.#group(rest)
    if (rest.startsWith('[')) {
      const members = /^\[((?:\\.|[^\]\\])*)\]/.exec(rest)?.[1]
      this.#at += members === undefined ? rest.length : members.length + 2
      // [Bb] is one letter in any case.
      return members !== undefined && /^([a-z])\1$/i.test(members) ? members.charAt(0).toLowerCase() : undefined
    }
    if (rest.startsWith('\\')) {
      this.#at += 2
      const escaped = rest[1] ?? ''
      return /[^A-Za-z0-9\u0080-\uffff]/.test(escaped) ? escaped : undefined
    }
    this.#at++
    const letter = rest[0] ?? ''
    return /[.^$\u0080-\uffff]/.test(letter) ? undefined : letter.toLowerCase()
  }

  #group(rest: string): readonly Choice[] | undefined {
    const isZeroWidth = ZERO_WIDTH.test(rest)
    this.#at += /^\((?:\?(?:[:=!]|<[=!]|<[^>]*>))?/.exec(rest)?.[0].length ?? 1
    const inside = this.alternatives()
    this.#at++
    return isZeroWidth ? undefined : inside
  }

  #quantifier(): string {
    const found = QUANTIFIER.exec(this.#source.slice(this.#at))?.[0] ?? ''
    this.#at += found.length
    return found
  }
}
