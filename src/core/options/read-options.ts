import { didYouMean, formatPosition, type Position } from '../errors.ts'
import type { ComponentNode, ConfigValue, OptionNode } from '../plan.ts'
import { keepIfSecret, keepSecretsOfAddresses } from '../secret.ts'
import type { OptionSpecs, OptionValues, Report } from './options.ts'

/** What a component says about options that are not (or no longer) its own. */
export interface OldOptions {
  /** Of a component: `filter`; for messages. */
  readonly kind?: string
  /** Old name -> today's name: taken with a warning. */
  readonly renamed?: { readonly [old: string]: string }
  /** Name -> why it cannot be honoured and what to do instead. */
  readonly refused?: { readonly [name: string]: string }
}

/**
 * Reads all options of a component. Every fault is reported, with `component.option` in front;
 * returns `undefined` if there was one.
 */
export function readOptions<S extends OptionSpecs>(
  specs: S,
  node: ComponentNode,
  report: Report,
  old: OldOptions = {},
  warn: (at: Position, message: string) => void = () => {},
): OptionValues<S> | undefined {
  let sound = true
  const values = new Map<string, ConfigValue>()
  const complain: Report = (problem) => {
    if (problem.is_warning === true) return warn(problem.at, problem.message)
    sound = false
    report(problem)
  }
  for (const option of node.options) {
    const name = currentName(option, node, specs, old, complain, warn)
    if (name !== undefined) values.set(name, option.value)
    keepSecretsOf(option)
  }
  const read: { [name: string]: unknown } = {}
  // The words are Logstash's, for people search for them.
  const missing =
    old.kind === undefined ? `${node.name}: ` : `Missing a required setting for the ${node.name} ${old.kind} plugin: `
  const invalid = old.kind === undefined ? '' : `Invalid setting for ${node.name} ${old.kind} plugin: `
  for (const [name, spec] of Object.entries(specs)) {
    const value = values.get(name)
    if (value === undefined && spec.required) {
      complain({
        code: 'CONFIG_MISSING_OPTION',
        at: node.at,
        message: `${missing}missing the required option ${name} (${spec.type})`,
        hint: spec.summary,
      })
      continue
    }
    read[name] = spec.read(value, (problem) => {
      const words = problem.is_warning === true ? '' : invalid
      complain({ ...problem, message: `${words}${node.name}.${name}: ${problem.message}` })
    })
  }
  return sound ? (read as OptionValues<S>) : undefined
}

/** What is no secret as a whole and holds one: addresses with passwords, headers. */
function keepSecretsOf({ name, value }: OptionNode): void {
  switch (value.kind) {
    case 'string':
      return keepSecretsOfAddresses(value.value)
    case 'list':
      for (const item of value.items) keepSecretsOf({ name, at: item.at, value: item })
      return
    case 'hash':
      for (const entry of value.entries) {
        if (name.endsWith('headers') && entry.value.kind === 'string') keepIfSecret(entry.name, entry.value.value)
        keepSecretsOf(entry)
      }
  }
}

function currentName(
  option: OptionNode,
  node: ComponentNode,
  specs: OptionSpecs,
  old: OldOptions,
  report: Report,
  warn: (at: Position, message: string) => void,
): string | undefined {
  const { name, at } = option
  if (Object.hasOwn(specs, name)) return name
  const renamed = old.renamed?.[name]
  if (renamed !== undefined) {
    warn(at, `${node.name}.${name} is the old name of ${renamed}: please rename it at ${formatPosition(at)}`)
    return renamed
  }
  const reason = old.refused?.[name]
  if (reason !== undefined) {
    report({ code: 'CONFIG_OBSOLETE_OPTION', at, message: `${node.name}.${name} cannot be honoured: ${reason}` })
  } else {
    report({
      code: 'CONFIG_UNKNOWN_OPTION',
      at,
      message: `Unknown setting '${name}' for ${node.name}`,
      ...didYouMean(name, Object.keys(specs)),
    })
  }
  return undefined
}
