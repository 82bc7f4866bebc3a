import type { Counter } from '../../core/context.ts'
import type { FilterParts } from '../../core/contracts.ts'
import type { Event } from '../../core/event.ts'
import type { Predicate } from '../condition.ts'

/** A filter, ready to run. */
export interface StepNode {
  readonly kind: 'step'
  readonly id: string
  readonly where: string
  readonly parts: FilterParts
  readonly remembers: boolean
  readonly counts: StepCounts
}

/** Events of one filter: out of it come those that reached it, without those that ended there, and those that it made. */
export interface StepCounts {
  readonly reached: Counter
  readonly ended: Counter
  readonly created: Counter
}

/** An `if` with its branches. */
export interface IfChainNode {
  readonly kind: 'if'
  readonly where: string
  readonly holds: Predicate
  readonly then: readonly ChainNode[]
  readonly else: readonly ChainNode[]
}

export type ChainNode = StepNode | IfChainNode

/** What the chain reports of the events that go through it. Every event that enters, and every child, ends in one of the first three. */
export interface ChainHooks {
  /** Came out at the end. */
  passed(event: Event): void
  /** Was cancelled by a filter. */
  dropped(event: Event, filter: string, where: string): void
  /** A filter threw: a fault of ours or of the filter, never of the data. */
  failed(event: Event, filter: string, where: string, thrown: unknown): void
  /** A filter made a new event, which goes on at the next step; without a parent where the filter had held what it is made of. */
  created(child: Event, parent: Event | undefined): void
  /** A filter threw while it flushed. */
  flushFailed(filter: string, where: string, thrown: unknown): void
}

/** All filters of a pipeline. One call at a time: where one returned a promise, the next waits for it. */
export interface Chain {
  /** Takes a batch through; a promise only where some filter waits. Rejects only when `signal` aborts. */
  run(events: readonly Event[], signal: AbortSignal): void | Promise<void>
  /** Lets filters that hold state give it out; absent where none does. */
  readonly flush?: (now_ms: number, final: boolean, signal: AbortSignal) => Promise<void>
  close(): Promise<void>
}

/** Whether a condition holds; `undefined` where it threw and the event has failed. */
export function decide({ holds, where }: IfChainNode, event: Event, hooks: ChainHooks): boolean | undefined {
  try {
    return holds(event)
  } catch (thrown) {
    hooks.failed(event, 'if', where, thrown)
    return undefined
  }
}

/** Closes all filters; one that fails does not keep the others from it. */
export async function closeFilters(nodes: readonly ChainNode[]): Promise<void> {
  await Promise.allSettled(stepsOf(nodes).map(async ({ parts }) => await parts.close?.()))
}

/** All filters, those in branches too, in the order of the config. */
export function stepsOf(nodes: readonly ChainNode[]): StepNode[] {
  return nodes.flatMap((node) => (node.kind === 'step' ? node : [...stepsOf(node.then), ...stepsOf(node.else)]))
}
