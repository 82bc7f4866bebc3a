import type { CompareOperator, Condition, Operand } from '../core/condition.ts'
import { messageOf } from '../core/errors.ts'
import { parseFieldRef } from '../core/field-ref.ts'

/** Why a condition could not be read, and at which character of its text. */
export class ConditionError extends Error {
  readonly offset: number
  readonly hint: string | undefined

  constructor(offset: number, message: string, hint?: string) {
    super(message)
    this.name = 'ConditionError'
    this.offset = offset
    this.hint = hint
  }
}

/** Deeper parentheses are refused: nobody writes them by hand, and reading them recurses. */
const DEPTH_MAX = 200

/**
 * Reads a condition in Logstash's language:
 *
 *     or         = and { "or" and }               `xor` and `nand` stand alone: mixed with others they need parentheses
 *     and        = term { "and" term }
 *     term       = "!" ( "(" or ")" | selector ) | "(" or ")" | operand [ operator operand ]
 *     operator   = == != < <= > >= =~ !~ in | not in
 *     operand    = selector | "text" | 'text' | number | [ operand, … ] | /regex/ (only after =~ and !~)
 *
 * One thing is read as meant, not as Logstash does: `[a] in ["x"]` has a list on its right, not a field named `"x"`.
 * @throws ConditionError
 */
export function parseCondition(text: string): Condition {
  return new ConditionParser(text).parse()
}

class ConditionParser {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): Condition {
    const condition = this.#expression()
    this.#blanks()
    if (this.#at < this.#text.length) this.#failAtOperator()
    return condition
  }

  #expression(): Condition {
    if (++this.#depth > DEPTH_MAX) throw new ConditionError(this.#at, `expected at most ${DEPTH_MAX} nested parentheses`)
    let left = this.#term()
    const seen = new Set<string>()
    // `and` binds tighter than `or`, so what `or` joins is kept apart until the end.
    const alternatives: Condition[] = []
    for (let operator = this.#booleanOperator(); operator !== undefined; operator = this.#booleanOperator()) {
      seen.add(operator)
      const exclusive = seen.has('xor') || seen.has('nand')
      if (exclusive && seen.size > 1) {
        throw new ConditionError(
          this.#at,
          `Unexpected operator: ${[...seen].join(' and ')} together`,
          'put parentheses around one of them',
        )
      }
      const right = this.#term()
      if (operator === 'or') {
        alternatives.push(left)
        left = right
      } else {
        left = { kind: operator, left, right }
      }
    }
    this.#depth--
    return alternatives.reduceRight<Condition>((right, alternative) => ({ kind: 'or', left: alternative, right }), left)
  }

  #booleanOperator(): 'and' | 'or' | 'xor' | 'nand' | undefined {
    this.#blanks()
    const found = /^(and|or|xor|nand)(?![A-Za-z0-9_])/.exec(this.#text.slice(this.#at, this.#at + 5))
    if (found === null) return undefined
    this.#at += found[0].length
    return found[1] as 'and'
  }

  #term(): Condition {
    this.#blanks()
    if (this.#take('!')) {
      this.#blanks()
      if (this.#take('(')) return { kind: 'not', operand: this.#closed() }
      if (this.#peek() === '[') return { kind: 'not', operand: { kind: 'truthy', operand: this.#selector() } }
      throw new ConditionError(this.#at, 'expected "(" or "[" after "!"', 'write !("x" in [tags])')
    }
    if (this.#take('(')) return this.#closed()
    if (/^not\s*\[/.test(this.#text.slice(this.#at))) {
      throw new ConditionError(this.#at, 'expected a condition, found not', 'write ![field]')
    }
    const left = this.#operand()
    return this.#comparison(left)
  }

  #closed(): Condition {
    const condition = this.#expression()
    this.#blanks()
    if (!this.#take(')')) this.#failAtOperator()
    return condition
  }

  #comparison(left: Operand): Condition {
    this.#blanks()
    const start = this.#at
    if (this.#take('=~') || this.#take('!~')) {
      return { kind: 'match', negated: this.#text[start] === '!', operand: left, pattern: this.#pattern() }
    }
    for (const operator of ['==', '!=', '<=', '>=', '<', '>'] as const satisfies CompareOperator[]) {
      if (this.#take(operator)) return { kind: 'compare', operator, left, right: this.#operand() }
    }
    const found = /^(not\s+in|in)(?![A-Za-z0-9_])/.exec(this.#text.slice(this.#at))
    if (found === null) return { kind: 'truthy', operand: left }
    this.#at += found[0].length
    return { kind: 'in', negated: found[0] !== 'in', needle: left, haystack: this.#operand(true) }
  }

  /** `listFirst`: after `in`, brackets with a text or number inside are a list, also with one element. */
  #operand(listFirst = false): Operand {
    this.#blanks()
    const char = this.#peek()
    if (char === '"' || char === "'") return { kind: 'string', value: this.#quoted(char) }
    if (char === '[') {
      const list = listFirst ? /^\[\s*(["'\d-]|\])/ : /^\[\s*["'][^\]]*,/
      return list.test(this.#text.slice(this.#at)) ? this.#list() : this.#selector()
    }
    const number = /^-?\d+(\.\d*)?/.exec(this.#text.slice(this.#at))
    if (number !== null) {
      this.#at += number[0].length
      return { kind: 'number', text: number[0] }
    }
    const word = /^[A-Za-z_][\w.]*/.exec(this.#text.slice(this.#at))?.[0]
    if (word === 'true' || word === 'false' || word === 'nil' || word === 'null') {
      throw new ConditionError(
        this.#at,
        `expected a field, text or number, found ${word}`,
        'test a boolean or missing field with [field] or ![field]',
      )
    }
    throw new ConditionError(
      this.#at,
      `expected a field, text or number, found ${word ?? this.#found()}`,
      word === undefined ? undefined : `a field is written [${word}], a text "${word}"`,
    )
  }

  #list(): Operand {
    const items: Operand[] = []
    this.#at++
    this.#blanks()
    if (this.#take(']')) return { kind: 'list', items }
    for (;;) {
      items.push(this.#operand())
      this.#blanks()
      if (this.#take(']')) return { kind: 'list', items }
      if (!this.#take(',')) throw new ConditionError(this.#at, `expected "," or "]" in a list, found ${this.#found()}`)
    }
  }

  #selector(): Operand {
    const found = /^(?:\[[^[\],]+\])+/.exec(this.#text.slice(this.#at))
    if (found === null)
      throw new ConditionError(this.#at, `expected a field such as [name] or [outer][inner], found ${this.#found()}`)
    try {
      const ref = parseFieldRef(found[0])
      this.#at += found[0].length
      return { kind: 'field', ref }
    } catch (thrown) {
      throw new ConditionError(this.#at, messageOf(thrown))
    }
  }

  /** The text between quotes. As in Logstash a backslash keeps the next quote inside and stays in the value. */
  #quoted(quote: string): string {
    const start = ++this.#at
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]
      if (char === '\\') this.#at += 2
      else if (char === quote) return this.#text.slice(start, this.#at++)
      else this.#at++
    }
    throw new ConditionError(start - 1, `expected a closing ${quote}`)
  }

  #pattern(): string {
    this.#blanks()
    const char = this.#peek()
    if (char === '"' || char === "'") return this.#quoted(char)
    if (char !== '/') throw new ConditionError(this.#at, `expected /regex/ or a text, found ${this.#found()}`)
    const start = ++this.#at
    while (this.#at < this.#text.length) {
      const here = this.#text[this.#at]
      if (here === '\\') this.#at += 2
      else if (here === '/') return this.#text.slice(start, this.#at++).replaceAll('\\/', '/')
      else this.#at++
    }
    throw new ConditionError(start - 1, 'expected a closing /')
  }

  #failAtOperator(): never {
    const rest = this.#text.slice(this.#at)
    const hints: readonly (readonly [RegExp, string])[] = [
      [/^&&/, 'write and'],
      [/^\|\|/, 'write or'],
      [/^(AND|OR|NOT|IN)\b/, 'operators are written in lower case'],
      [/^=(?!=|~)/, 'write =='],
      [/^(nor)\b/, 'write !(… or …)'],
      [/^notin\b/, 'write not in'],
    ]
    const hint = hints.find(([pattern]) => pattern.test(rest))?.[1]
    throw new ConditionError(this.#at, `expected and, or, xor, nand or the end of the condition, found ${this.#found()}`, hint)
  }

  #found(): string {
    const rest = this.#text.slice(this.#at)
    return rest === '' ? 'the end' : JSON.stringify(rest.split(/\s/, 1)[0]?.slice(0, 20))
  }

  #peek(): string | undefined {
    return this.#text[this.#at]
  }

  #take(symbol: string): boolean {
    if (!this.#text.startsWith(symbol, this.#at)) return false
    this.#at += symbol.length
    return true
  }

  #blanks(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++
  }
}
