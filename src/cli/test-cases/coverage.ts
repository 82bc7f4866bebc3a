import { printCondition } from '../../config/print-condition.ts'
import type { PlanNode } from '../../core/plan.ts'
import type { Trace } from '../dry-run/trace.ts'

/** A part of a config that no case has gone through. */
export interface Gap {
  readonly where: string
  /** `grok`, or `if [level] == "error": never false`. */
  readonly what: string
}

/** Which parts of one config the cases have gone through: each filter and output, and both ways of each `if`. */
export class Coverage {
  readonly #parts = new Map<string, { readonly where: string; readonly what: string; reached: boolean }>()

  /** Notes the parts of a config. The same config may be noted for every case. */
  know(nodes: ReadonlyMap<string, PlanNode>, inputs: readonly PlanNode[]): void {
    for (const [where, node] of nodes) {
      if (inputs.includes(node)) continue
      if (node.kind === 'component') this.#add(where, where, node.name)
      else {
        const condition = `if ${printCondition(node.condition)}`
        this.#add(`${where} true`, where, `${condition}: never true`)
        this.#add(`${where} false`, where, `${condition}: never false`)
      }
    }
  }

  reach(traces: readonly Trace[]): void {
    for (const { entries } of traces) {
      for (const entry of entries) {
        const part = this.#parts.get(entry.kind === 'if' ? `${entry.where} ${entry.held}` : entry.where)
        if (part !== undefined) part.reached = true
      }
    }
  }

  get total(): number {
    return this.#parts.size
  }

  /** In the order of the config. */
  get gaps(): Gap[] {
    return [...this.#parts.values()].filter(({ reached }) => !reached).map(({ where, what }) => ({ where, what }))
  }

  #add(key: string, where: string, what: string): void {
    if (!this.#parts.has(key)) this.#parts.set(key, { where, what, reached: false })
  }
}
