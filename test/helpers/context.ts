import type { Context, Log } from '../../src/core/context.ts'
import { Timestamp } from '../../src/core/values.ts'
import { PipelineBus } from '../../src/runtime/pipeline-bus.ts'
import { MetricsRegistry } from '../../src/telemetry/metrics.ts'

export interface TestContext extends Context {
  /** Every log line so far: `warn kind: message`. */
  readonly lines: string[]
  /** A registry of its own; `metrics.text()` is what a scrape would see. */
  readonly metrics: MetricsRegistry
  /** The address that was reported last. */
  address(): string | undefined
}

/** A context whose log, metrics and addresses can be read, with a clock that stands still unless told otherwise. */
export function testContext(overrides: Partial<Omit<Context, 'metrics'> & { metrics: MetricsRegistry }> = {}): TestContext {
  const lines: string[] = []
  let listening: string | undefined
  const line =
    (level: string): Log['info'] =>
    (kind, message) => {
      lines.push(`${level} ${kind}: ${message}`)
    }
  return {
    id: 'test',
    where: 'test:1:1',
    ecs_compatibility: 'disabled',
    log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
    metrics: new MetricsRegistry(),
    clock: { now: () => Date.UTC(2026, 0, 2, 3, 4, 5), timestamp: () => new Timestamp(Date.UTC(2026, 0, 2, 3, 4, 5)) },
    paths: { data: 'data', config: '.' },
    bus: new PipelineBus().of('main'),
    spans: undefined,
    health: { unwell: () => {}, well: () => {} },
    files: { reads: () => {} },
    addresses: {
      listening: (_id, address) => {
        listening = address
      },
    },
    lines,
    address: () => listening,
    ...overrides,
  }
}
