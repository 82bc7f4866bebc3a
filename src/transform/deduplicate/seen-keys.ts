import type { Clock, Log } from '../../core/context.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event, Settlement } from '../../core/event.ts'
import { type Json, PositionStore } from '../../storage/positions.ts'

export interface SeenKeysOptions {
  readonly window_ms: number
  readonly keys_max: number
}

/** The first event of a key. */
interface First {
  readonly seen_ms: number
  /** Of the event, where it has one: the same event may come once more, and is no duplicate of itself. */
  readonly stable_id: string | undefined
}

/** As it is kept on disk. */
type StoredFirst = readonly [seen_ms: number, stable_id: string | null]

/** What was seen is written that often: the whole file each time. */
const SAVE_INTERVAL_MS = 10_000

/**
 * Keys that were seen within a window of time. On disk are those whose event has come to its end: after a crash an
 * event that was on its way comes again and must not meet its own key.
 */
export class SeenKeys {
  readonly #options: SeenKeysOptions
  readonly #clock: Clock
  readonly #log: Log
  readonly #store: PositionStore<StoredFirst>
  /** The oldest first. */
  readonly #firsts = new Map<string, First>()
  readonly #timer: NodeJS.Timeout

  private constructor(options: SeenKeysOptions, clock: Clock, log: Log, store: PositionStore<StoredFirst>) {
    this.#options = options
    this.#clock = clock
    this.#log = log
    this.#store = store
    // They were stored in the order in which their events ended.
    const by_time = [...store.entries()].sort(([, [a]], [, [b]]) => a - b)
    for (const [key, [seen_ms, stable_id]] of by_time) this.#firsts.set(key, { seen_ms, stable_id: stable_id ?? undefined })
    // Not awaited: it never rejects.
    this.#timer = setInterval(() => void this.save(), SAVE_INTERVAL_MS).unref()
  }

  /** @param path where the keys are kept; `undefined`: nowhere */
  static async open(path: string | undefined, options: SeenKeysOptions, clock: Clock, log: Log): Promise<SeenKeys> {
    const store = path === undefined ? PositionStore.inMemory<StoredFirst>() : await PositionStore.open(path, isStoredFirst)
    return new SeenKeys(options, clock, log, store)
  }

  /** Whether another event had this key within the window. If not, this one is the first. */
  isSeen(key: string, event: Event): boolean {
    const now_ms = this.#clock.now()
    this.#forgetOld(now_ms)
    const stable_id = event.stableId()
    const first = this.#firsts.get(key)
    if (first !== undefined) return stable_id === undefined || first.stable_id !== stable_id
    const seen: First = { seen_ms: now_ms, stable_id }
    this.#firsts.set(key, seen)
    event.whenSettled((state) => this.#settle(key, seen, state))
    return false
  }

  /** An event that could not be stored leaves its place to the next one. */
  #settle(key: string, seen: First, state: Settlement): void {
    if (this.#firsts.get(key) !== seen) return
    if (state === 'dead_lettered') this.#firsts.delete(key)
    else this.#store.set(key, [seen.seen_ms, seen.stable_id ?? null])
  }

  #forgetOld(now_ms: number): void {
    for (const [key, { seen_ms }] of this.#firsts) {
      const is_old = now_ms - seen_ms >= this.#options.window_ms
      if (!is_old && this.#firsts.size < this.#options.keys_max) return
      if (!is_old) {
        this.#log.warn(
          'deduplicate_keys',
          `deduplicate has ${this.#options.keys_max} keys within its window (max_keys): the oldest are forgotten, and their duplicates pass`,
        )
      }
      this.#firsts.delete(key)
      this.#store.delete(key)
    }
  }

  /** Never rejects: what goes wrong is logged, and tried again. */
  async save(): Promise<void> {
    try {
      await this.#store.save()
    } catch (thrown) {
      this.#log.error('deduplicate_save', `deduplicate cannot keep what it has seen: ${messageOf(thrown)}`)
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.save()
  }
}

function isStoredFirst(value: Json): value is StoredFirst {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    typeof value[0] === 'number' &&
    (value[1] === null || typeof value[1] === 'string')
  )
}
