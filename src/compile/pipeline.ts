import type { AnySpec, Catalog } from '../core/component.ts'
import type { Context } from '../core/context.ts'
import type { Sink, Source } from '../core/contracts.ts'
import { ConfigError, formatPosition, MillraceError, messageOf, type Problem } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import type { ComponentNode, IfNode, Plan, PlanNode, PlanWarning } from '../core/plan.ts'
import { regexLimits } from '../core/regex/guard.ts'
import { type ChainNode, closeFilters, type StepCounts } from './chain/nodes.ts'
import type { Findings } from './codec.ts'
import { compileCondition, type Predicate } from './condition.ts'
import { compileFilter } from './filter.ts'
import { compileInput, type InputServices } from './input.ts'
import { type BlockedPolicy, compileOutput } from './output.ts'
import type { RouteNode } from './route.ts'
import { instead } from './substitutes.ts'

/** A pipeline whose parts are made, but do nothing yet. */
export interface CompiledPipeline {
  readonly inputs: readonly CompiledInput[]
  readonly chain: readonly ChainNode[]
  readonly outputs: readonly CompiledOutput[]
  readonly routes: readonly RouteNode[]
  readonly warnings: readonly PlanWarning[]
}

export interface CompiledInput {
  readonly id: string
  readonly name: string
  readonly where: string
  readonly source: Source
  /** Stops at the first event of another input: the sample. */
  readonly yields: boolean
  /** Tells an address once it can be reached there. */
  readonly listens: boolean
  /** Its events come with their room: they are copies of such as the program holds. */
  readonly has_room: boolean
  /** Whether another one can go on where this one stops. */
  readonly reloadable: boolean
}

export interface CompiledOutput {
  readonly id: string
  readonly name: string
  readonly where: string
  readonly sink: Sink
  /** Left out: its events wait in memory, and nothing of an earlier run is looked for. */
  readonly policy?: BlockedPolicy
}

/** What the program gives the components. */
export interface CompileServices {
  context(id: string, where: string, component: ComponentNode): Context
  input(id: string, component: ComponentNode): InputServices
}

type Section = 'input' | 'filter' | 'output'

/**
 * Makes all parts of a pipeline.
 * @throws ConfigError with everything that is wrong in any component
 */
export async function compilePipeline(plan: Plan, catalog: Catalog, services: CompileServices): Promise<CompiledPipeline> {
  return await new PipelineCompiler(catalog, services, plan).compile()
}

class PipelineCompiler {
  readonly #catalog: Catalog
  readonly #services: CompileServices
  readonly #plan: Plan
  readonly #problems: Problem[] = []
  readonly #warnings: PlanWarning[]
  readonly #ids = new Set<string>()
  /** Of the components that were given a number, the last number by kind. */
  readonly #counts = new Map<string, number>()
  readonly #inputs: CompiledInput[] = []
  readonly #outputs: CompiledOutput[] = []
  readonly #findings: Findings = {
    report: (problem) => this.#problems.push(problem),
    warn: (at, message) => this.#warnings.push({ at, message }),
  }

  constructor(catalog: Catalog, services: CompileServices, plan: Plan) {
    this.#catalog = catalog
    this.#services = services
    this.#plan = plan
    this.#warnings = [...plan.warnings]
  }

  async compile(): Promise<CompiledPipeline> {
    for (const node of this.#plan.inputs) this.#input(node)
    const chain = await this.#chain(this.#plan.filters)
    const routes = this.#routes(this.#plan.outputs)
    if (this.#problems.length > 0) {
      await closeFilters(chain)
      throw new ConfigError(this.#problems)
    }
    return { inputs: this.#inputs, chain, outputs: this.#outputs, routes, warnings: this.#warnings }
  }

  #input(node: PlanNode): void {
    if (node.kind === 'if') {
      this.#findings.report({
        code: 'CONFIG_STRUCTURE',
        at: node.at,
        message: 'expected an input: there is no event yet that a condition could look at',
      })
      return
    }
    const spec = this.#find('input', node)
    if (spec === undefined) return
    const context = this.#context('input', node)
    const source = compileInput(spec, node, this.#catalog, context, this.#services.input(context.id, node), this.#findings)
    if (source === undefined) return
    this.#inputs.push({
      id: context.id,
      name: node.name,
      where: context.where,
      source,
      yields: spec.yields ?? false,
      listens: source.bindings !== undefined,
      has_room: spec.has_room ?? false,
      reloadable: spec.reloadable ?? true,
    })
  }

  async #chain(nodes: readonly PlanNode[]): Promise<ChainNode[]> {
    const chain: ChainNode[] = []
    for (const node of nodes) {
      const made = node.kind === 'if' ? await this.#ifChain(node) : await this.#step(node)
      if (made !== undefined) chain.push(made)
    }
    return chain
  }

  async #ifChain(node: IfNode): Promise<ChainNode> {
    const holds = this.#condition(node)
    return {
      kind: 'if',
      where: formatPosition(node.at),
      holds,
      then: await this.#chain(node.then),
      else: await this.#chain(node.else),
    }
  }

  async #step(node: ComponentNode): Promise<ChainNode | undefined> {
    const spec = this.#find('filter', node)
    if (spec === undefined) return undefined
    const context = this.#context('filter', node)
    const parts = await compileFilter(spec, node, context, this.#findings.report, this.#findings.warn)
    if (parts === undefined) return undefined
    return {
      kind: 'step',
      id: context.id,
      where: context.where,
      parts,
      remembers: spec.remembers ?? false,
      counts: countsOf(context),
    }
  }

  #routes(nodes: readonly PlanNode[]): RouteNode[] {
    return nodes.flatMap((node): RouteNode | [] => {
      if (node.kind === 'if') {
        return {
          kind: 'if',
          where: formatPosition(node.at),
          holds: this.#condition(node),
          then: this.#routes(node.then),
          else: this.#routes(node.else),
        }
      }
      const spec = this.#find('output', node)
      if (spec === undefined) return []
      const context = this.#context('output', node)
      const made = compileOutput(spec, node, this.#catalog, context, this.#findings)
      if (made === undefined) return []
      this.#outputs.push({ id: context.id, name: node.name, where: context.where, ...made })
      return { kind: 'output', index: this.#outputs.length - 1 }
    })
  }

  #condition(node: IfNode): Predicate {
    const where = formatPosition(node.at)
    const id = `if_${node.at.line}`
    const { metrics, log } = this.#services.context(id, where, { ...node, kind: 'component', name: 'if', options: [] })
    const incomparable = metrics.counter(
      'millrace_condition_incomparable_total',
      'Comparisons by order that could not be made: taken as false, or with strict_conditions the end of their event.',
      { condition: where },
    )
    const strict = this.#plan.settings.strict_conditions
    const takenAsFalse = (kind: string, what: string, event: Event): void =>
      log.warn(kind, `${where}: ${what} and was taken as false, of ${event.origin?.describe() ?? 'an event'}`)
    try {
      return compileCondition(node.condition, {
        incomparable: (event) => {
          incomparable.inc()
          const what = 'a comparison could not be made (missing field, or text against a number)'
          if (strict) throw new MillraceError('CONDITION_INCOMPARABLE', `${where}: ${what}`)
          takenAsFalse('condition_incomparable', what, event)
        },
        interrupted: (event) => takenAsFalse('condition_interrupted', 'a match took too long', event),
        get limits() {
          return regexLimits({ id, metrics })
        },
      })
    } catch (thrown) {
      this.#findings.report({ code: 'CONFIG_INVALID_CONDITION', at: node.at, message: messageOf(thrown) })
      return () => false
    }
  }

  #find<S extends Section>(section: S, node: ComponentNode): Extract<AnySpec, { kind: S }> | undefined {
    const spec = this.#catalog.find(section, node.name)
    if (spec !== undefined) return spec
    this.#findings.report({ code: 'CONFIG_UNKNOWN_COMPONENT', at: node.at, ...instead(section, node.name, this.#catalog) })
    return undefined
  }

  #context(section: Section, node: ComponentNode): Context {
    const id = this.#id(section, node)
    const context = this.#services.context(id, formatPosition(node.at), node)
    const labels = { section, id, component: node.name }
    context.metrics.gauge('millrace_component_info', 'Always 1; the labels tell what there is.', labels, () => 1)
    return context
  }

  /** The component's own `id`, else `filter_mutate_2` for the second mutate. */
  #id(section: Section, node: ComponentNode): string {
    const given = node.options.find(({ name }) => name === 'id')?.value
    if (given?.kind === 'string') {
      if (this.#ids.has(given.value)) {
        this.#findings.report({
          code: 'CONFIG_INVALID_OPTION',
          at: given.at,
          message: `id: "${given.value}" is taken by another component`,
        })
      }
      this.#ids.add(given.value)
      return given.value
    }
    const kind = `${section}_${node.name}`
    let count = this.#counts.get(kind) ?? 0
    let id: string
    do id = `${kind}_${++count}`
    while (this.#ids.has(id))
    this.#counts.set(kind, count)
    this.#ids.add(id)
    return id
  }
}

function countsOf({ id, metrics }: Context): StepCounts {
  const labels = { filter: id }
  return {
    reached: metrics.counter('millrace_filter_events_total', 'Events that reached the filter.', labels),
    ended: metrics.counter('millrace_filter_ended_events_total', 'Events that the filter dropped, or failed at.', labels),
    created: metrics.counter('millrace_filter_created_events_total', 'Events that the filter made.', labels),
  }
}
