import type { Position, Problem } from '../core/errors.ts'
import { findSecret } from '../core/secret.ts'

/** A config file's text, which can tell the place of an offset. */
export class SourceText {
  readonly file: string
  readonly text: string
  readonly #lineStarts: number[] = [0]

  constructor(file: string, text: string) {
    this.file = file
    this.text = text
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lineStarts.push(at + 1)
  }

  position(offset: number): Position {
    let low = 0
    let high = this.#lineStarts.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { file: this.file, line: low + 1, column: offset - (this.#lineStarts[low] ?? 0) + 1 }
  }

  /** A line, counted from 1, without its break. */
  line(line: number): string {
    const start = this.#lineStarts[line - 1]
    if (start === undefined) return ''
    return this.text.slice(start, (this.#lineStarts[line] ?? this.text.length + 1) - 1).replace(/\r$/, '')
  }
}

/** The problems with the lines of the texts in which they are, except such lines that look like passwords. */
export function withSourceLines(problems: readonly Problem[], sources: readonly SourceText[]): Problem[] {
  return problems.map((problem) => {
    const { file, line } = problem.at
    const text = sources.find((source) => source.file === file)?.line(line)
    return text === undefined || text.trim() === '' || findSecret(text) >= 0 ? problem : { ...problem, source_line: text }
  })
}
