import { linkNodes } from './linked.ts'
import { type Chain, type ChainHooks, type ChainNode, closeFilters } from './nodes.ts'
import { needsStages, StagedChain } from './staged.ts'

/**
 * Links nodes to the functions that take events through all of them. An event that a filter emits goes on right behind
 * that filter, after the event it was made from, also inside an `if`; at an `if` further on the two are divided as
 * Logstash divides them: first those for which it holds.
 */
export function linkChain(nodes: readonly ChainNode[], hooks: ChainHooks): Chain {
  if (needsStages(nodes)) return new StagedChain(nodes, hooks)
  const { one } = linkNodes(nodes, hooks, (event) => hooks.passed(event))
  return {
    run: (events) => {
      for (const event of events) one(event)
    },
    close: () => closeFilters(nodes),
  }
}
