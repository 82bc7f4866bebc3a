import type { Flush } from '../../core/contracts.ts'
import type { Event } from '../../core/event.ts'
import { linkNodes } from './linked.ts'
import {
  type Chain,
  type ChainHooks,
  type ChainNode,
  closeFilters,
  decide,
  type IfChainNode,
  type StepNode,
  stepsOf,
} from './nodes.ts'

/** What has become of one event so far: itself, events made of it, or nothing. Lanes keep the order of a batch through branches. */
interface Lane {
  events: Event[]
}

/** Takes a batch through a part of the chain. */
type Stage = (lanes: readonly Lane[], signal: AbortSignal) => void | Promise<void>

/** Whether a filter computes for whole batches or holds state, so that events cannot simply run one after the other. */
export function needsStages(nodes: readonly ChainNode[]): boolean {
  return stepsOf(nodes).some(({ parts }) => parts.prepare !== undefined || parts.flush !== undefined)
}

/**
 * The chain cut into stages at the filters that want to see a batch: all events pass one stage before any enters the next.
 *
 *     [mutate, json] -> prepare grok -> [grok] -> if: [..] -> prepare dns -> [dns] -> merge -> [mutate]
 *
 * An `if` with such a filter inside divides the batch and puts it together again in its order; of the events made of one
 * those for which it holds come first.
 */
export class StagedChain implements Chain {
  readonly #nodes: readonly ChainNode[]
  readonly #hooks: ChainHooks
  readonly #filters: Stage
  readonly #flushes: ((now_ms: number, final: boolean, signal: AbortSignal) => Promise<void>)[] = []

  constructor(nodes: readonly ChainNode[], hooks: ChainHooks) {
    this.#nodes = nodes
    this.#hooks = hooks
    this.#filters = this.#link(nodes, (lanes) => this.#passed(lanes))
  }

  async run(events: readonly Event[], signal: AbortSignal): Promise<void> {
    const lanes = events.map((event) => ({ events: [event] }))
    await this.#filters(lanes, signal)
    this.#passed(lanes)
  }

  /** In the order of the config: what one filter gives out may be held by the next one, and is then given out by it. */
  async flush(now_ms: number, final: boolean, signal: AbortSignal): Promise<void> {
    for (const flush of this.#flushes) await flush(now_ms, final, signal)
  }

  async close(): Promise<void> {
    await closeFilters(this.#nodes)
  }

  #passed(lanes: readonly Lane[]): void {
    for (const { events } of lanes) for (const event of events) this.#hooks.passed(event)
  }

  /** The nodes as one stage. `behind` is where events go on that a filter among them gives out when it flushes. */
  #link(nodes: readonly ChainNode[], behind: Stage): Stage {
    const stages: Stage[] = []
    const runFrom = async (from: number, lanes: readonly Lane[], signal: AbortSignal): Promise<void> => {
      for (const stage of stages.slice(from)) await stage(lanes, signal)
    }
    let simple: ChainNode[] = []
    const cut = (): void => {
      if (simple.length > 0) stages.push(this.#simple(simple))
      simple = []
    }
    for (const node of nodes) {
      if (!needsStages([node])) {
        simple.push(node)
        continue
      }
      cut()
      const next = stages.length + 1
      const goOn: Stage = async (lanes, signal) => {
        await runFrom(next, lanes, signal)
        await behind(lanes, signal)
      }
      stages.push(node.kind === 'if' ? this.#if(node, goOn) : this.#filter(node, goOn))
    }
    cut()
    return (lanes, signal) => runFrom(0, lanes, signal)
  }

  #simple(nodes: readonly ChainNode[]): Stage {
    let out: Event[] = []
    const { all } = linkNodes(nodes, this.#hooks, (event) => out.push(event))
    return (lanes) => {
      for (const lane of lanes) {
        out = []
        all(lane.events)
        lane.events = out
      }
    }
  }

  #filter(node: StepNode, goOn: Stage): Stage {
    const { prepare, flush } = node.parts
    const apply = this.#simple([node])
    if (flush !== undefined) this.#flushes.push((now_ms, final, signal) => this.#flush(node, flush, goOn, now_ms, final, signal))
    if (prepare === undefined) return apply
    return async (lanes, signal) => {
      const events = lanes.flatMap((lane) => lane.events)
      if (events.length === 0) return
      try {
        await prepare(events, signal)
      } catch (thrown) {
        signal.throwIfAborted()
        node.counts.reached.inc(events.length)
        node.counts.ended.inc(events.length)
        for (const event of events) this.#hooks.failed(event, node.id, node.where, thrown)
        for (const lane of lanes) lane.events = []
        return
      }
      await apply(lanes, signal)
    }
  }

  async #flush(
    { id, where, counts }: StepNode,
    flush: Flush,
    goOn: Stage,
    now_ms: number,
    final: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const events: Event[] = []
    try {
      flush(
        now_ms,
        (event) => {
          counts.created.inc()
          this.#hooks.created(event, undefined)
          events.push(event)
        },
        final,
      )
    } catch (thrown) {
      this.#hooks.flushFailed(id, where, thrown)
    }
    if (events.length > 0) await goOn([{ events }], signal)
  }

  #if(node: IfChainNode, goOn: Stage): Stage {
    const then = this.#link(node.then, goOn)
    const otherwise = this.#link(node.else, goOn)
    return async (lanes, signal) => {
      const chosen: Lane[] = []
      const others: Lane[] = []
      const divided = lanes.map(({ events }) => {
        const [isTrue, isFalse]: [Lane, Lane] = [{ events: [] }, { events: [] }]
        for (const event of events) {
          const holds = decide(node, event, this.#hooks)
          if (holds !== undefined) (holds ? isTrue : isFalse).events.push(event)
        }
        if (isTrue.events.length > 0) chosen.push(isTrue)
        if (isFalse.events.length > 0) others.push(isFalse)
        return [isTrue, isFalse] as const
      })
      await then(chosen, signal)
      await otherwise(others, signal)
      for (const [index, lane] of lanes.entries()) lane.events = divided[index]?.flatMap(({ events }) => events) ?? []
    }
  }
}
