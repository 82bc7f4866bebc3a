import { LineSplitter } from '../../codecs/line-splitter.ts'
import type { Decoded, Decoder, Deliver, InputContext } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event, Origin } from '../../core/event.ts'

export interface StreamSettings {
  /** Adds what the input knows to decoded fields, before the event is born. */
  readonly complete: (decoded: Decoded) => Decoded
  readonly origin: Origin
}

const NEWLINE = Buffer.from('\n')

/** Makes events of one byte stream and hands them on in their order. What a codec holds back follows after its quiet time. */
export class StreamReader {
  readonly #context: InputContext
  readonly #deliver: Deliver
  readonly #settings: StreamSettings
  readonly #decoder: Decoder
  /** For codecs that take whole messages: each line is one. */
  readonly #splitter: LineSplitter | undefined
  /** Of `StreamConsumer`. */
  ended_lines = 0
  #quiet: NodeJS.Timeout | undefined
  /** The last piece of work: one begins when the one before it is through. */
  #work: Promise<void> = Promise.resolve()

  constructor(context: InputContext, deliver: Deliver, settings: StreamSettings) {
    this.#context = context
    this.#deliver = deliver
    this.#settings = settings
    this.#decoder = context.createDecoder()
    this.#splitter = this.#decoder.splits_stream === true ? undefined : new LineSplitter(NEWLINE, context.max_event_bytes)
  }

  /** Memory that an unfinished line takes, and what a codec holds of lines that may go on. */
  get pending_bytes(): number {
    return (this.#splitter?.held_bytes ?? 0) + (this.#decoder.pending_bytes ?? 0)
  }

  get is_mid_line(): boolean {
    if (this.#splitter !== undefined) return this.#splitter.pending_bytes > 0
    return this.#decoder.holds !== true && (this.#decoder.pending_bytes ?? 0) > 0
  }

  /** Takes the next piece of the stream. Resolves when there is room for more. */
  take(piece: Buffer | string): Promise<void> {
    return this.#afterwards(async () => {
      clearTimeout(this.#quiet)
      const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
      if (this.#splitter === undefined) {
        const events = this.#eventsOf(this.#decoder.decode(bytes), bytes.length)
        this.ended_lines += events.length
        await this.#hand(events)
      } else await this.#handLines(this.#splitter.push(bytes))
      const { holds, flush_after_ms } = this.#decoder
      if (holds === true && flush_after_ms !== undefined)
        this.#quiet = setTimeout(() => void this.#flushQuietly(), flush_after_ms)
    })
  }

  /** The stream has ended: what is left over counts. */
  finish(): Promise<void> {
    return this.#afterwards(async () => {
      clearTimeout(this.#quiet)
      const last = this.#splitter?.flush()
      if (last !== undefined) await this.#handLines([last])
      await this.#hand(this.#eventsOf(this.#decoder.flush(), 0))
    })
  }

  #afterwards(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work)
    return this.#work
  }

  /** Never rejects: a failure is the next piece's too. */
  async #flushQuietly(): Promise<void> {
    try {
      await this.#afterwards(() => this.#hand(this.#eventsOf(this.#decoder.flush(), 0)))
    } catch (thrown) {
      this.#context.log.warn('flush', `${this.#context.where}: ${messageOf(thrown)}`)
    }
  }

  async #handLines(lines: readonly { bytes: Buffer; size_bytes: number; too_long: boolean }[]): Promise<void> {
    const events: Event[] = []
    this.ended_lines += lines.length
    for (const { bytes, size_bytes, too_long } of lines) {
      if (too_long) await this.#context.deadLetter(bytes, 'too_large', this.#settings.origin, size_bytes)
      else events.push(...this.#eventsOf(this.#decoder.decode(bytes), size_bytes))
    }
    await this.#hand(events)
  }

  #eventsOf(decoded: readonly Decoded[], size_bytes: number): Event[] {
    const each_bytes = Math.ceil(size_bytes / Math.max(1, decoded.length))
    const { complete, origin } = this.#settings
    return decoded.map((one) => this.#context.createEvent(complete(one), origin, each_bytes))
  }

  async #hand(events: Event[]): Promise<void> {
    if (events.length > 0) await this.#deliver(events)
  }
}
