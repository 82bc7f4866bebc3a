import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readBulkReply, readRequestError } from './reply.ts'

const CREATED = '{"create":{"status":201}}'
const UPDATED = '{"index":{"status":200}}'

test.each([
  `{"errors":false,"items":[${CREATED},${CREATED}]}`,
  `{"took":3,"errors":false,"items":[${UPDATED},${UPDATED}]}`,
  `{"errors":false,"took":3,"items":[${CREATED},${CREATED}]}`,
  `{"errors":false,"items":[${CREATED},${UPDATED}]}`,
  `{ "took": 3, "ingest_took": 1, "errors": false, "items": [${CREATED},${CREATED}] }\n`,
  `{"items":[${CREATED},${CREATED}],"errors":false}`,
  '{"errors":false,"items":[{"create":{"_index":"logs","_id":"a","status":201}},{"create":{"_index":"logs","_id":"b","status":201}}]}',
  '{"errors":false,"items":[{"delete":{"status":200}},{"delete":{"status":404}}]}',
])('an answer without errors and with an item for each document says that all are stored: %s', (text) => {
  expect(readBulkReply(text, 2)).toBeUndefined()
})

test.each([
  '{"errors":false}',
  '{"errors":false,"items":[]}',
  `{"errors":false,"items":[${CREATED}]}`,
  `{"errors":false,"items":[${CREATED},${CREATED},${CREATED}]}`,
  `{"errors":false,"items":[${CREATED}`,
  `{"errors":false,"items":[${CREATED},${CREATED}`,
  `{"errors":false,"items":[${CREATED},${CREATED}]`,
  `{"errors":false,"items":[${CREATED},{"create":{}}]}`,
  // As long as two items.
  `{"errors":false,"items":[${CREATED},${'1,'.repeat(11)}100]}`,
  `{"errors":false,"items":[${CREATED}1${CREATED}]}`,
])('errors or not, an answer that does not tell of both documents is none: %s', (text) => {
  expect(() => readBulkReply(text, 2)).toThrow(expect.objectContaining({ code: 'OUTPUT_REPLY_INVALID', may_have_arrived: true }))
})

test.each([429, 404, 302, 0])('an item of status %d counts more than a word that none failed', (status) => {
  const text = `{"errors":false,"items":[${CREATED},{"create":{"status":${status}}}]}`
  expect(readBulkReply(text, 2)).toMatchObject([{ status: 201 }, { status }])
})

test('of thousands of items each one counts', () => {
  const items = Array.from({ length: 2_048 }, () => CREATED)
  const answerOf = (some: readonly string[]): string => `{"errors":false,"items":[${some.join(',')}]}`
  expect(readBulkReply(answerOf(items), items.length)).toBeUndefined()
  expect(() => readBulkReply(answerOf(items.slice(1)), items.length)).toThrow('expected 2048 items, got 2047')
  expect(readBulkReply(answerOf(items.with(1_000, '{"create":{"status":503}}')), items.length)?.[1_000]).toMatchObject({
    status: 503,
  })
})

test('items come with status, type, and the reason together with its cause', () => {
  const error = {
    type: 'document_parsing_exception',
    reason: 'failed',
    caused_by: { type: 'x', reason: 'For input string: "a"' },
  }
  const text = JSON.stringify({ errors: true, items: [{ create: { status: 201 } }, { index: { status: 400, error } }] })
  expect(readBulkReply(text, 2)).toEqual([
    { status: 201, type: undefined, reason: undefined },
    { status: 400, type: 'document_parsing_exception', reason: 'failed (For input string: "a")' },
  ])
})

test('a document whose error text holds "errors":false cannot pass for an answer without errors', () => {
  const error = { type: 'x', reason: '{"errors":false,"items":[]}' }
  const text = JSON.stringify({ errors: true, items: [{ create: { status: 400, error } }] })
  expect(readBulkReply(text, 1)).toMatchObject([{ status: 400 }])
})

test('what is no answer to the request throws, whatever it is', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        readBulkReply(text, 2)
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'OUTPUT_REPLY_INVALID', may_have_arrived: true })
      }
    }),
  )
})

test('the error of a whole request is read where there is one', () => {
  expect(readRequestError('{"error":{"type":"security_exception","reason":"no"},"status":401}')).toEqual({
    type: 'security_exception',
    reason: 'no',
  })
  expect(readRequestError('<html>')).toEqual({ type: undefined, reason: undefined })
})
