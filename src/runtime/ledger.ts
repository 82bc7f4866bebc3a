import type { Counter, Metrics } from '../core/context.ts'
import { EVENT_STATES, type EventState } from '../core/event.ts'

/** Where an event can be until it has its final state. */
const HOLDERS = ['intake', 'filters', 'outputs', 'dead_letters'] as const
export type Holder = (typeof HOLDERS)[number]

export interface LedgerTotals {
  readonly received: number
  readonly created: number
  readonly states: { readonly [state in EventState]: number }
  readonly holders: { readonly [holder in Holder]: number }
  /** `received + created - states - holders`: anything but 0 is a fault of the program. */
  readonly unbalanced: number
}

/**
 * The books of events (promise 1): everything received or created is either held somewhere or has exactly one
 * final state. Each holder counts its own; what is in flight is never computed by subtraction, so the balance can be wrong.
 */
export class EventLedger {
  readonly #metrics: Metrics
  readonly #pipeline: string
  readonly #received = new Map<string, Counter>()
  readonly #created: Counter
  readonly #states: { readonly [state in EventState]: Counter }
  readonly #holders = new Map<Holder, () => number>()

  constructor(metrics: Metrics, pipeline: string) {
    this.#metrics = metrics
    this.#pipeline = pipeline
    this.#created = metrics.counter('millrace_events_created_total', 'Events that filters made.', { pipeline })
    const counters = EVENT_STATES.map((state) => [
      state,
      metrics.counter('millrace_events_total', 'Events by the one state they ended in.', { pipeline, state }),
    ])
    this.#states = Object.fromEntries(counters) as { [state in EventState]: Counter }
    metrics.gauge(
      'millrace_ledger_unbalanced_events',
      'Must be 0: received + created - ended - held.',
      { pipeline },
      () => this.totals().unbalanced,
    )
  }

  /** Registers the part of the program that holds events, with its own count of them. */
  holds(holder: Holder, count: () => number): void {
    this.#holders.set(holder, count)
    const labels = { pipeline: this.#pipeline, holder }
    this.#metrics.gauge('millrace_events_held', 'Events that are on their way, by where they are.', labels, count)
  }

  /** The counter of what one input received. */
  input(id: string): Counter {
    let counter = this.#received.get(id)
    if (counter === undefined) {
      const labels = { pipeline: this.#pipeline, input: id }
      counter = this.#metrics.counter('millrace_events_received_total', 'Events that an input handed over.', labels)
      this.#received.set(id, counter)
    }
    return counter
  }

  created(): void {
    this.#created.inc()
  }

  ended(state: EventState): void {
    this.#states[state].inc()
  }

  totals(): LedgerTotals {
    const received = sum([...this.#received.values()].map(({ value }) => value))
    const states = Object.fromEntries(EVENT_STATES.map((state) => [state, this.#states[state].value])) as LedgerTotals['states']
    const holders = Object.fromEntries(
      HOLDERS.map((holder) => [holder, this.#holders.get(holder)?.() ?? 0]),
    ) as LedgerTotals['holders']
    const created = this.#created.value
    const unbalanced = received + created - sum(Object.values(states)) - sum(Object.values(holders))
    return { received, created, states, holders, unbalanced }
  }
}

const DELIVERY_OUTCOMES = ['stored', 'already_there', 'dead_lettered', 'dropped', 'consumed'] as const
export type DeliveryOutcome = (typeof DELIVERY_OUTCOMES)[number]

/** The books of one output: every event handed to it gets one outcome there, or is still with it. */
export class DeliveryLedger {
  readonly #handed: Counter
  readonly #outcomes: { readonly [outcome in DeliveryOutcome]: Counter }
  readonly #held: () => number

  constructor(metrics: Metrics, pipeline: string, output: string, held: () => number) {
    const labels = { pipeline, output }
    this.#held = held
    this.#handed = metrics.counter('millrace_deliveries_handed_total', 'Events handed to the output.', labels)
    const counters = DELIVERY_OUTCOMES.map((outcome) => [
      outcome,
      metrics.counter('millrace_deliveries_total', 'Events handed to the output, by outcome.', { ...labels, outcome }),
    ])
    this.#outcomes = Object.fromEntries(counters) as { [outcome in DeliveryOutcome]: Counter }
    metrics.gauge('millrace_deliveries_held', 'Events that are with the output.', labels, held)
    metrics.gauge(
      'millrace_deliveries_unbalanced',
      'Must be 0: handed - outcomes - held.',
      labels,
      () => this.totals().unbalanced,
    )
  }

  handed(count: number): void {
    this.#handed.inc(count)
  }

  ended(outcome: DeliveryOutcome): void {
    this.#outcomes[outcome].inc()
  }

  totals(): { handed: number; outcomes: { readonly [outcome in DeliveryOutcome]: number }; held: number; unbalanced: number } {
    const outcomes = Object.fromEntries(DELIVERY_OUTCOMES.map((outcome) => [outcome, this.#outcomes[outcome].value])) as {
      [outcome in DeliveryOutcome]: number
    }
    const handed = this.#handed.value
    const held = this.#held()
    return { handed, outcomes, held, unbalanced: handed - sum(Object.values(outcomes)) - held }
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
