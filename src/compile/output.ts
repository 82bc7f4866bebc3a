import type { Catalog, OutputSpec } from '../core/component.ts'
import type { Context } from '../core/context.ts'
import type { Sink } from '../core/contracts.ts'
import { kept } from '../core/options/kept-options.ts'
import * as option from '../core/options/options.ts'
import { readOptions } from '../core/options/read-options.ts'
import type { ComponentNode } from '../core/plan.ts'
import { cannotRegister } from './cannot-register.ts'
import { compileCodec, type Findings } from './codec.ts'

/** Options that every output takes. */
export const OUTPUT_OPTIONS = {
  id: option.string('Name of this output in metrics, messages and the ledger.'),
  enable_metric: option.boolean("Kept for Logstash's configs; metrics are always on.", { default: true }),
  ecs_compatibility: option.oneOf("Which field names this component uses by default; the pipeline's where left out.", [
    'disabled',
    'v1',
    'v8',
  ]),
  codec: option.codec('How events are encoded, where the output writes text.'),
  workers: kept('there are no such threads'),
  when_blocked: option.oneOf(
    'What is done with events that wait while the output takes none, takes none for their index, or puts them off each by itself: `spill` puts them on the disk, acknowledges them, and brings them to the output once it takes events again, also after a restart; `block` keeps them in memory until the senders wait; `drop` loses and counts them. Left out: `spill` where the pipeline has several outputs, so that one cannot hold up the others, else `block`.',
    ['spill', 'block', 'drop'],
  ),
  blocked_after_ms: option.integer(
    'How long events wait in memory before `when_blocked` says what is done with them; sooner where they take more than 32 MiB, or half of `max_in_flight_bytes`.',
    { default: 10_000, min: 1, max: 3_600_000 },
  ),
  spill_max_bytes: option.bytes('Spilled events of this output on the disk at most; beyond that they wait in memory.', {
    default: 1024 * 1024 * 1024,
    min: 1024 * 1024,
  }),
}

/** What is done with events that an output does not take. */
export interface BlockedPolicy {
  readonly when_blocked: 'spill' | 'block' | 'drop' | undefined
  readonly blocked_after_ms: number
  readonly spill_max_bytes: number
}

export interface MadeOutput {
  readonly sink: Sink
  readonly policy: BlockedPolicy
}

/** Makes one output from its place in the plan. Faults are reported at that place; then there is no output. */
export function compileOutput(
  spec: OutputSpec,
  node: ComponentNode,
  catalog: Catalog,
  context: Context,
  findings: Findings,
): MadeOutput | undefined {
  const options = readOptions({ ...OUTPUT_OPTIONS, ...spec.options }, node, findings.report, spec, findings.warn)
  // Looked at although an option may be wrong, so that all faults are told at once.
  const chosen = options === undefined ? option.codecOf(node) : options.codec
  const codecNode = chosen ?? { kind: 'component', at: node.at, name: spec.default_codec, options: [] }
  const codec = compileCodec(codecNode, catalog, context, findings)
  if (options === undefined || codec === undefined) return undefined
  try {
    return { sink: spec.create(options, { ...context, encoder: codec.createEncoder() }), policy: options }
  } catch (thrown) {
    findings.report({ code: 'CONFIG_CANNOT_START', at: node.at, message: cannotRegister(node.name, 'output', thrown) })
    return undefined
  }
}
