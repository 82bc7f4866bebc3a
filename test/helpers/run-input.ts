import { compileInput } from '../../src/compile/input.ts'
import { type AnySpec, Catalog, type InputSpec } from '../../src/core/component.ts'
import type { Deliver, Settled, Source } from '../../src/core/contracts.ts'
import { ConfigError, type Problem } from '../../src/core/errors.ts'
import type { Event } from '../../src/core/event.ts'
import { componentNode } from './config-value.ts'
import { type TestContext, testContext } from './context.ts'

/** A batch that an input handed over, waiting for the test to say what became of it. */
export interface DeliveredBatch {
  readonly events: readonly Event[]
  settle(settled: Settled): void
}

/** The runtime's side of an input under test: takes batches, settles them at once unless told to hold them. */
export class Collector {
  readonly batches: DeliveredBatch[] = []
  readonly deadLetters: { readonly raw: Buffer; readonly reason: string }[] = []
  /** What a new batch settles as at once; `undefined` holds batches until the test settles them. */
  settleAs: Settled | undefined = 'stored'
  /** A batch is taken once there is room for it. */
  room: Promise<void> = Promise.resolve()
  #waiting: (() => void)[] = []

  readonly deliver: Deliver = async (events) => {
    const { promise, resolve } = Promise.withResolvers<Settled>()
    this.batches.push({ events, settle: resolve })
    if (this.settleAs !== undefined) resolve(this.settleAs)
    for (const wake of this.#waiting.splice(0)) wake()
    await this.room
    return { settled: promise }
  }

  get events(): Event[] {
    return this.batches.flatMap(({ events }) => events)
  }

  /** The documents so far. */
  get documents(): { [name: string]: unknown }[] {
    return this.events.map((event) => JSON.parse(event.toJsonText()) as { [name: string]: unknown })
  }

  /** Waits until a condition over what came so far holds; looked at again after every delivery and every 10 ms. */
  async until(holds: () => boolean, timeout_ms = 60_000): Promise<void> {
    const deadline = performance.now() + timeout_ms
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`waited ${timeout_ms} ms for ${holds.toString()}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 10)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }
}

export interface RunningInput extends AsyncDisposable {
  readonly collector: Collector
  readonly context: TestContext
  /** Ends reading; resolves when the input has come to its end. */
  stop(): Promise<void>
  /** Resolves when the input ends by itself. */
  readonly ended: Promise<void>
}

/** An input as a pipeline would build it, from the spec itself and the codecs it may name. */
export function buildInput(
  spec: unknown,
  codecs: readonly unknown[],
  options: { readonly [name: string]: unknown },
  collector: Collector,
  context: TestContext = testContext(),
  max_event_bytes = 10 * 1024 * 1024,
  max_in_flight_bytes = 64 * 1024 * 1024,
): Source {
  const problems: Problem[] = []
  const input = spec as InputSpec
  const source = compileInput(
    input,
    componentNode(input.name, options),
    new Catalog(codecs as readonly AnySpec[]),
    context,
    {
      max_event_bytes,
      max_in_flight_bytes,
      deadLetter: (raw, reason) => {
        collector.deadLetters.push({ raw, reason })
        return Promise.resolve()
      },
    },
    { report: (problem) => problems.push(problem), warn: (_at, message) => context.log.warn('config', message) },
  )
  if (source === undefined) throw new ConfigError(problems)
  return source
}

/** Starts an input; `await using` stops it. */
export function startInput(source: Source, collector: Collector, context: TestContext): RunningInput {
  const stop = new AbortController()
  const abandon = new AbortController()
  const ended = source.run(collector.deliver, stop.signal, abandon.signal)
  ended.catch(() => {}) // A test that cares awaits `ended` or `stop()`.
  const stopIt = async (): Promise<void> => {
    stop.abort()
    await ended
  }
  return {
    collector,
    context,
    ended,
    stop: stopIt,
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      abandon.abort()
      await ended.catch(() => {})
    },
  }
}
