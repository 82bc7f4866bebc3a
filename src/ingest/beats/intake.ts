/** A connection as the intake sees it. */
export interface Reader {
  /** There is room: read on. */
  readOn(): void
  /** It was let through although memory is short and did not use its chance: close it, the client will send again. */
  giveUp(): void
}

export interface IntakeLimits {
  /** Windows that may be inflated and decoded at the same time, those that wait for room in the pipeline included. */
  readonly turns: number
  /**
   * Bytes that may be received and not yet decoded, over all connections. Each may go over it by what one read brings.
   * `allow` raises it.
   */
  readonly received_bytes_max: number
  /** How long one reader may read on over that limit to complete its window, when nothing else can free memory. */
  readonly patience_ms: number
}

/** What one read of a socket brings at most. */
const READ_BYTES = 64 * 1024

/**
 * Keeps what many connections together hold in memory within bounds.
 *
 * *Turns*: a window is inflated and decoded only by a connection whose turn it is; they come in the order they asked.
 * A sender can not hold a turn, for it is given when everything needed has come; only the pipeline can (backpressure).
 *
 * *Received bytes*: over the limit connections stop reading, and read on in the order they stopped. When all memory
 * is taken by windows that are not complete, and so nothing would ever free it, the first one in line reads on until
 * its window is complete, or is closed after `patience_ms`: so it can not stand still and can not grow either.
 */
export class Intake {
  readonly #limits: IntakeLimits
  #received_bytes_max: number
  #turns_taken = 0
  readonly #turn_line = new Set<() => void>()
  #received_bytes = 0
  readonly #reading_line = new Set<Reader>()
  #let_through: Reader | undefined
  #patience: NodeJS.Timeout | undefined

  constructor(limits: IntakeLimits) {
    this.#limits = limits
    this.#received_bytes_max = limits.received_bytes_max
  }

  /** At least so many bytes may be received from now on: the input with the largest budget decides. */
  allow(received_bytes_max: number): void {
    if (received_bytes_max <= this.#received_bytes_max) return
    this.#received_bytes_max = received_bytes_max
    this.#wake()
  }

  /** Bytes received and not yet decoded. */
  get received_bytes(): number {
    return this.#received_bytes
  }

  get turns_taken(): number {
    return this.#turns_taken
  }

  /**
   * Waits for a turn; disposing of it gives it back.
   * @throws the signal's reason when that aborts first
   */
  async turn(reader: Reader, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted()
    if (this.#let_through === reader) this.#endLettingThrough()
    if (this.#turns_taken < this.#limits.turns) this.#turns_taken++
    else await this.#standInLine(signal)
    return { [Symbol.dispose]: () => this.#passOn() }
  }

  async #standInLine(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const leave = (): void => {
      this.#turn_line.delete(resolve)
      reject(signal.reason as Error)
    }
    this.#turn_line.add(resolve)
    signal.addEventListener('abort', leave, { once: true })
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  /** The turn goes to the next in line without becoming free in between. */
  #passOn(): void {
    const [next] = this.#turn_line
    if (next === undefined) {
      this.#turns_taken--
      this.#letOneThrough()
    } else {
      this.#turn_line.delete(next)
      next()
    }
  }

  /** Counts bytes as held (or, negative, as free again). */
  hold(bytes: number): void {
    this.#received_bytes += bytes
    if (bytes < 0) this.#wake()
  }

  /** Whether the reader has to stop reading: then it stands in line and is told to read on. */
  mustWait(reader: Reader): boolean {
    if (!this.#isFull || this.#let_through === reader) return false
    this.#reading_line.add(reader)
    this.#letOneThrough()
    return this.#let_through !== reader
  }

  /** The reader is closed or does not want to read any more. */
  leave(reader: Reader): void {
    this.#reading_line.delete(reader)
    if (this.#let_through !== reader) return
    this.#endLettingThrough()
    this.#letOneThrough()
  }

  get #isFull(): boolean {
    return this.#received_bytes > this.#received_bytes_max
  }

  #wake(): void {
    if (this.#isFull) return
    this.#endLettingThrough()
    let reads = Math.ceil((this.#received_bytes_max - this.#received_bytes + 1) / READ_BYTES)
    for (const reader of this.#reading_line) {
      if (reads-- <= 0) break
      this.#reading_line.delete(reader)
      reader.readOn()
    }
  }

  #letOneThrough(): void {
    if (!this.#isFull || this.#turns_taken > 0 || this.#let_through !== undefined) return
    const [first] = this.#reading_line
    if (first === undefined) return
    this.#reading_line.delete(first)
    this.#let_through = first
    this.#patience = setTimeout(() => {
      this.#endLettingThrough()
      first.giveUp()
    }, this.#limits.patience_ms)
    // Not at once: the reader may be in the middle of asking.
    setImmediate(() => {
      if (this.#let_through === first) first.readOn()
    })
  }

  #endLettingThrough(): void {
    this.#let_through = undefined
    clearTimeout(this.#patience)
  }
}
