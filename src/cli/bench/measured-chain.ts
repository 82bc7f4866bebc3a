import type { ChainNode, IfChainNode, StepNode } from '../../compile/chain/nodes.ts'
import type { Event } from '../../core/event.ts'
import { watchParsing } from '../../core/json/parsing-watch.ts'
import { type Parsed, tally } from './parsed.ts'

/** How long one filter or condition took in a round. */
export interface Measured {
  readonly where: string
  readonly kind: 'filter' | 'if'
  /** How many conditions it is inside. */
  readonly depth: number
  events: number
  nanoseconds: number
  /** Events in which the filter threw. */
  failed: number
  /** What of the events' texts was parsed here. */
  parsed: Parsed
}

/**
 * The filters of a pipeline with a watch at each: a batch passes one filter whole before it comes to the next, so that the watch
 * is looked at once for a batch and not once for an event, which would cost more than many a filter.
 */
export class MeasuredChain {
  /** By node, in the order of the config. */
  readonly rows: ReadonlyMap<ChainNode, Measured>
  readonly #nodes: readonly ChainNode[]
  readonly #signal: AbortSignal

  constructor(nodes: readonly ChainNode[], signal: AbortSignal) {
    this.#nodes = nodes
    this.#signal = signal
    this.rows = new Map(rowsOf(nodes, 0))
  }

  /** Forgets what was measured so far. */
  reset(): void {
    for (const row of this.rows.values()) Object.assign(row, { events: 0, nanoseconds: 0, failed: 0, parsed: new Map() })
  }

  /** Takes a batch through all filters and returns what comes out at the end. */
  async run(events: readonly Event[]): Promise<readonly Event[]> {
    try {
      return await this.#through(this.#nodes, events)
    } finally {
      watchParsing(undefined)
    }
  }

  async #through(nodes: readonly ChainNode[], events: readonly Event[]): Promise<readonly Event[]> {
    let rest = events
    for (const node of nodes) {
      if (rest.length === 0) break
      rest = node.kind === 'if' ? await this.#if(node, rest) : await this.#step(node, rest)
    }
    return rest
  }

  async #step(node: StepNode, events: readonly Event[]): Promise<readonly Event[]> {
    const { prepare, step } = node.parts
    const passed: Event[] = []
    const row = this.#enter(node)
    const start = process.hrtime.bigint()
    const waiting = prepare?.(events, this.#signal)
    if (waiting !== undefined) await waiting
    for (const event of events) {
      const made: Event[] = []
      try {
        step(event, (child) => made.push(child))
      } catch {
        // As in a pipeline, where it would be a dead letter: the others go on.
        if (row !== undefined) row.failed++
        continue
      }
      if (event.cancelled === undefined) passed.push(event)
      for (const child of made) passed.push(child)
    }
    note(row, events.length, start)
    return passed
  }

  async #if(node: IfChainNode, events: readonly Event[]): Promise<readonly Event[]> {
    const row = this.#enter(node)
    const start = process.hrtime.bigint()
    const chosen: Event[] = []
    const others: Event[] = []
    for (const event of events) (node.holds(event) ? chosen : others).push(event)
    note(row, events.length, start)
    return [...(await this.#through(node.then, chosen)), ...(await this.#through(node.else, others))]
  }

  /** What is parsed from here on is parsed for this node. */
  #enter(node: ChainNode): Measured | undefined {
    const row = this.rows.get(node)
    watchParsing(row && tally(row.parsed))
    return row
  }
}

function note(row: Measured | undefined, events: number, start: bigint): void {
  if (row === undefined) return
  row.nanoseconds += Number(process.hrtime.bigint() - start)
  row.events += events
}

function rowsOf(nodes: readonly ChainNode[], depth: number): [ChainNode, Measured][] {
  return nodes.flatMap((node): [ChainNode, Measured][] => {
    const kind = node.kind === 'if' ? 'if' : 'filter'
    const row: Measured = { where: node.where, kind, depth, events: 0, nanoseconds: 0, failed: 0, parsed: new Map() }
    if (node.kind !== 'if') return [[node, row]]
    return [[node, row], ...rowsOf(node.then, depth + 1), ...rowsOf(node.else, depth + 1)]
  })
}
