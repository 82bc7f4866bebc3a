import type { CompareOperator, Condition, Operand } from '../core/condition.ts'
import type { Event } from '../core/event.ts'
import { guardedRegex, isInterrupted, type RegexLimits } from '../core/regex/guard.ts'
import { textOf } from '../core/template.ts'
import { isFields, isNumber, SourceNumber, Timestamp, type Value } from '../core/values.ts'

export type Predicate = (event: Event) => boolean

export interface ConditionServices {
  /** Hears of two values that cannot be put in order (a missing field against a number, text against a number). */
  incomparable(event: Event): void
  /** Hears of a match that took too long and was broken off. */
  interrupted(event: Event): void
  readonly limits: RegexLimits
}

/**
 * Compiles a condition to a function of the event.
 *
 * Values are compared strictly by type, as Logstash does: `1 == 1.0` and `"5" == 5` are false. A comparison by order
 * that cannot be made is false, and `incomparable` hears of it (Logstash drops the event without a word). A match that
 * takes too long is false too, also where it is negated.
 */
export function compileCondition(condition: Condition, services: ConditionServices): Predicate {
  switch (condition.kind) {
    case 'and':
    case 'or':
    case 'xor':
    case 'nand': {
      const left = compileCondition(condition.left, services)
      const right = compileCondition(condition.right, services)
      if (condition.kind === 'and') return (event) => left(event) && right(event)
      if (condition.kind === 'or') return (event) => left(event) || right(event)
      if (condition.kind === 'xor') return (event) => left(event) !== right(event)
      return (event) => !(left(event) && right(event))
    }
    case 'not': {
      const operand = compileCondition(condition.operand, services)
      return (event) => !operand(event)
    }
    case 'truthy':
      return compileTruthy(condition.operand)
    case 'compare':
      return compileComparison(condition.operator, condition.left, condition.right, services)
    case 'in': {
      const contains = compileIn(condition.needle, condition.haystack)
      return condition.negated ? (event) => !contains(event) : contains
    }
    case 'match': {
      return compileMatch(condition.operand, condition.pattern, condition.negated, services)
    }
  }
}

type Read = (event: Event) => Value | undefined

function compileOperand(operand: Operand): Read {
  if (operand.kind === 'field') {
    const { ref } = operand
    return (event) => event.get(ref)
  }
  const constant = constantOf(operand)
  return () => constant
}

function constantOf(operand: Exclude<Operand, { kind: 'field' }>): Value {
  if (operand.kind === 'string') return operand.value
  if (operand.kind === 'list') return operand.items.map((item) => (item.kind === 'field' ? item.ref.text : constantOf(item)))
  // `1.0` stays a float: it equals a float 1.0 and not the integer 1.
  if (operand.text.includes('.')) return new SourceNumber(operand.text)
  const integer = Number(operand.text)
  return Number.isSafeInteger(integer) ? integer : BigInt(operand.text)
}

function compileTruthy(operand: Operand): Predicate {
  if (operand.kind !== 'field') {
    const isTrue = isTruthy(constantOf(operand))
    return () => isTrue
  }
  const { ref } = operand
  return (event) => event.readText(ref, isTrueAt) ?? isTruthy(event.get(ref))
}

/** The text "false" is false too, for Logstash looks at a value's text. */
function isTruthy(value: Value | undefined): boolean {
  return value !== undefined && value !== null && value !== false && value !== '' && value !== 'false'
}

/** The same of a text that is part of another one. */
function isTrueAt(text: string, start: number, end: number): boolean {
  return end > start && !(end - start === 5 && text.startsWith('false', start))
}

function compileComparison(operator: CompareOperator, left: Operand, right: Operand, services: ConditionServices): Predicate {
  if (operator === '==' || operator === '!=') {
    const equal = compileEquality(left, right)
    return operator === '==' ? equal : (event) => !equal(event)
  }
  // `5 < [a]` is `[a] > 5`: of the two sides it is the left one that decides what can be compared.
  if (left.kind !== 'field' && right.kind === 'field') {
    return compileComparison(MIRRORED[operator], right, left, services)
  }
  const readLeft = compileOperand(left)
  const readRight = compileOperand(right)
  const holds = ORDER_TESTS[operator]
  return (event) => {
    const order = compareOrder(readLeft(event), readRight(event))
    if (order === undefined) {
      services.incomparable(event)
      return false
    }
    return holds(order)
  }
}

const MIRRORED = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const

const ORDER_TESTS: { readonly [operator in Exclude<CompareOperator, '==' | '!='>]: (order: number) => boolean } = {
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
}

function compileEquality(left: Operand, right: Operand): Predicate {
  if (left.kind === 'field' && right.kind === 'string') {
    const { ref } = left
    const { value } = right
    return (event) => event.isText(ref, value)
  }
  const readLeft = compileOperand(left)
  const readRight = compileOperand(right)
  return (event) => areEqual(readLeft(event), readRight(event))
}

/** Numbers of different kinds are never equal in Logstash, whose json filter makes a decimal of `1.5`. */
function kindOfNumber(value: number | bigint | SourceNumber): 'integer' | 'float' | 'decimal' {
  if (value instanceof SourceNumber) return value.is_decimal ? 'decimal' : 'float'
  return typeof value === 'bigint' || Number.isSafeInteger(value) ? 'integer' : 'float'
}

function areEqual(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true
  if (isNumber(a) && isNumber(b)) return kindOfNumber(a) === kindOfNumber(b) && compareNumbers(a, b) === 0
  if (a instanceof Timestamp && b instanceof Timestamp) return a.epoch_ms === b.epoch_ms && a.nanos === b.nanos
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => areEqual(item, b[index]))
  if (isFields(a) && isFields(b)) {
    const names = Object.keys(a).filter((name) => a[name] !== undefined)
    const others = Object.keys(b).filter((name) => b[name] !== undefined)
    return names.length === others.length && names.every((name) => Object.hasOwn(b, name) && areEqual(a[name], b[name]))
  }
  return false
}

/**
 * Negative, zero or positive; `undefined` where the two have no order. What is there but has no order of its own (null, a
 * boolean, a time beside something else) is as large as anything, as in Logstash: `[null] >= 5` holds, `[null] > 5` does not.
 */
function compareOrder(a: Value | undefined, b: Value | undefined): number | undefined {
  if (b === undefined) return undefined
  if (isNumber(a) && isNumber(b)) return compareNumbers(a, b)
  // Byte order of UTF-8 and not that of UTF-16 units, as Logstash.
  if (typeof a === 'string' && typeof b === 'string') return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (a instanceof Timestamp && b instanceof Timestamp) return a.epoch_ms - b.epoch_ms || a.nanos - b.nanos
  return a === null || typeof a === 'boolean' || a instanceof Timestamp ? 0 : undefined
}

function compareNumbers(a: number | bigint | SourceNumber, b: number | bigint | SourceNumber): number {
  const left = a instanceof SourceNumber ? a.value : a
  const right = b instanceof SourceNumber ? b.value : b
  return left < right ? -1 : left > right ? 1 : 0
}

function compileIn(needle: Operand, haystack: Operand): Predicate {
  if (haystack.kind === 'list' && needle.kind === 'field') {
    // Against a list of constants everything is compared by its text.
    const texts = new Set([constantOf(haystack)].flat().map((item) => textOf(item)))
    const { ref } = needle
    return (event) => {
      const value = event.get(ref)
      // The text of null is the empty one.
      return value !== undefined && !Array.isArray(value) && texts.has(textOf(value ?? ''))
    }
  }
  const readNeedle = compileOperand(needle)
  const readHaystack = compileOperand(haystack)
  if (needle.kind === 'string' && haystack.kind === 'string') {
    // Logstash looks for a text in a text only where one of them is a field's.
    const isSame = needle.value === haystack.value
    return () => isSame
  }
  return (event) => isIn(readNeedle(event), readHaystack(event))
}

/** A list or a map is in nothing. */
function isIn(needle: Value | undefined, haystack: Value | undefined): boolean {
  if (needle === undefined || haystack === undefined || haystack === null) return false
  if (Array.isArray(needle) || isFields(needle)) return false
  if (Array.isArray(haystack)) return haystack.some((item) => areEqual(item, needle))
  if (typeof haystack === 'string') return typeof needle === 'string' && haystack.includes(needle)
  return areEqual(needle, haystack)
}

function compileMatch(operand: Operand, pattern: string, negated: boolean, services: ConditionServices): Predicate {
  const regex = guardedRegex(pattern, '', services.limits)
  const read = compileOperand(operand)
  return (event) => {
    const value = read(event)
    if (typeof value !== 'string') return negated
    try {
      return regex.test(value) !== negated
    } catch (thrown) {
      if (!isInterrupted(thrown)) throw thrown
      services.interrupted(event)
      return false
    }
  }
}
