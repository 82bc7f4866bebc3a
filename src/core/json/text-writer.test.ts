import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Fields, SourceNumber, Timestamp } from '../values.ts'
import { writeMembers } from './print-members.ts'
import { TextWriter } from './text-writer.ts'

test('pieces of any kind and size stand one behind the other in a buffer that grows', () => {
  const writer = new TextWriter(Buffer.alloc(1))
  writer.byte(0x7b)
  writer.text('é😀'.repeat(100))
  writer.ascii('plain')
  writer.ready(Buffer.from('ready'))
  writer.time(new Timestamp(Date.UTC(2026, 0, 2)))
  writer.time(new Timestamp(Date.UTC(2026, 0, 2), 1_000))
  expect(writer.written.toString()).toBe(`{${'é😀'.repeat(100)}plainready"2026-01-02T00:00:00.000Z""2026-01-02T00:00:00.000001Z"`)
})

test('members are written as JSON.stringify writes them', () => {
  const value = fc.oneof(fc.string({ unit: 'binary' }), fc.double(), fc.boolean(), fc.constant(null), fc.array(fc.string()))
  fc.assert(
    fc.property(fc.dictionary(fc.string(), value), (fields) => {
      const writer = new TextWriter(Buffer.alloc(8))
      writer.byte(0x7b)
      writeMembers(writer, fields, false)
      expect(writer.written.toString()).toBe(JSON.stringify(fields))
    }),
  )
})

test('exact numbers keep their text, and what is undefined is not there', () => {
  const fields: Fields = { gone: undefined, a: 12345678901234567890n, b: new SourceNumber('1.0'), c: [9007199254740993n] }
  const writer = new TextWriter(Buffer.alloc(8))
  writer.byte(0x7b)
  writeMembers(writer, fields, true)
  expect(writer.written.toString()).toBe('{"a":12345678901234567890,"b":1.0,"c":[9007199254740993]}')
})
