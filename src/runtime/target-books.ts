export const DELIVERY_OUTCOMES = ['stored', 'already_there', 'dead_lettered', 'dropped', 'consumed'] as const
export type DeliveryOutcome = (typeof DELIVERY_OUTCOMES)[number]

/** So many are known by name: those that got an event last. */
const TARGETS_MAX = 100

export interface TargetTotals {
  readonly target: string
  readonly outcomes: { readonly [outcome in DeliveryOutcome]: number }
}

interface Target {
  readonly outcomes: { [outcome in DeliveryOutcome]: number }
  last_turn: number
}

/** What became of events by where they went (an index). Names come from events, so there may be any number of them. */
export class TargetBooks {
  readonly #targets = new Map<string, Target>()
  #turn = 0

  ended(outcome: DeliveryOutcome, name: string): void {
    let target = this.#targets.get(name)
    if (target === undefined) {
      if (this.#targets.size >= TARGETS_MAX) this.#forgetOldest()
      target = { outcomes: { stored: 0, already_there: 0, dead_lettered: 0, dropped: 0, consumed: 0 }, last_turn: 0 }
      this.#targets.set(name, target)
    }
    target.outcomes[outcome]++
    target.last_turn = ++this.#turn
  }

  /** The newest first. */
  totals(): TargetTotals[] {
    return [...this.#targets]
      .toSorted(([, a], [, b]) => b.last_turn - a.last_turn)
      .map(([target, { outcomes }]) => ({ target, outcomes: { ...outcomes } }))
  }

  #forgetOldest(): void {
    let oldest = { name: '', turn: Number.POSITIVE_INFINITY }
    for (const [name, { last_turn }] of this.#targets) if (last_turn < oldest.turn) oldest = { name, turn: last_turn }
    this.#targets.delete(oldest.name)
  }
}
