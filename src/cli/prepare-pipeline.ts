import { join, resolve } from 'node:path'
import { closeFilters } from '../compile/chain/nodes.ts'
import { type CompiledPipeline, compilePipeline } from '../compile/pipeline.ts'
import { loadCatalog } from '../components.ts'
import type { LoadedPipeline } from '../config/load.ts'
import { type SourceText, withSourceLines } from '../config/source-text.ts'
import type { Binding } from '../core/contracts.ts'
import { ConfigError, formatPosition, type Problem } from '../core/errors.ts'
import type { EventBus } from '../core/event-bus.ts'
import { componentsOf, type PipelineSettings, type Plan } from '../core/plan.ts'
import type { Spans } from '../core/span.ts'
import type { Pipeline } from '../runtime/pipeline.ts'
import { PipelineBus } from '../runtime/pipeline-bus.ts'
import type { TurnGuard } from '../runtime/turn-guard.ts'
import { labelled } from '../telemetry/labelled.ts'
import type { ProgramLog } from '../telemetry/log.ts'
import type { MetricsRegistry } from '../telemetry/metrics.ts'
import { PipelineMetrics } from '../telemetry/pipeline-metrics.ts'
import { ContextFactory } from './context-factory.ts'

export interface Surroundings {
  readonly log: ProgramLog
  readonly metrics: MetricsRegistry
  readonly data: string
  readonly spans?: Spans | undefined
  /** Which of several workers this is; left out where there is one. */
  readonly worker?: WorkerPlace | undefined
}

export interface WorkerPlace {
  /** The first one is 0, and has what cannot be spread. */
  readonly index: number
  readonly count: number
  /** The config names one pipeline, so its components need not say of which they are. */
  readonly is_alone: boolean
  readonly guard: TurnGuard
}

/** One pipeline whose parts are made. */
export interface Prepared {
  readonly loaded: LoadedPipeline
  readonly plan: Plan
  readonly compiled: CompiledPipeline
  readonly factory: ContextFactory
  readonly metrics: PipelineMetrics
  /** Hands it to its inputs, which were made before it. */
  readonly attach: (pipeline: Pipeline) => void
}

/** All pipelines of a config whose parts could be made, and what is wrong with the others. */
export interface PreparedPipelines {
  readonly bus: PipelineBus
  readonly ready: readonly Prepared[]
  readonly refused: readonly { readonly id: string; readonly error: ConfigError }[]
}

/** Makes the parts of all pipelines: of every one before any runs, so that it is known who sends to whom. */
export async function preparePipelines(read: readonly LoadedPipeline[], surroundings: Surroundings): Promise<PreparedPipelines> {
  const bus = new PipelineBus()
  const ready: Prepared[] = []
  const refused: { id: string; error: ConfigError }[] = []
  for (const one of read) {
    const { id } = one.plan.settings
    const metrics = new PipelineMetrics(surroundings.metrics)
    try {
      const prepared = await preparePipeline(one, {
        ...surroundings,
        bus: bus.of(id),
        own: metrics,
        is_alone: surroundings.worker?.is_alone ?? read.length === 1,
      })
      metrics.begin()
      ready.push(prepared)
    } catch (thrown) {
      if (!(thrown instanceof ConfigError)) throw thrown
      bus.leave(id)
      refused.push({ id, error: thrown })
    }
  }
  return { bus, ready, refused }
}

interface OwnSurroundings extends Surroundings {
  readonly bus: EventBus
  readonly own: PipelineMetrics
  readonly is_alone: boolean
}

/**
 * Makes the parts of one pipeline.
 * @throws ConfigError with everything that is wrong with it; then nothing of it is left
 */
export async function preparePipeline(loaded: LoadedPipeline, surroundings: OwnSurroundings): Promise<Prepared> {
  const { log, data, spans, bus, own, is_alone, worker } = surroundings
  const { plan, problems, sources, folder } = loaded
  const { id, ecs_compatibility, max_event_bytes, max_in_flight_bytes } = plan.settings
  const factory = new ContextFactory({
    log,
    metrics: labelled(own, { pipeline: id }),
    ecs_compatibility,
    paths: { data: resolve(data), config: resolve(folder) },
    bus,
    spans,
    log_prefix: is_alone ? '' : `${id}/`,
  })
  let pipeline: Pipeline | undefined
  const compiling = compilePipeline(plan, await loadCatalog(componentsOf(plan)), {
    context: (component, where, node) => factory.create(component, where, node),
    input: (input) => ({
      max_event_bytes,
      max_in_flight_bytes: Math.floor(max_in_flight_bytes / (worker?.count ?? 1)),
      deadLetter: async (raw, reason, origin, size_bytes) =>
        await pipeline?.deadLetterRaw(input, raw, reason, origin, size_bytes),
    }),
  })
  const whole = await withProblems(problems, compiling, sources)
  const compiled = worker === undefined ? whole : partOf(whole, worker)
  for (const input of compiled.inputs) factory.showHealth(input.id)
  const attach = (made: Pipeline): void => {
    pipeline = made
  }
  const own_plan = worker === undefined ? plan : { ...plan, settings: shareOf(plan.settings, worker, whole) }
  return { loaded, plan: own_plan, compiled, factory, metrics: own, attach }
}

/** What one of several workers runs of a pipeline: inputs that cannot be spread are in the first, and limits of the disk are divided. */
function partOf(compiled: CompiledPipeline, { index, count }: WorkerPlace): CompiledPipeline {
  const inputs = index === 0 ? compiled.inputs : compiled.inputs.filter(({ source }) => source.spreads === true)
  if (whyAlone(compiled) !== undefined) return { ...compiled, inputs }
  const outputs = compiled.outputs.map(({ policy, ...output }) =>
    policy === undefined
      ? output
      : { ...output, policy: { ...policy, spill_max_bytes: Math.floor(policy.spill_max_bytes / count) } },
  )
  return { ...compiled, inputs, outputs }
}

/** The queue on disk of one of several workers. */
function shareOf(settings: PipelineSettings, { index, count }: WorkerPlace, compiled: CompiledPipeline): PipelineSettings {
  const { queue_max_bytes, path_queue } = settings
  return {
    ...settings,
    queue_max_bytes: whyAlone(compiled) === undefined ? Math.floor(queue_max_bytes / count) : queue_max_bytes,
    path_queue: path_queue === undefined || index === 0 ? path_queue : join(path_queue, WORKER_QUEUES, String(index)),
  }
}

/** Below `path.queue`; no pipeline's folder begins with a dot. */
export const WORKER_QUEUES = '.workers'

/** Why several workers cannot run a pipeline side by side, as far as its own parts say; `undefined` where they can. */
export function whyAlone({ inputs, outputs }: CompiledPipeline): string | undefined {
  if (!inputs.some(({ source }) => source.spreads === true)) return 'none of its inputs can be spread'
  const single = outputs.find(({ sink }) => sink.is_single === true)
  return single && `there can be only one ${single.name} output (${single.where})`
}

/** Where the inputs and outputs of a pipeline listen. */
export function bindingsOf({ inputs, outputs }: CompiledPipeline): Binding[] {
  return [...inputs.map(({ source }) => source), ...outputs.map(({ sink }) => sink)].flatMap(({ bindings = [] }) => bindings)
}

/**
 * What was compiled of a plan that was read with these problems.
 * @throws ConfigError with all problems of reading and compiling at once, without those that follow from another
 */
async function withProblems(
  problems: readonly Problem[],
  compiling: Promise<CompiledPipeline>,
  sources: readonly SourceText[],
): Promise<CompiledPipeline> {
  let further: readonly Problem[] = []
  try {
    const compiled = await compiling
    if (problems.length === 0) return compiled
    await closeFilters(compiled.chain)
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown
    further = thrown.problems
  }
  const told = new Set(problems.map(({ at }) => formatPosition(at)))
  // A component that was given a variable's name instead of its value fails for that reason.
  const is_unresolved = problems.some(({ code }) => code === 'CONFIG_UNRESOLVED_VARIABLE')
  const is_own = ({ code, at }: Problem): boolean =>
    !(is_unresolved && code === 'CONFIG_CANNOT_START') && !told.has(formatPosition(at))
  throw new ConfigError(withSourceLines([...problems, ...further.filter(is_own)], sources))
}
