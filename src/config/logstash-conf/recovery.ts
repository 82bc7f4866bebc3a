/** Where reading can go on behind a fault. All of them look forward only, and pass over texts in quotes and comments. */

const OPTION = /(?:[A-Za-z0-9_-]+|"[^"\r\n]*"|'[^'\r\n]*')[ \t]*=>/y
const STATEMENT = /(?:if|else)\b|[A-Za-z0-9_-]+[ \t]*\{/y
const SECTION = /(?:input|filter|output)[ \t\r\n]*\{/y
const NEXT_SECTION = /(?<![A-Za-z0-9_-])(?:input|filter|output)[ \t\r\n]*\{/g
const QUOTED = /"(?:\\"|[^"\r\n])*"|'(?:\\'|[^'\r\n])*'/y
const COMMENT = /#[^\r\n]*/y
const REGEX = /\/(?:\\\/|[^/\r\n])*\//y

function lengthOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0].length ?? 0
}

function isLineStart(text: string, at: number): boolean {
  return at === 0 || text[at - 1] === '\n'
}

/** What is passed over in one go: a text in quotes that ends on its line, a comment, else one character. */
function step(text: string, at: number): number {
  const char = text[at]
  if (char === '"' || char === "'") return lengthOf(QUOTED, text, at) || 1
  return char === '#' ? lengthOf(COMMENT, text, at) : 1
}

/** The next option of a plugin or the brace that closes it. `open`: the brackets that are open at `from`. */
export function nextOption(text: string, from: number, open: readonly string[]): number {
  const brackets = [...open]
  let at = from
  while (at < text.length) {
    const char = text[at] as string
    const isStart = /\s/.test(text[at - 1] ?? '\n')
    // Inside a list no option can stand: its bracket is missing.
    if (isStart && brackets.at(-1) !== '{' && lengthOf(OPTION, text, at) > 0) return at
    if (isLineStart(text, at) && lengthOf(SECTION, text, at) > 0) return at
    if (char === '[' || char === '{') brackets.push(char)
    if (char === ']' && brackets.at(-1) === '[') brackets.pop()
    if (char === '}') {
      while (brackets.at(-1) === '[') brackets.pop()
      if (brackets.pop() === undefined) return at
    }
    at += step(text, at)
  }
  return at
}

/** The next plugin or condition of a section, or the brace that closes what is open. */
export function nextStatement(text: string, from: number): number {
  let depth = 0
  let at = from
  while (at < text.length) {
    const char = text[at]
    if (depth === 0) {
      if (char === '}') return at
      const isFirst = /(?:^|\n)[ \t]*$/.test(text.slice(Math.max(0, at - 200), at))
      if (at > from && isFirst && lengthOf(STATEMENT, text, at) > 0) return at
    }
    if (char === '{') depth++
    if (char === '}') depth--
    at += step(text, at)
    // A block that was passed over as a whole belongs to what was not understood.
    if (char === '}' && depth === 0) return at
  }
  return at
}

/** The brace that opens what hangs on a condition; `undefined` if another one closes before. */
export function nextBlock(text: string, from: number): number | undefined {
  let at = from
  while (at < text.length) {
    const char = text[at]
    if (char === '{') return at
    if (char === '}') return undefined
    at += char === '/' ? lengthOf(REGEX, text, at) || 1 : step(text, at)
  }
  return undefined
}

export function nextSection(text: string, from: number): number {
  NEXT_SECTION.lastIndex = from
  return NEXT_SECTION.exec(text)?.index ?? text.length
}
