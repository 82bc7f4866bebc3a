import { ecsOf } from '../../src/cli/context-factory.ts'
import { compilePipeline } from '../../src/compile/pipeline.ts'
import type { AnySpec, Catalog } from '../../src/core/component.ts'
import type { Decoded, InputContext, OutputContext, Sink, Source } from '../../src/core/contracts.ts'
import { ConfigError, MillraceError, type Problem } from '../../src/core/errors.ts'
import type { Event } from '../../src/core/event.ts'
import type { ComponentNode, Plan } from '../../src/core/plan.ts'
import { Timestamp } from '../../src/core/values.ts'
import { ByteBudget } from '../../src/runtime/byte-budget.ts'
import type { DeadLetterBox } from '../../src/runtime/dead-letter-box.ts'
import { Pipeline } from '../../src/runtime/pipeline.ts'
import { RecentEvents } from '../../src/runtime/recent-events.ts'
import { catalog } from '../helpers/catalog.ts'
import { type TestContext, testContext } from '../helpers/context.ts'
import { encodeWindow, LumberjackClient, parseAddress } from '../helpers/lumberjack-client.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** What a config made of some lines. */
export interface CaseRun {
  /** Why the config was refused; then nothing ran. */
  readonly refused: readonly Problem[] | undefined
  /** What came out, as the output's codec printed it. */
  readonly output: string
  readonly warnings: readonly string[]
  /** Comparisons that could not be made. */
  readonly incomparable: number
  readonly dead_lettered: number
}

/**
 * Runs a plan over lines in the real pipeline. Only its two ends are the test's own: a `stdin` that feeds the lines to the
 * codec as the recorder did, and outputs that keep what the codec prints. A `beats` input gets one window over the wire.
 */
export async function runPlan(
  plan: Plan,
  input: readonly Buffer[],
  deadLetters: DeadLetterBox,
  now_ms: number,
): Promise<CaseRun> {
  const context = testContext({ clock: { now: () => now_ms, timestamp: () => new Timestamp(now_ms, 471_681) } })
  const output: string[] = []
  const specs = catalogWithEnds(input, output)
  const services = {
    context: (id: string, where: string, node?: ComponentNode) => {
      return { ...context, id, where, ecs_compatibility: ecsOf(node, plan.settings.ecs_compatibility) }
    },
    input: () => ({
      max_event_bytes: plan.settings.max_event_bytes,
      max_in_flight_bytes: 64 * 1024 * 1024,
      deadLetter: () => Promise.resolve(),
    }),
  }
  try {
    const compiled = await compilePipeline(plan, specs, services)
    const pipeline = new Pipeline(compiled, plan.settings, {
      context: (id) => services.context(id, id),
      deadLetters,
      budget: new ByteBudget(plan.settings.max_in_flight_bytes),
      recent: new RecentEvents(),
      drain_timeout_ms: 10_000,
      listening: () => Promise.resolve(),
    })
    const stop = new AbortController()
    // Inputs that never end by themselves come to their end here.
    const timer = setTimeout(() => stop.abort(), RUN_TIMEOUT_MS)
    const running = pipeline.run(stop.signal).finally(() => clearTimeout(timer))
    if (compiled.inputs.some(({ listens }) => listens)) await sendWindow(input, context, stop)
    await running
    return {
      refused: undefined,
      output: output.join(''),
      warnings: [...compiled.warnings.map(({ message }) => message), ...context.lines.filter((line) => line.startsWith('warn'))],
      incomparable: totalOf(await context.metrics.text(), 'millrace_condition_incomparable_total'),
      dead_lettered: pipeline.ledger.totals().states.dead_lettered,
    }
  } catch (thrown) {
    if (thrown instanceof ConfigError) return refusal(thrown.problems)
    if (!(thrown instanceof MillraceError)) throw thrown
    return refusal([{ code: 'CONFIG_CANNOT_START', at: { file: '', line: 0, column: 0 }, message: thrown.message }])
  }
}

const RUN_TIMEOUT_MS = 5_000

/** The run of a config that was refused. */
export function refusal(problems: readonly Problem[]): CaseRun {
  return { refused: problems, output: '', warnings: [], incomparable: 0, dead_lettered: 0 }
}

function totalOf(metrics: string, name: string): number {
  const values = [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)`, 'gm'))]
  return values.reduce((sum, [, value]) => sum + Number(value), 0)
}

function catalogWithEnds(input: readonly Buffer[], output: string[]): Catalog {
  return catalog.map((spec): AnySpec => {
    if (spec.kind === 'input' && spec.name === 'stdin') {
      return { ...spec, create: (_options: object, context: InputContext) => replay(input, context) }
    }
    if (spec.kind === 'output' && ['stdout', 'file'].includes(spec.name)) {
      return { ...spec, create: (_options: object, context: OutputContext) => keepingSink(output, context) }
    }
    return spec
  })
}

function replay(input: readonly Buffer[], context: InputContext): Source {
  return {
    run: async (deliver) => {
      await deliver(decodeAll(input, context))
    },
  }
}

function decodeAll(input: readonly Buffer[], context: InputContext): Event[] {
  const decoder = context.createDecoder()
  const decode = (line: Buffer): Decoded[] =>
    decoder.decode(decoder.splits_stream === true ? Buffer.concat([line, Buffer.from('\n')]) : line)
  return [...input.flatMap(decode), ...decoder.flush()].map((decoded) => context.createEvent(decoded, undefined, 100))
}

function keepingSink(output: string[], { encoder }: OutputContext): Sink {
  return {
    batching: { events_max: 1_000, bytes_max: 1_000_000, concurrency: 1 },
    open: () => Promise.resolve(),
    write: (events) => {
      output.push(events.map((event) => encoder.encode(event)).join(''))
      return Promise.resolve({ outcomes: events.map(() => ({ kind: 'stored' })) })
    },
    close: () => Promise.resolve(),
  }
}

/** Stops the pipeline when the window is acknowledged, or cannot be. */
async function sendWindow(input: readonly Buffer[], context: TestContext, stop: AbortController): Promise<void> {
  try {
    const address = await waitFor('listening', () => context.address(), { timeout_ms: RUN_TIMEOUT_MS, signal: stop.signal })
    await using client = await LumberjackClient.connect(parseAddress(address))
    await client.send(encodeWindow(input))
    await client.until(() => client.isClosed || client.acks.includes(input.length))
  } finally {
    stop.abort()
  }
}
