import { defineOutput } from '../core/component.ts'
import type { Counter } from '../core/context.ts'
import { ALREADY_THERE, type OutputContext, type Sink, type WriteResult } from '../core/contracts.ts'
import { MillraceError } from '../core/errors.ts'
import type { Event, EventState } from '../core/event.ts'
import type { BusSender } from '../core/event-bus.ts'
import * as option from '../core/options/options.ts'

/**
 * Small batches, for all events of one wait for the last of them; and as many on their way as there are, for events that
 * wait in the other pipeline must not hold the others back. The byte budget bounds them.
 */
const BATCHING = {
  events_max: 256,
  bytes_max: 4 * 1024 * 1024,
  concurrency: Number.POSITIVE_INFINITY,
  retry_first_ms: 1_000,
  retry_max_ms: 5_000,
}

/** Pipelines that send to each other in a circle would send an event round for ever. */
const HOPS_MAX = 32

export const pipelineOutput = defineOutput({
  name: 'pipeline',
  summary: 'Hands copies of events to other pipelines of this program.',
  description:
    'Each address gets a deep copy, metadata and origin with it. An event counts as handed on when its copies have their end ' +
    `in the other pipelines, so nothing is acknowledged before it is stored. An event that came through ${HOPS_MAX} pipelines goes ` +
    'to the dead letters.',
  default_codec: 'plain',
  options: {
    send_to: option.list('The addresses of the pipelines that get a copy of each event.', { required: true }),
    ensure_delivery: option.boolean(
      'Whether events wait for an address that no pipeline listens at. Without it they are dropped and counted.',
      { default: true },
    ),
  },
  examples: [
    { title: 'The same events to two pipelines', options: { send_to: ['es', 'archive'] } },
    { title: 'To a pipeline that may be missing', options: { send_to: ['debug'], ensure_delivery: false } },
  ],
  create: ({ send_to, ensure_delivery }, context) => new PipelineSink([...new Set(send_to)], ensure_delivery, context),
})

class PipelineSink implements Sink {
  readonly batching = BATCHING
  readonly #addresses: readonly string[]
  readonly #ensure_delivery: boolean
  readonly #sender: BusSender
  readonly #undelivered: Counter
  /** What addresses have taken of events that others have not taken yet: it is not sent there again. */
  readonly #taken = new WeakMap<Event, Map<string, EventState>>()

  constructor(addresses: readonly string[], ensure_delivery: boolean, { bus, metrics, id }: OutputContext) {
    this.#addresses = addresses
    this.#ensure_delivery = ensure_delivery
    this.#sender = bus.sendTo(addresses)
    const help = 'Copies that were dropped because no pipeline listened at their address.'
    this.#undelivered = metrics.counter('millrace_pipeline_undelivered_total', help, { output: id })
  }

  open(): Promise<void> {
    return Promise.resolve()
  }

  async write(events: readonly Event[]): Promise<WriteResult> {
    const sent = events.filter((event) => event.hops < HOPS_MAX)
    const handed = await Promise.allSettled(this.#addresses.map((address) => this.#hand(address, sent)))
    const failure = handed.find((result) => result.status === 'rejected')
    if (failure !== undefined) throw failure.reason
    return {
      outcomes: events.map((event) => {
        if (event.hops >= HOPS_MAX)
          return { kind: 'reject', reason: `it came through ${HOPS_MAX} pipelines: do they form a circle?` }
        const states = [...(this.#taken.get(event)?.values() ?? [])]
        this.#taken.delete(event)
        if (states.length === 0) return { kind: 'drop', reason: 'no pipeline listens at its address' }
        return states.every((state) => state === 'already_there') ? ALREADY_THERE : { kind: 'consumed' }
      }),
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** Hands an address what it has not taken yet, and notes what became of it. */
  async #hand(address: string, events: readonly Event[]): Promise<void> {
    const left = events.filter((event) => this.#taken.get(event)?.has(address) !== true)
    if (left.length === 0) return
    if (!this.#sender.isOpen(address)) {
      if (this.#ensure_delivery) {
        throw new MillraceError(
          'OUTPUT_UNAVAILABLE',
          `Attempted to send event to '${address}' but that address was unavailable. Maybe the destination pipeline is down or stopping? Will Retry.`,
        )
      }
      this.#undelivered.inc(left.length)
      return
    }
    for (const [position, state] of (await this.#sender.send(address, left)).entries()) {
      const event = left[position] as Event
      const taken = this.#taken.get(event) ?? new Map<string, EventState>()
      this.#taken.set(event, taken.set(address, state))
    }
  }
}
