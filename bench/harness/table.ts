import { Terminal } from '../../src/telemetry/terminal.ts'
import type { Spread } from './compare.ts'

/** A claim of ours about one figure: its median is held against it. */
interface Claim {
  readonly at_most?: number
  readonly at_least?: number
}

export interface Row {
  readonly what: string
  readonly unit: string
  /** Over the rounds. */
  readonly figures: Spread
  readonly digits?: number
  readonly claim?: Claim
}

const HEAD = ['', 'median', 'least', 'most', '', 'claim']
const terminal = new Terminal()

/** Shows what is being measured; gone when the next line is printed. Only on a terminal. */
export function showProgress(text: string): void {
  terminal.setStatus(text)
}

/** Prints rows below a title, with the median and the spread of their figures, and whether the claims hold. */
export function printTable(title: string, rows: readonly Row[]): void {
  showProgress('')
  const cells = [HEAD, ...rows.map(cellsOf)]
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const lines = cells.map((row) =>
    row
      .map((cell, column) => (column === 0 || column > 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
  process.stdout.write(`\n${title}\n\n${lines.map((line) => `  ${line}\n`).join('')}`)
}

function cellsOf({ what, unit, figures, digits = 0, claim }: Row): string[] {
  const { median, least, most } = figures
  const text = (figure: number): string =>
    figure.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return [what, text(median), text(least), text(most), unit, claim === undefined ? '' : judged(median, claim, text)]
}

function judged(median: number, { at_most, at_least }: Claim, text: (figure: number) => string): string {
  const isHeld = median <= (at_most ?? Infinity) && median >= (at_least ?? -Infinity)
  const limit = at_most === undefined ? `at least ${text(at_least ?? 0)}` : `at most ${text(at_most)}`
  return `${limit}: ${isHeld ? 'holds' : 'DOES NOT HOLD'}`
}
