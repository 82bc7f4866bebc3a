import { resolve } from 'node:path'
import { type CompiledPipeline, compilePipeline } from '../compile/pipeline.ts'
import { catalog } from '../components.ts'
import type { LoadedPipeline } from '../config/load.ts'
import { type SourceText, withSourceLines } from '../config/source-text.ts'
import type { Log } from '../core/context.ts'
import { ConfigError, formatPosition, MillraceError, messageOf, type Problem } from '../core/errors.ts'
import type { Plan } from '../core/plan.ts'
import { ByteBudget } from '../runtime/byte-budget.ts'
import type { DeadLetterBox } from '../runtime/dead-letter-box.ts'
import { Pipeline } from '../runtime/pipeline.ts'
import { PipelineBus } from '../runtime/pipeline-bus.ts'
import { RecentEvents } from '../runtime/recent-events.ts'
import { labelled } from '../telemetry/labelled.ts'
import type { ProgramLog } from '../telemetry/log.ts'
import type { MetricsRegistry } from '../telemetry/metrics.ts'
import { ContextFactory } from './context-factory.ts'

interface Surroundings {
  readonly log: ProgramLog
  readonly metrics: MetricsRegistry
  readonly data: string
}

/** One pipeline whose parts are made. */
interface Prepared {
  readonly plan: Plan
  readonly compiled: CompiledPipeline
  readonly factory: ContextFactory
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
    try {
      ready.push(await prepare(one, bus, surroundings, read.length > 1))
    } catch (thrown) {
      if (!(thrown instanceof ConfigError)) throw thrown
      bus.leave(id)
      refused.push({ id, error: thrown })
    }
  }
  return { bus, ready, refused }
}

async function prepare(read: LoadedPipeline, bus: PipelineBus, { log, metrics, data }: Surroundings, is_one_of_several: boolean) {
  const { plan, problems, sources } = read
  const { id, ecs_compatibility, max_event_bytes } = plan.settings
  const factory = new ContextFactory({
    log,
    metrics: labelled(metrics, { pipeline: id }),
    ecs_compatibility,
    paths: { data: resolve(data), config: resolve(read.folder) },
    bus: bus.of(id),
    log_prefix: is_one_of_several ? `${id}/` : '',
  })
  let pipeline: Pipeline | undefined
  const compiling = compilePipeline(plan, catalog, {
    context: (component, where, node) => factory.create(component, where, node),
    input: (input) => ({
      max_event_bytes,
      deadLetter: async (raw, reason, origin, size_bytes) =>
        await pipeline?.deadLetterRaw(input, raw, reason, origin, size_bytes),
    }),
  })
  const compiled = await withProblems(problems, compiling, sources)
  const attach = (made: Pipeline): void => {
    pipeline = made
  }
  return { plan, compiled, factory, attach }
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

/** A pipeline at work. */
export interface Member extends Omit<Prepared, 'attach'> {
  readonly pipeline: Pipeline
}

interface Settings {
  readonly log: Log
  readonly deadLetters: DeadLetterBox
  readonly drain_timeout_ms: number
  /** Resolves once the inputs of that pipeline that listen do so. */
  readonly listening: (compiled: CompiledPipeline, factory: ContextFactory) => Promise<void>
}

/** The pipelines of the program at work, with one budget of bytes for all of them. */
export class Pipelines {
  readonly members: readonly Member[]
  readonly budget: ByteBudget
  readonly max_in_flight_bytes: number
  readonly recent = new RecentEvents()
  /** Pipeline -> why it does not run, while others do. */
  readonly failed = new Map<string, string>()
  readonly #bus: PipelineBus
  readonly #log: Log

  constructor({ bus, ready, refused }: PreparedPipelines, { log, deadLetters, drain_timeout_ms, listening }: Settings) {
    this.#bus = bus
    this.#log = log
    this.max_in_flight_bytes = Math.max(...ready.map(({ plan }) => plan.settings.max_in_flight_bytes))
    this.budget = new ByteBudget(this.max_in_flight_bytes)
    for (const { id, error } of refused) this.#fail(id, error)
    this.members = ready.map(({ attach, ...prepared }) => {
      const { compiled, plan, factory } = prepared
      const pipeline = new Pipeline(compiled, plan.settings, {
        context: (component) => factory.of(component),
        deadLetters,
        budget: this.budget,
        recent: this.recent,
        drain_timeout_ms,
        listening: () => listening(compiled, factory),
      })
      attach(pipeline)
      return { ...prepared, pipeline }
    })
  }

  /** Events that have no final state yet. */
  get held(): number {
    return this.members.reduce((sum, { pipeline }) => sum + pipeline.held, 0)
  }

  /**
   * Runs all of them to their ends: at a stop those that send to others first, for the others go on until nobody sends any
   * more. One that cannot start does not keep the others from it. Returns how many events were left without an end.
   * @throws MillraceError INPUT_CANNOT_START, OUTPUT_CANNOT_START where none could start
   */
  async run(stop: AbortSignal): Promise<number> {
    const faults: MillraceError[] = []
    const left = await Promise.all(
      this.members.map(async ({ pipeline, plan }) => {
        const { id } = plan.settings
        try {
          return await pipeline.run(stop)
        } catch (thrown) {
          if (!(thrown instanceof MillraceError)) throw thrown
          faults.push(thrown)
          if (this.members.length > 1) this.#fail(id, thrown)
          return 0
        } finally {
          this.#bus.leave(id)
        }
      }),
    )
    if (faults.length === this.members.length && faults[0] !== undefined) throw faults[0]
    return left.reduce((sum, count) => sum + count, 0)
  }

  #fail(id: string, thrown: unknown): void {
    this.failed.set(id, messageOf(thrown))
    this.#log.error(`pipeline_failed_${id}`, `the pipeline ${id} does not run: ${messageOf(thrown)}`)
  }
}
