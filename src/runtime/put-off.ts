import type { Event } from '../core/event.ts'
import type { BlockedSettings } from './blocked-settings.ts'
import type { Spill } from './spill.ts'

/** The key of events that an output put off one by one for too long. No index has such a name. */
export const PUT_OFF = 'put off'

/**
 * Since when events are put off, each by itself, while the output takes others: a mail server that does not want one sender now, a
 * robot with a limit a minute. After `blocked_after_ms` they wait as those of a closed index do, and hold up nobody.
 */
export class PutOff {
  readonly #policy: BlockedSettings
  readonly #spill: Spill
  readonly #since_ms = new WeakMap<Event, number>()

  constructor(policy: BlockedSettings, spill: Spill) {
    this.#policy = policy
    this.#spill = spill
  }

  /** Notes that events were put off (again), and tells those apart for which it is too long now, and since when at least. */
  heed(events: readonly Event[], now_ms: number): Parted {
    const { soon = [], late = [] } = Object.groupBy(events, (event) => (this.#isLate(event, now_ms) ? 'late' : 'soon'))
    return { soon, late, late_since_ms: now_ms - this.#policy.blocked_after_ms }
  }

  #isLate(event: Event, now_ms: number): boolean {
    const { when_blocked, blocked_after_ms } = this.#policy
    if (when_blocked === 'block') return false
    if (this.#spill.sequenceOf(event, PUT_OFF) !== undefined) return true
    const since_ms = this.#since_ms.get(event)
    if (since_ms === undefined) this.#since_ms.set(event, now_ms)
    return now_ms - (since_ms ?? now_ms) >= blocked_after_ms
  }
}

interface Parted {
  readonly soon: readonly Event[]
  readonly late: readonly Event[]
  readonly late_since_ms: number
}
