import type { Metrics } from '../core/context.ts'
import type { Batching, WriteResult } from '../core/contracts.ts'

/** For sinks that say nothing about it. */
export const DEFAULT_BATCHING: Batching = { events_max: 2048, bytes_max: 20 * 1024 * 1024, concurrency: 1 }
/** Smaller than this a batch is not made for a slow other side: the requests themselves would be the load. */
const EVENTS_MIN = 64

/**
 * How fast an output goes: full size and concurrency, halved when the other side says that it is overloaded or that
 * a batch was too large, and grown back by a sixteenth with each write that went well.
 */
export class Pace {
  readonly #full: Batching
  #share = 1
  #takes_nothing = false

  constructor(full: Batching) {
    this.#full = full
  }

  get isSlowed(): boolean {
    return this.#share < 1
  }

  get events_max(): number {
    return Math.max(Math.min(EVENTS_MIN, this.#full.events_max), Math.floor(this.#full.events_max * this.#share))
  }

  get concurrency(): number {
    return Math.max(1, Math.floor(this.#full.concurrency * this.#share))
  }

  heed(result: WriteResult): void {
    const { outcomes } = result
    this.#takes_nothing = outcomes.length > 0 && outcomes.every(({ kind }) => kind === 'retry' || kind === 'park')
    if (result.overloaded === true || result.tooLarge === true) this.#share = Math.max(1 / 64, this.#share / 2)
    else this.#share = Math.min(1, this.#share + 1 / 16)
  }

  /** @param answers whether the other side said anything at all the last time */
  showIn(metrics: Metrics, output: string, answers: () => boolean): void {
    const up_help = '1 while the other side takes events; 0 when it does not answer, or the last time put off all that it got.'
    metrics.gauge('millrace_output_up', up_help, { output }, () => Number(answers() && !this.#takes_nothing))
    const events_help = 'Most events in a write: fewer while the other side is overloaded.'
    metrics.gauge('millrace_output_batch_events_max', events_help, { output }, () => this.events_max)
    const writes_help = 'Most writes at the same time: fewer while the other side is overloaded.'
    metrics.gauge('millrace_output_writes_max', writes_help, { output }, () => this.concurrency)
  }
}
