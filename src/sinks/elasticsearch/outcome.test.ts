import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Item, judge } from './outcome.ts'

const NO_RULES = { dlq_custom_codes: [], drop_error_types: [] }
const FIRST = { index: 'logs', may_be_stored: false }

function judged(status: number, type?: string, reason = 'why'): string {
  const { outcome, overloaded, unauthorized } = judge({ status, type, reason }, FIRST, NO_RULES)
  return [outcome.kind, ...(overloaded ? ['overloaded'] : []), ...(unauthorized ? ['unauthorized'] : [])].join(' ')
}

test.each([
  [200, undefined, 'stored'],
  [201, undefined, 'stored'],
  [409, 'version_conflict_engine_exception', 'already_there'],
  [400, 'index_closed_exception', 'park'],
  [403, 'cluster_block_exception', 'park'],
  [429, 'cluster_block_exception', 'park'],
  [503, 'cluster_block_exception', 'retry'],
  [429, 'es_rejected_execution_exception', 'retry overloaded'],
  [429, 'circuit_breaking_exception', 'retry overloaded'],
  [503, 'circuit_breaking_exception', 'retry overloaded'],
  [429, undefined, 'retry overloaded'],
  [503, 'unavailable_shards_exception', 'retry'],
  [500, 'null_pointer_exception', 'retry'],
  [400, 'document_parsing_exception', 'reject'],
  [400, 'mapper_parsing_exception', 'reject'],
  [400, 'strict_dynamic_mapping_exception', 'reject'],
  [400, 'illegal_argument_exception', 'reject'],
  [400, 'invalid_index_name_exception', 'reject'],
  [404, 'index_not_found_exception', 'reject'],
  [403, 'security_exception', 'retry unauthorized'],
  [401, 'security_exception', 'retry unauthorized'],
  [403, undefined, 'retry unauthorized'],
  [408, undefined, 'retry'],
  [422, 'brand_new_exception', 'reject'],
  [0, undefined, 'retry'],
  [302, undefined, 'retry'],
])('status %i with error type %s means %s', (status, type, expected) => {
  expect(judged(status, type)).toBe(expected)
})

test('a cluster that may hold no more shards parks the index instead of rejecting its documents', () => {
  const reason =
    'Validation Failed: 1: this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum normal shards open;'
  expect(judged(400, 'validation_exception', reason)).toBe('park')
  expect(judged(400, 'validation_exception', 'something else')).toBe('reject')
})

test('a conflict after an attempt that may have stored the document counts as stored', () => {
  const item = { status: 409, type: 'version_conflict_engine_exception', reason: '' }
  expect(judge(item, { index: 'logs', may_be_stored: true }, NO_RULES).outcome).toEqual({ kind: 'stored' })
})

test('a conflict of an update is tried again, and what is to be deleted and is not there was deleted before', () => {
  const conflict = { status: 409, type: 'version_conflict_engine_exception', reason: 'changed' }
  expect(judge({ ...conflict, operation: 'update' }, FIRST, NO_RULES).outcome.kind).toBe('retry')
  const missing = { status: 404, type: undefined, reason: undefined }
  expect(judge({ ...missing, operation: 'delete' }, FIRST, NO_RULES).outcome.kind).toBe('already_there')
  expect(judge({ ...missing, operation: 'update' }, FIRST, NO_RULES).outcome.kind).toBe('reject')
})

test("the user's own codes and types go before the table", () => {
  const own = { dlq_custom_codes: [429], drop_error_types: ['document_parsing_exception'] }
  expect(judge({ status: 429, type: undefined, reason: undefined }, FIRST, own).outcome).toEqual({
    kind: 'reject',
    reason: 'status 429',
  })
  expect(judge({ status: 400, type: 'document_parsing_exception', reason: 'x' }, FIRST, own).outcome).toEqual({
    kind: 'drop',
    reason: 'document_parsing_exception',
  })
})

test('any answer has an outcome, and its reason is short', () => {
  const item: fc.Arbitrary<Item> = fc.record({
    status: fc.integer(),
    type: fc.option(fc.string({ maxLength: 500 }), { nil: undefined }),
    reason: fc.option(fc.string({ maxLength: 500 }), { nil: undefined }),
  })
  fc.assert(
    fc.property(item, (any) => {
      const { outcome } = judge(any, FIRST, NO_RULES)
      if ('reason' in outcome) expect(outcome.reason.length).toBeLessThanOrEqual(300)
    }),
  )
})
