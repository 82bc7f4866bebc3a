import { setTimeout as delay } from 'node:timers/promises'
import { filebeatEvent } from '../helpers/default-pipeline.ts'
import { encodeWindow, LumberjackClient } from '../helpers/lumberjack-client.ts'
import type { LogLine } from './log-lines.ts'

export interface FilebeatSenderOptions {
  readonly port: number
  readonly lines: readonly LogLine[]
  /** The file that the lines stand in: what makes them known when they come again. */
  readonly path: string
  readonly window_events?: number
  /** Events a second at most. Default: as fast as they are taken. */
  readonly rate?: number
  /** Without any answer for so long, keep-alives included, it hangs up. Filebeat waits 30 s. */
  readonly patience_ms?: number
  /** After so many windows it takes another connection, as Filebeat does with a `ttl`. Default: it stays. */
  readonly windows_a_connection?: number
}

/** Windows on the wire beside the one whose answer is next, as in Filebeat. */
const PIPELINING = 2
const RECONNECT_MS = 100
const LOOK_MS = 100
/** A timer that is later than this was kept waiting by the machine. */
const AWAY_MS = 100

/** Ships a file as Filebeat does: windows that nobody acknowledged are sent again on the next connection, until all are. */
export class FilebeatSender {
  /** Events whose window was acknowledged. */
  acknowledged = 0
  /** Events written to a connection, repeats not counted. */
  sent = 0
  /** Windows that were written more than once. */
  repeated_windows = 0
  connections = 0
  /** The longest time that a connection with unacknowledged events went without an answer, in ms. */
  longest_silence_ms = 0
  /** How long the machine kept this process from looking, at most. */
  longest_absence_ms = 0
  readonly #options: Required<Omit<FilebeatSenderOptions, 'rate'>> & { readonly rate: number }
  readonly #windows: number
  #next = 0
  #onWire = 0
  #writtenWindows = 0

  /** One for each of so many files, which have equal parts of the lines. */
  static forFiles(files: number, options: Omit<FilebeatSenderOptions, 'path'>): FilebeatSender[] {
    const each = options.lines.length / files
    return Array.from({ length: files }, (_, file) => {
      const lines = options.lines.slice(file * each, (file + 1) * each)
      return new FilebeatSender({ ...options, lines, path: `/var/log/exchange/${file}.log` })
    })
  }

  constructor(options: FilebeatSenderOptions) {
    this.#options = { window_events: 200, rate: Infinity, patience_ms: 30_000, windows_a_connection: Infinity, ...options }
    this.#windows = Math.ceil(options.lines.length / this.#options.window_events)
  }

  /** Events that are on a living connection and not acknowledged. */
  get in_flight(): number {
    return this.#onWire
  }

  /** Resolves when everything is acknowledged; rejects when the signal comes first. */
  async run(signal: AbortSignal): Promise<void> {
    while (this.#next < this.#windows) {
      signal.throwIfAborted()
      const client = await LumberjackClient.connect({ host: '127.0.0.1', port: this.#options.port }).catch(() => undefined)
      if (client !== undefined) {
        this.connections++
        await this.#ship(client, signal)
        this.#onWire = 0
        client.close()
      }
      if (this.#next < this.#windows) await delay(RECONNECT_MS, undefined, { signal })
    }
  }

  /** Sends from the first unacknowledged window on, until what this connection is for is acknowledged, or it is gone. */
  async #ship(client: LumberjackClient, signal: AbortSignal): Promise<void> {
    const end = Math.min(this.#windows, this.#next + this.#options.windows_a_connection)
    const hangUp = (): void => client.close()
    signal.addEventListener('abort', hangUp, { once: true })
    let seen = 0
    let answered_ms = performance.now()
    const countAnswers = (): void => {
      for (; seen < client.answers.length; seen++) {
        answered_ms = performance.now()
        if (client.answers[seen] !== this.#sizeOf(this.#next)) continue
        this.acknowledged += this.#sizeOf(this.#next)
        this.#onWire -= this.#sizeOf(this.#next)
        this.#next++
      }
    }
    let looked_ms = answered_ms
    const watch = setInterval(() => {
      countAnswers()
      // What this process itself was not there for, it cannot have heard.
      const away_ms = performance.now() - looked_ms - LOOK_MS
      if (away_ms > AWAY_MS) answered_ms += away_ms
      this.longest_absence_ms = Math.max(this.longest_absence_ms, away_ms)
      looked_ms = performance.now()
      if (this.#onWire === 0) return
      const silence_ms = performance.now() - answered_ms
      this.longest_silence_ms = Math.max(this.longest_silence_ms, silence_ms)
      if (silence_ms > this.#options.patience_ms) client.close()
    }, LOOK_MS)
    try {
      for (let written = this.#next; written < end && !client.isClosed; written++) {
        await client.until(() => {
          countAnswers()
          return client.isClosed || written - this.#next <= PIPELINING
        }, Infinity)
        if (client.isClosed) break
        if (this.#onWire === 0) answered_ms = performance.now()
        await this.#write(client, written)
      }
      await client.until(() => {
        countAnswers()
        return client.isClosed || this.#next === end
      }, Infinity)
    } finally {
      clearInterval(watch)
      signal.removeEventListener('abort', hangUp)
    }
  }

  async #write(client: LumberjackClient, window: number): Promise<void> {
    const { lines, path, window_events, rate } = this.#options
    const first = window * window_events
    const events = lines.slice(first, first + window_events)
    if (window < this.#writtenWindows) this.repeated_windows++
    else {
      this.#writtenWindows = window + 1
      this.sent += events.length
    }
    this.#onWire += events.length
    await client.send(encodeWindow(events.map(({ line }, index) => filebeatEvent(line, first + index, path))))
    if (rate < Infinity) await delay((events.length * 1_000) / rate)
  }

  #sizeOf(window: number): number {
    const { lines, window_events } = this.#options
    return Math.min(window_events, lines.length - window * window_events)
  }
}
