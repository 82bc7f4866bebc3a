import { MillraceError } from '../../core/errors.ts'

/** One row of CSV: text, or null for a column with nothing in it, which is not the same as `""`. */
export type CsvRow = readonly (string | null)[]

/**
 * Compiles a reader of the first row of a text, as strict as Ruby's: a quote only around a whole column, doubled inside.
 * Rows end at what the first line of the text ends with (`\n`, `\r\n` or `\r`). An empty line is a row without columns,
 * an empty text is `undefined`.
 * @throws (the returned function) MillraceError VALUE_NOT_CONVERTIBLE for what is not CSV
 */
export function compileCsvReader(separator: string, quote: string): (text: string) => CsvRow | undefined {
  return (text) => {
    if (text === '') return undefined
    const [end_of_row = '\n'] = /\r\n?|\n/.exec(text) ?? []
    if (text.startsWith(end_of_row)) return []
    const row: (string | null)[] = []
    let line_end = -1
    for (let at = 0; ; at += separator.length) {
      // Looked for once for all columns before it.
      if (line_end < at) line_end = indexOfOrEnd(text, end_of_row, at)
      const column = text.startsWith(quote, at) ? readQuoted(text, at, quote) : readBare(text, at, separator, quote, line_end)
      row.push(column.value)
      at = column.end
      if (at >= text.length || text.startsWith(end_of_row, at)) return row
      if (!text.startsWith(separator, at)) throw malformed("Any value after quoted field isn't allowed")
    }
  }
}

interface Column {
  readonly value: string | null
  /** Where what follows begins. */
  readonly end: number
}

function readQuoted(text: string, start: number, quote: string): Column {
  let value = ''
  for (let at = start + quote.length; ; ) {
    const end = text.indexOf(quote, at)
    if (end < 0) throw malformed('Unclosed quoted field')
    value += text.slice(at, end)
    at = end + quote.length
    if (!text.startsWith(quote, at)) return { value, end: at }
    value += quote
    at += quote.length
  }
}

function readBare(text: string, start: number, separator: string, quote: string, line_end: number): Column {
  const end = Math.min(indexOfOrEnd(text, separator, start), line_end)
  const value = text.slice(start, end)
  if (value.includes(quote)) throw malformed('Illegal quoting')
  if (/[\r\n]/.test(value)) throw malformed('Unquoted fields do not allow new line')
  return { value: value === '' ? null : value, end }
}

function indexOfOrEnd(text: string, wanted: string, start: number): number {
  const at = text.indexOf(wanted, start)
  return at < 0 ? text.length : at
}

function malformed(why: string): MillraceError {
  return new MillraceError('VALUE_NOT_CONVERTIBLE', `MalformedCSVError: ${why}`)
}
