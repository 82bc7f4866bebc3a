import type { Terminal } from '../telemetry/terminal.ts'
import type { StatusMonitor, View } from './monitor.ts'

/** Without a TTY a line is printed this often, and only when something changed. */
const LINE_EVERY_MS = 10_000

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** `received 12,345  stored 12,300  errors 3  620/s`, and what else an operator must know at once. */
export function formatStatus(view: View): string {
  const { received, states, unbalanced } = view.totals
  const parts = [
    `received ${GROUPED.format(received)}`,
    `stored ${GROUPED.format(states.stored + states.already_there)}`,
    `errors ${GROUPED.format(view.errors_total)}`,
    `${GROUPED.format(view.received_per_s)}/s`,
  ]
  if (states.dead_lettered > 0) parts.push(`dead letters ${GROUPED.format(states.dead_lettered)}`)
  if (unbalanced !== 0) parts.push(`UNBALANCED ${GROUPED.format(unbalanced)}`)
  return parts.join('  ')
}

/** What is said once at the start: where files lie, where it listens, where the live page is. */
export function formatGreeting(view: View, page_url: string | undefined): string[] {
  const rows: (readonly [string, string])[] = [
    ...view.listening.map(({ component, address }) => ['listening', `${address} (${component})`] as const),
    ...view.places.map(({ what, where }) => [what, where] as const),
  ]
  if (page_url !== undefined) rows.push(['live page', page_url])
  const width = Math.max(0, ...rows.map(([what]) => what.length))
  return rows.map(([what, where]) => `${what.padEnd(width)}  ${where}`)
}

export interface StatusLineOptions {
  readonly monitor: StatusMonitor
  readonly terminal: Terminal
  /** `undefined` where the live page is off. */
  readonly page_url: string | undefined
}

/** One calm line that tells how it goes: rewritten in place on a terminal, now and then a line elsewhere. */
export class StatusLine {
  readonly #monitor: StatusMonitor
  readonly #terminal: Terminal
  readonly #unsubscribe: () => void
  #printed = ''
  #printed_at_ms = -Infinity

  constructor({ monitor, terminal, page_url }: StatusLineOptions) {
    this.#monitor = monitor
    this.#terminal = terminal
    for (const line of formatGreeting(monitor.view, page_url)) terminal.writeLine(line)
    this.#unsubscribe = monitor.subscribe((view) => this.#show(view))
  }

  /** Leaves the last state of things as a line. */
  close(): void {
    this.#unsubscribe()
    this.#terminal.setStatus('')
    this.#monitor.sample()
    this.#terminal.writeLine(formatStatus(this.#monitor.view))
  }

  #show(view: View): void {
    const text = formatStatus(view)
    if (this.#terminal.is_tty) {
      this.#terminal.setStatus(text)
      return
    }
    const now_ms = performance.now()
    if (text === this.#printed || now_ms - this.#printed_at_ms < LINE_EVERY_MS) return
    this.#terminal.writeLine(text)
    this.#printed = text
    this.#printed_at_ms = now_ms
  }
}
