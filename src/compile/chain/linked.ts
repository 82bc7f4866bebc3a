import type { Event } from '../../core/event.ts'
import { type ChainHooks, type ChainNode, decide, type IfChainNode, type StepNode } from './nodes.ts'

type RunEvent = (event: Event) => void

/** A part of the chain, and all that follows. */
export interface Link {
  /** One event: the simple and fast form, in which every step calls the next one. */
  readonly one: RunEvent
  /**
   * An event and those that were made of it, side by side as Logstash takes them: at an `if` those for which it holds go
   * on before the others.
   */
  readonly all: (events: readonly Event[]) => void
}

/** Links nodes so that each event goes through all of them before the next one begins. */
export function linkNodes(nodes: readonly ChainNode[], hooks: ChainHooks, end: RunEvent): Link {
  const last: Link = {
    one: end,
    all: (events) => {
      for (const event of events) end(event)
    },
  }
  return linkTo(nodes, hooks, last)
}

function linkTo(nodes: readonly ChainNode[], hooks: ChainHooks, end: Link): Link {
  let next = end
  for (const node of nodes.toReversed()) next = node.kind === 'if' ? linkIf(node, hooks, next) : linkStep(node, hooks, next)
  return next
}

function linkIf(node: IfChainNode, hooks: ChainHooks, next: Link): Link {
  const then = linkTo(node.then, hooks, next)
  const otherwise = linkTo(node.else, hooks, next)
  /** The branches alone, for events that go on together behind them. Made when there are such events. */
  let branches: { readonly then: Link; readonly else: Link } | undefined
  let collected: Event[] = []
  const collect = (event: Event): void => {
    collected.push(event)
  }
  return {
    one: (event) => {
      const isTrue = decide(node, event, hooks)
      if (isTrue === undefined) return
      if (isTrue) then.one(event)
      else otherwise.one(event)
    },
    all: (events) => {
      branches ??= { then: linkNodes(node.then, hooks, collect), else: linkNodes(node.else, hooks, collect) }
      const others: Event[] = []
      const chosen = events.filter((event) => {
        const isTrue = decide(node, event, hooks)
        if (isTrue === false) others.push(event)
        return isTrue
      })
      collected = []
      branches.then.all(chosen)
      branches.else.all(others)
      next.all(collected)
    },
  }
}

function linkStep(node: StepNode, hooks: ChainHooks, next: Link): Link {
  const { id, where } = node
  const { reached, ended, created } = node.counts
  const { step } = node.parts
  const { one: goOn, all: goOnTogether } = next
  // One pair of variables per step instead of a closure per event: a step only emits while it runs, and what runs after
  // it never comes back to it.
  let parent: Event | undefined
  let children: Event[] | undefined
  const emit = (child: Event): void => {
    created.inc()
    if (parent !== undefined) hooks.created(child, parent)
    if (children === undefined) children = [child]
    else children.push(child)
  }
  /** Whether the event goes on. */
  const run = (event: Event): boolean => {
    reached.inc()
    parent = event
    try {
      step(event, emit)
    } catch (thrown) {
      ended.inc()
      hooks.failed(event, id, where, thrown)
      return false
    }
    if (event.cancelled === undefined) return true
    ended.inc()
    hooks.dropped(event, id, where)
    return false
  }
  const takeChildren = (): readonly Event[] => {
    const emitted = children ?? []
    children = undefined
    return emitted
  }
  return {
    one: (event) => {
      const isOn = run(event)
      if (children !== undefined) goOnTogether(isOn ? [event, ...takeChildren()] : takeChildren())
      else if (isOn) goOn(event)
    },
    all: (events) => {
      const out: Event[] = []
      for (const event of events) {
        if (run(event)) out.push(event)
        for (const child of takeChildren()) out.push(child)
      }
      goOnTogether(out)
    },
  }
}
