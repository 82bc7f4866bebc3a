import { setImmediate as nextTurnOfTheLoop } from 'node:timers/promises'
import type { Event } from '../../core/event.ts'
import type { FieldRef } from '../../core/field-ref.ts'
import { isInterrupted, runGuarded } from '../../core/regex/guard.ts'
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
    // Work under a limit can be broken off between any two steps, so all that leaves something behind is done before: fields are
    // read, which may take them out of their text, and patterns are compiled, which loads modules.
    const read = events.map((event): ReadEvent => ({ event, fields: this.#read(event) }))
    const at = this.#findFrom(0, read, findings)
    if (at < read.length) return this.#findRest(at, read, findings, signal)
  }

  #read(event: Event): ReadField[] {
    return this.#settings.fields.map(({ ref, patterns }) => {
      const value = event.get(ref) ?? null
      const texts = (Array.isArray(value) ? value : [value]).map(rubyText)
      for (const text of texts) for (const pattern of patterns) pattern.makeReadyFor(text)
      return { ref, patterns, texts }
    })
  }

  async #findRest(from: number, read: readonly ReadEvent[], findings: Map<Event, Finding>, signal: AbortSignal): Promise<void> {
    for (let at = from; at < read.length; at = this.#findFrom(at, read, findings)) {
      await nextTurnOfTheLoop(undefined, { signal })
    }
  }

  /** One turn's worth of events; returns where to go on. */
  #findFrom(from: number, read: readonly ReadEvent[], findings: Map<Event, Finding>): number {
    const { timeout_ms } = this.#settings
    const ends = performance.now() + TURN_MS
    let at = from
    try {
      runGuarded(Math.min(timeout_ms, BATCH_TIMEOUT_MS), () => {
        do {
          const { event, fields } = read[at] as ReadEvent
          const finding: Finding = { found: [], matched: false }
          this.#find(fields, finding, execBare)
          findings.set(event, finding)
          at++
        } while (at < read.length && performance.now() < ends)
      })
    } catch (thrown) {
      if (!isInterrupted(thrown)) throw thrown
      const { event, fields } = read[at] as ReadEvent
      findings.set(event, this.#findAlone(fields))
      at++
    }
    return at
  }

  /** One event under its own limits. */
  #findAlone(fields: readonly ReadField[]): Finding {
    const { timeout_ms, timeout_scope } = this.#settings
    const finding: Finding = { found: [], matched: false }
    const last: { tried?: { readonly pattern: GrokPattern; readonly ref: FieldRef } } = {}
    const exec: Exec = (pattern, text, ref) => {
      last.tried = { pattern, ref }
      return timeout_scope === 'event' ? pattern.exec(text) : runGuarded(timeout_ms, () => pattern.exec(text))
    }
    try {
      if (timeout_scope === 'event') runGuarded(timeout_ms, () => this.#find(fields, finding, exec))
      else this.#find(fields, finding, exec)
    } catch (thrown) {
      if (!isInterrupted(thrown) || last.tried === undefined) throw thrown
      finding.timed_out = last.tried
    }
    return finding
  }

  #find(fields: readonly ReadField[], finding: Finding, exec: Exec): void {
    const { break_on_match } = this.#settings
    for (const field of fields) {
      let matched = false
      for (const text of field.texts) if (this.#findIn(text, field, finding, exec)) matched = true
      if (!matched) continue
      finding.matched = true
      if (break_on_match) return
    }
  }

  /** Returns whether the pattern that was tried last matched: where all are tried, an earlier match does not count (as in Logstash). */
  #findIn(text: string, { ref, patterns }: ReadField, finding: Finding, exec: Exec): boolean {
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

interface ReadField extends FieldPatterns {
  readonly texts: readonly string[]
}

interface ReadEvent {
  readonly event: Event
  readonly fields: readonly ReadField[]
}

type Exec = (pattern: GrokPattern, text: string, ref: FieldRef) => RegExpExecArray | null

const execBare: Exec = (pattern, text) => pattern.exec(text)
