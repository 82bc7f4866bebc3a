import type { Log } from '../../core/context.ts'
import { messageOf } from '../../core/errors.ts'
import { TIMER_MAX_MS } from '../../core/waiting.ts'
import { readDictionary, readState, readText } from './dictionary-file.ts'
import type { Dictionary, Lookup } from './lookup.ts'

export interface WatchOptions {
  /** 0: the file is read once. */
  readonly refresh_interval_s: number
  /** `merge` keeps what is no longer in the file. */
  readonly refresh_behaviour: 'merge' | 'replace'
  readonly yaml_chars_max: number
  /** Makes the look-up; throws where the entries are no good for it. */
  readonly compile: (dictionary: Dictionary) => Lookup
}

/** A dictionary in a file that may change. A new state that cannot be read never takes the place of a sound one. */
export class WatchedDictionary {
  readonly #path: string
  readonly #options: WatchOptions
  readonly #log: Log
  #entries: Dictionary
  #lookup: Lookup
  #text: string
  /** Of the file that was read last, sound or not: what did not change is not read again. */
  #state: string
  #timer: NodeJS.Timeout | undefined
  #refreshing: Promise<void> | undefined

  private constructor(path: string, options: WatchOptions, log: Log, text: string, state: string) {
    this.#path = path
    this.#options = options
    this.#log = log
    this.#entries = readDictionary(path, text, options.yaml_chars_max)
    this.#lookup = options.compile(this.#entries)
    this.#text = text
    this.#state = state
    const { refresh_interval_s } = options
    // Not awaited: it never rejects.
    const interval_ms = Math.min(refresh_interval_s * 1000, TIMER_MAX_MS)
    if (interval_ms > 0) this.#timer = setInterval(() => void this.refresh(), interval_ms).unref()
  }

  /** @throws MillraceError OPTION_INVALID, or what `compile` throws */
  static async open(path: string, options: WatchOptions, log: Log): Promise<WatchedDictionary> {
    const { text, state } = await readText(path)
    return new WatchedDictionary(path, options, log, text, state)
  }

  get lookup(): Lookup {
    return this.#lookup
  }

  /** Looks once whether the file says something else, and takes it over. Never rejects: what is wrong is logged. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#takeOver().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #takeOver(): Promise<void> {
    try {
      const state = await readState(this.#path)
      if (state === this.#state) return
      this.#state = state
      const read = await readText(this.#path)
      this.#state = read.state
      if (read.text === this.#text) return
      const { refresh_behaviour, yaml_chars_max, compile } = this.#options
      const entries = readDictionary(this.#path, read.text, yaml_chars_max)
      const merged = refresh_behaviour === 'merge' ? new Map([...this.#entries, ...entries]) : entries
      this.#lookup = compile(merged)
      this.#entries = merged
      this.#text = read.text
      this.#log.info('translate_dictionary', `the dictionary ${this.#path} has changed: ${merged.size} entries`)
    } catch (thrown) {
      this.#log.warn('translate_dictionary', `${messageOf(thrown)}: going on with the entries from before`)
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
