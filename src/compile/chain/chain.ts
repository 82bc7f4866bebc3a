import { linkNodes } from './linked.ts'
import { type Chain, type ChainHooks, type ChainNode, closeFilters } from './nodes.ts'
import { needsStages, StagedChain } from './staged.ts'

/**
 * Links nodes to the functions that take events through all of them. An event that a filter emits goes on right behind
 * that filter, after the event it was made from, also inside an `if`.
 */
export function linkChain(nodes: readonly ChainNode[], hooks: ChainHooks): Chain {
  if (needsStages(nodes)) return new StagedChain(nodes, hooks)
  const run = linkNodes(nodes, hooks, (event) => hooks.passed(event))
  return {
    run: (events) => {
      for (const event of events) run(event)
    },
    close: () => closeFilters(nodes),
  }
}
