import { withoutSecrets } from '../../core/secret.ts'
import { RequestFailure } from './client.ts'
import type { Item } from './outcome.ts'

/** Asks for what is read below and nothing else: the full answer costs more to parse than the request to send. */
export const BULK_FILTER_PATH = 'errors,items.*.status,items.*.error'

/**
 * How nearly every answer begins, up to the end of its first item. All items are as short, for an item without an error has its
 * status alone, and none is left out, for each has one.
 *
 *     {"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}
 *     {"errors":true,"items":[{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"…"}}}]}
 */
const NO_ERRORS =
  /^\{(?:"took":\d+,)?"errors":false,(?:"took":\d+,)?"items":\[(\{"(?:create|index|update|delete)":\{"status":20[01]\}\})/
const BEHIND_ITEMS = ']}'

/**
 * Reads the answer to a bulk request of `count` documents: `undefined` when all were stored, else one item for each.
 * @throws RequestFailure OUTPUT_REPLY_INVALID for an answer that does not say what became of every document
 */
export function readBulkReply(text: string, count: number): Item[] | undefined {
  if (isSameFor(count, text)) return undefined
  const reply = parse(text)
  const entries = reply?.['items']
  if (!Array.isArray(entries)) throw invalid(`expected JSON with a list of items, got ${describe(text)}`)
  if (entries.length !== count) throw invalid(`expected ${count} items, got ${entries.length}`)
  const items = entries.map(readItem)
  return reply?.['errors'] === false && items.every(isNoError) ? undefined : items
}

/**
 * Whether the answer is whole, and every one of `count` documents was stored in the same way. Parsing would cost hundreds of times as
 * much: a text that equals itself one item further on is that item over and over.
 */
function isSameFor(count: number, text: string): boolean {
  const [beginning, item] = NO_ERRORS.exec(text) ?? []
  if (beginning === undefined || item === undefined || !text.endsWith(BEHIND_ITEMS)) return false
  const start = beginning.length - item.length
  const end = text.length - BEHIND_ITEMS.length
  const step = item.length + 1
  if (end - start !== count * step - 1) return false
  if (count === 1) return true
  return text[start + item.length] === ',' && text.slice(start, end - step) === text.slice(start + step, end)
}

/** A deletion of what is not there has the status 404 and is no error. */
function isNoError({ status, operation }: Item): boolean {
  return (status >= 200 && status < 300) || (status === 404 && operation === 'delete')
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
  const { type, reason } = readError(parse(text)?.['error'])
  // Proxies repeat what they were sent; it is cut off later, and a secret that is cut off could not be recognised.
  return { type, reason: reason === undefined ? undefined : withoutSecrets(reason) }
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
  return text === '' ? 'an empty answer' : JSON.stringify(withoutSecrets(text).slice(0, 80))
}

/** The documents may well be stored: only their outcomes are unknown. */
function invalid(message: string): RequestFailure {
  return new RequestFailure('OUTPUT_REPLY_INVALID', `the answer to a bulk request is not usable: ${message}`, {
    may_have_arrived: true,
  })
}
