import type { EventState } from '../core/event.ts'

/** The books of every pipeline at one moment. Counts are since the program started. */
export interface Books {
  readonly events: readonly EventBooks[]
  readonly deliveries: readonly DeliveryBooks[]
  /** Events and deliveries that are nowhere or twice: anything but 0 is a fault of the program. */
  readonly unbalanced: number
}

/** Of the events of one input: received + created = all states + held + abandoned, or `unbalanced` says by how many not. */
export interface EventBooks {
  readonly pipeline: string
  readonly input: string
  readonly received: number
  readonly created: number
  readonly states: Readonly<Record<EventState, number>>
  readonly held: number
  /** Were with a worker that crashed, and are received again. */
  readonly abandoned?: number
  readonly unbalanced: number
}

/** Of one output: handed = all outcomes + held + abandoned, or `unbalanced` says by how many not. */
export interface DeliveryBooks {
  readonly pipeline: string
  readonly output: string
  readonly handed: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly held: number
  readonly abandoned?: number
  readonly unbalanced: number
  /** By index, those first that got an event last: at most 100. */
  readonly targets: readonly TargetBooks[]
}

interface TargetBooks {
  readonly target: string
  readonly outcomes: Readonly<Record<string, number>>
  /** When an event of it had its end last: an ISO time. */
  readonly last_event: string
}

/** What happened between two moments, of what moved at all. */
export interface LedgerRow {
  readonly from: string
  readonly to: string
  readonly events: readonly EventsMoved[]
  readonly deliveries: readonly DeliveriesMoved[]
}

type EventsMoved = Omit<EventBooks, 'held' | 'unbalanced'>
type DeliveriesMoved = Omit<DeliveryBooks, 'held' | 'unbalanced' | 'targets'>

/** What `/api/ledger` answers. */
export interface LedgerView extends Books {
  readonly started: string
  readonly now: string
  /** The last hour, oldest first, or what of it the program has run. The last row goes on. */
  readonly rows: readonly LedgerRow[]
}

const ROW_MS = 5 * 60_000
const ROWS = 12

interface Moment {
  readonly at_ms: number
  readonly books: Books
}

/** Keeps the books of an hour in steps of five minutes, so that what is kept does not grow. */
export class LedgerHistory {
  readonly #read: () => Books
  readonly #now: () => number
  readonly #started_ms: number
  /** The beginnings of rows, the oldest first. */
  readonly #moments: Moment[]
  #timer: NodeJS.Timeout | undefined

  /** `now`: milliseconds since 1970. */
  constructor(read: () => Books, signal: AbortSignal, now: () => number = Date.now) {
    this.#read = read
    this.#now = now
    this.#started_ms = now()
    this.#moments = [{ at_ms: this.#started_ms, books: read() }]
    this.#wait()
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true })
  }

  view(): LedgerView {
    this.#turnPages()
    const books = this.#read()
    const at_ms = this.#now()
    const moments = [...this.#moments, { at_ms, books }]
    const rows = moments.slice(1).map((to, index) => rowOf(moments[index] as Moment, to))
    return { started: iso(this.#started_ms), now: iso(at_ms), ...books, rows }
  }

  /** A timer of a busy loop comes late; a row begins when it is noticed, and says so. */
  #turnPages(): void {
    const at_ms = this.#now()
    const last = this.#moments.at(-1)
    if (last !== undefined && pageOf(at_ms) === pageOf(last.at_ms)) return
    this.#moments.push({ at_ms, books: this.#read() })
    if (this.#moments.length > ROWS) this.#moments.shift()
  }

  #wait(): void {
    const now = this.#now()
    const due_ms = (pageOf(now) + 1) * ROW_MS - now
    this.#timer = setTimeout(() => {
      this.#turnPages()
      this.#wait()
    }, due_ms)
    // Keeping books is no reason for the process to stay.
    this.#timer.unref()
  }
}

function pageOf(at_ms: number): number {
  return Math.floor(at_ms / ROW_MS)
}

function rowOf(from: Moment, to: Moment): LedgerRow {
  const events = to.books.events.map(({ pipeline, input, received, created, states }) => {
    const before = from.books.events.find((one) => one.pipeline === pipeline && one.input === input)
    return {
      pipeline,
      input,
      received: received - (before?.received ?? 0),
      created: created - (before?.created ?? 0),
      states: less(states, before?.states),
    }
  })
  const deliveries = to.books.deliveries.map(({ pipeline, output, handed, outcomes }) => {
    const before = from.books.deliveries.find((one) => one.pipeline === pipeline && one.output === output)
    return { pipeline, output, handed: handed - (before?.handed ?? 0), outcomes: less(outcomes, before?.outcomes) }
  })
  return {
    from: iso(from.at_ms),
    to: iso(to.at_ms),
    events: events.filter(({ received, created, states }) => received + created > 0 || hasAny(states)),
    deliveries: deliveries.filter(({ handed, outcomes }) => handed > 0 || hasAny(outcomes)),
  }
}

function less<N extends string>(
  now: Readonly<Record<N, number>>,
  before: Readonly<Record<N, number>> | undefined,
): Record<N, number> {
  const names = Object.keys(now) as N[]
  return Object.fromEntries(names.map((name) => [name, now[name] - (before?.[name] ?? 0)])) as Record<N, number>
}

function hasAny(counts: Readonly<Record<string, number>>): boolean {
  return Object.values(counts).some((count) => count > 0)
}

function iso(at_ms: number): string {
  return new Date(at_ms).toISOString()
}
