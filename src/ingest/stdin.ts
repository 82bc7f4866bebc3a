import { hostname } from 'node:os'
import type { Readable } from 'node:stream'
import { addAbortSignal } from 'node:stream'
import { LineSplitter } from '../codecs/line-splitter.ts'
import { setIfMissing } from '../codecs/text.ts'
import { defineInput } from '../core/component.ts'
import type { Decoded, Deliver, InputContext, Source } from '../core/contracts.ts'
import { messageOf } from '../core/errors.ts'
import type { Event, Origin } from '../core/event.ts'

export const stdin = defineInput({
  name: 'stdin',
  summary: 'Reads the standard input to its end: one event a line.',
  description:
    'With a codec that does not look for lines by itself (json, plain) each line is one message, as in Logstash. The last ' +
    'line counts also where no newline ends it. The host name goes to `host`, with ECS to `[host][hostname]`.',
  default_codec: 'line',
  options: {},
  examples: [
    { title: 'NDJSON from another program', options: { codec: 'json_lines' } },
    { title: 'Plain lines, marked', options: { type: 'console', tags: ['manual'] } },
  ],
  finite: true,
  create: (_options, context) => createStreamSource(process.stdin, context),
})

/** Reads a stream to its end. Nobody waits for an acknowledgement, so the runtime's draining is all there is to do. */
export function createStreamSource(stream: Readable, context: InputContext): Source {
  return {
    run: async (deliver, stop) => {
      const reader = new StreamReader(context, deliver)
      try {
        for await (const piece of addAbortSignal(stop, stream)) await reader.take(piece as Buffer | string)
      } catch (thrown) {
        if (!stop.aborted) {
          context.log.error('stdin_read', `${context.where}: the standard input broke off: ${messageOf(thrown)}`)
        }
      }
      await reader.finish()
    },
  }
}

class StreamReader {
  readonly #context: InputContext
  readonly #deliver: Deliver
  readonly #decoder: ReturnType<InputContext['createDecoder']>
  readonly #splitter: LineSplitter | undefined
  readonly #host_path: readonly string[]
  readonly #host = hostname()
  readonly #origin: Origin

  constructor(context: InputContext, deliver: Deliver) {
    this.#context = context
    this.#deliver = deliver
    this.#decoder = context.createDecoder()
    this.#splitter = this.#decoder.splits_stream === true ? undefined : new LineSplitter(NEWLINE, context.max_event_bytes)
    this.#host_path = context.ecs_compatibility === 'disabled' ? ['host'] : ['host', 'hostname']
    // Nothing tells the same bytes from a repeat of them.
    this.#origin = { input: context.id, describe: () => 'standard input', stableId: () => undefined }
  }

  async take(piece: Buffer | string): Promise<void> {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
    if (this.#splitter === undefined) return this.#hand(this.#eventsOf(this.#decoder.decode(bytes), bytes.length))
    await this.#handLines(this.#splitter.push(bytes))
  }

  async finish(): Promise<void> {
    const last = this.#splitter?.flush()
    if (last !== undefined) await this.#handLines([last])
    await this.#hand(this.#eventsOf(this.#decoder.flush(), 0))
  }

  async #handLines(lines: readonly { bytes: Buffer; size_bytes: number; too_long: boolean }[]): Promise<void> {
    const events: Event[] = []
    for (const { bytes, size_bytes, too_long } of lines) {
      if (too_long) await this.#context.deadLetter(bytes, 'too_large', this.#origin, size_bytes)
      else events.push(...this.#eventsOf(this.#decoder.decode(bytes), size_bytes))
    }
    await this.#hand(events)
  }

  #eventsOf(decoded: readonly Decoded[], size_bytes: number): Event[] {
    const each_bytes = Math.ceil(size_bytes / Math.max(1, decoded.length))
    return decoded.map((one) => {
      setIfMissing(one.fields, this.#host_path, this.#host)
      return this.#context.createEvent(one, this.#origin, each_bytes)
    })
  }

  async #hand(events: Event[]): Promise<void> {
    if (events.length > 0) await this.#deliver(events)
  }
}

const NEWLINE = Buffer.from('\n')
