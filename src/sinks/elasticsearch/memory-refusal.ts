/**
 * A node takes operations up to a share of its heap (a tenth, `indexing_pressure.memory.limit`). Its words when one is beyond that,
 * Elasticsearch 8.19 and 9.5 (which counts a request piece by piece as it comes in, and four times its largest document for a primary):
 *
 *     rejected execution of coordinating operation [… coordinating_operation_bytes=54539740, max_coordinating_bytes=53687091]
 *     rejected execution of primary operation [coordinating_and_primary_bytes=1100160, … primary_operation_bytes=4400032, max_primary_bytes=4194304]
 *     Request contains an operation of size [2500264] bytes, which exceeds the maximum allowed limit of [2097152] bytes
 */
const REJECTED = /_operation_bytes=(\d+), max_\w+_bytes=(\d+)/
const IN_USE = /\[coordinating_and_primary_bytes=(\d+)/
const OVERSIZED = /operation of size \[\d+\] bytes, which exceeds the maximum allowed limit of \[(\d+)\]/

/** More than what a node counts for a document beside its bytes. */
const DOCUMENT_OVERHEAD_BYTES = 1024

/**
 * The bytes that a node takes at most, where it refuses a request that it would refuse however often it comes: `undefined` where it
 * only has too much to do just now.
 */
export function memoryLimitOf(
  reason: string | undefined,
  request: { readonly bytes: number; readonly documents: number },
): number | undefined {
  if (reason === undefined) return undefined
  const [, allowed] = OVERSIZED.exec(reason) ?? []
  if (allowed !== undefined) return Number(allowed)
  const [, bytes, bytes_max] = REJECTED.exec(reason) ?? []
  if (bytes_max === undefined) return undefined
  if (Number(bytes) > Number(bytes_max)) return Number(bytes_max)
  // Counted on top of what the request itself holds already: where nobody else holds anything, there will never be more room.
  const is_part = reason.includes('primary operation') || Number(bytes) < request.bytes
  const in_use = Number(IN_USE.exec(reason)?.[1] ?? Number.NaN)
  return is_part && in_use <= request.bytes + request.documents * DOCUMENT_OVERHEAD_BYTES ? Number(bytes_max) : undefined
}
