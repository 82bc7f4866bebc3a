import type { Catalog, OutputSpec } from '../core/component.ts'
import type { Context } from '../core/context.ts'
import type { Sink } from '../core/contracts.ts'
import { kept } from '../core/kept-options.ts'
import * as option from '../core/options.ts'
import type { ComponentNode } from '../core/plan.ts'
import { readOptions } from '../core/read-options.ts'
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
}

/** Makes one output from its place in the plan. Faults are reported at that place; then there is no sink. */
export function compileOutput(
  spec: OutputSpec,
  node: ComponentNode,
  catalog: Catalog,
  context: Context,
  findings: Findings,
): Sink | undefined {
  const options = readOptions({ ...OUTPUT_OPTIONS, ...spec.options }, node, findings.report, spec, findings.warn)
  // Looked at although an option may be wrong, so that all faults are told at once.
  const chosen = options === undefined ? option.codecOf(node) : options.codec
  const codecNode = chosen ?? { kind: 'component', at: node.at, name: spec.default_codec, options: [] }
  const codec = compileCodec(codecNode, catalog, context, findings)
  if (options === undefined || codec === undefined) return undefined
  try {
    return spec.create(options, { ...context, encoder: codec.createEncoder() })
  } catch (thrown) {
    findings.report({ code: 'CONFIG_CANNOT_START', at: node.at, message: cannotRegister(node.name, 'output', thrown) })
    return undefined
  }
}
