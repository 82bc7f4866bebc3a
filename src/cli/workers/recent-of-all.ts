import type { Status } from '../../ops/status.ts'
import type { Snapshot } from './calls.ts'

type Recent = Status['recent']

/** As many as one worker keeps. */
const KEPT = 20

/** The latest events of all workers, numbered in the order in which they came here: each worker counts its own from 1. */
export class RecentOfAll {
  #recent: Recent = []
  #sequence = 0
  /** Worker -> the newest of its events that is here. */
  readonly #seen = new Map<number, { readonly sequence: number }>()

  merge(workers: readonly { readonly index: number; readonly last: Snapshot | undefined }[]): Recent {
    const fresh = workers.flatMap(({ index, last }) => {
      const recent = last?.status.recent ?? []
      const seen = this.#seen.get(index)
      const newest = recent.at(-1)
      if (newest !== undefined) this.#seen.set(index, newest)
      // One that was replaced counts from 1 again.
      const is_replaced = (newest?.sequence ?? 0) < (seen?.sequence ?? 0)
      return seen === undefined || is_replaced ? recent : recent.filter(({ sequence }) => sequence > seen.sequence)
    })
    const sorted = fresh.toSorted((a, b) => a.at_ms - b.at_ms)
    const numbered = sorted.map((event) => ({ ...event, sequence: ++this.#sequence }))
    this.#recent = [...this.#recent, ...numbered].slice(-KEPT)
    return this.#recent
  }
}
