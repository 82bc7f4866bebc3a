import type { Chain } from '../compile/chain/nodes.ts'
import type { Counter } from '../core/context.ts'
import type { Event } from '../core/event.ts'

/** How often filters that hold state may give it out. */
const FLUSH_INTERVAL_MS = 1_000

/**
 * Gives the filters their turns: one batch at a time, of at most `batch_size` events, so that sockets and timers get
 * theirs in between; and to filters that hold state a turn to give it out, about every second.
 */
export class FilterTurns {
  readonly #chain: Chain
  readonly #batch_size: number
  readonly #abandon: AbortSignal
  readonly #seconds: Counter
  readonly #entered: (batch: readonly Event[]) => (() => void) | undefined
  /** Batches that wait for the filters; `taken` tells that the last of one has reached them. */
  readonly #ready: { readonly events: readonly Event[]; at: number; readonly taken: () => void }[] = []
  readonly #timer: NodeJS.Timeout | undefined
  /** A turn is queued or under way. */
  #isBusy = false
  #flushIsDue = false
  #whenIdle: (() => void) | undefined

  /**
   * @param entered hears which events enter the filters; what it returns, once they are through
   * @param abandon the program leaves: a filter that waits must not
   * @param seconds what the filters take: while one waits, the others do too
   */
  constructor(
    chain: Chain,
    batch_size: number,
    abandon: AbortSignal,
    seconds: Counter,
    entered: (batch: readonly Event[]) => (() => void) | undefined,
  ) {
    this.#chain = chain
    this.#batch_size = batch_size
    this.#abandon = abandon
    this.#seconds = seconds
    this.#entered = entered
    if (chain.flush !== undefined) this.#timer = setInterval(() => this.#queueFlush(), FLUSH_INTERVAL_MS).unref()
    abandon.addEventListener('abort', () => this.#leave(), { once: true })
  }

  /** Resolves when the last one of these events has reached the filters, or the program leaves. */
  async take(events: readonly Event[]): Promise<void> {
    if (this.#abandon.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#ready.push({ events, at: 0, taken: resolve })
    this.#queueTurn()
    await promise
  }

  /** Resolves when everything taken is through, and what filters held is given out. */
  async finish(): Promise<void> {
    clearInterval(this.#timer)
    if (this.#isBusy && !this.#abandon.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#whenIdle = resolve
      await promise
    }
    if (this.#abandon.aborted) return
    // Rejects only when the program leaves.
    await this.#chain.flush?.(Date.now(), true, this.#abandon).catch(() => {})
  }

  /** A filter that waits is not waited for: what stands in line behind it is not taken any more, and must hold nobody. */
  #leave(): void {
    for (const { taken } of this.#ready.splice(0)) taken()
    this.#whenIdle?.()
  }

  #queueFlush(): void {
    this.#flushIsDue = true
    this.#queueTurn()
  }

  #queueTurn(): void {
    if (this.#isBusy) return
    this.#isBusy = true
    setImmediate(() => {
      const waiting = this.#turn()
      if (waiting === undefined) this.#ended()
      // Rejects when the program leaves: no turn follows then.
      else waiting.then(() => this.#ended()).catch(() => this.#whenIdle?.())
    })
  }

  #ended(): void {
    this.#isBusy = false
    if (this.#ready.length > 0 || this.#flushIsDue) this.#queueTurn()
    else this.#whenIdle?.()
  }

  #turn(): void | Promise<void> {
    if (this.#flushIsDue) {
      this.#flushIsDue = false
      return this.#chain.flush?.(Date.now(), false, this.#abandon)
    }
    const first = this.#ready[0]
    if (first === undefined) return
    const batch = first.events.slice(first.at, first.at + this.#batch_size)
    first.at += batch.length
    const leave = this.#entered(batch)
    if (first.at === first.events.length) {
      this.#ready.shift()
      first.taken()
    }
    const started_ms = performance.now()
    const left = (): void => {
      this.#seconds.inc((performance.now() - started_ms) / 1_000)
      leave?.()
    }
    const running = this.#chain.run(batch, this.#abandon)
    if (running !== undefined) return running.finally(left)
    left()
  }
}
