import type { ChainNode, IfChainNode, StepNode } from '../../compile/chain/nodes.ts'
import type { CompiledPipeline } from '../../compile/pipeline.ts'
import type { RouteNode } from '../../compile/route.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { type Change, changesBetween, type Snapshot, snapshotOf } from './changes.ts'

/** What became of an event at one place of the config. */
export type TraceEntry =
  | {
      readonly kind: 'filter'
      readonly where: string
      readonly id: string
      readonly changes: readonly Change[]
      readonly fate: 'goes_on' | 'dropped' | 'consumed' | 'failed'
      /** Of a failure. */
      readonly reason?: string
      /** Numbers of the events that were made here. */
      readonly made: readonly number[]
    }
  | { readonly kind: 'if'; readonly where: string; readonly held: boolean }
  | { readonly kind: 'output'; readonly where: string; readonly id: string }

/** The way of one event through a pipeline. */
export interface Trace {
  readonly number: number
  /** The event it was made of; `0` for one that a filter had held. */
  readonly parent?: number
  readonly entries: TraceEntry[]
  readonly event: Event
}

/** Where an event goes on: the rest of a list of nodes, then what comes behind the list. */
interface Place {
  readonly nodes: readonly ChainNode[]
  readonly at: number
  readonly behind: Place | undefined
}

/** Takes events through a pipeline one by one and notes what happens. Nothing is read from inputs or written to outputs. */
export class Tracer {
  readonly traces: Trace[] = []
  readonly #compiled: CompiledPipeline
  readonly #signal: AbortSignal

  constructor(compiled: CompiledPipeline, signal: AbortSignal) {
    this.#compiled = compiled
    this.#signal = signal
  }

  async take(event: Event): Promise<void> {
    await this.#walk(this.#begin(event), { nodes: this.#compiled.chain, at: 0, behind: undefined })
  }

  /** The end of the events: filters that held some give them out. */
  async finish(now_ms: number): Promise<void> {
    await this.#flush({ nodes: this.#compiled.chain, at: 0, behind: undefined }, now_ms)
  }

  #begin(event: Event, parent?: number): Trace {
    const trace: Trace = { number: this.traces.length + 1, ...(parent === undefined ? {} : { parent }), entries: [], event }
    this.traces.push(trace)
    return trace
  }

  async #walk(trace: Trace, start: Place): Promise<void> {
    let place: Place | undefined = start
    while (place !== undefined) {
      const node: ChainNode | undefined = place.nodes[place.at]
      if (node === undefined) place = place.behind
      else {
        const next: Place = { ...place, at: place.at + 1 }
        if (node.kind === 'if') place = this.#branch(trace, node, next)
        else if (await this.#step(trace, node, next)) place = next
        else return
      }
    }
    this.#route(trace, this.#compiled.routes)
  }

  #branch(trace: Trace, node: IfChainNode, next: Place): Place {
    const held = node.holds(trace.event)
    trace.entries.push({ kind: 'if', where: node.where, held })
    return { nodes: held ? node.then : node.else, at: 0, behind: next }
  }

  /** Runs one filter and whatever it makes, and tells whether the event itself goes on. */
  async #step(trace: Trace, { id, where, parts }: StepNode, next: Place): Promise<boolean> {
    const { event } = trace
    const before = snapshotOf(event)
    const children: Event[] = []
    let reason: string | undefined
    try {
      await parts.prepare?.([event], this.#signal)
      parts.step(event, (child) => children.push(child))
    } catch (thrown) {
      reason = messageOf(thrown)
    }
    const made: number[] = []
    const fate = reason !== undefined ? 'failed' : fateOf(event)
    const changes = changesBetween(before, snapshotOf(event))
    trace.entries.push({ kind: 'filter', where, id, changes, fate, ...(reason === undefined ? {} : { reason }), made })
    for (const child of children) {
      const born = this.#begin(child, trace.number)
      noteBirth(born, { where, id }, before)
      made.push(born.number)
    }
    // The event itself goes first, as in the pipeline.
    if (fate === 'goes_on' && made.length > 0) await this.#walk(trace, next)
    for (const number of made) await this.#walk(this.traces[number - 1] as Trace, next)
    return fate === 'goes_on' && made.length === 0
  }

  #route(trace: Trace, nodes: readonly RouteNode[]): void {
    for (const node of nodes) {
      if (node.kind === 'if') {
        const held = node.holds(trace.event)
        trace.entries.push({ kind: 'if', where: node.where, held })
        this.#route(trace, held ? node.then : node.else)
      } else {
        const output = this.#compiled.outputs[node.index]
        if (output !== undefined) trace.entries.push({ kind: 'output', where: output.where, id: output.id })
      }
    }
  }

  async #flush(place: Place, now_ms: number): Promise<void> {
    for (const [at, node] of place.nodes.entries()) {
      const next: Place = { ...place, at: at + 1 }
      if (node.kind === 'if') {
        await this.#flush({ nodes: node.then, at: 0, behind: next }, now_ms)
        await this.#flush({ nodes: node.else, at: 0, behind: next }, now_ms)
        continue
      }
      const events: Event[] = []
      node.parts.flush?.(now_ms, (event) => events.push(event), true)
      for (const event of events) {
        const born = this.#begin(event, 0)
        noteBirth(born, node, new Map())
        await this.#walk(born, next)
      }
    }
  }
}

function fateOf(event: Event): 'goes_on' | 'dropped' | 'consumed' {
  if (event.cancelled === undefined) return 'goes_on'
  return event.isConsumed ? 'consumed' : 'dropped'
}

/** The first entry of a made event: how it differs from the one it was made of. */
function noteBirth(trace: Trace, { id, where }: { readonly id: string; readonly where: string }, of: Snapshot): void {
  const changes = changesBetween(of, snapshotOf(trace.event))
  trace.entries.push({ kind: 'filter', where, id, changes, fate: 'goes_on', made: [] })
}
