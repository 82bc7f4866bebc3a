import { RequestFailure } from './client.ts'
import type { Item } from './outcome.ts'

/** Asks for what is read below and nothing else: the full answer costs more to parse than the request to send. */
export const BULK_FILTER_PATH = 'errors,items.*.status,items.*.error'

/**
 *     {"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}
 *     {"errors":true,"items":[{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"…"}}}]}
 *
 * Older servers put `took` in front where a proxy lost the filter.
 */
const NO_ERRORS = /^\s*\{\s*(?:"(?:took|ingest_took)"\s*:\s*\d+\s*,\s*)*"errors"\s*:\s*false\b/

/**
 * Reads the answer to a bulk request of `count` documents: `undefined` when all were stored, else one item for each.
 * @throws RequestFailure OUTPUT_REPLY_INVALID for an answer that does not say what became of every document
 */
export function readBulkReply(text: string, count: number): Item[] | undefined {
  if (NO_ERRORS.test(text) && text.trimEnd().endsWith('}')) return undefined
  const reply = parse(text)
  if (reply?.['errors'] === false) return undefined
  const items = reply?.['items']
  if (!Array.isArray(items)) throw invalid(`expected JSON with a list of items, got ${describe(text)}`)
  if (items.length !== count) throw invalid(`expected ${count} items, got ${items.length}`)
  return items.map(readItem)
}

/** `{"create":{"status":400,"error":{"type":"…","reason":"…"}}}`: the only member is named after the operation. */
function readItem(entry: unknown): Item {
  const [operation, result] = isObject(entry) ? (Object.entries(entry)[0] ?? []) : []
  const status = isObject(result) ? result['status'] : undefined
  if (!isObject(result) || typeof status !== 'number') throw invalid('expected a status in every item, found an item without')
  return { status, ...(operation === 'update' || operation === 'delete' ? { operation } : {}), ...readError(result['error']) }
}

/** What a request as a whole was refused with: `{"error":{"type":"…","reason":"…"},"status":400}`. */
export function readRequestError(text: string): Pick<Item, 'type' | 'reason'> {
  return readError(parse(text)?.['error'])
}

function readError(error: unknown): Pick<Item, 'type' | 'reason'> {
  if (!isObject(error)) return { type: undefined, reason: typeof error === 'string' ? error : undefined }
  const { type, reason, caused_by } = error
  const cause = isObject(caused_by) && typeof caused_by['reason'] === 'string' ? ` (${caused_by['reason']})` : ''
  return {
    type: typeof type === 'string' ? type : undefined,
    reason: typeof reason === 'string' ? `${reason}${cause}` : undefined,
  }
}

function parse(text: string): { readonly [name: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function describe(text: string): string {
  return text === '' ? 'an empty answer' : JSON.stringify(text.slice(0, 80))
}

/** The documents may well be stored: only their outcomes are unknown. */
function invalid(message: string): RequestFailure {
  return new RequestFailure('OUTPUT_REPLY_INVALID', `the answer to a bulk request is not usable: ${message}`, {
    may_have_arrived: true,
  })
}
