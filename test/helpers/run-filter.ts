import { compileFilter } from '../../src/compile/filter.ts'
import type { AnySpec, FilterSpec } from '../../src/core/component.ts'
import type { Context } from '../../src/core/context.ts'
import type { FilterParts } from '../../src/core/contracts.ts'
import { ConfigError, type Problem } from '../../src/core/errors.ts'
import { Event } from '../../src/core/event.ts'
import { parseJson } from '../../src/core/json/json.ts'
import { ScannedObject } from '../../src/core/json/scanned-object.ts'
import type { EcsCompatibility } from '../../src/core/plan.ts'
import type { Fields } from '../../src/core/values.ts'
import { componentNode } from './config-value.ts'
import { testContext } from './context.ts'

export interface FilterRun {
  /** The event itself after the filter, cancelled or not. */
  readonly event: Event
  /** What goes on down the pipeline: the event unless it was cancelled, then the children. */
  readonly out: readonly Event[]
}

/** A filter as a pipeline would build it: its options pass the real option reader, its faults become a ConfigError. */
export class TestFilter {
  readonly #parts: FilterParts
  readonly #context: Context

  private constructor(parts: FilterParts, context: Context) {
    this.#parts = parts
    this.#context = context
  }

  static async build(
    spec: unknown,
    options: { readonly [name: string]: unknown },
    context: Context = testContext(),
  ): Promise<TestFilter> {
    const problems: Problem[] = []
    const filter = spec as Extract<AnySpec, FilterSpec>
    const node = componentNode(filter.name, options)
    // As the program's context does: a component's own setting comes first.
    const ecs_compatibility = (options['ecs_compatibility'] as EcsCompatibility | undefined) ?? context.ecs_compatibility
    const own = { ...context, ecs_compatibility }
    const report = (problem: Problem): unknown => problems.push(problem)
    const parts = await compileFilter(filter, node, own, report, (_at, message) => context.log.warn('config', message))
    if (parts === undefined) throw new ConfigError(problems)
    return new TestFilter(parts, context)
  }

  /** Takes a batch (objects or JSON texts) through the filter, which may wait. */
  async batch(inputs: readonly (Fields | string)[], signal = new AbortController().signal): Promise<FilterRun[]> {
    const events = inputs.map((input) => this.#eventOf(input))
    await this.#parts.prepare?.(events, signal)
    return events.map((event) => this.#step(event))
  }

  /** One event through a filter that does not wait. */
  run(input: Fields | string): FilterRun {
    const event = this.#eventOf(input)
    if (this.#parts.prepare?.([event], new AbortController().signal) !== undefined) {
      throw new TypeError('this filter waits: use batch')
    }
    return this.#step(event)
  }

  /** What the filter gives out at that time. */
  flush(now_ms: number, final = false): Event[] {
    const events: Event[] = []
    this.#parts.flush?.(now_ms, (event) => events.push(event), final)
    return events
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.close?.()
  }

  #eventOf(input: Fields | string): Event {
    const text = typeof input === 'string' ? input : JSON.stringify(input)
    const now = this.#context.clock.timestamp()
    // As the json codec makes them: the fields are still text.
    const source = ScannedObject.read(text)
    if (source !== undefined) return Event.from({}, now, { exact: false, source })
    const { value, exact } = parseJson(text)
    return Event.from(value as Fields, now, { exact })
  }

  #step(event: Event): FilterRun {
    const children: Event[] = []
    this.#parts.step(event, (child) => children.push(child))
    return { event, out: event.cancelled === undefined ? [event, ...children] : children }
  }
}

/** Runs events one by one through a filter that does not wait. */
export async function buildFilter(
  spec: unknown,
  options: { readonly [name: string]: unknown },
  context?: Context,
): Promise<(input: Fields | string) => FilterRun> {
  const filter = await TestFilter.build(spec, options, context)
  return (input) => filter.run(input)
}

/** Runs one filter on one document (an object or JSON text) and returns the document afterwards. */
export async function runFilter(
  spec: unknown,
  options: { readonly [name: string]: unknown },
  fields: Fields | string,
  context?: Context,
): Promise<{ [name: string]: unknown } | null> {
  await using filter = await TestFilter.build(spec, options, context)
  const [run] = await filter.batch([fields])
  if (run === undefined || run.event.cancelled !== undefined) return null
  return JSON.parse(run.event.toJsonText()) as { [name: string]: unknown }
}
