import type { ConfigValue, OptionNode } from '../../core/plan.ts'

/**
 * Options of the same name become one, as in Logstash: hashes merge, lists append, and of other values a list is made unless
 * they are equal.
 */
export function mergeOptions(options: readonly OptionNode[]): OptionNode[] {
  const merged = new Map<string, OptionNode>()
  for (const option of options) {
    const before = merged.get(option.name)
    merged.set(option.name, before === undefined ? option : { ...before, value: mergeValues(before.value, option.value) })
  }
  return [...merged.values()]
}

function mergeValues(before: ConfigValue, after: ConfigValue): ConfigValue {
  if (before.kind === 'hash' && after.kind === 'hash') return { ...before, entries: mergeEntries(before.entries, after.entries) }
  if (before.kind === 'list') return { ...before, items: [...before.items, ...itemsOf(after)] }
  return areEqual(before, after) ? before : { kind: 'list', at: before.at, items: [before, after] }
}

/** Of one key in two hashes: inner hashes merge, everything else is collected in a list without repeats. */
function mergeEntries(before: readonly OptionNode[], after: readonly OptionNode[]): OptionNode[] {
  const merged = new Map(before.map((entry) => [entry.name, entry]))
  for (const entry of after) {
    const known = merged.get(entry.name)
    merged.set(entry.name, known === undefined ? entry : { ...known, value: collect(known.value, entry.value) })
  }
  return [...merged.values()]
}

function collect(before: ConfigValue, after: ConfigValue): ConfigValue {
  if (before.kind === 'hash' && after.kind === 'hash') return { ...before, entries: mergeEntries(before.entries, after.entries) }
  const items = [...itemsOf(before)]
  for (const item of itemsOf(after)) if (!items.some((known) => areEqual(known, item))) items.push(item)
  if (before.kind !== 'list' && items.length === 1) return before
  return { kind: 'list', at: before.at, items }
}

function itemsOf(value: ConfigValue): readonly ConfigValue[] {
  return value.kind === 'list' ? value.items : [value]
}

/** Whether two values say the same, wherever they stand. */
function areEqual(a: ConfigValue, b: ConfigValue): boolean {
  return JSON.stringify(a, withoutPlace) === JSON.stringify(b, withoutPlace)
}

function withoutPlace(key: string, value: unknown): unknown {
  return key === 'at' ? undefined : value
}
