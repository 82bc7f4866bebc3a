import type { Event } from '../core/event.ts'
import type { Predicate } from './condition.ts'

/** An output, or an `if` around outputs. */
export type RouteNode =
  | { readonly kind: 'output'; readonly index: number }
  | {
      readonly kind: 'if'
      readonly where: string
      readonly holds: Predicate
      readonly then: readonly RouteNode[]
      readonly else: readonly RouteNode[]
    }

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
