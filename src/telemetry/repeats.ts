/** Folds calls of one kind within an interval into one: the first passes at once, the rest as one with their number. */
export class RepeatFolder<T> {
  readonly #interval_ms: number
  readonly #print: (item: T, count: number) => void
  readonly #open = new Map<string, Interval<T>>()
  #closed = false

  /** `print` gets an item and how many calls it stands for. */
  constructor(interval_ms: number, print: (item: T, count: number) => void) {
    this.#interval_ms = interval_ms
    this.#print = print
  }

  take(kind: string, item: T): void {
    const interval = this.#open.get(kind)
    if (interval !== undefined) {
      interval.held++
      interval.last = item
      return
    }
    this.#print(item, 1)
    if (!this.#closed) this.#start(kind, item)
  }

  /** Prints what is held back. What is taken afterwards passes at once. */
  close(): void {
    this.#closed = true
    for (const [kind, interval] of this.#open) {
      clearTimeout(interval.timer)
      this.#open.delete(kind)
      if (interval.held > 0) this.#print(interval.last, interval.held)
    }
  }

  #start(kind: string, item: T): void {
    const timer = setTimeout(() => this.#end(kind), this.#interval_ms)
    // A held line is no reason for the process to stay: close() prints it.
    timer.unref()
    this.#open.set(kind, { held: 0, last: item, timer })
  }

  /** A kind that goes on keeps to one line an interval. */
  #end(kind: string): void {
    const interval = this.#open.get(kind)
    this.#open.delete(kind)
    if (interval === undefined || interval.held === 0) return
    this.#print(interval.last, interval.held)
    this.#start(kind, interval.last)
  }
}

interface Interval<T> {
  held: number
  last: T
  readonly timer: NodeJS.Timeout
}
