import { Shares } from './shares.ts'

/** A connection as the intake sees it. */
export interface Reader {
  /** What it holds is not complete: only more bytes can make it of use, and free it. */
  readonly is_incomplete: boolean
  /** Read, until told to stop. */
  start(): void
  /** Read nothing more, from now on. */
  stop(): void
  /** It was let through although memory is short and did not use its chance: close it, the client will send again. */
  giveUp(): void
}

export interface IntakeLimits {
  /** Pieces of work (windows, lines) of one input that may be decoded at the same time, those that wait for room in the pipeline included. */
  readonly turns: number
  /** Bytes that may be received and not yet decoded, over all connections, where no share says more. */
  readonly received_bytes_max: number
  /** How long one reader may read on over that limit to complete what it has, when nothing else can free memory. */
  readonly patience_ms: number
}

interface TurnLine {
  taken: number
  readonly waiting: Set<() => void>
}

/** What one read of a socket brings at most. */
const READ_BYTES = 64 * 1024
/** Fewer reads at a time would leave everybody waiting for one that has nothing to say. */
const READS_MIN = 4
/** Who may read and gets nothing for so long has nothing to say, and stands in line again. */
const GRANT_MS = 50
/** Who is let through has to bring so much in the time of our patience. */
const THROUGH_BYTES_MIN = 1024 * 1024
/** Above the first part of the limit the gate is closed; below the second one it opens. */
const CLOSING_PART = 2
const OPENING_PART = 4

/**
 * Keeps what many connections together hold in memory within bounds.
 *
 * *Turns*: what was received is decoded only by a connection whose turn it is; they come in the order they asked.
 * A sender can not hold a turn, for it is given when everything needed has come; only the pipeline can (backpressure).
 *
 * *Received bytes*: everybody reads as it likes while the gate is open. Above half of the limit it is closed: then all stop at
 * once, and stand in line for a read each, of which no more are granted than there is room for. Those who were given
 * one, used it and hold something incomplete come first, for only they can free what they hold.
 *
 *     open gate, all read -> half of the limit -> all stop; [incomplete] [others] -> granted: one read, or 50 ms
 *                         <- a quarter of it   <-
 *
 * When all memory is taken by what is not complete, so that nothing would ever free it, the first such reader reads on
 * until it is, or is closed after `patience_ms`: so it can not stand still and can not grow either.
 */
export class Intake {
  readonly #limits: IntakeLimits
  readonly #shares: Shares
  #turns_taken = 0
  readonly #turn_lines = new WeakMap<object, TurnLine>()
  #received_bytes = 0
  #is_closed = false
  /** Those who read while the gate is open. */
  readonly #reading = new Set<Reader>()
  readonly #first_line = new Set<Reader>()
  readonly #line = new Set<Reader>()
  /** Until when each may use its read, those first whose time ends first. */
  readonly #granted = new Map<Reader, number>()
  #lapse: NodeJS.Timeout | undefined
  #let_through: Reader | undefined
  #patience: NodeJS.Timeout | undefined
  #through_bytes = 0

  constructor(limits: IntakeLimits) {
    this.#limits = limits
    this.#shares = new Shares(limits.received_bytes_max)
  }

  /** So many bytes may be received; of several inputs the one with the largest share decides. Disposing of it takes it back. */
  share(received_bytes_max: number): Disposable {
    const share = this.#shares.add(received_bytes_max)
    this.#look()
    return {
      [Symbol.dispose]: () => {
        share[Symbol.dispose]()
        this.#look()
      },
    }
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
   * @param owner whose turns they are: an input that its pipeline holds back must not hold back others
   * @throws the signal's reason when that aborts first
   */
  async turn(reader: Reader, owner: object, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted()
    if (this.#let_through === reader) this.#endLettingThrough()
    let line = this.#turn_lines.get(owner)
    if (line === undefined) {
      line = { taken: 0, waiting: new Set() }
      this.#turn_lines.set(owner, line)
    }
    if (line.taken < this.#limits.turns) {
      line.taken++
      this.#turns_taken++
    } else await this.#standInLine(line, signal)
    return { [Symbol.dispose]: () => this.#passOn(line) }
  }

  async #standInLine({ waiting }: TurnLine, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const leave = (): void => {
      waiting.delete(resolve)
      reject(signal.reason as Error)
    }
    waiting.add(resolve)
    signal.addEventListener('abort', leave, { once: true })
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  /** The turn goes to the next in line without becoming free in between. */
  #passOn(line: TurnLine): void {
    const [next] = line.waiting
    if (next === undefined) {
      line.taken--
      this.#turns_taken--
      this.#serve()
    } else {
      line.waiting.delete(next)
      next()
    }
  }

  /** Counts bytes as held (or, negative, as free again). */
  hold(bytes: number): void {
    this.#received_bytes += bytes
    this.#look()
  }

  /** The reader got what it was granted. */
  received(reader: Reader, bytes: number): void {
    this.#granted.delete(reader)
    if (this.#let_through !== reader) return
    this.#through_bytes += bytes
    if (this.#through_bytes < THROUGH_BYTES_MIN) return
    this.#through_bytes = 0
    this.#patience?.refresh()
  }

  /** The reader would take more: it is told to start, at once or when there is room, and to stop until then. */
  want(reader: Reader): void {
    if (!this.#is_closed) {
      this.#reading.add(reader)
      reader.start()
    } else if (this.#let_through !== reader && !this.#granted.has(reader)) {
      reader.stop()
      this.#queue(reader)
      this.#serve()
    }
  }

  /** The reader is closed, or wants nothing more for now. It is not told to stop. */
  leave(reader: Reader): void {
    this.#reading.delete(reader)
    this.#first_line.delete(reader)
    this.#line.delete(reader)
    this.#granted.delete(reader)
    if (this.#let_through === reader) this.#endLettingThrough()
    this.#serve()
  }

  get #bytes_max(): number {
    return Math.max(this.#shares.bytes_max, READS_MIN * READ_BYTES)
  }

  #look(): void {
    if (!this.#is_closed && this.#received_bytes > this.#bytes_max / CLOSING_PART) this.#close()
    else if (this.#is_closed && this.#received_bytes <= this.#bytes_max / OPENING_PART) this.#open()
    else this.#serve()
  }

  #close(): void {
    this.#is_closed = true
    for (const reader of this.#reading) {
      reader.stop()
      this.#queue(reader)
    }
    this.#reading.clear()
    this.#serve()
  }

  #open(): void {
    this.#is_closed = false
    const through = this.#let_through === undefined ? [] : [this.#let_through]
    this.#endLettingThrough()
    clearTimeout(this.#lapse)
    this.#lapse = undefined
    const all = [...through, ...this.#first_line, ...this.#line, ...this.#granted.keys()]
    for (const waiting of [this.#first_line, this.#line, this.#granted]) waiting.clear()
    for (const reader of all) this.want(reader)
  }

  #queue(reader: Reader): void {
    if (this.#first_line.has(reader) || this.#line.has(reader)) return
    if (reader.is_incomplete) this.#first_line.add(reader)
    else this.#line.add(reader)
  }

  /** Grants as many reads as there is room for. */
  #serve(): void {
    if (!this.#is_closed) return
    const reads = Math.floor((this.#bytes_max - this.#received_bytes) / READ_BYTES)
    while (this.#granted.size < reads) {
      const next = this.#next()
      if (next === undefined) break
      this.#granted.set(next, performance.now() + GRANT_MS)
      next.start()
    }
    if (this.#granted.size > 0) this.#lapse ??= setTimeout(() => this.#lookOnceMore(), GRANT_MS)
    else if (reads <= 0) this.#letOneThrough()
  }

  #next(): Reader | undefined {
    for (const line of [this.#first_line, this.#line]) {
      for (const reader of line) {
        line.delete(reader)
        return reader
      }
    }
    return undefined
  }

  /** What came while this process was busy is read first. */
  #lookOnceMore(): void {
    setImmediate(() => {
      if (this.#lapse !== undefined) this.#endGrants()
    })
  }

  #endGrants(): void {
    this.#lapse = undefined
    const now_ms = performance.now()
    for (const [reader, until_ms] of this.#granted) {
      if (until_ms > now_ms) break
      this.#granted.delete(reader)
      reader.stop()
      // Behind everybody, also where it holds something: its sender does not go on.
      this.#line.add(reader)
    }
    this.#serve()
  }

  #letOneThrough(): void {
    if (this.#turns_taken > 0 || this.#let_through !== undefined) return
    const first = this.#firstIncomplete()
    if (first === undefined) return
    this.#first_line.delete(first)
    this.#line.delete(first)
    this.#let_through = first
    this.#through_bytes = 0
    this.#patience = setTimeout(() => {
      this.#endLettingThrough()
      first.giveUp()
    }, this.#limits.patience_ms)
    first.start()
  }

  #firstIncomplete(): Reader | undefined {
    for (const line of [this.#first_line, this.#line]) for (const reader of line) if (reader.is_incomplete) return reader
    return undefined
  }

  #endLettingThrough(): void {
    this.#let_through = undefined
    clearTimeout(this.#patience)
  }
}
