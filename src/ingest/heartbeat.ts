import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { defineInput } from '../core/component.ts'
import type { Deliver, InputContext } from '../core/contracts.ts'
import type { Origin } from '../core/event.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'

const OPTIONS = {
  message: option.string(
    'The text of every event. Without ECS and without `sequence`: `epoch` and `sequence` mean that kind of number and no text.',
    { default: 'ok' },
  ),
  sequence: option.oneOf(
    'A number in `clock`, with ECS in `[event][sequence]`: seconds since 1970 (epoch), 1, 2, 3… (sequence), or none.',
    ['none', 'epoch', 'sequence'],
  ),
  interval: option.number('Seconds from one event to the next.', { default: 60, min: 0 }),
  count: option.integer('How many events each thread sends; 0 and less for ever.', { default: -1 }),
  threads: option.integer('Each sends everything, and counts by itself.', { default: 1, min: 1, max: 1_000 }),
}
type Options = option.OptionValues<typeof OPTIONS>

export const heartbeat = defineInput({
  name: 'heartbeat',
  summary: 'Sends an event at fixed intervals, to show that the pipeline works.',
  description:
    'The name of this machine is in `host`, with ECS in `[host][name]`. With a `count` the input comes to its end by itself.',
  default_codec: 'plain',
  options: OPTIONS,
  examples: [
    { title: 'Twice a minute, numbered', options: { interval: 30, sequence: 'sequence', type: 'heartbeat' } },
    { title: 'Once, to see where events go', options: { message: 'test', count: 1 } },
  ],
  finite: true,
  create: (options, context) => {
    const kind = sequenceOf(options, context)
    return {
      run: async (deliver, stop) => {
        const threads = Array.from({ length: options.threads }, () => beat(options, kind, context, deliver, stop))
        await Promise.all(threads)
      },
    }
  },
})

type SequenceKind = 'none' | 'epoch' | 'sequence'

function sequenceOf({ sequence, message }: Options, context: InputContext): SequenceKind {
  if (!isSequence(message)) return sequence ?? 'none'
  context.log.warn(
    'old_option',
    `${context.where}: heartbeat.message => ${message} as the kind of a number is the old form: please write sequence => "${message}"`,
  )
  return sequence ?? (context.ecs_compatibility === 'disabled' ? message : 'none')
}

function isSequence(message: string): message is 'epoch' | 'sequence' {
  return message === 'epoch' || message === 'sequence'
}

async function beat(
  { message, interval, count }: Options,
  kind: SequenceKind,
  context: InputContext,
  deliver: Deliver,
  stop: AbortSignal,
): Promise<void> {
  const ecs = context.ecs_compatibility !== 'disabled'
  const number = parseFieldRef(ecs ? '[event][sequence]' : 'clock')
  const origin: Origin = { input: context.id, describe: () => 'heartbeat', stableId: () => undefined }
  for (let sent = 1; !stop.aborted; sent++) {
    const started_ms = performance.now()
    const fields = {
      host: ecs ? { name: hostname() } : hostname(),
      ...(kind !== 'none' && isSequence(message) ? {} : { message }),
    }
    const event = context.createEvent({ fields, exact: false }, origin, message.length)
    if (kind !== 'none') event.set(number, kind === 'epoch' ? Math.floor(context.clock.now() / 1_000) : sent)
    await deliver([event])
    if (sent === count) return
    const rest_ms = Math.max(0, interval * 1_000 - (performance.now() - started_ms))
    await delay(rest_ms, undefined, { signal: stop }).catch(() => {}) // The loop looks at `stop` itself.
  }
}
