import type { ComponentName } from './component.ts'
import type { Condition } from './condition.ts'
import type { Position } from './errors.ts'

/**
 * What a config says, whichever language it was written in. Every part knows its place in the file.
 * `config/` makes it, `compile/` reads it; nothing after `config/` sees text.
 */
export interface Plan {
  readonly settings: PipelineSettings
  readonly inputs: readonly PlanNode[]
  readonly filters: readonly PlanNode[]
  readonly outputs: readonly PlanNode[]
  /** What is legal but probably not meant. */
  readonly warnings: readonly PlanWarning[]
}

export interface PlanWarning {
  readonly at: Position
  readonly message: string
}

export type EcsCompatibility = 'disabled' | 'v1' | 'v8'

export interface PipelineSettings {
  readonly id: string
  /** Threads that each run the whole pipeline. */
  readonly workers: number
  /** Events a filter batch takes at most. */
  readonly batch_size: number
  /** How long an output waits for a fuller batch while another one is on its way. */
  readonly batch_delay_ms: number
  readonly ecs_compatibility: EcsCompatibility
  /** Bytes of events that the process holds at once; inputs wait for room beyond it. */
  readonly max_in_flight_bytes: number
  /** A larger event goes to the dead letters with its first 64 kB. */
  readonly max_event_bytes: number
  /** An event whose comparison cannot be made goes to the dead letters; else the comparison is false and counted. */
  readonly strict_conditions: boolean
  /** Of all dead letters of the program together. */
  readonly dead_letter_queue_max_bytes: number
  /** What happens at that limit: senders wait, or letters are lost and counted. */
  readonly dead_letter_queue_storage_policy: 'block' | 'drop_newer' | 'drop_older'
  /** In milliseconds: older dead letters are removed, and counted; `undefined`: never. */
  readonly dead_letter_queue_retain_age: number | undefined
  /** Whether a changed config takes its place while it runs. */
  readonly reloadable: boolean
  /** Where events wait for the filters: `persisted` is a queue on disk, and senders are told once an event is there. */
  readonly queue_type: 'memory' | 'persisted'
  /** Of the files of that queue. */
  readonly queue_max_bytes: number
  /** Whether a stop waits until that queue is empty. */
  readonly queue_drain: boolean
  /** The folder of the queues of all pipelines; `undefined`: `queue` in the data folder. */
  readonly path_queue: string | undefined
}

export const DEFAULT_SETTINGS: PipelineSettings = {
  id: 'main',
  workers: 1,
  batch_size: 2048,
  batch_delay_ms: 50,
  ecs_compatibility: 'disabled',
  max_in_flight_bytes: 64 * 1024 * 1024,
  max_event_bytes: 10 * 1024 * 1024,
  strict_conditions: false,
  dead_letter_queue_max_bytes: 1024 * 1024 * 1024,
  dead_letter_queue_storage_policy: 'block',
  dead_letter_queue_retain_age: undefined,
  reloadable: true,
  queue_type: 'memory',
  queue_max_bytes: 1024 * 1024 * 1024,
  queue_drain: false,
  path_queue: undefined,
}

export type PlanNode = ComponentNode | IfNode

export interface ComponentNode {
  readonly kind: 'component'
  readonly at: Position
  readonly name: string
  readonly options: readonly OptionNode[]
}

export interface IfNode {
  readonly kind: 'if'
  readonly at: Position
  readonly condition: Condition
  readonly then: readonly PlanNode[]
  readonly else: readonly PlanNode[]
}

export interface OptionNode {
  readonly name: string
  readonly at: Position
  readonly value: ConfigValue
}

/** A value as it stands in the config, variables resolved. */
export type ConfigValue =
  | { readonly kind: 'string'; readonly at: Position; readonly value: string }
  | { readonly kind: 'number'; readonly at: Position; readonly value: number; readonly text: string }
  | { readonly kind: 'boolean'; readonly at: Position; readonly value: boolean }
  | { readonly kind: 'null'; readonly at: Position }
  | { readonly kind: 'list'; readonly at: Position; readonly items: readonly ConfigValue[] }
  | { readonly kind: 'hash'; readonly at: Position; readonly entries: readonly OptionNode[] }
  | (Omit<ComponentNode, 'kind'> & { readonly kind: 'component' })

/** The inputs, filters and outputs that a plan names. */
export function componentsOf({ inputs, filters, outputs }: Plan): ComponentName[] {
  return [...named('input', inputs), ...named('filter', filters), ...named('output', outputs)]
}

function named(kind: ComponentName['kind'], nodes: readonly PlanNode[]): ComponentName[] {
  return nodes.flatMap((node) =>
    node.kind === 'if' ? [...named(kind, node.then), ...named(kind, node.else)] : [{ kind, name: node.name }],
  )
}

/** What stands there, for messages. */
export function describeValue(value: ConfigValue): string {
  switch (value.kind) {
    case 'string':
      return JSON.stringify(value.value)
    case 'number':
      return value.text
    case 'boolean':
      return String(value.value)
    case 'list':
      return 'a list'
    case 'hash':
      return 'a hash'
    case 'component':
      return `the component ${value.name}`
    case 'null':
      return 'null'
  }
}
