import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { OnigurumaAst } from 'oniguruma-parser/parser'
import { MillraceError, messageOf } from '../errors.ts'
import { costOfRegex, type RegexCost, whyExponential } from './cost.ts'
import { requiredText } from './literal.ts'
import { nameForgetfulLoops } from './loops.ts'

type Generator = typeof import('oniguruma-parser/generator')
type Parser = typeof import('oniguruma-parser/parser')
type Translator = Pick<typeof import('oniguruma-to-es'), 'toRegExp' | 'toRegExpDetails'>

const load = createRequire(import.meta.url)

/** Patterns also come from event data (`%{field}` in gsub), so the memory for them is bounded. */
const COMPILED_MAX = 1_000
const compiled = new Map<string, RegExp>()
/** Configs repeat their patterns; to read one takes some milliseconds. */
const required = new Map<string, string>()

/** Ruby's flags: `i` case, `m` the dot matches line ends too, `x` blanks and comments; and `g`: JavaScript's, all matches. */
export type RegexFlags = '' | 'g' | 'i' | 'm' | 'x' | 'im' | 'gi' | 'gm'

/**
 * Compiles a regular expression in Ruby's syntax (Onigmo): `^` and `$` are ends of lines, `\A \z \h (?<n>…) (?>…) a++
 * [[:alpha:]] (?i)`. As in Ruby, `\w \d \s` are ASCII while `\b`, `\p{…}` and `[[:alpha:]]` know all of Unicode, and
 * groups without a name do not count where there are groups with one.
 * Groups without a name have the numbers that they have in the source; named ones are to be asked for by name. The same
 * text gives the same object, so one with `g` must not be left in the middle of its matches.
 * @throws MillraceError REGEX_INVALID
 */
export function compileRegex(source: string, flags: RegexFlags = ''): RegExp {
  const key = `${flags}/${source}`
  const known = compiled.get(key)
  if (known !== undefined) return known
  const made = plainText(source, flags) ?? translate(source, flags)
  if (compiled.size >= COMPILED_MAX) compiled.clear()
  compiled.set(key, made)
  return made
}

/** The time that a search for a pattern in Ruby's syntax may take; says why one may take for ever. */
export function costOfRubyRegex(source: string, flags: RegexFlags = ''): RegexCost {
  if (PLAIN_TEXT.test(source)) return { kind: 'polynomial', degree: 1, factor: source.length + 1 }
  try {
    return costOfRegex(parseRuby(source, flags))
  } catch (thrown) {
    return { kind: 'unknown', reason: messageOf(thrown) }
  }
}

/** Why a search for a pattern in Ruby's syntax may take for ever; `undefined` where it will not, or nobody can tell. */
export function whyExponentialRegex(source: string, flags: RegexFlags = ''): string | undefined {
  return PLAIN_TEXT.test(source) ? undefined : whyExponential(parseRuby(source, flags))
}

/**
 * The longest text that everything holds that a pattern in Ruby's syntax matches; empty where none is known. Reads the whole
 * pattern without compiling it, which takes ten times as long.
 * @throws MillraceError REGEX_INVALID
 */
export function textRequiredBy(source: string, flags: RegexFlags = ''): string {
  const key = `${flags}/${source}`
  const known = required.get(key)
  if (known !== undefined) return known
  try {
    const text = requiredText(parseRuby(source, flags))
    if (required.size >= COMPILED_MAX) required.clear()
    required.set(key, text)
    return text
  } catch (thrown) {
    throw invalid(source, thrown)
  }
}

/**
 * Reads a pattern in Ruby's syntax without compiling it.
 * @throws MillraceError REGEX_INVALID
 */
export function assertRubyRegex(source: string, flags: RegexFlags = ''): void {
  textRequiredBy(source, flags)
}

let parser: Parser | undefined

/** The parser is a module without a CommonJS form, so it is asked for by its file. It is loaded when first needed (8 ms). */
function parseRuby(source: string, flags: RegexFlags): OnigurumaAst {
  parser ??= load(fileURLToPath(import.meta.resolve('oniguruma-parser/parser'))) as Parser
  return parser.parse(withAsciiShorthands(source), { flags: flags.replace('g', '') })
}

/** The pattern with its forgetful loops named, and one round of each, as texts; `undefined` where it has none. */
export function forgetfulLoopsOf(
  source: string,
  flags: RegexFlags,
): { readonly source: string; readonly rounds: readonly string[] } | undefined {
  const loops = nameForgetfulLoops(parseRuby(source, flags))
  if (loops === undefined) return undefined
  const { generate } = load(fileURLToPath(import.meta.resolve('oniguruma-parser/generator'))) as Generator
  return { source: generate(loops.pattern).pattern, rounds: loops.rounds.map((round) => generate(round).pattern) }
}

function invalid(source: string, thrown: unknown): MillraceError {
  return new MillraceError(
    'REGEX_INVALID',
    `expected a regular expression in Ruby's syntax, got /${source}/: ${messageOf(thrown)}`,
  )
}

const PLAIN_TEXT = /^(?:[\p{L}\p{N} _/,:;=@%&~"'<>!-]|\\[./"'[\](){}?*+|^$\\-])+$/u

/** Text without operators needs no translator (whose loading costs 16 ms). */
function plainText(source: string, flags: RegexFlags): RegExp | undefined {
  if ((flags !== '' && flags !== 'g') || !PLAIN_TEXT.test(source)) return undefined
  const text = source.replace(/\\(.)/g, '$1')
  return new RegExp(text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'), `v${flags}`)
}

function translate(source: string, flags: RegexFlags): RegExp {
  const { toRegExp, toRegExpDetails } = load('oniguruma-to-es') as Translator
  const options = {
    target: 'ES2025',
    flags: flags.replace('g', ''),
    global: flags.includes('g'),
  } as const
  try {
    const ascii = withAsciiShorthands(source)
    const details = toRegExpDetails(ascii, options)
    const { hiddenCaptures = [], ...needs } = details.options ?? {}
    const regex = new RegExp(details.pattern, details.flags)
    // Atomic groups are emulated with groups of their own. Where those are the only ones without a name nobody needs
    // their numbers, and the native object is three times as fast.
    const plain = Object.keys(needs).length === 0 && (hiddenCaptures.length === 0 || onlyNamesCount(regex, hiddenCaptures.length))
    return plain ? regex : toRegExp(ascii, options)
  } catch (thrown) {
    throw invalid(source, thrown)
  }
}

/** Whether the groups of the source have names or there are none. */
function onlyNamesCount(regex: RegExp, hidden: number): boolean {
  const found = new RegExp(`${regex.source}|`, regex.flags).exec('')
  return found === null || found.groups !== undefined || found.length - 1 === hidden
}

const ASCII_SHORTHANDS: { readonly [letter: string]: string } = {
  w: '0-9A-Za-z_',
  d: '0-9',
  s: '\\t\\n\\v\\f\\r\\x20',
  h: '0-9A-Fa-f',
}

/** `\w` of Ruby is ASCII, that of the translator is not: writes such shorthands out, also inside brackets. */
function withAsciiShorthands(source: string): string {
  return source.replace(/\\([\s\S])/g, (escape, letter: string) => {
    const members = ASCII_SHORTHANDS[letter.toLowerCase()]
    if (members === undefined) return escape
    return letter === letter.toLowerCase() ? `[${members}]` : `[^${members}]`
  })
}
