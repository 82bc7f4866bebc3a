import { hostname } from 'node:os'
import type { Readable } from 'node:stream'
import { addAbortSignal } from 'node:stream'
import { defineInput } from '../core/component.ts'
import type { InputContext, Source } from '../core/contracts.ts'
import { messageOf } from '../core/errors.ts'
import { placeIfMissing } from './placed-fields.ts'
import { StreamReader } from './streams/reader.ts'

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
  reloadable: false,
  create: (_options, context) => createStreamSource(process.stdin, context),
})

/** Reads a stream to its end. Nobody waits for an acknowledgement, so the runtime's draining is all there is to do. */
export function createStreamSource(stream: Readable, context: InputContext): Source {
  return {
    run: async (deliver, stop) => {
      const host_path = context.ecs_compatibility === 'disabled' ? ['host'] : ['host', 'hostname']
      const host = hostname()
      const reader = new StreamReader(context, deliver, {
        complete: (decoded) => {
          placeIfMissing(decoded, host_path, host)
          return decoded
        },
        // Nothing tells the same bytes from a repeat of them.
        origin: { input: context.id, describe: () => 'standard input', stableId: () => undefined },
      })
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
