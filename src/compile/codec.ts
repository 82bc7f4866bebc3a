import type { Catalog } from '../core/component.ts'
import type { Context } from '../core/context.ts'
import type { Decoder, Encoder } from '../core/contracts.ts'
import type { Report } from '../core/options/options.ts'
import { readOptions } from '../core/options/read-options.ts'
import type { ComponentNode } from '../core/plan.ts'
import { instead } from './substitutes.ts'

/** Why a plan is refused or odd, collected over all components. */
export interface Findings {
  readonly report: Report
  readonly warn: (at: ComponentNode['at'], message: string) => void
}

export interface Codec {
  createDecoder(): Decoder
  createEncoder(): Encoder
}

/** The codec that an input or output names, or its default one. Faults are reported at its place; then there is none. */
export function compileCodec(
  node: ComponentNode,
  catalog: Catalog,
  context: Context,
  { report, warn }: Findings,
): Codec | undefined {
  const spec = catalog.find('codec', node.name)
  if (spec === undefined) {
    report({ code: 'CONFIG_UNKNOWN_COMPONENT', at: node.at, ...instead('codec', node.name, catalog) })
    return undefined
  }
  const options = readOptions(spec.options, node, report, spec, warn)
  if (options === undefined) return undefined
  return {
    createDecoder: () => spec.createDecoder(options, context),
    createEncoder: () => spec.createEncoder(options, context),
  }
}
