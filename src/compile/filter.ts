import type { FilterSpec } from '../core/component.ts'
import type { Context } from '../core/context.ts'
import type { FilterParts } from '../core/contracts.ts'
import { messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import type { Report } from '../core/options/options.ts'
import { readOptions } from '../core/options/read-options.ts'
import type { ComponentNode } from '../core/plan.ts'
import { cannotRegister } from './cannot-register.ts'
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
    const matched = tagFailures(compileMatched(options), spec, options, context)
    const made = await spec.compile(options, { ...context, matched })
    return typeof made === 'function' ? { step: made } : made
  } catch (thrown) {
    report({ code: 'CONFIG_CANNOT_START', at: node.at, message: cannotRegister(node.name, 'filter', thrown) })
    return undefined
  }
}

/**
 * A common option that cannot be applied to an event (`add_field` into a scalar) is a failure of the filter: it gets the
 * filter's tag, as the filter's own failures do. Logstash stops the pipeline for most filters.
 */
function tagFailures(
  matched: (event: Event) => void,
  { name }: FilterSpec,
  options: { readonly [name: string]: unknown },
  context: Context,
): (event: Event) => void {
  const given = options['tag_on_failure']
  const tags = [given ?? `_${name}_failure`].flat().filter((tag) => typeof tag === 'string')
  return (event) => {
    try {
      matched(event)
    } catch (thrown) {
      for (const tag of tags) event.tag(tag)
      context.log.warn(
        'common_options_failure',
        `${context.where}: an option that every filter takes could not be applied: ${messageOf(thrown)}`,
      )
    }
  }
}
