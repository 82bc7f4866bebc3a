import { printable } from '../telemetry/terminal.ts'

export type Cell = string | number

/** Rows below each other in columns: names to the left, numbers and their heads to the right. The first row has the heads. */
export function align(rows: readonly (readonly Cell[])[]): string {
  const columns = rows[0]?.length ?? 0
  const isNumeric = (column: number): boolean =>
    typeof rows[1]?.[column] === 'number' || typeof rows.at(-1)?.[column] === 'number'
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => printable(String(row[column])).length)),
  )
  const lines = rows.map((row) =>
    row
      .map((cell, column) => {
        const text = printable(String(cell))
        return isNumeric(column) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0)
      })
      .join('  ')
      .trimEnd(),
  )
  return lines.join('\n')
}
