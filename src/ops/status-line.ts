import type { Log, LogDetails } from '../core/context.ts'
import { printable, type Terminal } from '../telemetry/terminal.ts'
import type { StatusMonitor, View } from './monitor.ts'
import type { ComponentStatus } from './status.ts'

/** Without a TTY a status is logged this often, and only when something changed. */
const RECORD_EVERY_MS = 10_000

/** Reasons quote answers from outside; a status has room for the beginning. */
const STATE_LENGTH_MAX = 120

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/**
 * `received 12,345  stored 12,300  errors 3  620/s`, and what else an operator must know at once:
 * `…  dead letters 7  dropped 2  held 38 | output_elasticsearch_1: http://es:9200 cannot be reached`.
 */
export function formatStatus(view: View): string {
  const { received, states, unbalanced } = view.totals
  const parts = [
    `received ${GROUPED.format(received)}`,
    `stored ${GROUPED.format(states.stored + states.already_there)}`,
    `errors ${GROUPED.format(view.errors_total)}`,
    `${GROUPED.format(view.received_per_s)}/s`,
  ]
  if (states.dead_lettered > 0) parts.push(`dead letters ${GROUPED.format(states.dead_lettered)}`)
  if (states.dropped > 0) parts.push(`dropped ${GROUPED.format(states.dropped)}`)
  const unwell = unwellOf(view)
  // Events are on their way all the time; only where something stands still are they worth a word.
  if (unwell.length > 0) parts.push(`held ${GROUPED.format(heldBy(view))}`)
  if (unbalanced !== 0) parts.push(`UNBALANCED ${GROUPED.format(unbalanced)}`)
  return [parts.join('  '), ...unwell.map(formatUnwell)].join(' | ')
}

function unwellOf({ inputs, outputs }: View): ComponentStatus[] {
  return [...inputs, ...outputs].filter(({ is_well }) => !is_well)
}

function heldBy({ totals }: View): number {
  return Object.values(totals.holders).reduce((sum, held) => sum + held, 0)
}

function formatUnwell({ id, state }: ComponentStatus): string {
  // The status line is one line, and it is taken back as one.
  const line = printable(state.replaceAll(/\s+/g, ' '))
  return `${id}: ${line.length > STATE_LENGTH_MAX ? `${line.slice(0, STATE_LENGTH_MAX - 1)}…` : line}`
}

/** The numbers of a status for a log record: always the same names, so that they can be searched and drawn. */
function detailsOf(view: View): LogDetails {
  const { received, states, unbalanced } = view.totals
  return {
    received,
    stored: states.stored + states.already_there,
    errors: view.errors_total,
    dead_letters: states.dead_lettered,
    dropped: states.dropped,
    held: heldBy(view),
    unbalanced,
    received_per_s: Math.round(view.received_per_s),
  }
}

/** Differs when a count does or another component is unwell: a rate that fades or a wait that counts down is no news. */
function newsOf(view: View): string {
  const { received_per_s: _, ...counts } = detailsOf(view)
  return JSON.stringify([counts, unwellOf(view).map(({ id }) => id)])
}

type GreetingRow = readonly [what: string, where: string]

/** What is said once at the start: where it listens, where files lie, where the live page is. */
function greetingOf(view: View, page_url: string | undefined): GreetingRow[] {
  return [
    ...view.listening.map(({ component, address }): GreetingRow => ['listening', `${address} (${component})`]),
    ...view.places.map(({ what, where }): GreetingRow => [what, where]),
    ...(page_url === undefined ? [] : [['live page', page_url] as const]),
  ]
}

/** The greeting as lines of two columns. */
export function formatGreeting(view: View, page_url: string | undefined): string[] {
  const rows = greetingOf(view, page_url)
  const width = Math.max(0, ...rows.map(([what]) => what.length))
  return rows.map(([what, where]) => `${what.padEnd(width)}  ${where}`)
}

export interface StatusLineOptions {
  readonly monitor: StatusMonitor
  readonly terminal: Terminal
  /** Where there is no TTY all is said here: who collects our stderr reads one JSON record a line. */
  readonly log: Log
  /** `undefined` where the live page is off. */
  readonly page_url: string | undefined
}

/** One calm line that tells how it goes: rewritten in place on a terminal, now and then a log record elsewhere. */
export class StatusLine {
  readonly #monitor: StatusMonitor
  readonly #terminal: Terminal
  readonly #log: Log
  readonly #unsubscribe: () => void
  #logged = ''
  #logged_at_ms = -Infinity

  constructor({ monitor, terminal, log, page_url }: StatusLineOptions) {
    this.#monitor = monitor
    this.#terminal = terminal
    this.#log = log
    this.#greet(page_url)
    this.#unsubscribe = monitor.subscribe((view) => this.#show(view))
  }

  /** Leaves the last state of things. */
  close(): void {
    this.#unsubscribe()
    this.#terminal.setStatus('')
    this.#monitor.sample()
    const { view } = this.#monitor
    if (this.#terminal.is_tty) this.#terminal.writeLine(formatStatus(view))
    // A kind of its own: the log would fold it into the status before.
    else this.#log.info('stopped', `stopped: ${formatStatus(view)}`, detailsOf(view))
  }

  #greet(page_url: string | undefined): void {
    const { view } = this.#monitor
    if (this.#terminal.is_tty) {
      for (const line of formatGreeting(view, page_url)) this.#terminal.writeLine(line)
      return
    }
    // One record, for the log folds several of a kind.
    const rows = greetingOf(view, page_url)
    this.#log.info('started', ['started', rows.map((row) => row.join(' ')).join(', ')].filter(Boolean).join(': '), {
      listening: view.listening.map(({ address }) => address).join(', ') || undefined,
      live_page: page_url,
    })
  }

  #show(view: View): void {
    if (this.#terminal.is_tty) {
      this.#terminal.setStatus(formatStatus(view))
      return
    }
    const now_ms = performance.now()
    const news = newsOf(view)
    if (news === this.#logged || now_ms - this.#logged_at_ms < RECORD_EVERY_MS) return
    this.#log.info('status', formatStatus(view), detailsOf(view))
    this.#logged = news
    this.#logged_at_ms = now_ms
  }
}
