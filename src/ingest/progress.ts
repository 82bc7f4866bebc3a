import { startTimer } from '../core/waiting.ts'

/** Less than this of one frame, or of one line, is no progress: a client that sends a byte a second would hold its place for ever. */
const PROGRESS_BYTES = 1024

/**
 * Whether a client gets on: it tells when for some time there was neither a whole piece (a frame, a line) nor a kilobyte of one.
 * What it waited for us is not among that time: neither while it is not read, nor what came while this process stood still.
 */
export class Progress {
  /** Received since the last progress. */
  unheeded_bytes = 0
  readonly #timeout_ms: number
  readonly #stalled: () => void
  #timer: NodeJS.Timeout | undefined
  #began_ms = performance.now()
  /** Since when it is not read, which is not its fault, and for how long it was not since the clock began. */
  #paused_ms: number | undefined
  #lost_ms = 0

  /** @param timeout_ms 0: never */
  constructor(timeout_ms: number, stalled: () => void) {
    this.#timeout_ms = timeout_ms
    this.#stalled = stalled
    if (timeout_ms > 0) this.#timer = startTimer(() => this.#look(), timeout_ms)
  }

  received(bytes: number): void {
    this.unheeded_bytes += bytes
    if (this.unheeded_bytes >= PROGRESS_BYTES) this.made()
  }

  made(): void {
    this.unheeded_bytes = 0
    this.restart()
  }

  /** Its time begins anew, and what came of a piece is still no whole one. */
  restart(): void {
    this.#began_ms = performance.now()
    this.#lost_ms = 0
    if (this.#paused_ms !== undefined) this.#paused_ms = this.#began_ms
  }

  /** It is not read from now on. */
  pause(): void {
    this.#paused_ms ??= performance.now()
  }

  /** It is read again. */
  resume(): void {
    if (this.#paused_ms !== undefined) this.#lost_ms += performance.now() - this.#paused_ms
    this.#paused_ms = undefined
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  get #left_ms(): number {
    const now_ms = performance.now()
    return this.#timeout_ms - (now_ms - this.#began_ms - this.#lost_ms - (now_ms - (this.#paused_ms ?? now_ms)))
  }

  /** Timers come before sockets: after a standstill what was sent meanwhile is to be read first. */
  #look(): void {
    if (this.#left_ms > 0) this.#lookAgain()
    else setImmediate(() => this.#judge())
  }

  #judge(): void {
    if (this.#timer === undefined) return
    if (this.#left_ms <= 0) this.#stalled()
    this.#lookAgain()
  }

  #lookAgain(): void {
    if (this.#timer === undefined) return
    const left_ms = this.#left_ms
    this.#timer = startTimer(() => this.#look(), left_ms > 0 ? left_ms : this.#timeout_ms)
  }
}
