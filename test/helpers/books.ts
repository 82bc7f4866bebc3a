import type { Program } from './program.ts'

/** One line of `/metrics`. */
export interface Sample {
  readonly name: string
  readonly labels: { readonly [name: string]: string }
  readonly value: number
}

/** `name{label="value",…} 12`, with a time in milliseconds where it is not of now; lines that begin with # are about what follows. */
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g

/** What Prometheus would read from a text in its format 0.0.4. */
export function readSamples(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value = ''] = SAMPLE.exec(line) ?? []
    if (name === undefined) return []
    const pairs = [...labels.matchAll(LABEL)].map(
      ([, label = '', escaped = '']) => [label, escaped.replace(/\\(.)/g, '$1')] as const,
    )
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }]
  })
}

/** What both ledgers of a running program say, each number counted by its own part of it. */
export interface Books {
  readonly received: number
  readonly created: number
  /** Events that an earlier run left on the disk. */
  readonly recovered: number
  /** Events by the state they ended in; states without any are left out. */
  readonly states: { readonly [state: string]: number }
  /** Events that are on their way. */
  readonly held: number
  readonly handed: number
  /** Deliveries by outcome; outcomes without any are left out. */
  readonly outcomes: { readonly [outcome: string]: number }
  readonly deliveries_held: number
  /** What the program itself finds wrong, of all ledgers. */
  readonly unbalanced: readonly number[]
}

export async function readBooks(program: Program): Promise<Books> {
  const samples = readSamples(await program.metrics())
  const valuesOf = (name: string): number[] => samples.filter((sample) => sample.name === name).map(({ value }) => value)
  const byLabel = (name: string, label: string): { [value: string]: number } => {
    const found = samples.filter((sample) => sample.name === name && sample.value !== 0)
    const grouped = Object.groupBy(found, ({ labels }) => labels[label] ?? '')
    return Object.fromEntries(Object.entries(grouped).map(([key, group = []]) => [key, sum(group.map(({ value }) => value))]))
  }
  return {
    received: sum(valuesOf('millrace_events_received_total')),
    created: sum(valuesOf('millrace_events_created_total')),
    recovered: sum(valuesOf('millrace_events_recovered_total')),
    states: byLabel('millrace_events_total', 'state'),
    held: sum(valuesOf('millrace_events_held')),
    handed: sum(valuesOf('millrace_deliveries_handed_total')),
    outcomes: byLabel('millrace_deliveries_total', 'outcome'),
    deliveries_held: sum(valuesOf('millrace_deliveries_held')),
    unbalanced: [...valuesOf('millrace_ledger_unbalanced_events'), ...valuesOf('millrace_deliveries_unbalanced')],
  }
}

/**
 * Waits until the program has received so many events and none of them is on its way any more.
 * @throws Error when books do not add up: by the program's own metric, or by a sum made here
 */
export async function settledBooks(program: Program, received: number, timeout_ms?: number): Promise<Books> {
  const books = await program.waitUntil(
    `the end of ${received} events`,
    async () => {
      const read = await readBooks(program)
      return read.received >= received && read.held === 0 && read.deliveries_held === 0 ? read : undefined
    },
    timeout_ms,
  )
  const ended = sum(Object.values(books.states))
  const concluded = sum(Object.values(books.outcomes))
  const { received: came, created, recovered, handed } = books
  const adds_up = came + created + recovered === ended && handed + recovered === concluded
  if (!adds_up || books.unbalanced.length < 2 || books.unbalanced.some((difference) => difference !== 0)) {
    throw new Error(`the books do not balance: ${JSON.stringify(books)}`)
  }
  return books
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
