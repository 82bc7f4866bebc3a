import { copyOf } from '../../core/text-copy.ts'

/** So many texts are remembered; then all are forgotten, and those that are still sent are soon back. */
const KNOWN_MAX = 2_000
/** Longer ones are read each time: they are few, and would make memory grow. */
const KNOWN_CHARS_MAX = 1_000

interface Known<T> {
  readonly text: string
  readonly read: T
}

/** What was read of texts that come again and again: what a Beat tells of itself is the same in each of its events. */
export class KnownTexts<T> {
  readonly #read: (text: string) => T
  readonly #known = new Map<string, Known<T>>()
  /** The text that came last, which mostly comes again. */
  #last: Known<T> | undefined

  /** @param read gives the same for the same text, and nobody changes it */
  constructor(read: (text: string) => T) {
    this.#read = read
  }

  of(text: string): T {
    if (text.length > KNOWN_CHARS_MAX) return this.#read(text)
    if (this.#last?.text === text) return this.#last.read
    const known = this.#known.get(text) ?? this.#remember(text)
    this.#last = known
    return known.read
  }

  #remember(text: string): Known<T> {
    if (this.#known.size >= KNOWN_MAX) this.#known.clear()
    const known = { text: copyOf(text), read: this.#read(text) }
    this.#known.set(known.text, known)
    return known
  }
}
