import type { Clock, Log } from '../../core/context.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
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

/** What was seen is written that often, where it changed: the whole file each time. */
const SAVE_INTERVAL_MS = 1_000
/** A file of many keys takes its time: then it rests for so many times as long, at most so long. */
const SAVE_REST = 50
const SAVE_REST_MAX_MS = 10_000

/**
 * Keys that were seen within a window of time. On disk are those whose event has come to its end: after a crash an
 * event that was on its way comes again and must not meet its own key.
 */
export class SeenKeys {
  #users = 0
  #path: string | undefined
  readonly #clock: Clock
  readonly #log: Log
  readonly #store: PositionStore<StoredFirst>
  /** The oldest first. */
  readonly #firsts = new Map<string, First>()
  readonly #timer: NodeJS.Timeout
  /** Infinity while it is being saved. */
  #save_not_before_ms = 0

  private constructor(clock: Clock, log: Log, store: PositionStore<StoredFirst>) {
    this.#clock = clock
    this.#log = log
    this.#store = store
    // They were stored in the order in which their events ended.
    const by_time = [...store.entries()].sort(([, [a]], [, [b]]) => a - b)
    for (const [key, [seen_ms, stable_id]] of by_time) this.#firsts.set(key, { seen_ms, stable_id: stable_id ?? undefined })
    // Not awaited: it never rejects.
    this.#timer = setInterval(() => void this.#saveInTime(), SAVE_INTERVAL_MS).unref()
  }

  /**
   * Keys that are kept in a file are shared by all who open it: during a reload two do.
   * @param path where the keys are kept; `undefined`: nowhere
   */
  static async open(path: string | undefined, clock: Clock, log: Log): Promise<SeenKeys> {
    if (path === undefined) return new SeenKeys(clock, log, PositionStore.inMemory<StoredFirst>())
    const present = opened.get(path) ?? SeenKeys.#openFile(path, clock, log)
    opened.set(path, present)
    const seen = await present
    seen.#users++
    return seen
  }

  static async #openFile(path: string, clock: Clock, log: Log): Promise<SeenKeys> {
    try {
      const seen = new SeenKeys(clock, log, await PositionStore.open(path, isStoredFirst))
      seen.#path = path
      return seen
    } catch (thrown) {
      opened.delete(path)
      throw thrown
    }
  }

  /** Whether another event had this key within the window. If not, this one is the first. */
  isSeen(key: string, event: Event, options: SeenKeysOptions): boolean {
    const now_ms = this.#clock.now()
    this.#forgetOld(now_ms, options)
    const stable_id = event.stableId()
    const first = this.#firsts.get(key)
    if (first !== undefined) return stable_id === undefined || first.stable_id !== stable_id
    const seen: First = { seen_ms: now_ms, stable_id }
    this.#firsts.set(key, seen)
    event.whenAllSettled((is_lost) => this.#settle(key, seen, is_lost))
    return false
  }

  /** An event that no output has leaves its place to the next one; where one has it, that one would get the next as a repeat. */
  #settle(key: string, seen: First, is_lost: boolean): void {
    if (this.#firsts.get(key) !== seen) return
    if (is_lost) this.#firsts.delete(key)
    else this.#store.set(key, [seen.seen_ms, seen.stable_id ?? null])
  }

  #forgetOld(now_ms: number, { window_ms, keys_max }: SeenKeysOptions): void {
    for (const [key, { seen_ms }] of this.#firsts) {
      const is_old = now_ms - seen_ms >= window_ms
      if (!is_old && this.#firsts.size < keys_max) return
      if (!is_old) {
        this.#log.warn(
          'deduplicate_keys',
          `deduplicate has ${keys_max} keys within its window (max_keys): the oldest are forgotten, and their duplicates pass`,
        )
      }
      this.#firsts.delete(key)
      this.#store.delete(key)
    }
  }

  async #saveInTime(): Promise<void> {
    const started_ms = performance.now()
    if (started_ms < this.#save_not_before_ms) return
    this.#save_not_before_ms = Number.POSITIVE_INFINITY
    await this.save()
    const ended_ms = performance.now()
    this.#save_not_before_ms = ended_ms + Math.min(SAVE_REST_MAX_MS, (ended_ms - started_ms) * SAVE_REST)
  }

  /** Never rejects: what goes wrong is logged, and tried again. */
  async save(): Promise<void> {
    try {
      await this.#store.save()
    } catch (thrown) {
      this.#log.error('deduplicate_save', `deduplicate cannot keep what it has seen: ${messageOf(thrown)}`)
    }
  }

  /** The last one who closes it ends it. */
  async close(): Promise<void> {
    this.#users--
    if (this.#users > 0) return
    await this.save()
    // Somebody may have opened it meanwhile.
    if (this.#users > 0) return
    clearInterval(this.#timer)
    if (this.#path !== undefined) opened.delete(this.#path)
  }
}

/** Files of this process that are open. */
const opened = new Map<string, Promise<SeenKeys>>()

function isStoredFirst(value: Json): value is StoredFirst {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    typeof value[0] === 'number' &&
    (value[1] === null || typeof value[1] === 'string')
  )
}
