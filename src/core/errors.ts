import { withoutSecrets } from './secret.ts'

/** A place in a config file. `line` and `column` count from 1. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

export function formatPosition(at: Position): string {
  return `${at.file}:${at.line}:${at.column}`
}

/** One thing that is wrong with a config. */
export interface Problem {
  /** Stable code, listed in docs/errors.md. */
  readonly code: ConfigCode
  readonly at: Position
  /** What was expected and what came. */
  readonly message: string
  /** What to do. */
  readonly hint?: string
  /** The line of the file, to be shown with a mark at the column. */
  readonly source_line?: string
}

/** The codes of everything that can be wrong with a config. docs/errors.md has a section for each. */
export type ConfigCode =
  | 'CONFIG_FILE_UNREADABLE'
  | 'CONFIG_SYNTAX'
  | 'CONFIG_STRUCTURE'
  | 'CONFIG_UNKNOWN_COMPONENT'
  | 'CONFIG_UNKNOWN_OPTION'
  | 'CONFIG_MISSING_OPTION'
  | 'CONFIG_INVALID_OPTION'
  | 'CONFIG_OBSOLETE_OPTION'
  | 'CONFIG_UNRESOLVED_VARIABLE'
  | 'CONFIG_INVALID_CONDITION'
  | 'CONFIG_CANNOT_START'

/** A config that was refused: every problem at once, each with its place. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_REFUSED'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[], options?: { cause?: unknown }) {
    const told = problems.map((problem) => ({
      ...problem,
      message: withoutSecrets(problem.message),
      ...(problem.hint === undefined ? {} : { hint: withoutSecrets(problem.hint) }),
      ...(problem.source_line === undefined ? {} : { source_line: withoutSecrets(problem.source_line) }),
    }))
    const sorted = told.toSorted(
      (a, b) => compareText(a.at.file, b.at.file) || a.at.line - b.at.line || a.at.column - b.at.column,
    )
    super(sorted.map(formatProblem).join('\n'), options)
    this.name = 'ConfigError'
    this.problems = sorted
  }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function formatProblem({ at, message, code, hint, source_line }: Problem): string {
  const excerpt = source_line === undefined ? '' : `\n${excerptOf(source_line, at)}`
  return `${formatPosition(at)}: ${message} [${code}]${excerpt}${hint === undefined ? '' : `\n    ${hint}`}`
}

/** Of a longer line only what is around the mark. */
const EXCERPT_MAX = 120

function excerptOf(source_line: string, { line, column }: Position): string {
  const start = column > EXCERPT_MAX - 20 ? column - EXCERPT_MAX / 2 : 0
  const text = source_line.slice(start, start + EXCERPT_MAX)
  const gutter = String(line)
  // Tabs stay tabs, so that the mark stands below its character.
  const before = text.slice(0, column - 1 - start).replaceAll(/[^\t]/g, ' ')
  return `    ${gutter} | ${text}\n    ${' '.repeat(gutter.length)} | ${before}^`
}

/** The codes of what can go wrong while running. docs/errors.md has a section for each. */
export type RuntimeCode =
  | 'FIELD_REFERENCE_INVALID'
  | 'FIELD_NOT_SETTABLE'
  | 'TEMPLATE_INVALID'
  | 'REGEX_INVALID'
  | 'REGEX_TIMEOUT'
  | 'OPTION_INVALID'
  | 'VALUE_NOT_CONVERTIBLE'
  | 'CONDITION_INCOMPARABLE'
  | 'INPUT_CANNOT_START'
  | 'OUTPUT_CANNOT_START'
  | 'OUTPUT_OUTCOME_COUNT'
  | 'OUTPUT_UNREACHABLE'
  | 'OUTPUT_TIMEOUT'
  | 'OUTPUT_UNAVAILABLE'
  | 'OUTPUT_REFUSED'
  | 'OUTPUT_REPLY_INVALID'
  | 'KEYSTORE_UNREADABLE'
  | 'KEYSTORE_NAME_INVALID'
  | 'SECRET_FILE_UNREADABLE'
  | 'STORAGE_IN_USE'
  | 'STORAGE_FULL'
  | 'STORAGE_CORRUPT'
  | 'STORAGE_WRITE_FAILED'
  | 'GEOIP_DATABASE_UNREADABLE'
  | 'METRIC_CONFLICT'
  | 'METRIC_INVALID'
  | 'OPS_CANNOT_START'
  | 'WORKER_CRASHED'

/** Something that failed while running, with a stable code. */
export class MillraceError extends Error {
  readonly code: RuntimeCode

  constructor(code: RuntimeCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'MillraceError'
    this.code = code
  }
}

/** The message of whatever was thrown, never its stack. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The same with the code in front of whatever has one. */
export function describeThrown(thrown: unknown): string {
  return thrown instanceof MillraceError ? `${thrown.code}: ${thrown.message}` : messageOf(thrown)
}

/** The name closest to `wanted`, if one is close enough to be a slip of the keyboard. */
function nearestName(wanted: string, names: Iterable<string>): string | undefined {
  let nearest: string | undefined
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const name of names) {
    // Who wrote `count` meant `counter`.
    const isBeginning = wanted.length >= 3 && name.startsWith(wanted)
    const distance = isBeginning ? 1 : editDistance(wanted.toLowerCase(), name.toLowerCase())
    if (distance < least) {
      least = distance
      nearest = name
    }
  }
  return nearest
}

/** "did you mean x?" for the nearest name, or nothing. */
export function didYouMean(wanted: string, names: Iterable<string>): { hint: string } | undefined {
  const nearest = nearestName(wanted, names)
  return nearest === undefined ? undefined : { hint: `did you mean ${nearest}?` }
}

/** Letters left out, put in, exchanged for another or with their neighbour (optimal string alignment), each counting one. */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let previous: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    before = previous
    previous = row
    row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      const least = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + cost)
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = isSwapped ? Math.min(least, (before[j - 2] ?? 0) + 1) : least
    }
  }
  return row[b.length] ?? 0
}
