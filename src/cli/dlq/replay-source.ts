import { setTimeout as wait } from 'node:timers/promises'
import type { Deliver, InputContext, Settled, Source } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import type { Entry } from '../../runtime/dead-letter-box.ts'
import type { ReplayFailure, ReplayMarker } from '../../storage/replay-marks.ts'
import type { WaitingLetter } from '../../storage/stored-letter.ts'
import { eventsOf } from './letter-events.ts'

/** Elasticsearch repeats whole values in its reasons, and the letter has them too. */
const REASON_LENGTH_MAX = 1_000

/** How far a replay has come, in letters. */
export interface ReplayCounts {
  sent: number
  done: number
  failed_again: number
  /** They were on their way when the replay was stopped, and wait again. */
  left: number
  /** Only their beginning was kept, so they cannot be sent. */
  cut: number
}

interface Services {
  readonly letters: AsyncIterable<WaitingLetter>
  readonly marker: ReplayMarker
  /** Letters a second at most. */
  readonly rate: number | undefined
  readonly inputs: ReadonlyMap<string, InputContext>
  /** Hears of what keeps the replay from going on, and of events that belong to no letter. */
  readonly complain: (kind: string, message: string) => void
}

/**
 * Sends dead letters into a pipeline in place of its inputs, and notes what became of each once that is sure. A letter is marked after all
 * its events are stored: whatever breaks the replay off, what has no mark is sent again, with the same ids.
 */
export class ReplaySource implements Source {
  readonly counts: ReplayCounts = { sent: 0, done: 0, failed_again: 0, left: 0, cut: 0 }
  readonly #services: Services
  /** By what their origin calls itself, which is all that a dead letter tells of where its event came from. */
  readonly #onTheirWay = new Map<string, { failure: ReplayFailure | undefined; readonly replays: number }>()
  readonly #marking = new Set<Promise<void>>()
  readonly #broken = new AbortController()
  /** All letters that are meant were looked at. */
  is_complete = false

  constructor(services: Services) {
    this.#services = services
  }

  get on_their_way(): number {
    return this.#onTheirWay.size
  }

  async run(deliver: Deliver, stop: AbortSignal): Promise<void> {
    const { letters, inputs, rate } = this.#services
    const ending = AbortSignal.any([stop, this.#broken.signal])
    const started_ms = performance.now()
    for await (const waiting of letters) {
      if (ending.aborted) break
      const events = eventsOf(waiting, inputs)
      const [event] = events ?? []
      if (events === undefined || event === undefined) {
        this.counts.cut++
        continue
      }
      const due_ms = rate === undefined ? 0 : started_ms + (this.counts.sent * 1000) / rate - performance.now()
      if (due_ms > 0) await wait(due_ms, undefined, { signal: ending }).catch(() => {}) // Looked at next.
      if (ending.aborted) break
      this.counts.sent++
      const name = event.origin?.describe() ?? ''
      const { failure, letter, sequence } = waiting
      this.#onTheirWay.set(name, { failure: undefined, replays: failure?.replays ?? letter.replays })
      const { settled } = await deliver(events)
      this.#follow(settled.then(async (state) => await this.#conclude(name, sequence, state)))
    }
    this.is_complete = !ending.aborted
  }

  /** In place of the program's dead letters: a letter that fails again stays where it is, with its new reason. */
  keep = (_pipeline: string, entries: readonly Entry[]): Promise<boolean> => {
    for (const { origin = '', component, plugin_type, reason } of entries) {
      const letter = this.#onTheirWay.get(origin)
      const why = reason.slice(0, REASON_LENGTH_MAX).toWellFormed()
      if (letter === undefined) {
        this.#services.complain('replay_event_lost', `an event that a filter made of several letters could not be stored: ${why}`)
        continue
      }
      letter.failure = {
        replays: letter.replays + 1,
        time: new Date().toISOString(),
        component: component.replace(/ \(.*\)$/, ''),
        plugin_type,
        reason: why,
      }
    }
    return Promise.resolve(true)
  }

  /** Resolves once all that ended is marked. */
  async marked(): Promise<void> {
    await Promise.all(this.#marking)
  }

  #follow(marking: Promise<void>): void {
    this.#marking.add(marking)
    void marking.finally(() => this.#marking.delete(marking))
  }

  /** Never rejects. */
  async #conclude(name: string, sequence: bigint, state: Settled): Promise<void> {
    const failure = this.#onTheirWay.get(name)?.failure
    this.#onTheirWay.delete(name)
    if (state === 'abandoned') {
      this.counts.left++
      return
    }
    try {
      const { marker } = this.#services
      if (failure === undefined) await marker.done(sequence)
      else await marker.failed(sequence, failure)
      if (failure === undefined) this.counts.done++
      else this.counts.failed_again++
    } catch (thrown) {
      // Going on without marks would send more and more letters that will be sent once more.
      this.counts.left++
      this.#broken.abort()
      this.#services.complain('replay_unmarked', `the replay stops, for what is sent cannot be noted: ${messageOf(thrown)}`)
    }
  }
}
