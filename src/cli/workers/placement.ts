import type { ConfigValue, Plan, PlanNode } from '../../core/plan.ts'
import type { Traits } from './calls.ts'

/** In how many workers a pipeline runs, counted from the first one. */
export interface Place {
  readonly workers: number
  /** Why it is one, where more were wanted. */
  readonly why_alone?: string | undefined
}

interface Links {
  readonly wanted: number
  readonly sends: ReadonlySet<string>
  readonly receives: ReadonlySet<string>
  /** All that comes to it comes from other pipelines. */
  readonly only_receives: boolean
}

/**
 * Where each pipeline runs. One that hands events to another runs where that one runs too, for no event changes its thread; so one
 * whose receiver is alone is alone as well, and a receiver runs wherever one of its senders does.
 */
export function placePipelines(plans: readonly Plan[], traits: ReadonlyMap<string, Traits>, count: number): Map<string, Place> {
  const links = new Map(plans.map((plan) => [plan.settings.id, linksOf(plan, count)]))
  const why = new Map<string, string>()
  for (const [id, { why_alone }] of traits) if (why_alone !== undefined) why.set(id, why_alone)
  untilSettled(() => {
    let has_changed = false
    for (const [id, { sends }] of links) {
      const alone = [...links].find(([other, { receives }]) => why.has(other) && !sends.isDisjointFrom(receives))
      // A receiver without senders of its own only waits.
      if (alone === undefined || why.has(id)) continue
      why.set(id, `it sends to the pipeline ${alone[0]}, which runs in one`)
      has_changed = true
    }
    return has_changed
  })
  const workers = new Map([...links].map(([id, { wanted, only_receives }]) => [id, why.has(id) || only_receives ? 1 : wanted]))
  untilSettled(() => {
    let has_changed = false
    for (const [id, { receives }] of links) {
      if (why.has(id)) continue
      const senders = [...links]
        .filter(([, { sends }]) => !sends.isDisjointFrom(receives))
        .map(([sender]) => workers.get(sender) ?? 1)
      const most = Math.max(workers.get(id) ?? 1, ...senders)
      if (most === workers.get(id)) continue
      workers.set(id, most)
      has_changed = true
    }
    return has_changed
  })
  return new Map([...workers].map(([id, number]) => [id, { workers: number, why_alone: why.get(id) }]))
}

function untilSettled(change: () => boolean): void {
  while (change()) {
    // Each round moves at least one pipeline, and none back.
  }
}

function linksOf({ settings, inputs, outputs }: Plan, count: number): Links {
  const receivers = componentsIn(inputs).filter(({ name }) => name === 'pipeline')
  return {
    wanted: Math.min(settings.workers, count),
    sends: new Set(
      componentsIn(outputs).flatMap(({ name, options }) => (name === 'pipeline' ? textsOf(options, 'send_to') : [])),
    ),
    receives: new Set(receivers.flatMap(({ options }) => textsOf(options, 'address'))),
    only_receives: receivers.length === componentsIn(inputs).length,
  }
}

type Component = Extract<PlanNode, { kind: 'component' }>

function componentsIn(nodes: readonly PlanNode[]): Component[] {
  return nodes.flatMap((node) => (node.kind === 'component' ? node : componentsIn([...node.then, ...node.else])))
}

function textsOf(options: Component['options'], name: string): string[] {
  const value = options.find((option) => option.name === name)?.value
  const texts = (one: ConfigValue | undefined): string[] => {
    if (one?.kind === 'list') return one.items.flatMap(texts)
    return one?.kind === 'string' ? [one.value] : []
  }
  return texts(value)
}
