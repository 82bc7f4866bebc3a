import { Backoff } from '../core/backoff.ts'
import type { Event } from '../core/event.ts'

interface Group {
  events: Event[]
  due_ms: number
  readonly backoff: Backoff
}

/** Events that wait for another try, in groups by key; each group has its own growing wait. */
export class WaitingRoom {
  readonly #first_ms: number
  readonly #max_ms: number
  readonly #groups = new Map<string, Group>()
  #length = 0

  constructor(first_ms: number, max_ms: number) {
    this.#first_ms = first_ms
    this.#max_ms = max_ms
  }

  get length(): number {
    return this.#length
  }

  get keys(): string[] {
    return [...this.#groups].filter(([, group]) => group.events.length > 0).map(([key]) => key)
  }

  /** When the first group with events is due; infinity for none. */
  get due_ms(): number {
    let due = Number.POSITIVE_INFINITY
    for (const group of this.#groups.values()) if (group.events.length > 0) due = Math.min(due, group.due_ms)
    return due
  }

  /** Puts events into a group that is due at a given time. */
  add(key: string, events: readonly Event[], due_ms: number): void {
    const group = this.#group(key)
    group.due_ms = group.events.length === 0 ? due_ms : Math.min(group.due_ms, due_ms)
    this.#append(group, events)
  }

  /** Puts events back after a try that failed: the group waits longer than before, at least `after_ms`. */
  fail(key: string, events: readonly Event[], now_ms: number, after_ms: number): void {
    const group = this.#group(key)
    // Events that join a waiting group wait with it.
    if (group.due_ms <= now_ms) group.due_ms = now_ms + Math.max(after_ms, group.backoff.next())
    this.#append(group, events)
  }

  /** The try that `takeDue` gave events for is over: a group that got none of them back starts with its first wait again. */
  tried(key: string): void {
    if (this.#groups.get(key)?.events.length === 0) this.#groups.delete(key)
  }

  /** Up to `events_max` events of a group that is due, or `undefined`. To be followed by `tried`. */
  takeDue(now_ms: number, events_max: number): { readonly key: string; readonly events: Event[] } | undefined {
    for (const [key, group] of this.#groups) {
      if (group.events.length === 0 || group.due_ms > now_ms) continue
      const taken = group.events.slice(0, events_max)
      group.events = group.events.slice(events_max)
      this.#length -= taken.length
      return { key, events: taken }
    }
    return undefined
  }

  #group(key: string): Group {
    let group = this.#groups.get(key)
    if (group === undefined) {
      group = { events: [], due_ms: 0, backoff: new Backoff(this.#first_ms, this.#max_ms) }
      this.#groups.set(key, group)
    }
    return group
  }

  #append(group: Group, events: readonly Event[]): void {
    // Not by spread: a group may hold more events than a call takes arguments.
    for (const event of events) group.events.push(event)
    this.#length += events.length
  }
}
