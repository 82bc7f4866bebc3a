export const DELIVERY_OUTCOMES = ['stored', 'already_there', 'dead_lettered', 'dropped', 'consumed'] as const
export type DeliveryOutcome = (typeof DELIVERY_OUTCOMES)[number]

/** So many are known by name: those that got an event last. */
const TARGETS_MAX = 100

export interface TargetTotals {
  readonly target: string
  /** When an event of it ended last: an ISO time, which sorts as text. */
  readonly last_event: string
  readonly outcomes: { readonly [outcome in DeliveryOutcome]: number }
}

interface Target {
  readonly outcomes: { [outcome in DeliveryOutcome]: number }
  readonly name: string
  last_turn: number
  last_ms: number
}

/** What became of events by where they went (an index). Names come from events, so there may be any number of them. */
export class TargetBooks {
  readonly #targets = new Map<string, Target>()
  #latest: Target | undefined
  #turn = 0
  #now_ms = 0

  /** The time of all that ends from now on. A clock costs more than all the rest, so it is read once for many events. */
  at(now_ms: number): void {
    this.#now_ms = now_ms
    this.#latest = undefined
  }

  ended(outcome: DeliveryOutcome, name: string): void {
    // Most events go where the one before them went.
    if (this.#latest?.name !== name) this.#latest = this.#turnTo(name)
    this.#latest.outcomes[outcome]++
  }

  /** The newest first. */
  totals(): TargetTotals[] {
    return [...this.#targets]
      .toSorted(([, a], [, b]) => b.last_turn - a.last_turn)
      .map(([target, { outcomes, last_ms }]) => ({
        target,
        outcomes: { ...outcomes },
        last_event: new Date(last_ms).toISOString(),
      }))
  }

  #turnTo(name: string): Target {
    let target = this.#targets.get(name)
    if (target === undefined) {
      if (this.#targets.size >= TARGETS_MAX) this.#forgetOldest()
      const outcomes = { stored: 0, already_there: 0, dead_lettered: 0, dropped: 0, consumed: 0 }
      target = { name, outcomes, last_turn: 0, last_ms: 0 }
      this.#targets.set(name, target)
    }
    target.last_turn = ++this.#turn
    target.last_ms = this.#now_ms
    return target
  }

  #forgetOldest(): void {
    let oldest = { name: '', turn: Number.POSITIVE_INFINITY }
    for (const [name, { last_turn }] of this.#targets) if (last_turn < oldest.turn) oldest = { name, turn: last_turn }
    this.#targets.delete(oldest.name)
  }
}
