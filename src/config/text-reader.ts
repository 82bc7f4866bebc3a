import { findSecret } from '../core/secret.ts'

/** From the first character to behind the last one, in UTF-16 units of the whole text. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** `# …` up to the end of its line, without the line break. */
export interface Comment extends Range {
  readonly text: string
}

const BLANKS = /[ \t\r\n]*/y
const COMMENT = /#[^\r\n]*/y

/** Walks over the text of a config. */
export class TextReader {
  readonly text: string
  at: number
  /** Those passed so far, in the order of the text, each once. */
  readonly comments: Comment[] = []

  constructor(text: string, at = 0) {
    this.text = text
    this.at = at
  }

  get char(): string | undefined {
    return this.text[this.at]
  }

  get isAtEnd(): boolean {
    return this.at >= this.text.length
  }

  take(symbol: string): boolean {
    if (!this.text.startsWith(symbol, this.at)) return false
    this.at += symbol.length
    return true
  }

  /** What a sticky pattern finds here, passed over. */
  match(pattern: RegExp): string | undefined {
    const found = this.peek(pattern)
    if (found !== undefined) this.at += found.length
    return found
  }

  /** What a sticky pattern finds here, not passed over. */
  peek(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at
    return pattern.exec(this.text)?.[0]
  }

  /** Passes over blanks and comments. */
  skip(): void {
    for (;;) {
      this.match(BLANKS)
      const start = this.at
      const text = this.match(COMMENT)
      if (text === undefined) return
      if (start > (this.comments.at(-1)?.start ?? -1)) this.comments.push({ start, end: this.at, text })
    }
  }

  /** Passes over a closing delimiter's text: up to the next `delimiter` that no backslash stands right before; `undefined` for none. */
  until(delimiter: string): string | undefined {
    const start = this.at
    for (let end = this.text.indexOf(delimiter, start); end >= 0; end = this.text.indexOf(delimiter, end + 1)) {
      // Logstash looks one character back and no further: a doubled backslash keeps the text open too.
      if (end > start && this.text[end - 1] === '\\') continue
      this.at = end + delimiter.length
      return this.text.slice(start, end)
    }
    return undefined
  }

  /** What stands here, for messages. */
  get found(): string {
    const rest = this.text.slice(this.at, this.at + 20)
    const word = rest.split(/\s/, 1)[0] || rest.charAt(0)
    if (word === '') return 'the end'
    return this.#isInSecret ? 'something else' : JSON.stringify(word)
  }

  /** A text that stands here, for hints. */
  quote(text: string): string {
    return `"${this.#isInSecret ? '…' : text}"`
  }

  /** Whether a password without quotes begins or goes on here, by the name before it. */
  get #isInSecret(): boolean {
    const line = this.text.slice(this.text.lastIndexOf('\n', this.at - 1) + 1, this.at)
    return /(?:=>\s*|[^\s"'{}[\]])$/.test(line) && findSecret(line) >= 0
  }
}
