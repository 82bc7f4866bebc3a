import type { CompareOperator, Condition } from '../core/condition.ts'
import { messageOf } from '../core/errors.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import { type BooleanOperator, type ConditionSyntax, lowerCondition, type OperandSyntax } from './condition-syntax.ts'
import { oddCharacter } from './odd-characters.ts'
import { TextReader } from './text-reader.ts'

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
/** What many terms are joined to is as deep as they are many. */
const TERMS_MAX = 500

/**
 * Reads a text that is one condition, in Logstash's language:
 *
 *     condition  = term { ( "and" | "or" | "xor" | "nand" ) term }
 *     term       = "!" ( "(" condition ")" | selector ) | "(" condition ")" | operand [ operator operand ]
 *     operator   = == != < <= > >= =~ !~ in | not in
 *     operand    = selector | "text" | 'text' | number | [ operand, … ] | /regex/ (only after =~ and !~)
 *
 * `and` binds before `or` in the way of Logstash (see `joined`); `xor` and `nand` stand alone or in parentheses.
 * One thing is read as meant, not as Logstash does: `[a] in ["x"]` has a list on its right, not a field named `"x"`.
 * @throws ConditionError
 */
export function parseCondition(text: string): Condition {
  const reader = new TextReader(text)
  const syntax = new ConditionParser(reader).condition()
  reader.skip()
  if (!reader.isAtEnd) failAtOperator(reader, 'the end of the condition')
  return lowerCondition(syntax, (value) => value)
}

/**
 * Reads the condition where the reader stands, and leaves the reader at the brace that must follow.
 * @throws ConditionError
 */
export function parseConditionOfBlock(reader: TextReader): ConditionSyntax {
  const syntax = new ConditionParser(reader).condition()
  reader.skip()
  if (reader.char !== '{') failAtOperator(reader, '"{"')
  return syntax
}

const BOOLEAN_OPERATOR = /and|or|xor|nand/y
const IN_OPERATOR = /in|not [ \t\r\n]*in/y
const COMPARE_OPERATOR = /[=!<>]=|[<>]/y
const MATCH_OPERATOR = /[=!]~/y
const NUMBER = /-?[0-9]+(?:\.[0-9]*)?/y
const SELECTOR = /(?:\[[^[\],]+\])+/y
const WORD = /[A-Za-z_][\w.]*/y
/** Brackets with a text or number inside: after `in` a list even with one element, which Logstash reads as a field. */
const LIST_AFTER_IN = /\[[ \t\r\n]*["'\d-]/y
const LIST = /\[[ \t\r\n]*["'\d[\]-]/y

class ConditionParser {
  readonly #reader: TextReader
  #depth = 0

  constructor(reader: TextReader) {
    this.#reader = reader
  }

  condition(): ConditionSyntax {
    const reader = this.#reader
    if (++this.#depth > DEPTH_MAX) throw new ConditionError(reader.at, `expected at most ${DEPTH_MAX} nested parentheses`)
    const terms = [this.#term()]
    const operators: BooleanOperator[] = []
    for (;;) {
      const before = reader.at
      reader.skip()
      const start = reader.at
      const operator = reader.match(BOOLEAN_OPERATOR) as BooleanOperator | undefined
      if (operator === undefined) {
        reader.at = before
        break
      }
      operators.push(operator)
      if (operators.length > 1 && operators.some((one) => one === 'xor' || one === 'nand')) {
        throw new ConditionError(
          start,
          `Unexpected operator: ${[...new Set(operators)].join(' and ')} without parentheses`,
          'xor and nand join two conditions: put parentheses around one pair',
        )
      }
      if (terms.length >= TERMS_MAX) throw new ConditionError(start, `expected at most ${TERMS_MAX} conditions in a row`)
      terms.push(this.#term())
    }
    this.#depth--
    return joined(terms, operators)
  }

  #term(): ConditionSyntax {
    const reader = this.#reader
    reader.skip()
    const start = reader.at
    if (reader.take('!')) {
      reader.skip()
      if (reader.take('(')) return { kind: 'not', start, ...this.#negated(this.#closed()) }
      if (reader.char === '[') {
        const operand = this.#selector()
        return { kind: 'not', start, ...this.#negated({ kind: 'truthy', operand, start: operand.start, end: operand.end }) }
      }
      throw new ConditionError(reader.at, 'expected "(" or "[" after "!"', 'write !("x" in [tags])')
    }
    if (reader.take('(')) return this.#closed()
    if (reader.peek(NOT_FIELD) !== undefined) {
      throw new ConditionError(start, 'expected a condition, found not', 'write ![field]')
    }
    return this.#comparison(this.#operand())
  }

  #negated(operand: ConditionSyntax): { readonly operand: ConditionSyntax; readonly end: number } {
    return { operand, end: this.#reader.at }
  }

  #closed(): ConditionSyntax {
    const condition = this.condition()
    this.#reader.skip()
    if (!this.#reader.take(')')) failAtOperator(this.#reader, '")"')
    return condition
  }

  #comparison(left: OperandSyntax): ConditionSyntax {
    const reader = this.#reader
    const { start } = left
    const before = reader.at
    reader.skip()
    const match = reader.match(MATCH_OPERATOR)
    if (match !== undefined) {
      return { kind: 'match', negated: match === '!~', operand: left, ...this.#pattern(), start, end: reader.at }
    }
    const operator = reader.match(COMPARE_OPERATOR) as CompareOperator | undefined
    if (operator !== undefined) {
      const right = this.#operand()
      return { kind: 'compare', operator, left, right, start, end: reader.at }
    }
    const found = reader.match(IN_OPERATOR)
    if (found !== undefined) {
      reader.skip()
      const haystack = reader.peek(LIST_AFTER_IN) === undefined ? this.#operand() : this.#list()
      return { kind: 'in', negated: found !== 'in', needle: left, haystack, start, end: reader.at }
    }
    reader.at = before
    return { kind: 'truthy', operand: left, start, end: left.end }
  }

  #operand(): OperandSyntax {
    const reader = this.#reader
    reader.skip()
    const start = reader.at
    const { char } = reader
    if (char === '"' || char === "'") {
      const value = this.#quoted(char)
      return { kind: 'string', value, start, end: reader.at }
    }
    if (char === '[') {
      const is_list = reader.peek(SELECTOR) === undefined && reader.peek(LIST) !== undefined
      return is_list ? this.#list() : this.#selector()
    }
    const number = reader.match(NUMBER)
    if (number !== undefined) return { kind: 'number', text: number, start, end: reader.at }
    this.#failAtOperand()
  }

  #failAtOperand(): never {
    const reader = this.#reader
    const word = reader.peek(WORD)
    if (word === 'true' || word === 'false' || word === 'nil' || word === 'null') {
      throw new ConditionError(
        reader.at,
        `expected a field, text or number, found ${word}`,
        'test a boolean or missing field with [field] or ![field]',
      )
    }
    const hint = word === undefined ? operandHint(reader) : `a field is written [${word}], a text "${word}"`
    throw new ConditionError(reader.at, `expected a field, text or number, found ${word ?? reader.found}`, hint)
  }

  #list(): OperandSyntax {
    const reader = this.#reader
    const start = reader.at
    const items: OperandSyntax[] = []
    reader.at++
    reader.skip()
    if (reader.take(']')) return { kind: 'list', items, start, end: reader.at }
    for (;;) {
      items.push(this.#operand())
      reader.skip()
      if (reader.take(']')) return { kind: 'list', items, start, end: reader.at }
      if (!reader.take(',')) throw new ConditionError(reader.at, `expected "," or "]" in a list, found ${reader.found}`)
    }
  }

  #selector(): OperandSyntax {
    const reader = this.#reader
    const start = reader.at
    const text = reader.match(SELECTOR)
    if (text === undefined) {
      throw new ConditionError(start, `expected a field such as [name] or [outer][inner], found ${reader.found}`)
    }
    try {
      return { kind: 'field', ref: parseFieldRef(text), start, end: reader.at }
    } catch (thrown) {
      throw new ConditionError(start, messageOf(thrown))
    }
  }

  /** The text between quotes. As in Logstash a backslash keeps the next quote inside and stays in the value. */
  #quoted(quote: string): string {
    const start = this.#reader.at++
    const value = this.#reader.until(quote)
    if (value === undefined) throw new ConditionError(start, `expected a closing ${quote}`)
    return value
  }

  #pattern(): { readonly pattern: string; readonly is_text: boolean } {
    const reader = this.#reader
    reader.skip()
    const { char } = reader
    if (char === '"' || char === "'") return { pattern: this.#quoted(char), is_text: true }
    if (char !== '/') throw new ConditionError(reader.at, `expected /regex/ or a text, found ${reader.found}`)
    const start = reader.at++
    const pattern = reader.until('/')
    if (pattern === undefined) throw new ConditionError(start, 'expected a closing /')
    return { pattern: pattern.replaceAll('\\/', '/'), is_text: false }
  }
}

const NOT_FIELD = /not[ \t\r\n]*[[(]/y

/**
 * Joins terms as Logstash does: an operator that binds looser gives way to the one before it, and only to that one. So
 * `a and b or c` is `(a and b) or c`, but `a and b and c or d` is `a and ((b and c) or d)`. The same config must choose
 * the same events here as there.
 */
function joined(terms: readonly ConditionSyntax[], operators: readonly BooleanOperator[]): ConditionSyntax {
  const values: ConditionSyntax[] = terms.slice(0, 1)
  const waiting: BooleanOperator[] = []
  const apply = (): void => {
    const right = values.pop() as ConditionSyntax
    const left = values.pop() as ConditionSyntax
    values.push({ kind: waiting.pop() as BooleanOperator, left, right, start: left.start, end: right.end })
  }
  let is_surprising = false
  for (const [index, operator] of operators.entries()) {
    if (operator === 'or' && waiting.slice(-2).join(' ') === 'and and') is_surprising = true
    if (waiting.at(-1) === 'and' && operator === 'or') apply()
    waiting.push(operator)
    values.push(terms[index + 1] as ConditionSyntax)
  }
  while (waiting.length > 0) apply()
  const [condition] = values as [ConditionSyntax]
  return is_surprising ? ({ ...condition, is_surprising } as ConditionSyntax) : condition
}

const OPERATOR_SLIPS: readonly (readonly [RegExp, string])[] = [
  [/^&&/, 'write and'],
  [/^\|\|/, 'write or'],
  [/^(AND|OR|NOT|IN)\b/, 'operators are written in lower case'],
  [/^=(?!=|~)/, 'write =='],
  [/^(nor)\b/, 'write !(… or …)'],
  [/^notin\b/, 'write not in'],
]

const OPERAND_SLIPS: { readonly [char: string]: string } = {
  '/': 'the regex stands on the right: [field] =~ /…/',
  '=': 'write ==',
  '>': 'write !=',
  '(': 'a list stands in brackets: ["x", "y"]',
  '{': 'the condition has no end',
}

function operandHint(reader: TextReader): string | undefined {
  const { char = '' } = reader
  return (Object.hasOwn(OPERAND_SLIPS, char) ? OPERAND_SLIPS[char] : undefined) ?? oddCharacter(reader)?.hint
}

function failAtOperator(reader: TextReader, end: string): never {
  const { at, text } = reader
  const rest = text.slice(at, at + 20)
  const before = text.slice(Math.max(0, at - 100), at)
  let hint = OPERATOR_SLIPS.find(([pattern]) => pattern.test(rest))?.[1]
  if (before.endsWith('/') && /^[a-z]/i.test(rest)) hint = 'flags stand inside the regex: /(?i)…/'
  if (/!\s*(?:\[[^\]]+\])+\s*$/.test(before) && /^(?:[=!<>]|in\b|not in\b)/.test(rest)) hint = 'write !([field] == …)'
  throw new ConditionError(at, `expected and, or, xor, nand or ${end}, found ${reader.found}`, hint ?? oddCharacter(reader)?.hint)
}
