import type { FilterContext } from '../../core/contracts.ts'
import { MillraceError } from '../../core/errors.ts'
import { guardedRegex, regexLimits } from '../../core/regex/guard.ts'
import { compileRegex } from '../../core/regex/regex.ts'
import { readAsciiClass } from './char-class.ts'
import { compileScan, type ScanPairs } from './scan.ts'

interface FinderOptions {
  readonly field_split: string
  readonly field_split_pattern: string | undefined
  readonly value_split: string
  readonly value_split_pattern: string | undefined
  readonly whitespace: 'lenient' | 'strict'
  readonly include_brackets: boolean
  readonly timeout_millis: number
}

/**
 * How pairs are found in a text: by the scanner where single ASCII characters split, else by a regular expression.
 * @throws MillraceError OPTION_INVALID, REGEX_INVALID; (the returned function) REGEX_TIMEOUT
 */
export function compileFinder(options: FinderOptions, context: FilterContext): ScanPairs {
  refuseEmpty(options)
  const { field_split_pattern, value_split_pattern, include_brackets } = options
  if (field_split_pattern === undefined && value_split_pattern === undefined) {
    const field_split = readAsciiClass(options.field_split)
    const value_split = readAsciiClass(options.value_split)
    const isLenient = options.whitespace === 'lenient'
    if (field_split !== undefined && value_split !== undefined && !meetAsOperator(options)) {
      return compileScan({ field_split, value_split, include_brackets, isLenient })
    }
  }
  return byRegex(options, context)
}

function refuseEmpty(options: FinderOptions): void {
  for (const name of ['value_split', 'field_split', 'field_split_pattern', 'value_split_pattern'] as const) {
    if (options[name] !== '') continue
    throw new MillraceError('OPTION_INVALID', `Configuration option '${name}' must be a non-empty string`)
  }
}

/** Keys end at both classes written one after the other, where `&&` would be an intersection. */
function meetAsOperator({ value_split, field_split }: FinderOptions): boolean {
  return value_split.endsWith('&') && field_split.startsWith('&')
}

/** Matches of the expression that Logstash builds: a key, what splits, a quoted or bare value, an end. */
function byRegex(options: FinderOptions, context: FilterContext): ScanPairs {
  const { field_split_pattern, value_split_pattern, include_brackets } = options
  // What is wrong in one of them is told in its own words, not in those of the expression made of both.
  for (const pattern of [field_split_pattern, value_split_pattern]) if (pattern !== undefined) compileRegex(pattern)
  const field = `(?:${field_split_pattern ?? `[${options.field_split}]`})`
  const bare_value = `(?:${value_split_pattern ?? `[${options.value_split}]`})`
  const value = options.whitespace === 'lenient' ? `(?: *${bare_value} *)` : bare_value
  const key =
    field_split_pattern === undefined && value_split_pattern === undefined
      ? runUntilClass(options.value_split + options.field_split)
      : runUntilPattern(`${value}|${field}`)
  const brackets = include_brackets ? [quoted('\\(', '\\)'), quoted('\\[', '\\]'), quoted('<', '>')] : []
  const bare = field_split_pattern === undefined ? runUntilClass(options.field_split) : runUntilPattern(field)
  const values = [quoted('"', '"'), quoted("'", "'"), ...brackets, bare].join('|')
  const limits = regexLimits(context, options.timeout_millis)
  const regex = guardedRegex(`${key}${value}(?:${values})?(?:${field}|$)`, 'g', limits)
  return (text, take) => {
    const pairs: (readonly [key: string, value: string])[] = []
    // One call for all matches is one run under the limit.
    regex.replace(text, (_all, found, ...rest) => {
      const end = rest.findIndex((group) => typeof group === 'number')
      const first = rest.slice(0, end).find((group) => group !== undefined)
      pairs.push([String(found), typeof first === 'string' ? first : ''])
      return ''
    })
    for (const [found, first] of pairs) take(found, first)
  }
}

/** A backslash and any character, or one that is not in the class. */
function runUntilClass(characters: string): string {
  return `((?:\\\\.|[^${characters}])+)`
}

function runUntilPattern(pattern: string): string {
  return `((?:\\\\.|(?!${pattern}).)+)`
}

function quoted(open: string, close: string): string {
  return `${open}${runUntilClass(close)}?${close}`
}
