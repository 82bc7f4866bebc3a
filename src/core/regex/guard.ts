import { Script } from 'node:vm'
import type { Context, Counter } from '../context.ts'
import { MillraceError } from '../errors.ts'
import type { RegexCost } from './cost.ts'
import { compileRegex, costOfRubyRegex, type RegexFlags } from './regex.ts'

/**
 * How long one match may take. While it runs nothing else does: no sender gets its keep-alive, so the limit is far below
 * Logstash's 30 s (docs/decisions/004-time-of-regexes.md).
 */
export const REGEX_TIMEOUT_MS = 1_000

/** The limit that the matches of one component have. */
export interface RegexLimits {
  /** 0: none. */
  readonly timeout_ms: number
  /** Counts the matches that were broken off. */
  readonly interrupted?: Counter
}

/** The limits of a component's matches, with the counter that tells which component has such patterns. */
export function regexLimits(context: Pick<Context, 'id' | 'metrics'>, timeout_ms = REGEX_TIMEOUT_MS): RegexLimits {
  const interrupted = context.metrics.counter(
    'millrace_regex_interrupted_total',
    'Matches of regular expressions that were broken off because they took too long.',
    { component: context.id },
  )
  return { timeout_ms, interrupted }
}

/** A regular expression whose matches end. Every method throws MillraceError REGEX_TIMEOUT where one was broken off. */
export interface GuardedRegex {
  /** The object underneath, for what needs no limit. */
  readonly regex: RegExp
  exec(text: string): RegExpExecArray | null
  test(text: string): boolean
  /** As `String.replace`. */
  replace(text: string, replacement: string | ((...found: unknown[]) => string)): string
  /** As `String.split`. */
  split(text: string): string[]
}

/**
 * Compiles a regular expression in Ruby's syntax (see `compileRegex`) so that no text can stop the program with it. What the pattern
 * itself shows to be quick for a text of that length runs as it is; the rest runs under the limit, which costs 0.1 to 0.3 ms.
 * @throws MillraceError REGEX_INVALID
 */
export function guardedRegex(source: string, flags: RegexFlags, limits: RegexLimits): GuardedRegex {
  const regex = compileRegex(source, flags)
  let bare_chars_max: number | undefined
  const guarded = <T>(text: string, match: () => T): T => {
    bare_chars_max ??= bareCharsMax(source, flags)
    regex.lastIndex = 0
    const isBare = text.length <= bare_chars_max || limits.timeout_ms === 0
    try {
      return isBare ? withoutOverflow(match) : runGuarded(limits.timeout_ms, match)
    } catch (thrown) {
      regex.lastIndex = 0
      if (isInterrupted(thrown)) limits.interrupted?.inc()
      throw thrown
    }
  }
  return {
    regex,
    exec: (text) => guarded(text, () => regex.exec(text)),
    test: (text) => guarded(text, () => regex.test(text)),
    // TypeScript's overloads do not take the union.
    replace: (text, replacement) => guarded(text, () => text.replace(regex, replacement as string)),
    split: (text) => guarded(text, () => text.split(regex)),
  }
}

export function isInterrupted(thrown: unknown): thrown is MillraceError {
  return thrown instanceof MillraceError && thrown.code === 'REGEX_TIMEOUT'
}

/** A search of so many steps takes 50 ms at most, and that only with a text made for it. */
const BARE_STEPS_MAX = 5_000_000
const TEXT_CHARS_MAX = 2 ** 30

/** Patterns also come from event data. */
const KNOWN_MAX = 1_000
const known = new Map<string, number>()

/** The longest text on which a pattern is quick. */
function bareCharsMax(source: string, flags: RegexFlags): number {
  const key = `${flags}/${source}`
  const before = known.get(key)
  if (before !== undefined) return before
  const found = quickCharsMax(costOfRubyRegex(source, flags))
  if (known.size >= KNOWN_MAX) known.clear()
  known.set(key, found)
  return found
}

function quickCharsMax(cost: RegexCost): number {
  if (cost.kind !== 'polynomial') return 0
  let [fits, fails] = [0, TEXT_CHARS_MAX]
  while (fits + 1 < fails) {
    const middle = Math.floor((fits + fails) / 2)
    if (stepsOf(cost, middle) <= BARE_STEPS_MAX) fits = middle
    else fails = middle
  }
  return fits
}

function stepsOf({ degree, factor }: { readonly degree: number; readonly factor: number }, chars: number): number {
  let steps = factor
  for (let place = 1; place <= degree; place++) steps *= (chars + place) / place
  return steps
}

const SLOT = Symbol.for('millrace.guarded-work')
const holder = globalThis as { [SLOT]?: () => void }
const script = new Script(`globalThis[Symbol.for('millrace.guarded-work')]()`)
let isRunning = false

/**
 * Runs what may take too long and breaks it off, wherever it is, after `timeout_ms`. It can be broken off between any two steps, so
 * it must do nothing but match and note what it found. Inside another guarded run the outer limit holds.
 * @throws MillraceError REGEX_TIMEOUT, also where a match needs more memory than the engine has for one
 */
export function runGuarded<T>(timeout_ms: number, work: () => T): T {
  if (isRunning || timeout_ms <= 0) return withoutOverflow(work)
  let result: { readonly value: T } | undefined
  holder[SLOT] = () => {
    result = { value: work() }
  }
  isRunning = true
  try {
    withoutOverflow(() => script.runInThisContext({ timeout: timeout_ms }) as unknown)
  } catch (thrown) {
    if (!isTimeout(thrown)) throw thrown
  } finally {
    isRunning = false
    delete holder[SLOT]
  }
  if (result === undefined) throw brokenOff(`took longer than ${timeout_ms} ms`)
  return result.value
}

function isTimeout(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
}

/** V8 says "Maximum call stack size exceeded" when a match fills its 64 MB of places to come back to. */
function withoutOverflow<T>(work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    if (thrown instanceof RangeError) throw brokenOff('needed too much memory')
    throw thrown
  }
}

function brokenOff(why: string): MillraceError {
  return new MillraceError('REGEX_TIMEOUT', `a regular expression ${why} on one text and was broken off`)
}
