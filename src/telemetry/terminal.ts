import { clearLine, cursorTo } from 'node:readline'

/** What of a stream the terminal uses: `process.stderr` has it all. */
export interface TerminalStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Of a terminal that does not tell. */
const COLUMNS = 80

/**
 * The one writer of text to stderr: lines scroll up, and on a TTY one status line stays below them.
 * Whoever writes a line goes through here, so that no line tears the status.
 */
export class Terminal {
  readonly is_tty: boolean
  readonly has_colours: boolean
  readonly #stream: TerminalStream
  #status = ''

  constructor(stream: TerminalStream = process.stderr, environment: NodeJS.ProcessEnv = process.env) {
    this.#stream = stream
    this.is_tty = stream.isTTY === true
    // https://no-color.org
    this.has_colours = this.is_tty && (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb'
    // Who read our stderr may be gone: without a listener that error would end the process.
    stream.on('error', () => {})
  }

  writeLine(text: string): void {
    this.#clear()
    this.#stream.write(`${text}\n`)
    if (this.#status !== '') this.#stream.write(this.#status)
  }

  /** Shows the status line or replaces it; only where there is a TTY. Empty text takes it away. */
  setStatus(text: string): void {
    if (!this.is_tty) return
    this.#clear()
    // A line that wraps could not be taken back; one that is cut says so, for half a number is a wrong number.
    const width = (this.#stream.columns ?? COLUMNS) - 1
    this.#status = text.length > width ? `${text.slice(0, width - 1)}…` : text
    if (this.#status !== '') this.#stream.write(this.#status)
  }

  #clear(): void {
    if (this.#status === '') return
    cursorTo(this.#stream, 0)
    clearLine(this.#stream, 0)
  }
}

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

/** Text without characters that drive a terminal: messages quote hosts, topics and answers from outside. */
export function printable(text: string): string {
  return text.replace(CONTROL, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
