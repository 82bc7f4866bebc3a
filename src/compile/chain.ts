import type { Step } from '../core/contracts.ts'
import type { Event } from '../core/event.ts'
import type { Predicate } from './condition.ts'

/** A filter or an `if` with its branches, ready to run. */
export type ChainNode =
  | { readonly kind: 'step'; readonly id: string; readonly where: string; readonly step: Step; readonly count: () => void }
  | {
      readonly kind: 'if'
      readonly where: string
      readonly holds: Predicate
      readonly then: readonly ChainNode[]
      readonly else: readonly ChainNode[]
    }

/** What the chain reports of the events that go through it. Every event that enters, and every child, ends in one of the first three. */
export interface ChainHooks {
  /** Came out at the end. */
  passed(event: Event): void
  /** Was cancelled by a filter. */
  dropped(event: Event, filter: string, where: string): void
  /** A filter threw: a fault of ours or of the filter, never of the data. */
  failed(event: Event, filter: string, where: string, thrown: unknown): void
  /** A filter made a new event, which goes on at the next step. */
  created(child: Event, parent: Event): void
}

type Run = (event: Event) => void

/**
 * Links nodes to one function that takes an event through all of them. Every step calls the next one, so an
 * event that a filter emits goes on right behind that filter, after the event it was made from, also inside an `if`.
 */
export function linkChain(nodes: readonly ChainNode[], hooks: ChainHooks): Run {
  return link(nodes, hooks, (event) => hooks.passed(event))
}

function link(nodes: readonly ChainNode[], hooks: ChainHooks, end: Run): Run {
  let next = end
  for (const node of nodes.toReversed()) next = linkNode(node, hooks, next)
  return next
}

function linkNode(node: ChainNode, hooks: ChainHooks, next: Run): Run {
  if (node.kind === 'if') {
    const { holds, where } = node
    const then = link(node.then, hooks, next)
    const otherwise = link(node.else, hooks, next)
    return (event) => {
      let isTrue: boolean
      try {
        isTrue = holds(event)
      } catch (thrown) {
        hooks.failed(event, 'if', where, thrown)
        return
      }
      if (isTrue) then(event)
      else otherwise(event)
    }
  }
  const { id, where, step, count } = node
  // One pair of variables per step instead of a closure per event: a step only emits while it runs, and what runs after
  // it never comes back to it.
  let parent: Event | undefined
  let children: Event[] | undefined
  const emit = (child: Event): void => {
    if (parent !== undefined) hooks.created(child, parent)
    if (children === undefined) children = [child]
    else children.push(child)
  }
  const runChildren = (): void => {
    const emitted = children ?? []
    children = undefined
    for (const child of emitted) next(child)
  }
  return (event) => {
    count()
    parent = event
    try {
      step(event, emit)
    } catch (thrown) {
      hooks.failed(event, id, where, thrown)
      if (children !== undefined) runChildren()
      return
    }
    if (event.cancelled === undefined) next(event)
    else hooks.dropped(event, id, where)
    if (children !== undefined) runChildren()
  }
}

/** An output, or an `if` around outputs. */
export type RouteNode =
  | { readonly kind: 'output'; readonly index: number }
  | { readonly kind: 'if'; readonly holds: Predicate; readonly then: readonly RouteNode[]; readonly else: readonly RouteNode[] }

/** Calls `take` with the index of every output that an event goes to. */
export type Route = (event: Event, take: (output: number) => void) => void

export function linkRoute(nodes: readonly RouteNode[]): Route {
  const routes = nodes.map((node): Route => {
    if (node.kind === 'output') return (_event, take) => take(node.index)
    const then = linkRoute(node.then)
    const otherwise = linkRoute(node.else)
    return (event, take) => (node.holds(event) ? then(event, take) : otherwise(event, take))
  })
  const [only] = routes
  if (only !== undefined && routes.length === 1) return only
  return (event, take) => {
    for (const route of routes) route(event, take)
  }
}
