import type { Event } from '../../core/event.ts'
import { type ChainHooks, type ChainNode, decide } from './nodes.ts'

type RunEvent = (event: Event) => void

/** The simple and fast form, one event after the other: every step calls the next one. */
export function linkNodes(nodes: readonly ChainNode[], hooks: ChainHooks, end: RunEvent): RunEvent {
  let next = end
  for (const node of nodes.toReversed()) next = linkNode(node, hooks, next)
  return next
}

function linkNode(node: ChainNode, hooks: ChainHooks, next: RunEvent): RunEvent {
  if (node.kind === 'if') {
    const then = linkNodes(node.then, hooks, next)
    const otherwise = linkNodes(node.else, hooks, next)
    return (event) => {
      const isTrue = decide(node, event, hooks)
      if (isTrue === undefined) return
      if (isTrue) then(event)
      else otherwise(event)
    }
  }
  const { id, where, count } = node
  const { step } = node.parts
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
