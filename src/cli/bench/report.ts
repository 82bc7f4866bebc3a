import { printCondition } from '../../config/print-condition.ts'
import type { DryRun } from '../dry-run/dry-run.ts'
import { align } from '../table.ts'
import type { Measured } from './measured-chain.ts'
import { type Parsed, sentencesOf } from './parsed.ts'

/** What was measured while all lines went through once. */
export interface Round {
  readonly steps: readonly Readonly<Measured>[]
  readonly decode_ns: number
  readonly print_ns: number
  /** What came out of the filters. */
  readonly documents: number
  /** What of the lines was parsed to make events of them. */
  readonly parsed: Parsed
  /** Events that were fields from the start, and no text. */
  readonly fields_only: number
  /** Documents that were printed of fields, for no text was left. */
  readonly printed_anew: number
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
  /** What takes events off the byte path here, in words. */
  readonly off_byte_path: readonly string[]
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
  const row = (counts: Omit<Row, 'ns' | 'share'>, times: readonly number[]): Row => {
    const ns = middle(times.toSorted((a, b) => a - b))
    return { ...counts, ns: counts.events === 0 ? 0 : ns / counts.events, share: ns / total }
  }
  const [first] = rounds
  const steps = (first?.steps ?? []).map(({ where, depth, events, failed, parsed }, index) =>
    row(
      { what: nameOf(run, where), where, depth, events, failed, off_byte_path: sentencesOf(parsed, events) },
      rounds.map(({ steps: all }) => all[index]?.nanoseconds ?? 0),
    ),
  )
  const end = (what: string, events: number, off_byte_path: readonly string[]): Omit<Row, 'ns' | 'share'> => {
    return { what, where: '', depth: 0, events, failed: 0, off_byte_path }
  }
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
        end('lines into events', lines, first === undefined ? [] : whyNoText(first, lines)),
        rounds.map(({ decode_ns }) => decode_ns),
      ),
      ...steps,
      row(
        end('events into documents', first?.documents ?? 0, first === undefined ? [] : whyPrinted(first)),
        rounds.map(({ print_ns }) => print_ns),
      ),
    ],
  }
}

function whyNoText({ parsed, fields_only }: Round, lines: number): string[] {
  if (fields_only === 0) return sentencesOf(parsed, lines)
  if (parsed.size === 0)
    return [`${fields_only} events were no text from the start: their codec finds fields, and no JSON object`]
  return [
    `${fields_only} events were parsed: text stays a line that is one plain object (no name twice or with an escape, 16 levels at most, ` +
      'with ECS no `event`), where the codec has no target',
  ]
}

function whyPrinted({ printed_anew, documents }: Round): string[] {
  if (printed_anew === 0) return []
  return [`${printed_anew} of ${documents} documents were printed from their fields, for they had no text that was left`]
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
  const measured = `${speed}, ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${lines.toLocaleString('en')} lines`
  return `${table}\n\n${measured}\n\n${printOffPath(rows)}\n`
}

/** What does not stay bytes, and why. */
function printOffPath(rows: readonly Row[]): string {
  const lines = rows.flatMap(({ what, where, off_byte_path }) =>
    off_byte_path.map((sentence) => `  ${where === '' ? '' : `${where} `}${shortened(what)}: ${sentence}`),
  )
  if (lines.length === 0)
    return 'All of it is on the byte path: no text was parsed, and each document was put together of the text that came.'
  return ['Not on the byte path:', ...lines].join('\n')
}

function shortened(text: string): string {
  return text.length <= WHAT_CHARS_MAX ? text : `${text.slice(0, WHAT_CHARS_MAX - 1)}…`
}
