import { ALREADY_THERE, type Outcome, STORED } from '../../core/contracts.ts'

/** What a bulk answer says about one document. */
export interface Item {
  /** Where it was one of these: some statuses mean something else then. */
  readonly operation?: 'update' | 'delete'
  readonly status: number
  /** The error's `type` and `reason`, where there is an error. */
  readonly type: string | undefined
  readonly reason: string | undefined
}

/** What is known about the document beside the item. */
export interface Circumstances {
  readonly index: string
  /** An earlier attempt of ours may have stored it: its answer got lost. */
  readonly may_be_stored: boolean
}

/** The user's own rules: they go before the table. */
export interface OwnRules {
  readonly dlq_custom_codes: readonly number[]
  readonly drop_error_types: readonly string[]
}

export interface Judgement {
  readonly outcome: Outcome
  /** Elasticsearch has more to do than it can: slow down. */
  readonly overloaded: boolean
  /** A person must change rights or credentials, else it never ends. */
  readonly unauthorized: boolean
  /** It is rejected for one of its fields: without that it may be stored. */
  readonly for_a_field: boolean
}

type Verdict = 'stored' | 'conflict' | 'park' | 'slow_down' | 'retry' | 'unauthorized' | 'reject' | 'reject_field'

interface Row {
  readonly type?: string
  /** From, and up to and including. */
  readonly status?: readonly [number, number]
  readonly reason?: RegExp
  readonly verdict: Verdict
}

/**
 * The one place that knows what an item's answer means. The first row that fits decides: error types stand first,
 * for the same status means different things (429: a full disk parks an index, a full queue slows everything down).
 */
const TABLE: readonly Row[] = [
  { type: 'version_conflict_engine_exception', verdict: 'conflict' },
  { type: 'index_closed_exception', verdict: 'park' },
  // No master, or a state not recovered yet: the block is on the whole cluster and goes away by itself.
  { type: 'cluster_block_exception', status: [500, 599], verdict: 'retry' },
  // 403: a write block; 429: the flood stage of a full disk.
  { type: 'cluster_block_exception', verdict: 'park' },
  // The cluster may hold no more shards, so the index of the day cannot be made: not the fault of its documents.
  { type: 'validation_exception', reason: /maximum (normal |frozen )?shards open/, verdict: 'park' },
  { type: 'illegal_argument_exception', reason: /maximum (normal |frozen )?shards open/, verdict: 'park' },
  { type: 'document_parsing_exception', verdict: 'reject_field' },
  // The same before 8.8.
  { type: 'mapper_parsing_exception', verdict: 'reject_field' },
  { type: 'strict_dynamic_mapping_exception', verdict: 'reject_field' },
  // Everything that is somehow wrong: the reason says whether it is a field.
  { type: 'illegal_argument_exception', status: [400, 400], verdict: 'reject_field' },
  { type: 'es_rejected_execution_exception', verdict: 'slow_down' },
  { type: 'circuit_breaking_exception', verdict: 'slow_down' },
  { type: 'security_exception', verdict: 'unauthorized' },
  { type: 'unavailable_shards_exception', verdict: 'retry' },
  { type: 'process_cluster_event_timeout_exception', verdict: 'retry' },
  { status: [200, 299], verdict: 'stored' },
  { status: [401, 401], verdict: 'unauthorized' },
  { status: [403, 403], verdict: 'unauthorized' },
  { status: [408, 408], verdict: 'retry' },
  { status: [409, 409], verdict: 'conflict' },
  { status: [429, 429], verdict: 'slow_down' },
  { status: [400, 499], verdict: 'reject' },
  { verdict: 'retry' },
]

/** For the page that says what becomes of each: docs/elasticsearch-outcomes.md. */
export const KNOWN_ERROR_TYPES: ReadonlySet<string> = new Set(TABLE.flatMap(({ type }) => type ?? []))

/** Elasticsearch repeats whole values in its reasons. */
const REASON_LENGTH_MAX = 300

export function judge(item: Item, { index, may_be_stored }: Circumstances, own: OwnRules): Judgement {
  const reason = reasonOf(item)
  if (item.type !== undefined && own.drop_error_types.includes(item.type)) {
    return calm({ kind: 'drop', reason: item.type })
  }
  if (own.dlq_custom_codes.includes(item.status) && item.status >= 300) return calm({ kind: 'reject', reason })
  // It was deleted before.
  if (item.operation === 'delete' && item.status === 404 && item.type === undefined) return calm(ALREADY_THERE)
  switch (verdictOf(item)) {
    case 'stored':
      return calm(STORED)
    case 'conflict':
      // Somebody else changed the document meanwhile.
      if (item.operation === 'update') return calm({ kind: 'retry', reason })
      return calm(may_be_stored ? STORED : ALREADY_THERE)
    case 'park':
      return calm({ kind: 'park', key: index, reason })
    case 'reject':
      return calm({ kind: 'reject', reason })
    case 'reject_field':
      // What an update would make of the document is not ours to change.
      return { ...calm({ kind: 'reject', reason }), for_a_field: item.operation === undefined }
    case 'slow_down':
      return { ...calm({ kind: 'retry', reason }), overloaded: true }
    case 'unauthorized':
      return { ...calm({ kind: 'retry', reason }), unauthorized: true }
    case 'retry':
      return calm({ kind: 'retry', reason })
  }
}

function verdictOf({ status, type, reason }: Item): Verdict {
  for (const row of TABLE) {
    if (row.type !== undefined && row.type !== type) continue
    if (row.status !== undefined && (status < row.status[0] || status > row.status[1])) continue
    if (row.reason !== undefined && !row.reason.test(reason ?? '')) continue
    return row.verdict
  }
  return 'retry'
}

function calm(outcome: Outcome): Judgement {
  return { outcome, overloaded: false, unauthorized: false, for_a_field: false }
}

/** `document_parsing_exception: [1:12] failed to parse field [duration] …`, cut. */
function reasonOf({ status, type, reason }: Item): string {
  const text = type === undefined ? `status ${status}` : `${type}: ${reason ?? ''}`
  return text.length > REASON_LENGTH_MAX ? `${text.slice(0, REASON_LENGTH_MAX - 1).toWellFormed()}…` : text
}
