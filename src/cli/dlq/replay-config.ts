import { resolve } from 'node:path'
import { type CompiledPipeline, compilePipeline } from '../../compile/pipeline.ts'
import { loadCatalog } from '../../components.ts'
import { type ConfigRequest, type LoadedPipeline, loadConfig } from '../../config/load.ts'
import type { Catalog } from '../../core/component.ts'
import type { InputContext, Sink, Source } from '../../core/contracts.ts'
import { ConfigError } from '../../core/errors.ts'
import { componentsOf, type Plan } from '../../core/plan.ts'
import { PipelineBus } from '../../runtime/pipeline-bus.ts'
import { labelled } from '../../telemetry/labelled.ts'
import type { ProgramLog } from '../../telemetry/log.ts'
import type { MetricsRegistry } from '../../telemetry/metrics.ts'
import { ContextFactory } from '../context-factory.ts'
import { UsageError } from '../tool.ts'
import { refuse, restOfTheWay } from './replay-route.ts'

/** What letters are sent through. */
export interface ReplayConfig {
  /** Of the config whose outputs are used, with the filters that are used. */
  readonly plan: Plan
  /** Relative paths in options start there. */
  readonly folder: string
  /** The filters in place of the config's: the folder of their file, and the files they are in. */
  readonly own_filters: { readonly folder: string; readonly files: ReadonlySet<string> } | undefined
}

/**
 * Reads the config, and the filters in place of its own.
 * @param pipeline which one, of a config with several
 * @param through a config that has filters only
 * @throws ConfigError, UsageError
 */
export async function readReplayConfig(
  request: ConfigRequest,
  pipeline: string | undefined,
  through: string | undefined,
): Promise<ReplayConfig> {
  const loaded = await loadConfig(request)
  const one = pipeline === undefined && loaded.length === 1 ? loaded[0] : loaded.find(({ plan }) => plan.settings.id === pipeline)
  if (one === undefined) {
    const ids = loaded.map(({ plan }) => plan.settings.id).join(', ')
    throw new UsageError(`expected --pipeline.id with one of ${ids}${pipeline === undefined ? '' : `, got ${pipeline}`}`)
  }
  if (one.problems.length > 0) throw new ConfigError(one.problems)
  const own = through === undefined ? undefined : await readFilters(through, request)
  return {
    plan: own === undefined ? one.plan : { ...one.plan, filters: own.plan.filters },
    folder: one.folder,
    own_filters: own === undefined ? undefined : { folder: own.folder, files: new Set(own.sources.map(({ file }) => file)) },
  }
}

async function readFilters(path: string, { variables }: ConfigRequest): Promise<LoadedPipeline> {
  const [loaded] = await loadConfig({ path, variables, filters_only: true })
  if (loaded !== undefined && loaded.problems.length > 0) throw new ConfigError(loaded.problems)
  if (loaded === undefined || loaded.plan.filters.length === 0) {
    throw new UsageError(`--through: expected a config with filters, got ${path} without any`)
  }
  return loaded
}

/** What is made of a config for a replay. */
export interface CompiledReplay {
  readonly compiled: CompiledPipeline
  /** Of the config's inputs, which do not run: they decode bytes that never became an event. */
  readonly inputs: ReadonlyMap<string, InputContext>
  readonly factory: ContextFactory
}

/** @throws ConfigError with everything that is wrong */
export async function compileReplay(
  { plan, folder, own_filters }: ReplayConfig,
  { log, metrics, data }: { readonly log: ProgramLog; readonly metrics: MetricsRegistry; readonly data: string },
): Promise<CompiledReplay> {
  const bus = new PipelineBus()
  const { id, ecs_compatibility, max_event_bytes, max_in_flight_bytes } = plan.settings
  const factoryFor = (config: string): ContextFactory =>
    new ContextFactory({
      log,
      metrics: labelled(metrics, { pipeline: id }),
      ecs_compatibility,
      // Filters keep nothing: what deduplicate remembers belongs to the program that may be running.
      paths: { data: resolve(data), config: resolve(config), dry_run: true },
      bus: bus.of(id),
      log_prefix: '',
    })
  const factory = factoryFor(folder)
  const filterFactory = own_filters === undefined ? factory : factoryFor(own_filters.folder)
  const inputs = new Map<string, InputContext>()
  const compiled = await compilePipeline(plan, forReplay(await loadCatalog(componentsOf(plan)), inputs), {
    context: (component, where, node) =>
      (own_filters?.files.has(node.at.file) === true ? filterFactory : factory).create(component, where, node),
    input: () => ({ max_event_bytes, max_in_flight_bytes, deadLetter: () => Promise.resolve() }),
  })
  return { compiled: restOfTheWay(compiled, own_filters !== undefined), inputs, factory }
}

/** The components as they are, but inputs only leave their context in `inputs`, and no other pipeline is there to send to. */
function forReplay(catalog: Catalog, inputs: Map<string, InputContext>): Catalog {
  const create = (_options: object, context: InputContext): Source => {
    inputs.set(context.id, context)
    return { run: () => Promise.resolve() }
  }
  const refused = (): Sink => refuse('other pipelines do not run in a replay: name their config')
  return catalog.map((spec) => {
    if (spec.kind === 'input') return { ...spec, create }
    return spec.kind === 'output' && spec.name === 'pipeline' ? { ...spec, create: refused } : spec
  })
}
