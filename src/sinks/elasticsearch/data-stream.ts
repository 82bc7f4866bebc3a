import type { Event } from '../../core/event.ts'
import { type FieldRef, parseFieldRef } from '../../core/field-ref.ts'
import { type Fields, isFields, member, setMember, type Value } from '../../core/values.ts'
import { isChosenByUs } from './action.ts'
import { refused } from './nodes.ts'
import type { ElasticsearchOptions } from './options.ts'

/** Writes to a data stream `type-dataset-namespace`. */
export interface DataStream {
  readonly index: { format(event: Event): string }
  readonly fieldFor: ((event: Event) => { readonly ref: FieldRef; readonly value: Value } | undefined) | undefined
}

const DATA_STREAM = parseFieldRef('data_stream')
const PARTS = ['type', 'dataset', 'namespace'] as const

/** Options that only make sense for indices; an action other than create and an own document id are looked at by themselves. */
const AGAINST = [
  'index',
  'version',
  'version_type',
  'join_field',
  'parent',
  'upsert',
  'script',
  'template',
  'template_name',
  'template_overwrite',
  'ilm_enabled',
  'ilm_rollover_alias',
] as const

const OWN = [
  'data_stream_type',
  'data_stream_dataset',
  'data_stream_namespace',
  'data_stream_auto_routing',
  'data_stream_sync_fields',
] as const

/**
 * The data stream that the options mean, `undefined` for an index: by Logstash's rules, where ECS alone is enough for one
 * unless an option speaks against it.
 * @throws MillraceError OUTPUT_CANNOT_START where options contradict each other
 */
export function readDataStream(options: ElasticsearchOptions, has_ecs: boolean): DataStream | undefined {
  const against = optionsAgainst(options)
  const own = OWN.filter((name) => options[name] !== undefined)
  const is_asked_for = options.data_stream === 'true'
  if (is_asked_for && against.length > 0) {
    throw refused(`Invalid data stream configuration, following parameters are not supported: ${against.join(', ')}`)
  }
  const is_meant = options.data_stream !== 'false' && has_ecs && against.length === 0
  if (is_asked_for || is_meant) return createDataStream(options)
  if (own.length > 0) {
    const why =
      options.data_stream === 'false'
        ? 'must not be present when data streams are disabled'
        : 'are present, but data streams are not enabled: set data_stream to true'
    throw refused(`Ambiguous configuration; data stream settings ${why} (caused by: ${own.join(', ')})`)
  }
  return undefined
}

function optionsAgainst(options: ElasticsearchOptions): string[] {
  const { document_id, action, doc_as_upsert, scripted_upsert, manage_template } = options
  return [
    ...AGAINST.filter((name) => options[name] !== undefined),
    ...(document_id !== undefined && !isChosenByUs(document_id.constant) ? ['document_id'] : []),
    ...(action !== undefined && action.constant !== 'create' ? ['action'] : []),
    ...(doc_as_upsert ? ['doc_as_upsert'] : []),
    ...(scripted_upsert ? ['scripted_upsert'] : []),
    ...(manage_template === true ? ['manage_template'] : []),
  ]
}

function createDataStream(options: ElasticsearchOptions): DataStream {
  const preset = {
    type: options.data_stream_type ?? 'logs',
    dataset: options.data_stream_dataset ?? 'generic',
    namespace: options.data_stream_namespace ?? 'default',
  }
  const auto_routing = options.data_stream_auto_routing ?? true
  const constant = PARTS.map((part) => preset[part]).join('-')
  const format = (event: Event): string => {
    const given = auto_routing ? event.get(DATA_STREAM) : undefined
    if (!isFields(given)) return constant
    return PARTS.map((part) => textOrNothing(member(given, part)) ?? preset[part]).join('-')
  }
  const fieldFor = (event: Event): { ref: FieldRef; value: Value } | undefined => {
    const given = event.get(DATA_STREAM)
    const fields: Fields = isFields(given) ? { ...given } : {}
    let has_changed = false
    for (const part of PARTS) {
      const value = member(fields, part)
      if (auto_routing ? textOrNothing(value) !== undefined : value === preset[part]) continue
      setMember(fields, part, preset[part])
      has_changed = true
    }
    return has_changed ? { ref: DATA_STREAM, value: fields } : undefined
  }
  return { index: { format }, fieldFor: (options.data_stream_sync_fields ?? true) ? fieldFor : undefined }
}

function textOrNothing(value: Value | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
