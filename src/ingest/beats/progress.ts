/** Less than this of one frame is no progress: a client that sends a byte a second would hold its place for ever. */
const PROGRESS_BYTES = 1024

/** Whether a client gets on: it tells when for some time there was neither a whole frame nor a kilobyte of one. */
export class Progress {
  /** Received since the last progress. */
  unheeded_bytes = 0
  readonly #timer: NodeJS.Timeout | undefined

  /** `timeout_ms` 0: never. */
  constructor(timeout_ms: number, stalled: () => void) {
    if (timeout_ms > 0) this.#timer = setTimeout(stalled, timeout_ms)
  }

  received(bytes: number): void {
    this.unheeded_bytes += bytes
    if (this.unheeded_bytes >= PROGRESS_BYTES) this.made()
  }

  made(): void {
    this.unheeded_bytes = 0
    this.#timer?.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
