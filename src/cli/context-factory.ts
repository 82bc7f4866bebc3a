import { hrtime } from 'node:process'
import type { Clock, Context, Metrics, Paths } from '../core/context.ts'
import type { EventBus } from '../core/event-bus.ts'
import type { ComponentNode, EcsCompatibility } from '../core/plan.ts'
import { withoutSecrets } from '../core/secret.ts'
import type { Spans } from '../core/span.ts'
import { Timestamp } from '../core/values.ts'
import type { ProgramLog } from '../telemetry/log.ts'

export interface Listening {
  readonly component: string
  readonly address: string
}

interface Shared {
  readonly log: ProgramLog
  readonly metrics: Metrics
  readonly ecs_compatibility: EcsCompatibility
  readonly paths: Paths
  readonly bus: EventBus
  readonly spans?: Spans | undefined
  /** In front of component ids in the log, where there are several pipelines: `main/`. */
  readonly log_prefix: string
}

/** The system's clock, with the nanoseconds of the monotonic one between its milliseconds. */
export const systemClock: Clock = {
  now: () => Date.now(),
  timestamp: () => new Timestamp(Date.now(), Number(hrtime.bigint() % 1_000_000n)),
}

/** Makes the context of every component of a pipeline, and remembers where components listen. */
export class ContextFactory {
  readonly listening: Listening[] = []
  /** Component -> why it cannot do its work, without secrets. */
  readonly unwell = new Map<string, string>()
  /** What components have read while they were made. */
  readonly files = new Set<string>()
  readonly #shared: Shared
  readonly #contexts = new Map<string, Context>()

  constructor(shared: Shared) {
    this.#shared = shared
  }

  create(id: string, where: string, node?: ComponentNode): Context {
    const context: Context = {
      id,
      where,
      ecs_compatibility: ecsOf(node, this.#shared.ecs_compatibility),
      log: this.#shared.log.child(`${this.#shared.log_prefix}${id}`),
      metrics: this.#shared.metrics,
      clock: systemClock,
      paths: this.#shared.paths,
      bus: this.#shared.bus,
      spans: this.#shared.spans,
      health: { unwell: (reason) => this.unwell.set(id, withoutSecrets(reason)), well: () => this.unwell.delete(id) },
      files: { reads: (path) => this.files.add(path) },
      addresses: { listening: (component, address) => this.listening.push({ component, address }) },
    }
    this.#contexts.set(id, context)
    return context
  }

  /** Shows whether an input is well, as a metric. */
  showHealth(input: string): void {
    const help =
      '0 while the input cannot do its work: it failed, its other side is away, or its topics are not there; 1 otherwise.'
    this.#shared.metrics.gauge('millrace_input_up', help, { input }, () => Number(!this.unwell.has(input)))
  }

  /** The context that was made for an id, or a new one for a part of the program that stands in no config. */
  of(id: string): Context {
    return this.#contexts.get(id) ?? this.create(id, id)
  }
}

/** A component's own `ecs_compatibility` comes before the pipeline's. */
export function ecsOf(node: ComponentNode | undefined, ofPipeline: EcsCompatibility): EcsCompatibility {
  const value = node?.options.find(({ name }) => name === 'ecs_compatibility')?.value
  const text = value?.kind === 'string' ? value.value : undefined
  return text === 'disabled' || text === 'v1' || text === 'v8' ? text : ofPipeline
}
