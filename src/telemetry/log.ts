import { styleText } from 'node:util'
import { type DestinationStream, destination, pino, stdTimeFunctions } from 'pino'
import type { Log, LogDetails } from '../core/context.ts'
import { withoutSecrets } from '../core/secret.ts'
import { RepeatFolder } from './repeats.ts'
import { printable, type Terminal } from './terminal.ts'

/** From the most to the least. */
const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Lines of one kind within this time become one: enough to see that it goes on, too little to fill a disk. */
const INTERVAL_MS = 10_000

const STDERR = 2

export interface ProgramLog extends Log {
  /** The log of one component: its lines carry the id and are folded by themselves. */
  child(component: string): Log
  /** Prints what is held back. Lines after that are printed at once. */
  close(): void
}

/** The log of the main thread. */
export interface MainLog extends ProgramLog {
  /** Prints a line of another thread, which has folded it. */
  relay: Print
}

export interface LogOptions {
  readonly level: LogLevel
  /** Calm lines for people where this is a TTY, else JSON lines to stderr: stdout belongs to the outputs. */
  readonly terminal: Terminal
  /** The one or the other, whatever stderr is. */
  readonly format?: 'plain' | 'json' | undefined
  readonly interval_ms?: number
  /** Where JSON lines go instead of stderr. */
  readonly json_to?: DestinationStream
}

/** One line, and how many it may stand for is told beside it. */
export interface LogLine {
  readonly level: LogLevel
  readonly component: string | undefined
  readonly kind: string
  readonly message: string
  readonly details: LogDetails
}

type Print = (line: LogLine, count: number) => void

export function createLog({ level, terminal, format, interval_ms = INTERVAL_MS, json_to }: LogOptions): MainLog {
  const isPlain = format === undefined ? terminal.is_tty : format === 'plain'
  const print = isPlain ? printToTerminal(terminal) : printJson(json_to)
  return { ...foldedLog(level, interval_ms, print), relay: print }
}

/** A log whose lines another thread prints: `print` hands them over. */
export function createThreadLog(level: LogLevel, print: Print): ProgramLog {
  return foldedLog(level, INTERVAL_MS, print)
}

function foldedLog(level: LogLevel, interval_ms: number, print: Print): ProgramLog {
  const repeats = new RepeatFolder<LogLine>(interval_ms, print)
  const least = LOG_LEVELS.indexOf(level)
  const write = (line: LogLine): void => {
    if (LOG_LEVELS.indexOf(line.level) >= least) {
      repeats.take(`${line.level} ${line.component ?? ''} ${line.kind}`, line)
    }
  }
  return {
    ...logOf(undefined, write),
    child: (component) => logOf(component, write),
    close: () => repeats.close(),
  }
}

function logOf(component: string | undefined, write: (line: LogLine) => void): Log {
  const at =
    (level: LogLevel): Log['info'] =>
    (kind, message, details = {}) =>
      write({ level, component, kind, message: withoutSecrets(message), details: withoutSecretsIn(details) })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function withoutSecretsIn(details: LogDetails): LogDetails {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => [name, typeof value === 'string' ? withoutSecrets(value) : value]),
  )
}

function printJson(to: DestinationStream = openStderr()): Print {
  const logger = pino(
    { level: 'debug', base: null, timestamp: stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } },
    to,
  )
  return ({ level, component, kind, message, details }, count) => {
    logger[level]({ component, kind, ...details, ...(count > 1 ? { count } : {}) }, message)
  }
}

/** Written at once: the last lines before a crash are the ones that matter. */
function openStderr(): DestinationStream {
  const stderr = destination({ dest: STDERR, sync: true })
  // Who read our stderr may be gone: without a listener that error would end the process.
  stderr.on('error', () => {})
  return stderr
}

function printToTerminal(terminal: Terminal): Print {
  return (line, count) => terminal.writeLine(formatLine(line, count, new Date(), terminal.has_colours))
}

const STYLES = { debug: 'dim', info: 'reset', warn: 'yellow', error: 'red' } as const

/** `03:04:05 WARN  input_beats_1: message (address=10.0.0.7, 37 times)` */
function formatLine({ level, component, message, details }: LogLine, count: number, now: Date, has_colours: boolean): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    has_colours ? styleText(style, text, { validateStream: false }) : text
  const time = now.toTimeString().slice(0, 8)
  const notes = Object.entries(details)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${String(value).replaceAll('\n', '\\n')}`)
  if (count > 1) notes.push(`${count} times`)
  const text = `${component === undefined ? '' : `${component}: `}${message}`
  const more = notes.length === 0 ? '' : ` ${paint('dim', printable(`(${notes.join(', ')})`))}`
  // Lines of a longer message are set in, so that none of them can pass for a log line of its own.
  const indented = printable(text).replaceAll('\n', '\n      ')
  return `${paint('dim', time)} ${paint(STYLES[level], level.toUpperCase().padEnd(5))} ${indented}${more}`
}
