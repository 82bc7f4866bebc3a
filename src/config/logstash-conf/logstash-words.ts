import type { Problem } from '../../core/errors.ts'
import { findSecret } from '../../core/secret.ts'
import type { SourceText } from '../source-text.ts'
import type { Fault } from './fault.ts'
import { type Refusal, refusalOf } from './logstash-grammar.ts'

/** For more faults than this nobody looks up Logstash's words, and each costs a reading of the text. */
const QUOTED_FAULTS_MAX = 10
const QUOTED_TEXT_MAX = 200_000
const AFTER_MAX = 60

/**
 * Faults as problems: at the place where Logstash reports them and beginning with its words, which a search engine knows; then
 * the cause in ours. Logstash stops at the first fault; for the next one the text is read again with the first one thought away.
 */
export function describeFaults(source: SourceText, faults: readonly Fault[]): Problem[] {
  const problems: Problem[] = []
  let text: string | undefined = source.text
  for (const fault of faults.toSorted((a, b) => placeOf(a) - placeOf(b))) {
    const refusal: Refusal | undefined = text === undefined ? undefined : refusalOf(text)
    const isMeant: boolean = refusal !== undefined && refusal.offset >= placeOf(fault)
    problems.push(refusal !== undefined && isMeant ? quote(source, fault, refusal) : own(source, fault))
    const isWorthIt: boolean = isMeant && problems.length < QUOTED_FAULTS_MAX && source.text.length <= QUOTED_TEXT_MAX
    text = isWorthIt && text !== undefined ? withoutDamage(text, fault) : undefined
  }
  return problems
}

function placeOf({ offset, damage }: Fault): number {
  return Math.min(offset, damage?.start ?? offset)
}

function withoutDamage(text: string, { damage }: Fault): string | undefined {
  if (damage === undefined) return undefined
  const { start, end, filler = '' } = damage
  // Line breaks stay, so that Logstash's line and column are those of the text.
  const blanks = text.slice(start + filler.length, end).replaceAll(/[^\r\n]/g, ' ')
  return text.slice(0, start) + filler + blanks + text.slice(end)
}

function own(source: SourceText, { offset, message, hint }: Fault): Problem {
  return { code: 'CONFIG_SYNTAX', at: source.position(offset), message, ...(hint === undefined ? {} : { hint }) }
}

function quote(source: SourceText, { offset, message, hint }: Fault, refusal: Refusal): Problem {
  const at = source.position(refusal.offset)
  const here = source.position(offset)
  const place = refusal.offset === offset ? '' : ` at line ${here.line}, column ${here.column}`
  return {
    code: 'CONFIG_SYNTAX',
    at,
    message: wordsOf(source, refusal),
    hint: `${message}${place}${hint === undefined ? '' : `: ${hint}`}`,
  }
}

function wordsOf(source: SourceText, { offset, expected, since }: Refusal): string {
  const { line, column } = source.position(offset)
  const list = expected.length === 1 ? expected[0] : `one of ${expected.join(', ')}`
  const passed = source.text.slice(since, offset)
  const quoted = passed.slice(0, AFTER_MAX)
  // Up to what looks like a password.
  const shown = findSecret(quoted) < 0 ? quoted : quoted.slice(0, findSecret(quoted))
  const after = passed.length > shown.length ? `${shown}…` : passed
  const said = offset > 0 ? ` after ${after.replaceAll('\r', '\\r').replaceAll('\n', '\\n')}` : ''
  return `Expected ${list} at line ${line}, column ${column} (byte ${offset + 1})${said}`
}
