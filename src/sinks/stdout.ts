import type { Writable } from 'node:stream'
import { defineOutput } from '../core/component.ts'
import type { Context } from '../core/context.ts'
import { type Encoder, type Outcome, type Sink, STORED } from '../core/contracts.ts'
import { messageOf } from '../core/errors.ts'

export const stdout = defineOutput({
  name: 'stdout',
  summary: 'Writes events to the standard output, one JSON document a line unless another codec is named.',
  description:
    'The program writes its own log to the standard error, so this output can be piped into another program. When that ' +
    'program ends, the events that come afterwards count as dropped and the pipeline goes on.',
  default_codec: 'json_lines',
  options: {},
  examples: [{ title: 'Documents for another program', options: { codec: 'json_lines' } }],
  create: (_options, context) => createStreamSink(process.stdout, context.encoder, context),
})

const CLOSED: Outcome = { kind: 'drop', reason: 'stdout_closed' }

/** A sink that writes to a stream of the process, at the speed of whoever reads it. */
export function createStreamSink(stream: Writable, encoder: Encoder, context: Context): Sink {
  let closed = false
  const whenBroken = (error: Error): void => {
    if (closed) return
    closed = true
    const why = (error as NodeJS.ErrnoException).code === 'EPIPE' ? 'its reader has ended' : messageOf(error)
    context.log.warn(
      'stdout-closed',
      `${context.where}: the standard output is closed (${why}): further events for it are dropped`,
    )
  }
  return {
    // One writer: the events stay in their order.
    batching: { events_max: 2_048, bytes_max: 1024 * 1024, concurrency: 1 },
    open: () => {
      stream.on('error', whenBroken)
      return Promise.resolve()
    },
    write: async (events, signal) => {
      if (!closed) {
        const error = await writeText(stream, events.map((event) => encoder.encode(event)).join(''), signal)
        if (error) whenBroken(error)
      }
      return { outcomes: events.map(() => (closed ? CLOSED : STORED)) }
    },
    close: () => {
      stream.off('error', whenBroken)
      return Promise.resolve()
    },
  }
}

/** Resolves when the stream has handed the text on, or with what broke it. Rejects when the signal aborts first. */
function writeText(stream: Writable, text: string, signal: AbortSignal): Promise<Error | null | undefined> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    stream.write(text, (error) => {
      signal.removeEventListener('abort', abort)
      resolve(error)
    })
  })
}
