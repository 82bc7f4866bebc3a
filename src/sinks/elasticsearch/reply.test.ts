import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readBulkReply, readRequestError } from './reply.ts'

test.each([
  '{"errors":false,"items":[{"create":{"status":201}}]}',
  '{"took":3,"errors":false,"items":[{"create":{"status":201}}]}',
  '{ "took": 3, "ingest_took": 1, "errors": false }',
  '{"errors":false,"took":1,"items":[]}',
  '{"items":[{"create":{"status":201}}],"errors":false}',
])('an answer without errors needs no look at its items: %s', (text) => {
  expect(readBulkReply(text, 1)).toBeUndefined()
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
