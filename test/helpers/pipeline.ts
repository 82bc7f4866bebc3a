import { compilePipeline } from '../../src/compile/pipeline.ts'
import { readPipelineJson } from '../../src/config/pipeline-json/read-pipeline.ts'
import type { Variables } from '../../src/config/variables.ts'
import { type AnySpec, Catalog, defineInput, defineOutput } from '../../src/core/component.ts'
import type { Context } from '../../src/core/context.ts'
import type { Batching, Deliver, Outcome, SavedEvents, Settled, Sink, WriteResult } from '../../src/core/contracts.ts'
import type { Event } from '../../src/core/event.ts'
import { parseJson } from '../../src/core/json/json.ts'
import type { Spans } from '../../src/core/span.ts'
import type { Exact, Fields } from '../../src/core/values.ts'
import { ByteBudget } from '../../src/runtime/byte-budget.ts'
import { DeadLetterBox } from '../../src/runtime/dead-letter-box.ts'
import { queueOf } from '../../src/runtime/event-queue.ts'
import { type Loses, PipelineLedgers } from '../../src/runtime/ledger.ts'
import { Pipeline } from '../../src/runtime/pipeline.ts'
import { PipelineBus } from '../../src/runtime/pipeline-bus.ts'
import { RecentEvents } from '../../src/runtime/recent-events.ts'
import { deadLettersFolder } from '../../src/storage/dead-letters.ts'
import { readWaitingLetters } from '../../src/storage/stored-letter.ts'
import { labelled } from '../../src/telemetry/labelled.ts'
import { catalog } from './catalog.ts'
import { type TestContext, testContext } from './context.ts'
import { temporaryFolder } from './temporary-folder.ts'

type Write = (events: readonly Event[], attempt: number) => Promise<WriteResult> | WriteResult

/** Two components that a test holds in its hands: an input it feeds and an output whose answers it decides. */
export class TestEnds {
  readonly #name: string

  /** @param name of both components, for tests with several */
  constructor(name = 'test') {
    this.#name = name
  }

  /** Documents that the output said `stored` for, in order. */
  readonly stored: { [name: string]: unknown }[] = []
  /** Sizes of the batches as the output got them. */
  readonly batches: number[] = []
  write: Write = (events) => ({ outcomes: events.map(() => ({ kind: 'stored' })) })
  /** Of an output that takes what it needs of an event when it comes. */
  prepare: ((event: Event) => boolean) | undefined
  saved: SavedEvents | undefined
  /** Quick tries, so that no test waits for them. */
  batching: Batching = { events_max: 100, bytes_max: 1_000_000, concurrency: 2, retry_first_ms: 1, retry_max_ms: 4 }
  open: () => Promise<void> = () => Promise.resolve()
  #deliver = Promise.withResolvers<Deliver>()
  #createEvent: ((fields: Fields, exact: Exact, bytes: number) => Event) | undefined
  #ended = Promise.withResolvers<void>()

  /** The specs, to stand beside the program's own components. */
  get specs(): readonly AnySpec[] {
    return [
      defineInput({
        name: this.#name,
        summary: 'fed by a test',
        default_codec: 'plain',
        options: {},
        examples: [],
        create: (_options, context) => ({
          run: async (deliver, stop) => {
            this.#createEvent = (fields, exact, bytes) => context.createEvent({ fields, exact }, undefined, bytes)
            this.#deliver.resolve(deliver)
            if (stop.aborted) this.#ended.resolve()
            stop.addEventListener('abort', () => this.#ended.resolve())
            await this.#ended.promise
          },
        }),
      }),
      defineOutput({
        name: this.#name,
        summary: 'answers what a test decides',
        default_codec: 'plain',
        options: {},
        examples: [],
        create: () => this.#sink(),
      }),
    ]
  }

  #sink(): Sink {
    let attempt = 0
    return {
      batching: this.batching,
      open: () => this.open(),
      ...(this.prepare === undefined ? {} : { prepare: this.prepare }),
      ...(this.saved === undefined ? {} : { saved: this.saved }),
      write: async (events) => {
        this.batches.push(events.length)
        const result = await this.write(events, ++attempt)
        for (const [index, outcome] of result.outcomes.entries()) {
          if (outcome.kind === 'stored' && events[index] !== undefined) this.stored.push(documentOf(events[index]))
        }
        return result
      },
      close: () => Promise.resolve(),
    }
  }

  /** Hands one batch over. Resolves when there is room; the returned `settled` is what became of it. */
  async feed(documents: readonly (Fields | string)[], event_bytes = 100): Promise<{ settled: Promise<Settled> }> {
    const deliver = await this.#deliver.promise
    const events = documents.map((document) => {
      const { value, exact } = parseJson(typeof document === 'string' ? document : JSON.stringify(document))
      return this.#createEvent?.(value as Fields, exact, event_bytes) as Event
    })
    return await deliver(events)
  }

  /** The input comes to its end by itself. */
  end(): void {
    this.#ended.resolve()
  }
}

export function all(kind: Outcome['kind'], count: number): WriteResult {
  const outcome = kind === 'park' ? { kind, key: 'k', reason: 'test' } : { kind, reason: 'test' }
  return { outcomes: Array.from({ length: count }, () => outcome as Outcome) }
}

function documentOf(event: Event): { [name: string]: unknown } {
  return JSON.parse(event.toJsonText()) as { [name: string]: unknown }
}

export interface RunningPipelines extends AsyncDisposable {
  readonly pipelines: readonly Pipeline[]
  readonly budget: ByteBudget
  readonly bus: PipelineBus
  readonly context: TestContext
  /** How many events were left in each when it ended. */
  readonly ended: readonly Promise<number>[]
  stop(): void
  deadLetters(): Promise<{ [name: string]: unknown }[]>
}

export interface RunningPipeline extends Omit<RunningPipelines, 'pipelines' | 'ended'> {
  readonly pipeline: Pipeline
  readonly ended: Promise<number>
}

interface PipelineOptions {
  readonly variables?: Variables
  readonly drain_timeout_ms?: number
  readonly loses?: Loses
  /** The end of the pipeline before it, as in a reload. */
  readonly predecessor?: Promise<unknown>
  readonly spans?: Spans
  /** Of an earlier run, for a test of what survives. Default: one of its own, removed at the end. */
  readonly folder?: string
}

/** Runs a pipeline from the text of a config, with the test's ends beside the program's own components. */
export async function startPipeline(config: object, ends: TestEnds, options: PipelineOptions = {}): Promise<RunningPipeline> {
  const running = await startPipelines([config], [ends], options)
  const [pipeline] = running.pipelines as [Pipeline]
  const [ended] = running.ended as [Promise<number>]
  return { ...running, pipeline, ended }
}

/** Runs several pipelines as one program does: with one bus, one budget (the first one's) and one folder. */
export async function startPipelines(
  configs: readonly object[],
  ends: readonly TestEnds[],
  { variables = {}, drain_timeout_ms = 5_000, loses, predecessor, spans, folder: kept }: PipelineOptions = {},
): Promise<RunningPipelines> {
  const folder = kept === undefined ? await temporaryFolder() : { path: kept, [Symbol.asyncDispose]: () => Promise.resolve() }
  const context = testContext({ paths: { data: folder.path, config: folder.path }, spans })
  const plans = configs.map((config) => readPipelineJson(JSON.stringify(config), 'pipeline.json', variables))
  const own = (['input', 'filter', 'output', 'codec'] as const).flatMap((kind) => catalog.all(kind))
  const known = new Catalog([...own, ...ends.flatMap(({ specs }) => specs)])
  const bus = new PipelineBus()
  const box = await DeadLetterBox.open(folder.path, context.metrics, context.log)
  const budget = new ByteBudget(plans[0]?.settings.max_in_flight_bytes ?? 0)
  const compiled = plans.map(async ({ settings, ...plan }) => {
    const contexts = new Map<string, Context>()
    const metrics = plans.length > 1 ? labelled(context.metrics, { pipeline: settings.id }) : context.metrics
    let pipeline: Pipeline | undefined
    const parts = await compilePipeline({ settings, ...plan }, known, {
      context: (id, where) => {
        const made = { ...context, metrics, bus: bus.of(settings.id), id, where }
        contexts.set(id, made)
        return made
      },
      input: (id) => ({
        max_event_bytes: settings.max_event_bytes,
        max_in_flight_bytes: settings.max_in_flight_bytes,
        deadLetter: async (raw, reason, origin, size) => await pipeline?.deadLetterRaw(id, raw, reason, origin, size),
      }),
    })
    const ledgers = new PipelineLedgers(context.metrics, settings.id)
    const { log } = context
    pipeline = new Pipeline(parts, settings, {
      ledgers,
      queue: queueOf(settings, { log, metrics: context.metrics, data: folder.path, ledger: ledgers.events }),
      context: (id) => contexts.get(id) ?? { ...context, id },
      deadLetters: box,
      budget,
      recent: new RecentEvents(),
      drain_timeout_ms,
      listening: () => Promise.resolve(),
      predecessor,
      ...(loses === undefined ? {} : { loses }),
    })
    return pipeline
  })
  const pipelines = await Promise.all(compiled)
  const stop = new AbortController()
  const ended = pipelines.map((pipeline, index) =>
    pipeline.run(stop.signal).finally(() => bus.leave(plans[index]?.settings.id ?? '')),
  )
  for (const one of ended) one.catch(() => {}) // A test that cares awaits it.
  return {
    pipelines,
    budget,
    bus,
    context,
    ended,
    stop: () => stop.abort(),
    deadLetters: async () => {
      const letters: { [name: string]: unknown }[] = []
      for await (const letter of readWaitingLetters(deadLettersFolder(folder.path), () => {})) {
        letters.push(JSON.parse(letter.line()) as { [name: string]: unknown })
      }
      return letters
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await Promise.allSettled(ended)
      await box[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}
