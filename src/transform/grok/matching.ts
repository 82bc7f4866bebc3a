import { setImmediate as nextTurnOfTheLoop } from 'node:timers/promises'
import type { Event } from '../../core/event.ts'
import type { FieldRef } from '../../core/field-ref.ts'
import { isInterrupted, runGuarded } from '../../core/regex/guard.ts'
import type { Value } from '../../core/values.ts'
import { rubyText } from '../ruby-text.ts'
import type { GrokPattern } from './grok-pattern.ts'

/** A field and the patterns to try on it. */
export interface FieldPatterns {
  readonly ref: FieldRef
  readonly patterns: readonly GrokPattern[]
}

/** What the patterns found in one event; nothing of it is set yet. */
export interface Finding {
  readonly found: { readonly pattern: GrokPattern; readonly match: RegExpExecArray }[]
  matched: boolean
  /** The pattern that took too long. */
  timed_out?: { readonly pattern: GrokPattern; readonly ref: FieldRef }
}

export interface MatchSettings {
  readonly fields: readonly FieldPatterns[]
  readonly break_on_match: boolean
  /** 0: none. */
  readonly timeout_ms: number
  readonly timeout_scope: 'pattern' | 'event'
}

/** Of a batch whose events are quick the sum; what takes longer is tried again alone. */
const BATCH_TIMEOUT_MS = 200
/** So long the filter holds the loop. */
const TURN_MS = 50

/**
 * Runs the patterns over batches of events under a time limit. A limit that can break off a match costs far more than a match
 * does, so a whole batch runs under one. Where it fires, the event that it fired at is tried again with a limit of its own.
 */
export class Matching {
  readonly #settings: MatchSettings

  constructor(settings: MatchSettings) {
    this.#settings = settings
  }

  /** Fills `findings`. Gives the loop its turns in between when the batch takes long, and only then returns a promise. */
  findAll(events: readonly Event[], findings: Map<Event, Finding>, signal: AbortSignal): void | Promise<void> {
    const at = this.#findFrom(0, events, findings)
    if (at < events.length) return this.#findRest(at, events, findings, signal)
  }

  async #findRest(from: number, events: readonly Event[], findings: Map<Event, Finding>, signal: AbortSignal): Promise<void> {
    for (let at = from; at < events.length; at = this.#findFrom(at, events, findings)) {
      await nextTurnOfTheLoop(undefined, { signal })
    }
  }

  /** One turn's worth of events; returns where to go on. */
  #findFrom(from: number, events: readonly Event[], findings: Map<Event, Finding>): number {
    const { timeout_ms } = this.#settings
    const ends = performance.now() + TURN_MS
    let at = from
    try {
      runGuarded(Math.min(timeout_ms, BATCH_TIMEOUT_MS), () => {
        do {
          const event = events[at] as Event
          const finding: Finding = { found: [], matched: false }
          this.#find(event, finding, execBare)
          findings.set(event, finding)
          at++
        } while (at < events.length && performance.now() < ends)
      })
    } catch (thrown) {
      if (!isInterrupted(thrown)) throw thrown
      const event = events[at] as Event
      findings.set(event, this.#findAlone(event))
      at++
    }
    return at
  }

  /** One event under its own limits. */
  #findAlone(event: Event): Finding {
    const { timeout_ms, timeout_scope } = this.#settings
    const finding: Finding = { found: [], matched: false }
    const last: { tried?: { readonly pattern: GrokPattern; readonly ref: FieldRef } } = {}
    const exec: Exec = (pattern, text, ref) => {
      last.tried = { pattern, ref }
      return timeout_scope === 'event' ? pattern.exec(text) : runGuarded(timeout_ms, () => pattern.exec(text))
    }
    try {
      if (timeout_scope === 'event') runGuarded(timeout_ms, () => this.#find(event, finding, exec))
      else this.#find(event, finding, exec)
    } catch (thrown) {
      if (!isInterrupted(thrown) || last.tried === undefined) throw thrown
      finding.timed_out = last.tried
    }
    return finding
  }

  #find(event: Event, finding: Finding, exec: Exec): void {
    const { fields, break_on_match } = this.#settings
    for (const { ref, patterns } of fields) {
      const value = event.get(ref) ?? null
      const texts = Array.isArray(value) ? value : [value]
      let matched = false
      for (const text of texts) if (this.#findIn(text, ref, patterns, finding, exec)) matched = true
      if (!matched) continue
      finding.matched = true
      if (break_on_match) return
    }
  }

  /** Returns whether the pattern that was tried last matched: where all are tried, an earlier match does not count (as in Logstash). */
  #findIn(value: Value, ref: FieldRef, patterns: readonly GrokPattern[], finding: Finding, exec: Exec): boolean {
    const text = rubyText(value)
    let matched = false
    for (const pattern of patterns) {
      const match = exec(pattern, text, ref)
      matched = match !== null
      if (match === null) continue
      finding.found.push({ pattern, match })
      if (this.#settings.break_on_match) break
    }
    return matched
  }
}

type Exec = (pattern: GrokPattern, text: string, ref: FieldRef) => RegExpExecArray | null

const execBare: Exec = (pattern, text) => pattern.exec(text)
