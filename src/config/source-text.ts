import type { Position } from '../core/errors.ts'

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
}
