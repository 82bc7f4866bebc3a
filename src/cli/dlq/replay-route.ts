import type { CompiledPipeline } from '../../compile/pipeline.ts'
import type { RouteNode } from '../../compile/route.ts'
import type { Sink } from '../../core/contracts.ts'
import type { Event } from '../../core/event.ts'
import { DeadLetterOrigin } from '../../storage/letter-origin.ts'

/** The id of the output that stands for none. */
export const NO_OUTPUT = 'no_output'

/**
 * A pipeline for dead letters instead of its inputs' events. A letter goes the rest of its way only, so that nothing is done to it
 * twice: one that an output gave up has passed the filters, and goes to that output; others of its outputs have it already.
 * What no output takes is a failure, for a letter must not vanish.
 * @param has_own_filters the filters were named for this replay: every letter goes through them
 */
export function restOfTheWay(compiled: CompiledPipeline, has_own_filters: boolean): CompiledPipeline {
  const ids = new Set(compiled.outputs.map(({ id }) => id))
  const taken = new WeakSet<Event>()
  const takes = (event: Event, id: string): boolean => {
    const { origin } = event
    const is_wanted =
      !(origin instanceof DeadLetterOrigin) ||
      origin.failed_at !== 'output' ||
      origin.plugin_id === id ||
      !ids.has(origin.plugin_id)
    if (is_wanted) taken.add(event)
    return is_wanted
  }
  const narrowed = (nodes: readonly RouteNode[]): RouteNode[] =>
    nodes.map((node) => {
      if (node.kind === 'if') return { ...node, then: narrowed(node.then), else: narrowed(node.else) }
      const output = compiled.outputs[node.index]
      const holds = (event: Event): boolean => takes(event, output?.id ?? '')
      return { kind: 'if', where: output?.where ?? '', holds, then: [node], else: [] }
    })
  const rest: RouteNode = {
    kind: 'if',
    where: NO_OUTPUT,
    holds: (event) => event.origin !== undefined && !taken.has(event),
    then: [{ kind: 'output', index: compiled.outputs.length }],
    else: [],
  }
  const { chain } = compiled
  return {
    ...compiled,
    chain: has_own_filters ? chain : [{ kind: 'if', where: 'replay', holds: needsFilters, then: chain, else: [] }],
    outputs: [
      ...compiled.outputs,
      { id: NO_OUTPUT, name: NO_OUTPUT, where: 'replay', sink: refuse('no output of the config takes it') },
    ],
    routes: [...narrowed(compiled.routes), rest],
  }
}

function needsFilters({ origin }: Event): boolean {
  return !(origin instanceof DeadLetterOrigin) || origin.failed_at !== 'output'
}

/** An output that takes nothing. */
export function refuse(reason: string): Sink {
  return {
    open: () => Promise.resolve(),
    write: (events) => Promise.resolve({ outcomes: events.map(() => ({ kind: 'reject' as const, reason })) }),
    close: () => Promise.resolve(),
  }
}
