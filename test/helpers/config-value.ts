import type { Position } from '../../src/core/errors.ts'
import type { ComponentNode, ConfigValue } from '../../src/core/plan.ts'

const TEST_POSITION: Position = { file: 'test', line: 1, column: 1 }

/** A plain value as a config value: what a user would have written. */
export function configValue(value: unknown): ConfigValue {
  const at = TEST_POSITION
  if (typeof value === 'string') return { kind: 'string', at, value }
  if (typeof value === 'number') return { kind: 'number', at, value, text: String(value) }
  if (typeof value === 'boolean') return { kind: 'boolean', at, value }
  if (Array.isArray(value)) return { kind: 'list', at, items: value.map(configValue) }
  if (typeof value === 'object' && value !== null) {
    return { kind: 'hash', at, entries: Object.entries(value).map(([name, inner]) => ({ name, at, value: configValue(inner) })) }
  }
  return { kind: 'null', at }
}

export function componentNode(name: string, options: { readonly [name: string]: unknown }): ComponentNode {
  const at = TEST_POSITION
  return {
    kind: 'component',
    at,
    name,
    options: Object.entries(options).map(([option, value]) => ({ name: option, at, value: configValue(value) })),
  }
}
