import { Backoff } from '../core/backoff.ts'
import type { Event } from '../core/event.ts'
import { memoryOf } from './byte-budget.ts'

interface Group {
  /** Read back from the disk, in their order there: older than all others. */
  restored: Event[]
  events: Event[]
  due_ms: number
  /** When its first event came, or when its events were last taken out. */
  since_ms: number
  readonly backoff: Backoff
}

/** What of a room's keys is on the disk. */
export interface Backlog {
  /** Where an event stands among those of that key on the disk; `undefined` for one that is not there. */
  sequenceOf(event: Event, key: string): bigint | undefined
  /** Whether older events with that key are on the disk and not read back. */
  isBehind(key: string): boolean
}

const NO_BACKLOG: Backlog = { sequenceOf: () => undefined, isBehind: () => false }

/**
 * Events that wait for another try, in groups by key; each group has its own growing wait. Those that were read back from
 * the disk go before the others, and the others wait until all of those are through.
 */
export class WaitingRoom {
  readonly #first_ms: number
  readonly #max_ms: number
  readonly #backlog: Backlog
  readonly #groups = new Map<string, Group>()
  /** Events that came before -> their places: one that is tried and comes back is older than what came meanwhile. */
  readonly #places = new WeakMap<Event, number>()
  #last_place = 0
  #length = 0
  #memory_bytes = 0

  constructor(first_ms: number, max_ms: number, backlog: Backlog = NO_BACKLOG) {
    this.#first_ms = first_ms
    this.#max_ms = max_ms
    this.#backlog = backlog
  }

  get length(): number {
    return this.#length
  }

  /** Memory that its events stand for, without those read back from the disk. */
  get memory_bytes(): number {
    return this.#memory_bytes
  }

  get keys(): string[] {
    return [...this.#groups].filter(([, { restored, events }]) => restored.length + events.length > 0).map(([key]) => key)
  }

  /** When the first group with events is due; infinity for none. */
  get due_ms(): number {
    let due = Number.POSITIVE_INFINITY
    for (const [key, group] of this.#groups) if (this.#hasTurn(key, group)) due = Math.min(due, group.due_ms)
    return due
  }

  /** Since when the group that waits longest has events in memory only; infinity for none, minus infinity for the hopeless. */
  get oldest_ms(): number {
    const now_ms = performance.now()
    let oldest = Number.POSITIVE_INFINITY
    for (const [key, group] of this.#groups) {
      if (group.events.length === 0) continue
      oldest = Math.min(oldest, this.#isHopeless(key, group, now_ms) ? Number.NEGATIVE_INFINITY : group.since_ms)
    }
    return oldest
  }

  /** Puts events into a group that is due at a given time. */
  add(key: string, events: readonly Event[], due_ms: number): void {
    const group = this.#group(key)
    group.due_ms = group.events.length + group.restored.length === 0 ? due_ms : Math.min(group.due_ms, due_ms)
    this.#append(key, group, events)
  }

  /**
   * Puts events back after a try that failed: the group waits longer than before, at least `after_ms`.
   * @param since_ms since when they have been waiting, also elsewhere
   */
  fail(key: string, events: readonly Event[], now_ms: number, after_ms: number, since_ms = now_ms): void {
    const group = this.#group(key, since_ms)
    // Events that join a waiting group wait with it.
    if (group.due_ms <= now_ms) group.due_ms = now_ms + Math.max(after_ms, group.backoff.next())
    this.#append(key, group, events)
  }

  /** Takes in events that were read back from the disk: they are due with their group. */
  restore(key: string, events: readonly Event[]): void {
    this.#append(key, this.#group(key), events)
  }

  hasRestored(key: string): boolean {
    return (this.#groups.get(key)?.restored.length ?? 0) > 0
  }

  /** The try that `takeDue` gave events for is over: a group that got none of them back starts with its first wait again. */
  tried(key: string): void {
    const group = this.#groups.get(key)
    if (group !== undefined && group.events.length + group.restored.length === 0) this.#groups.delete(key)
  }

  /** Up to `events_max` events of a group that is due, or `undefined`. To be followed by `tried`. */
  takeDue(now_ms: number, events_max: number): { readonly key: string; readonly events: Event[] } | undefined {
    for (const [key, group] of this.#groups) {
      if (group.due_ms > now_ms || !this.#hasTurn(key, group)) continue
      const line = group.restored.length > 0 ? 'restored' : 'events'
      const events = group[line].slice(0, events_max)
      group[line] = group[line].slice(events_max)
      this.#length -= events.length
      if (line === 'events') this.#memory_bytes -= memory(events)
      return { key, events }
    }
    return undefined
  }

  /** Takes out what is in memory only of groups that wait since `since_ms` or longer, or are hopeless. Their waits stay as they are. */
  takeOut(since_ms: number, now_ms: number): { readonly key: string; readonly events: Event[] }[] {
    const taken: { key: string; events: Event[] }[] = []
    for (const [key, group] of this.#groups) {
      if (group.events.length === 0) continue
      if (group.since_ms > since_ms && !this.#isHopeless(key, group, now_ms)) continue
      taken.push({ key, events: group.events })
      this.#length -= group.events.length
      this.#memory_bytes -= memory(group.events)
      group.events = []
      group.since_ms = now_ms
    }
    return taken
  }

  /** Takes out what is on the disk too. */
  takeRestored(): Event[] {
    const taken = [...this.#groups.values()].flatMap(({ restored }) => restored)
    for (const group of this.#groups.values()) group.restored = []
    this.#length -= taken.length
    return taken
  }

  /** Older events are on the disk, and the last try failed: those in memory would only make their senders wait. */
  #isHopeless(key: string, { restored, due_ms }: Group, now_ms: number): boolean {
    return due_ms > now_ms && (restored.length > 0 || this.#backlog.isBehind(key))
  }

  /** Whether something of the group may be tried: nothing before what is older and still on the disk. */
  #hasTurn(key: string, { restored, events }: Group): boolean {
    return restored.length > 0 || (events.length > 0 && !this.#backlog.isBehind(key))
  }

  #group(key: string, since_ms = performance.now()): Group {
    let group = this.#groups.get(key)
    if (group === undefined) {
      const backoff = new Backoff(this.#first_ms, this.#max_ms)
      group = { restored: [], events: [], due_ms: 0, since_ms, backoff }
      this.#groups.set(key, group)
    }
    return group
  }

  #append(key: string, group: Group, events: readonly Event[]): void {
    let has_restored = false
    let has_returned = false
    // Not by spread: a group may hold more events than a call takes arguments.
    for (const event of events) {
      if (this.#backlog.sequenceOf(event, key) === undefined) {
        if (this.#places.has(event)) has_returned = true
        else this.#places.set(event, ++this.#last_place)
        group.events.push(event)
        this.#memory_bytes += memoryOf(event)
      } else {
        group.restored.push(event)
        has_restored = true
      }
    }
    this.#length += events.length
    if (has_returned) group.events.sort((one, other) => (this.#places.get(one) ?? 0) - (this.#places.get(other) ?? 0))
    if (!has_restored) return
    const place = (event: Event): bigint => this.#backlog.sequenceOf(event, key) ?? 0n
    group.restored.sort((one, other) => (place(one) < place(other) ? -1 : 1))
  }
}

function memory(events: readonly Event[]): number {
  return events.reduce((sum, event) => sum + memoryOf(event), 0)
}
