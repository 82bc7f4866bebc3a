/** Whole numbers from `first` to `last`. */
export type Span = readonly [first: number, last: number]

/** A set of whole numbers that mostly come in rows: it takes memory by the row, not by the number. */
export class SequenceSet {
  /** Apart from each other, in order. */
  readonly #spans: [first: number, last: number][] = []

  get spans(): readonly Span[] {
    return this.#spans
  }

  /** The largest one. */
  get max(): number | undefined {
    return this.#spans.at(-1)?.[1]
  }

  has(number: number): boolean {
    const span = this.#spans[this.#indexOf(number)]
    return span !== undefined && span[0] <= number
  }

  /** Whether any of these is in it. */
  touches(first: number, last: number): boolean {
    const span = this.#spans[this.#indexOf(first)]
    return span !== undefined && span[0] <= last
  }

  /** How many of these are in it. */
  countBetween(first: number, last: number): number {
    return this.#spans.reduce((sum, [low, high]) => sum + Math.max(0, Math.min(high, last) - Math.max(low, first) + 1), 0)
  }

  add(first: number, last = first): void {
    const from = this.#indexOf(first - 1)
    let to = from
    let [low, high] = [first, last]
    for (let span = this.#spans[to]; span !== undefined && span[0] <= last + 1; span = this.#spans[++to]) {
      low = Math.min(low, span[0])
      high = Math.max(high, span[1])
    }
    this.#spans.splice(from, to - from, [low, high])
  }

  /** Takes out all below `number`. */
  removeBelow(number: number): void {
    this.#spans.splice(0, this.#indexOf(number))
    const [first] = this.#spans
    if (first !== undefined) first[0] = Math.max(first[0], number)
  }

  /** The first span that ends at `number` or behind it. */
  #indexOf(number: number): number {
    let low = 0
    let high = this.#spans.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#spans[middle]?.[1] ?? 0) < number) low = middle + 1
      else high = middle
    }
    return low
  }
}
