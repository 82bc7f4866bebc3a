import { closeFilters } from '../../compile/chain/nodes.ts'
import { type CompiledPipeline, compilePipeline } from '../../compile/pipeline.ts'
import { loadCatalog } from '../../components.ts'
import type { Catalog } from '../../core/component.ts'
import type { Context, Log } from '../../core/context.ts'
import type { InputContext, Sink, Source } from '../../core/contracts.ts'
import { formatPosition } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { parseJson } from '../../core/json/json.ts'
import { componentsOf, type Plan, type PlanNode } from '../../core/plan.ts'
import { isFields } from '../../core/values.ts'
import { PipelineBus } from '../../runtime/pipeline-bus.ts'
import { MetricsRegistry } from '../../telemetry/metrics.ts'
import { ecsOf, systemClock } from '../context-factory.ts'
import { type Trace, Tracer } from './trace.ts'

/** A warning or error of a component while it was built or at work. */
export interface DryRunMessage {
  readonly level: 'warn' | 'error'
  readonly message: string
}

const NOTHING: Sink = {
  open: () => Promise.resolve(),
  write: (events) => Promise.resolve({ outcomes: events.map(() => ({ kind: 'stored' as const })) }),
  close: () => Promise.resolve(),
}

/**
 * A pipeline without its ends: every filter is the real one, but inputs read nothing and outputs write nothing, so that a
 * config can be tried anywhere. Filters that look outside (dns, a database of geoip) do so.
 */
export class DryRun {
  readonly messages: DryRunMessage[] = []
  readonly plan: Plan
  /** Every component and `if` by its place `file:line:column`. */
  readonly nodes: ReadonlyMap<string, PlanNode>
  readonly #inputs = new Map<string, InputContext>()
  readonly #abort = new AbortController()
  #tracer: Tracer | undefined
  #close: () => Promise<void> = () => Promise.resolve()

  private constructor(plan: Plan) {
    this.plan = plan
    this.nodes = new Map([...plan.inputs, ...plan.filters, ...plan.outputs].flatMap(nodesOf))
  }

  /**
   * @param config_folder relative paths in options start there
   * @param adapt changes what was made, before any event comes
   * @throws ConfigError with everything that is wrong
   */
  static async build(
    plan: Plan,
    config_folder: string,
    adapt: (compiled: CompiledPipeline) => CompiledPipeline = (compiled) => compiled,
  ): Promise<DryRun> {
    const run = new DryRun(plan)
    const { id: pipeline, max_event_bytes, max_in_flight_bytes } = plan.settings
    const shared = run.#context(pipeline, config_folder)
    const compiled = await compilePipeline(plan, run.#withoutEnds(await loadCatalog(componentsOf(plan))), {
      context: (id, where, node) => ({ ...shared, id, where, ecs_compatibility: ecsOf(node, plan.settings.ecs_compatibility) }),
      input: () => ({ max_event_bytes, max_in_flight_bytes, deadLetter: () => Promise.resolve() }),
    })
    for (const { at, message } of compiled.warnings)
      run.messages.push({ level: 'warn', message: `${formatPosition(at)}: ${message}` })
    run.#tracer = new Tracer(adapt(compiled), run.#abort.signal)
    run.#close = () => closeFilters(compiled.chain)
    return run
  }

  /** What the inputs were given to work with, by id. */
  get contexts(): ReadonlyMap<string, InputContext> {
    return this.#inputs
  }

  /** The ids of the inputs. */
  get inputs(): readonly string[] {
    return [...this.#inputs.keys()]
  }

  /**
   * Events as an input would make them: a text goes through its codec, and so does the end of the stream behind the last one.
   * @param input an id; the first input where left out
   */
  decode(texts: readonly string[], input?: string): Event[] {
    const context = this.#input(input)
    const decoder = context.createDecoder()
    const decoded = texts.flatMap((text) => decoder.decode(Buffer.from(decoder.splits_stream === true ? `${text}\n` : text)))
    return [...decoded, ...decoder.flush()].map((piece) => context.createEvent(piece, undefined, 0))
  }

  /** An event of these fields, with the input's type, tags and add_field. `undefined` for text that is no JSON object. */
  eventOf(json: string, input?: string): Event | undefined {
    const { value, exact } = parseJson(json)
    return isFields(value) ? this.#input(input).createEvent({ fields: value, exact }, undefined, 0) : undefined
  }

  async take(event: Event): Promise<void> {
    await this.#tracer?.take(event)
  }

  /** The end of the events. Returns the ways of all of them, in the order in which they came into being. */
  async finish(): Promise<readonly Trace[]> {
    await this.#tracer?.finish(systemClock.now())
    return this.#tracer?.traces ?? []
  }

  /** The ways of the events so far, which are forgotten then; `finish` has only those that follow. */
  takeTraces(): readonly Trace[] {
    return this.#tracer?.traces.splice(0) ?? []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#close()
  }

  #input(id: string | undefined): InputContext {
    const context = id === undefined ? [...this.#inputs.values()][0] : this.#inputs.get(id)
    if (context === undefined) throw new RangeError(`expected one of the inputs ${this.inputs.join(', ')}, got ${id ?? 'none'}`)
    return context
  }

  /** The components as they are, but inputs only leave their context here and outputs do nothing. */
  #withoutEnds(catalog: Catalog): Catalog {
    const create = (_options: object, context: InputContext): Source => {
      this.#inputs.set(context.id, context)
      return { run: () => Promise.resolve() }
    }
    return catalog.map((spec) => {
      if (spec.kind === 'input') return { ...spec, create }
      return spec.kind === 'output' ? { ...spec, create: () => NOTHING } : spec
    })
  }

  #context(pipeline: string, config_folder: string): Omit<Context, 'id' | 'where' | 'ecs_compatibility'> {
    const note =
      (level: DryRunMessage['level']): Log['warn'] =>
      (_kind, message) => {
        this.messages.push({ level, message })
      }
    return {
      log: { debug: () => {}, info: () => {}, warn: note('warn'), error: note('error') },
      metrics: new MetricsRegistry(),
      clock: systemClock,
      paths: { data: config_folder, config: config_folder, dry_run: true },
      health: { unwell: () => {}, well: () => {} },
      addresses: { listening: () => {} },
      files: { reads: () => {} },
      bus: new PipelineBus().of(pipeline),
      spans: undefined,
    }
  }
}

function nodesOf(node: PlanNode): [string, PlanNode][] {
  const here: [string, PlanNode] = [formatPosition(node.at), node]
  return node.kind === 'if' ? [here, ...[...node.then, ...node.else].flatMap(nodesOf)] : [here]
}
