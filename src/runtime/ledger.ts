import type { Counter, Metrics } from '../core/context.ts'
import { EVENT_STATES, type EventState } from '../core/event.ts'
import { DELIVERY_OUTCOMES, type DeliveryOutcome, TargetBooks } from './target-books.ts'

/** Where an event can be until it has its final state. `buffered`: on our disk, and its sender was told so. */
const HOLDERS = ['intake', 'filters', 'outputs', 'dead_letters', 'buffered'] as const
export type Holder = (typeof HOLDERS)[number]
/** Where an event can be while it is with an output. */
export type DeliveryHolder = 'queue' | 'writes' | 'retries' | 'parked'
/** For tests of the books: whether who holds an event there is to lose it. */
export type Loses = (holder: Holder | DeliveryHolder) => boolean

/** What is known of the events of one input. */
export interface InputTotals {
  readonly received: number
  readonly created: number
  readonly states: { readonly [state in EventState]: number }
  /** Went to our disk, and came back from there. */
  readonly buffered: number
  readonly read_back: number
  readonly held: number
  readonly unbalanced: number
}

export interface LedgerTotals {
  readonly received: number
  readonly created: number
  /** Were on our disk when the program started. */
  readonly recovered: number
  readonly states: { readonly [state in EventState]: number }
  readonly holders: { readonly [holder in Holder]: number }
  /** `received + created + recovered - states - holders`: anything but 0 is a fault of the program. */
  readonly unbalanced: number
}

/** The events of one input: those it handed over, and those that filters made of them. */
export class InputBooks {
  readonly received: Counter
  readonly created: Counter
  readonly states: { readonly [state in EventState]: Counter }
  readonly buffered: Counter
  readonly read_back: Counter
  /** Its id. */
  readonly input: string
  readonly #waited: Counter
  /** Events whose receipts are open: counted by the receipts, not made of the other numbers. */
  held = 0

  constructor(metrics: Metrics, pipeline: string, input: string) {
    const labels = { pipeline, input }
    this.input = input
    this.received = metrics.counter('millrace_events_received_total', 'Events that an input handed over.', labels)
    const waited_help = 'How long the input has waited for room for its events: backpressure.'
    this.#waited = metrics.counter('millrace_input_wait_seconds_total', waited_help, labels)
    this.created = metrics.counter('millrace_events_created_total', 'Events that filters made.', labels)
    this.buffered = metrics.counter('millrace_events_buffered_total', 'Events that went to our disk.', labels)
    this.read_back = metrics.counter('millrace_events_read_back_total', 'Events that came back from our disk.', labels)
    const counters = EVENT_STATES.map((state) => [
      state,
      metrics.counter('millrace_events_total', 'Events by the one state they ended in.', { ...labels, state }),
    ])
    this.states = Object.fromEntries(counters) as { [state in EventState]: Counter }
  }

  /** Measures how long it takes until there is room for a batch. */
  async waiting<T>(handing: Promise<T>): Promise<T> {
    const started_ms = performance.now()
    try {
      return await handing
    } finally {
      this.#waited.inc((performance.now() - started_ms) / 1_000)
    }
  }

  totals(): InputTotals {
    const states = Object.fromEntries(EVENT_STATES.map((state) => [state, this.states[state].value])) as InputTotals['states']
    const { held } = this
    const [received, created] = [this.received.value, this.created.value]
    const [buffered, read_back] = [this.buffered.value, this.read_back.value]
    const unbalanced = received + created + read_back - sum(Object.values(states)) - buffered - held
    return { received, created, states, buffered, read_back, held, unbalanced }
  }
}

/** Stands for the inputs of events that filters made of no single one (`metrics`, an `aggregate` that timed out). */
export const MADE_BY_FILTERS = '(filters)'
/** Stands for the input of what came back from our disk without saying which input it came from. */
export const FROM_DISK = '(disk)'

/**
 * The books of events (promise 1): everything received, created or found on our disk is either held somewhere or has exactly one
 * final state. Each holder counts its own; what is in flight is never computed by subtraction, so the balance can be wrong.
 */
export class EventLedger {
  readonly #metrics: Metrics
  readonly #pipeline: string
  readonly #inputs = new Map<string, InputBooks>()
  readonly #recovered: Counter
  readonly #deliveries = new Set<DeliveryLedger>()
  readonly #holders: { readonly [holder in Holder]: (() => number)[] } = {
    intake: [],
    filters: [],
    outputs: [],
    dead_letters: [],
    buffered: [() => sum([...this.#deliveries].map(({ on_disk }) => on_disk))],
  }

  constructor(metrics: Metrics, pipeline: string) {
    this.#metrics = metrics
    this.#pipeline = pipeline
    this.input(MADE_BY_FILTERS)
    const help = 'Events that were on our disk when the program started.'
    this.#recovered = metrics.counter('millrace_events_recovered_total', help, { pipeline })
    metrics.gauge(
      'millrace_ledger_unbalanced_events',
      'Must be 0: received + created + recovered - ended - held, and handed + recovered - outcomes - held of the outputs.',
      { pipeline },
      () => this.unbalanced,
    )
    for (const holder of HOLDERS) {
      const labels = { pipeline, holder }
      metrics.gauge('millrace_events_held', 'Events that are on their way, by where they are.', labels, () =>
        sum(this.#holders[holder].map((count) => count())),
      )
    }
  }

  /**
   * Registers a pipeline that holds events, with its own counts of them: during a reload there are two. The function that is
   * returned is called when it has ended; what it left without an end stays in the books.
   */
  join(counts: { readonly [holder in Holder]: () => number }): () => void {
    for (const holder of HOLDERS) this.#holders[holder].push(counts[holder])
    return () => {
      for (const holder of HOLDERS) leave(this.#holders[holder], counts[holder])
    }
  }

  /** Registers what holds events as long as the program runs, over reloads too. */
  holds(holder: Holder, count: () => number): void {
    this.#holders[holder].push(count)
  }

  /** The books of one input. */
  input(id: string): InputBooks {
    let books = this.#inputs.get(id)
    if (books === undefined) {
      books = new InputBooks(this.#metrics, this.#pipeline, id)
      this.#inputs.set(id, books)
    }
    return books
  }

  get inputs(): ReadonlyMap<string, InputBooks> {
    return this.#inputs
  }

  /** Events of an earlier run that were found on our disk. */
  recovered(count: number): void {
    this.#recovered.inc(count)
  }

  /** What an output loses stays with the outputs for ever in these books, and only shows in the output's own. */
  includes(deliveries: DeliveryLedger): void {
    this.#deliveries.add(deliveries)
  }

  /**
   * Events and deliveries that are nowhere or twice: anything but 0 is a fault of the program. Inputs one by one too, for what one of
   * them loses another could have twice.
   */
  get unbalanced(): number {
    const deliveries = [...this.#deliveries].map((ledger) => Math.abs(ledger.totals().unbalanced))
    const inputs = [...this.#inputs.values()].map((books) => Math.abs(books.totals().unbalanced))
    return Math.max(Math.abs(this.totals().unbalanced), sum(inputs)) + sum(deliveries)
  }

  totals(): LedgerTotals {
    const inputs = [...this.#inputs.values()].map((books) => books.totals())
    const received = sum(inputs.map((one) => one.received))
    const created = sum(inputs.map((one) => one.created))
    const states = Object.fromEntries(
      EVENT_STATES.map((state) => [state, sum(inputs.map((one) => one.states[state]))]),
    ) as LedgerTotals['states']
    const holders = Object.fromEntries(
      HOLDERS.map((holder) => [holder, sum(this.#holders[holder].map((count) => count()))]),
    ) as LedgerTotals['holders']
    const recovered = this.#recovered.value
    const unbalanced = received + created + recovered - sum(Object.values(states)) - sum(Object.values(holders))
    return { received, created, recovered, states, holders, unbalanced }
  }
}

export interface DeliveryTotals {
  /** With those that were on our disk when the program started. */
  readonly handed: number
  readonly outcomes: { readonly [outcome in DeliveryOutcome]: number }
  readonly held: number
  readonly unbalanced: number
}

/** The books of one output: every event handed to it gets one outcome there, or is still with it. */
export class DeliveryLedger {
  /** Where the events went, for the API alone: index names come from events, and are no labels of metrics. */
  readonly targets = new TargetBooks()
  /** Events that a runner of this output left on the disk, for the next one to take over. */
  on_disk = 0
  readonly #handed: Counter
  readonly #recovered: Counter
  readonly #outcomes: { readonly [outcome in DeliveryOutcome]: Counter }
  readonly #held: (() => number)[] = []

  constructor(metrics: Metrics, pipeline: string, output: string) {
    const labels = { pipeline, output }
    this.#handed = metrics.counter('millrace_deliveries_handed_total', 'Events handed to the output.', labels)
    const help = 'Events that waited on our disk for the output when the program started.'
    this.#recovered = metrics.counter('millrace_deliveries_recovered_total', help, labels)
    const counters = DELIVERY_OUTCOMES.map((outcome) => [
      outcome,
      metrics.counter('millrace_deliveries_total', 'Events handed to the output, by outcome.', { ...labels, outcome }),
    ])
    this.#outcomes = Object.fromEntries(counters) as { [outcome in DeliveryOutcome]: Counter }
    metrics.gauge('millrace_deliveries_held', 'Events that are with the output.', labels, () => this.#countHeld())
    metrics.gauge(
      'millrace_deliveries_unbalanced',
      'Must be 0: handed + recovered - outcomes - held.',
      labels,
      () => this.totals().unbalanced,
    )
  }

  /**
   * As `EventLedger.join`: `held` counts the events that are with one runner of the output. With `gives_back` what is left with it
   * comes again, and is handed to an output once more.
   */
  join(held: () => number): (gives_back: boolean) => void {
    this.#held.push(held)
    return (gives_back) => {
      if (!gives_back) return leave(this.#held, held)
      this.#outcomes.consumed.inc(held())
      this.#held.splice(this.#held.indexOf(held), 1)
    }
  }

  handed(count: number): void {
    this.#handed.inc(count)
  }

  /** So many events were found on the disk. Returns how many of them no runner of this output had left there. */
  found(count: number): number {
    const known = Math.min(count, this.on_disk)
    this.on_disk -= known
    this.#recovered.inc(count - known)
    return count - known
  }

  /** @param target the index, or what else the output says it went to */
  ended(outcome: DeliveryOutcome, target?: string): void {
    this.#outcomes[outcome].inc()
    if (target !== undefined) this.targets.ended(outcome, target)
  }

  totals(): DeliveryTotals {
    const outcomes = Object.fromEntries(DELIVERY_OUTCOMES.map((outcome) => [outcome, this.#outcomes[outcome].value])) as {
      [outcome in DeliveryOutcome]: number
    }
    const handed = this.#handed.value + this.#recovered.value
    const held = this.#countHeld()
    return { handed, outcomes, held, unbalanced: handed - sum(Object.values(outcomes)) - held }
  }

  #countHeld(): number {
    return sum(this.#held.map((count) => count())) + this.on_disk
  }
}

/** The books of one pipeline. They go on over a reload: what the old one still holds is in them beside what the new one holds. */
export class PipelineLedgers {
  readonly events: EventLedger
  readonly #metrics: Metrics
  readonly #pipeline: string
  readonly #outputs = new Map<string, DeliveryLedger>()

  constructor(metrics: Metrics, pipeline: string) {
    this.#metrics = metrics
    this.#pipeline = pipeline
    this.events = new EventLedger(metrics, pipeline)
  }

  get outputs(): ReadonlyMap<string, DeliveryLedger> {
    return this.#outputs
  }

  output(id: string): DeliveryLedger {
    let ledger = this.#outputs.get(id)
    if (ledger === undefined) {
      ledger = new DeliveryLedger(this.#metrics, this.#pipeline, id)
      this.#outputs.set(id, ledger)
    }
    return ledger
  }
}

/** Takes a count out; where something was left its last value stays, and what it counted may go. */
function leave(counts: (() => number)[], count: () => number): void {
  const left = count()
  const index = counts.indexOf(count)
  if (index < 0) return
  if (left === 0) counts.splice(index, 1)
  else counts[index] = () => left
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
