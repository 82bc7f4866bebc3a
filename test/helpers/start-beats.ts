import { json } from '../../src/codecs/json.ts'
import { plain } from '../../src/codecs/plain.ts'
import type { InputContext } from '../../src/core/contracts.ts'
import type { OptionValues } from '../../src/core/options/options.ts'
import { beats, createBeats, type Internals } from '../../src/ingest/beats/beats.ts'
import { Intake } from '../../src/ingest/intake.ts'
import { type TestContext, testContext } from './context.ts'
import { LumberjackClient, parseAddress } from './lumberjack-client.ts'
import { buildInput, Collector, type RunningInput, startInput } from './run-input.ts'

export interface BeatsUnderTest extends RunningInput {
  connect(): Promise<LumberjackClient>
}

export interface BeatsTestSettings {
  readonly options?: { readonly [name: string]: unknown }
  readonly internals?: Partial<Internals>
  readonly context?: TestContext
  readonly max_event_bytes?: number
  readonly max_in_flight_bytes?: number
}

/** A Beats input that listens on a free port of 127.0.0.1. Its keep-alives come only when a test asks for them. */
export async function startBeats(settings: BeatsTestSettings = {}): Promise<BeatsUnderTest> {
  const { context = testContext(), max_event_bytes, max_in_flight_bytes } = settings
  const collector = new Collector()
  const internals: Internals = { keep_alive_ms: 60_000, intake: createIntake(), ...settings.internals }
  const spec = {
    ...beats,
    create: (options: OptionValues<typeof beats.options>, input: InputContext) => createBeats(options, input, internals),
  }
  const source = buildInput(
    spec,
    [plain, json],
    { host: '127.0.0.1', port: 0, ...settings.options },
    collector,
    context,
    max_event_bytes,
    max_in_flight_bytes,
  )
  const running = startInput(source, collector, context)
  await Promise.race([collector.until(() => context.address() !== undefined), running.ended])
  const address = parseAddress(context.address() ?? '')
  return {
    ...running,
    connect: () => LumberjackClient.connect(address),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}

/** As the program's own, for one input alone. */
export function createIntake(): Intake {
  return new Intake({ turns: 4, received_bytes_max: 0, patience_ms: 10_000 })
}
