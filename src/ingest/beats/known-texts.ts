/** So many texts are remembered; then all are forgotten, and those that are still sent are soon back. */
const KNOWN_MAX = 2_000
/** Longer ones are read each time: they are few, and would make memory grow. */
const KNOWN_CHARS_MAX = 1_000

/** What was read of texts that come again and again: what a Beat tells of itself is the same in each of its events. */
export class KnownTexts<T> {
  readonly #read: (text: string) => T
  readonly #known = new Map<string, T>()

  /** @param read gives the same for the same text, and nobody changes it */
  constructor(read: (text: string) => T) {
    this.#read = read
  }

  of(text: string): T {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const read = this.#read(text)
    if (text.length > KNOWN_CHARS_MAX) return read
    if (this.#known.size >= KNOWN_MAX) this.#known.clear()
    // A part of a text keeps the whole of it in memory: what is kept is made of its own bytes.
    this.#known.set(Buffer.from(text, 'utf16le').toString('utf16le'), read)
    return read
  }
}
