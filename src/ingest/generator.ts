import { hostname } from 'node:os'
import { createInterface } from 'node:readline/promises'
import { defineInput } from '../core/component.ts'
import type { Deliver, InputContext, Source } from '../core/contracts.ts'
import { MillraceError } from '../core/errors.ts'
import type { Event, Origin } from '../core/event.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'
import { decodeWhole } from './whole-message.ts'

const OPTIONS = {
  message: option.string('The text of every event, where there are no `lines`. `stdin` takes one line of the standard input.', {
    default: 'Hello world!',
  }),
  lines: option.list('Texts to send in their order, again and again.'),
  count: option.integer('How many times the text, or all lines, are sent by each thread; 0 and less for ever.', { default: 0 }),
  threads: option.integer('Each sends everything, and counts by itself.', { default: 1, min: 1, max: 1_000 }),
}
type Options = option.OptionValues<typeof OPTIONS>

/** As many as a pipeline usually takes at once. */
const BATCH_EVENTS = 500

export const generator = defineInput({
  name: 'generator',
  summary: 'Makes events of fixed texts, for tests and measurements.',
  description:
    'Each event has a number that goes up with every round in `sequence`, with ECS in `[event][sequence]`, and the name of this ' +
    'machine in `host` (`[host][name]`) unless its codec found one. With a `count` the input comes to its end by itself.',
  default_codec: 'plain',
  options: OPTIONS,
  examples: [
    {
      title: 'One document, to try a pipeline',
      options: { lines: ['{"level":"ERROR","ip":"81.2.69.160"}'], count: 1, codec: 'json' },
    },
    { title: 'As fast as the pipeline is', options: { message: 'GET /orders 200', count: 1_000_000 } },
  ],
  finite: true,
  create: (options, context) => createGenerator(options, context, process.stdin),
})

/** @param stdin what `message => stdin` reads its line from */
export function createGenerator(options: Options, context: InputContext, stdin: NodeJS.ReadableStream): Source {
  if (options.lines?.length === 0) throw new MillraceError('INPUT_CANNOT_START', 'lines: expected at least one text, got none')
  return {
    run: async (deliver, stop) => {
      const lines = options.lines ?? [options.message === 'stdin' ? await readLine(stdin, stop) : options.message]
      const threads = Array.from({ length: options.threads }, () => generate(lines, options.count, context, deliver, stop))
      await Promise.all(threads)
    },
  }
}

async function readLine(stdin: NodeJS.ReadableStream, stop: AbortSignal): Promise<string> {
  const reader = createInterface({ input: stdin, signal: stop })
  for await (const line of reader) return line
  return ''
}

async function generate(
  lines: readonly string[],
  count: number,
  context: InputContext,
  deliver: Deliver,
  stop: AbortSignal,
): Promise<void> {
  const ecs = context.ecs_compatibility !== 'disabled'
  const host = parseFieldRef(ecs ? '[host][name]' : 'host')
  const sequence = parseFieldRef(ecs ? '[event][sequence]' : 'sequence')
  const name = hostname()
  const origin: Origin = { input: context.id, describe: () => 'generator', stableId: () => undefined }
  const decoder = context.createDecoder()
  const decode = (line: string) => (decoder.splits_stream === true ? decodeWhole(decoder, line) : decoder.decode(line))
  let batch: Event[] = []
  const finish = (decoded: ReturnType<typeof decode>, size_bytes: number, round: number | undefined): void => {
    for (const one of decoded) {
      const event = context.createEvent(one, origin, size_bytes)
      if (!event.has(host)) event.set(host, name)
      if (round !== undefined) event.set(sequence, round)
      batch.push(event)
    }
  }
  const rounds = count <= 0 ? Number.POSITIVE_INFINITY : count
  for (let round = 0; !stop.aborted && round < rounds; round++) {
    for (const line of lines) finish(decode(line), line.length, round)
    if (batch.length >= BATCH_EVENTS) {
      await deliver(batch)
      batch = []
    }
  }
  finish(decoder.flush(), 0, undefined)
  if (batch.length > 0) await deliver(batch)
}
