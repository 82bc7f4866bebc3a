import { printCondition } from '../../config/print-condition.ts'
import type { DryRun } from '../dry-run/dry-run.ts'
import { align } from '../table.ts'
import type { Measured } from './measured-chain.ts'

/** What was measured while all lines went through once. */
export interface Round {
  readonly steps: readonly Readonly<Measured>[]
  readonly decode_ns: number
  readonly print_ns: number
  /** What came out of the filters. */
  readonly documents: number
}

/** One line of the report. Times are medians over the rounds. */
interface Row {
  readonly what: string
  readonly where: string
  readonly depth: number
  /** That reached it in one round. */
  readonly events: number
  /** For each event that reached it. */
  readonly ns: number
  /** Of the whole time, 0 to 1. */
  readonly share: number
  readonly failed: number
}

export interface BenchReport {
  readonly lines: number
  readonly rounds: number
  /** Lines a second on one core, from the line to the document. */
  readonly events_per_s: { readonly median: number; readonly least: number; readonly most: number }
  readonly rows: readonly Row[]
}

/** @param rounds at least one, all of the same lines and steps */
export function reportOf(rounds: readonly Round[], lines: number, run: Pick<DryRun, 'nodes'>): BenchReport {
  const totals = rounds.map(totalOf).toSorted((a, b) => a - b)
  const total = middle(totals)
  const row = (what: string, where: string, depth: number, events: number, times: readonly number[], failed = 0): Row => {
    const ns = middle(times.toSorted((a, b) => a - b))
    return { what, where, depth, events, ns: events === 0 ? 0 : ns / events, share: ns / total, failed }
  }
  const [first] = rounds
  const steps = (first?.steps ?? []).map(({ where, depth, events, failed }, index) =>
    row(
      nameOf(run, where),
      where,
      depth,
      events,
      rounds.map(({ steps: all }) => all[index]?.nanoseconds ?? 0),
      failed,
    ),
  )
  return {
    lines,
    rounds: rounds.length,
    events_per_s: {
      median: rate(lines, total),
      least: rate(lines, totals.at(-1) ?? 0),
      most: rate(lines, totals[0] ?? 0),
    },
    rows: [
      row(
        'lines into events',
        '',
        0,
        lines,
        rounds.map(({ decode_ns }) => decode_ns),
      ),
      ...steps,
      row(
        'events into documents',
        '',
        0,
        first?.documents ?? 0,
        rounds.map(({ print_ns }) => print_ns),
      ),
    ],
  }
}

function totalOf({ decode_ns, print_ns, steps }: Round): number {
  return steps.reduce((sum, { nanoseconds }) => sum + nanoseconds, decode_ns + print_ns)
}

function middle(sorted: readonly number[]): number {
  return sorted[sorted.length >> 1] ?? 0
}

function rate(lines: number, nanoseconds: number): number {
  return Math.round((lines * 1e9) / nanoseconds)
}

function nameOf(run: Pick<DryRun, 'nodes'>, where: string): string {
  const node = run.nodes.get(where)
  return node?.kind === 'if' ? `if ${printCondition(node.condition)}` : (node?.name ?? '')
}

const WHAT_CHARS_MAX = 60

/**
 *                         events  ns/event  share %
 *     lines into events    20000      1204      4.9
 *     if [level]           20000       210      0.8  pipeline.json:32:5
 */
export function printReport({ lines, rounds, events_per_s, rows }: BenchReport): string {
  const cells = rows.map(({ what, where, depth, events, ns, share, failed }) => [
    shortened('  '.repeat(depth) + what),
    events,
    Math.round(ns),
    Number((share * 100).toFixed(1)),
    failed === 0 ? where : `${where}  FAILED: ${failed}`,
  ])
  const { median, least, most } = events_per_s
  const speed = `${median.toLocaleString('en')} lines/s on one core (${least.toLocaleString('en')} to ${most.toLocaleString('en')})`
  const table = align([['', 'events', 'ns/event', 'share %', ''], ...cells])
  return `${table}\n\n${speed}, ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${lines.toLocaleString('en')} lines\n`
}

function shortened(text: string): string {
  return text.length <= WHAT_CHARS_MAX ? text : `${text.slice(0, WHAT_CHARS_MAX - 1)}…`
}
