import { compileOutput } from '../../src/compile/output.ts'
import { type AnySpec, Catalog, type OutputSpec } from '../../src/core/component.ts'
import type { Sink } from '../../src/core/contracts.ts'
import { ConfigError, type Problem } from '../../src/core/errors.ts'
import { Event } from '../../src/core/event.ts'
import { parseJson } from '../../src/core/json/json.ts'
import { type Fields, Timestamp } from '../../src/core/values.ts'
import { componentNode } from './config-value.ts'
import { type TestContext, testContext } from './context.ts'

/** An output as a pipeline would build it; its faults become a ConfigError. */
export function buildOutput(
  spec: unknown,
  codecs: readonly unknown[],
  options: { readonly [name: string]: unknown },
  context: TestContext = testContext(),
): Sink {
  const problems: Problem[] = []
  const output = spec as OutputSpec
  const made = compileOutput(output, componentNode(output.name, options), new Catalog(codecs as readonly AnySpec[]), context, {
    report: (problem) => problems.push(problem),
    warn: (_at, message) => context.log.warn('config', message),
  })
  if (made === undefined) throw new ConfigError(problems)
  return made.sink
}

/** An event of 2026-01-02T00:00:00Z from JSON text. */
export function eventOf(json: string): Event {
  const { value, exact } = parseJson(json)
  return Event.from(value as Fields, new Timestamp(Date.UTC(2026, 0, 2)), { exact })
}
