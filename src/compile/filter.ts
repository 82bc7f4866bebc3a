import type { FilterSpec } from '../core/component.ts'
import type { Context } from '../core/context.ts'
import type { FilterParts } from '../core/contracts.ts'
import { describeThrown } from '../core/errors.ts'
import type { Report } from '../core/options.ts'
import type { ComponentNode } from '../core/plan.ts'
import { readOptions } from '../core/read-options.ts'
import { compileMatched, FILTER_OPTIONS } from './common-options.ts'

/**
 * Makes one filter from its place in the plan. Faults are reported at that place; then there is none.
 */
export async function compileFilter(
  spec: FilterSpec,
  node: ComponentNode,
  context: Context,
  report: Report,
  warn?: (at: ComponentNode['at'], message: string) => void,
): Promise<FilterParts | undefined> {
  const options = readOptions({ ...FILTER_OPTIONS, ...spec.options }, node, report, spec, warn)
  if (options === undefined) return undefined
  try {
    const matched = compileMatched(options)
    const made = await spec.compile(options, { ...context, matched })
    return typeof made === 'function' ? { step: made } : made
  } catch (thrown) {
    report({ code: 'CONFIG_CANNOT_START', at: node.at, message: `${node.name}: ${describeThrown(thrown)}` })
    return undefined
  }
}
