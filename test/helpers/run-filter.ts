import { compileFilter } from '../../src/compile/filter.ts'
import type { AnySpec, FilterSpec } from '../../src/core/component.ts'
import type { Context } from '../../src/core/context.ts'
import { ConfigError, type Problem } from '../../src/core/errors.ts'
import { Event } from '../../src/core/event.ts'
import { parseJson } from '../../src/core/json.ts'
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
export async function buildFilter(
  spec: unknown,
  options: { readonly [name: string]: unknown },
  context: Context = testContext(),
): Promise<(fields: Fields | string) => FilterRun> {
  const problems: Problem[] = []
  const filter = spec as Extract<AnySpec, FilterSpec>
  const step = await compileFilter(filter, componentNode(filter.name, options), context, (problem) => problems.push(problem))
  if (step === undefined) throw new ConfigError(problems)
  return (input) => {
    const text = typeof input === 'string' ? input : JSON.stringify(input)
    const { value, exact } = parseJson(text)
    const event = Event.from(value as Fields, context.clock.timestamp(), { exact })
    const children: Event[] = []
    step(event, (child) => children.push(child))
    return { event, out: event.cancelled === undefined ? [event, ...children] : children }
  }
}

/** Runs one filter on one document (an object or JSON text) and returns the document afterwards. */
export async function runFilter(
  spec: unknown,
  options: { readonly [name: string]: unknown },
  fields: Fields | string,
  context?: Context,
): Promise<{ [name: string]: unknown } | null> {
  const { event } = (await buildFilter(spec, options, context))(fields)
  return event.cancelled === undefined ? (JSON.parse(event.toJsonText()) as { [name: string]: unknown }) : null
}
