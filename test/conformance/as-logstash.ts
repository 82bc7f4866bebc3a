import type { Condition, Operand } from '../../src/core/condition.ts'
import { parseFieldRef } from '../../src/core/field-ref.ts'
import type { ComponentNode, ConfigValue, OptionNode, Plan, PlanNode } from '../../src/core/plan.ts'

/** Changes a plan so that one of the differences on purpose is undone. */
export type Undo = (plan: Plan) => Plan

/** Class b: the event of a comparison that cannot be made does not come out. */
export const strictConditions: Undo = (plan) => ({ ...plan, settings: { ...plan.settings, strict_conditions: true } })

/** Class c: a list of one constant is the field of that name, quotes and all. */
export const listsOfOneAsFields: Undo = (plan) =>
  mapPlan(plan, {
    condition: (condition) => {
      if (condition.kind !== 'in' || condition.haystack.kind !== 'list' || condition.haystack.items.length !== 1) return condition
      const [item] = condition.haystack.items
      const ref = item === undefined ? undefined : fieldThatLooksLike(item)
      return ref === undefined ? condition : { ...condition, haystack: { kind: 'field', ref } }
    },
  })

function fieldThatLooksLike(item: Operand): ReturnType<typeof parseFieldRef> | undefined {
  if (item.kind === 'string') return parseFieldRef(`["${item.value}"]`)
  return item.kind === 'number' ? parseFieldRef(`[${item.text}]`) : undefined
}

/** Class d: the entries of hashes in the order of a Java HashMap. */
export const hashesInJavaOrder: Undo = (plan) => mapPlan(plan, { option: inJavaOrder })

function inJavaOrder(option: OptionNode): OptionNode {
  const { value } = option
  return value.kind === 'hash' ? { ...option, value: { ...value, entries: sortedByJavaHash(value.entries) } } : option
}

/**
 * How a HashMap that grew from 16 buckets holds the names: by bucket, in a bucket by arrival. A map doubles when it is more
 * than three quarters full. Source: the documentation of java.util.HashMap and of String.hashCode.
 */
function sortedByJavaHash(entries: readonly OptionNode[]): OptionNode[] {
  let buckets = 16
  while (entries.length > buckets * 0.75) buckets *= 2
  const bucketOf = ({ name }: OptionNode): number => {
    let hash = 0
    for (let index = 0; index < name.length; index++) hash = (Math.imul(hash, 31) + name.charCodeAt(index)) | 0
    return (hash ^ (hash >>> 16)) & (buckets - 1)
  }
  return entries.toSorted((a, b) => bucketOf(a) - bucketOf(b))
}

/** Class g: `geoip` without a target as it was before Logstash 8. */
export const oldGeoip: Undo = (plan) =>
  mapPlan(plan, {
    component: (node) => {
      if (node.name !== 'geoip' || node.options.some(({ name }) => name === 'target')) return node
      return {
        ...node,
        options: [...node.options, textOption(node, 'target', 'geoip'), textOption(node, 'ecs_compatibility', 'disabled')],
      }
    },
  })

function textOption({ at }: ComponentNode, name: string, value: string): OptionNode {
  return { name, at, value: { kind: 'string', at, value } satisfies ConfigValue }
}

interface Mapping {
  readonly condition?: (condition: Condition) => Condition
  readonly component?: (node: ComponentNode) => ComponentNode
  readonly option?: (option: OptionNode) => OptionNode
}

function mapPlan(plan: Plan, mapping: Mapping): Plan {
  const nodes = (list: readonly PlanNode[]): PlanNode[] => list.map((node) => mapNode(node, mapping))
  return { ...plan, inputs: nodes(plan.inputs), filters: nodes(plan.filters), outputs: nodes(plan.outputs) }
}

function mapNode(node: PlanNode, mapping: Mapping): PlanNode {
  if (node.kind === 'if') {
    return {
      ...node,
      condition: mapCondition(node.condition, mapping),
      // oxlint-disable-next-line unicorn/no-thenable
      then: node.then.map((inner) => mapNode(inner, mapping)),
      else: node.else.map((inner) => mapNode(inner, mapping)),
    }
  }
  const component = mapping.component?.(node) ?? node
  return { ...component, options: component.options.map((option) => mapping.option?.(option) ?? option) }
}

function mapCondition(condition: Condition, mapping: Mapping): Condition {
  const inner = (one: Condition): Condition => mapCondition(one, mapping)
  switch (condition.kind) {
    case 'and':
    case 'or':
    case 'xor':
    case 'nand':
      return { ...condition, left: inner(condition.left), right: inner(condition.right) }
    case 'not':
      return { ...condition, operand: inner(condition.operand) }
    default:
      return mapping.condition?.(condition) ?? condition
  }
}
