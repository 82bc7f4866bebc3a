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

/** Whether a claim holds; told to the process that runs all benches. */
export interface Verdict {
  readonly what: string
  /** `at least 5.00, got 3.12` */
  readonly claim: string
  readonly holds: boolean
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
  for (const row of rows) {
    const verdict = judged(row)
    if (verdict !== undefined) process.send?.({ ...verdict, what: `${title}: ${verdict.what}` })
  }
  process.stdout.write(`\n${title}\n\n${lines.map((line) => `  ${line}\n`).join('')}`)
}

function cellsOf(row: Row): string[] {
  const { what, unit, figures } = row
  const verdict = judged(row)
  const claim = verdict === undefined ? '' : `${limitOf(row)}: ${verdict.holds ? 'holds' : 'MISSED'}`
  return [what, textOf(figures.median, row), textOf(figures.least, row), textOf(figures.most, row), unit, claim]
}

/** Undefined where nothing is claimed. */
function judged(row: Row): Verdict | undefined {
  const { what, claim, figures } = row
  if (claim === undefined) return undefined
  const { at_most = Infinity, at_least = -Infinity } = claim
  const holds = figures.median <= at_most && figures.median >= at_least
  return { what: what.trim(), claim: `${limitOf(row)}, got ${textOf(figures.median, row)}`, holds }
}

function limitOf(row: Row): string {
  const { at_most, at_least } = row.claim ?? {}
  return at_most === undefined ? `at least ${textOf(at_least ?? 0, row)}` : `at most ${textOf(at_most, row)}`
}

function textOf(figure: number, { digits = 0 }: Row): string {
  return figure.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}
