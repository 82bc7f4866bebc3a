import { MillraceError } from '../errors.ts'

/** A piece of a Joda pattern: a run of one letter, or text that stands for itself. */
export type JodaToken =
  | { readonly kind: 'letter'; readonly letter: string; readonly count: number }
  | { readonly kind: 'literal'; readonly text: string }

const LETTERS = 'GCYyxweEMdDaKhHkmsSzZ'
const NUMERIC_LETTERS = 'CxyYdhHmsSeDwkK'

/**
 * Cuts a pattern such as `yyyy-MM-dd'T'HH:mm` into tokens. Letters that Joda does not know are refused; what is
 * not a letter stands for itself, so does what is in quotes (`''` is one quote).
 * Source: https://www.joda.org/joda-time/apidocs/org/joda/time/format/DateTimeFormat.html
 * @throws MillraceError TEMPLATE_INVALID
 */
export function tokenizeJoda(pattern: string): readonly JodaToken[] {
  if (pattern.length === 0)
    throw new MillraceError('TEMPLATE_INVALID', 'expected a date pattern such as yyyy.MM.dd, got an empty text')
  const tokens: JodaToken[] = []
  let at = 0
  while (at < pattern.length) {
    const letter = pattern[at] ?? ''
    if (isLetter(letter)) {
      let end = at + 1
      while (pattern[end] === letter) end++
      if (!LETTERS.includes(letter)) throw unknownLetter(letter, pattern)
      tokens.push({ kind: 'letter', letter, count: end - at })
      at = end
    } else {
      const { text, end } = readLiteral(pattern, at)
      if (text.length > 0) tokens.push({ kind: 'literal', text })
      at = end
    }
  }
  return tokens
}

/** Whether digits are read for the token: then the one before it may not take more than its own. */
export function isNumericToken(token: JodaToken | undefined): boolean {
  if (token?.kind !== 'letter') return false
  return token.letter === 'M' ? token.count <= 2 : NUMERIC_LETTERS.includes(token.letter)
}

function readLiteral(pattern: string, start: number): { text: string; end: number } {
  let text = ''
  let quoted = false
  let at = start
  for (; at < pattern.length; at++) {
    const char = pattern[at] ?? ''
    if (char === "'") {
      if (pattern[at + 1] === "'") {
        text += char
        at++
      } else {
        quoted = !quoted
      }
    } else if (!quoted && isLetter(char)) {
      break
    } else {
      text += char
    }
  }
  return { text, end: at }
}

function isLetter(char: string): boolean {
  return /^[A-Za-z]$/.test(char)
}

function unknownLetter(letter: string, pattern: string): MillraceError {
  return new MillraceError(
    'TEMPLATE_INVALID',
    `unknown letter ${letter} in the date pattern "${pattern}": expected Joda's letters (yyyy MM dd HH mm ss SSS Z …), other text in single quotes`,
  )
}
