import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Event } from '../core/event.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import { parseJson } from '../core/json/json.ts'
import { ScannedObject } from '../core/json/scanned-object.ts'
import { type Fields, Timestamp } from '../core/values.ts'
import { decodeEvent, encodeEvent } from './stored-event.ts'

function eventOf(json: string, id?: string): Event {
  const origin = { input: 'tcp', describe: () => '10.0.0.7:4711', stableId: () => id }
  const now = new Timestamp(Date.UTC(2026, 0, 2), 123_456)
  const source = ScannedObject.read(json)
  const fields = source === undefined ? (parseJson(json).value as Fields) : {}
  const event = Event.from(fields, now, { source, origin })
  event.size_bytes = json.length
  return event
}

test.each([
  ['{"message":"a","price":0.10,"id":12345678901234567890,"f":1.0}'],
  ['{"@timestamp":"2026-01-02T03:04:05.123456Z","nested":{"list":[1,null,{"a":1e3}]}}'],
  ['{"tags":["a"],"__proto__":{"x":1},"text":"ü€𝄞\\u0000"}'],
  ['{"@metadata":{"index":"logs","n":1.0}}'],
])('%s comes back as it was', (json) => {
  const event = eventOf(json, 'id-1')
  const stored = decodeEvent(encodeEvent(event, { key: 'logs', worst: 'stored' }))
  expect(parseJson(stored?.event.toJsonText() ?? '')).toEqual(parseJson(event.toJsonText()))
  expect(stored?.event.metadata).toEqual(event.metadata)
  expect(stored?.event.timestamp?.toString()).toBe(event.timestamp?.toString())
  expect(stored?.event.size_bytes).toBe(json.length)
  expect(stored).toMatchObject({ key: 'logs', worst: 'stored', own: undefined })
})

test('a field that was removed from it does not come back', () => {
  const event = eventOf('{"message":"a"}')
  event.remove(parseFieldRef('@version'))
  event.remove(parseFieldRef('@timestamp'))
  expect(decodeEvent(encodeEvent(event))?.event.toJsonText()).toBe('{"message":"a"}')
})

test('it keeps where it came from, and the ids of what is made of it go on', () => {
  const child = eventOf('{}', 'file-7').copyFor('other').clone()
  const event = decodeEvent(encodeEvent(child))?.event
  expect(event?.stableId()).toBe(child.stableId())
  expect(event?.hops).toBe(1)
  expect(event?.clone().stableId()).toBe(child.clone().stableId())
  expect(event?.origin).toMatchObject({ input: 'tcp' })
  expect(event?.origin?.describe()).toBe('10.0.0.7:4711')
})

test.each([
  ['of an input without stable ids', eventOf('{}')],
  ['that was made of one', eventOf('{}').copyFor('other').clone()],
  ['of no input', Event.from({}, new Timestamp(0))],
  ['with a stable id', eventOf('{}', 'own')],
])('an event %s keeps the id that it has', (_what, event) => {
  const id = event.lastingId()
  const stored = decodeEvent(encodeEvent(event))?.event
  expect([stored?.stableId(), stored?.lastingId(), stored?.clone().stableId()]).toEqual([id, id, `${id}-1`])
})

test('bytes of an output stand for the document', () => {
  const event = eventOf('{"message":"a"}')
  event.letFieldsGo()
  const stored = decodeEvent(encodeEvent(event, { own: Buffer.from('bytes') }))
  expect(stored?.own?.toString()).toBe('bytes')
  expect(stored?.event.hasLetFieldsGo).toBe(true)
})

test('bytes that are no event are told as such, whatever they are', () => {
  const good = encodeEvent(eventOf('{"message":"a"}'), { key: 'k' })
  const damaged = fc.tuple(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length)).map(([at, byte, length]) =>
    Buffer.from(good)
      .fill(byte, at, at + 1)
      .subarray(0, length),
  )
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    damaged,
  )
  fc.assert(
    fc.property(hostile, (payload) => {
      const stored = decodeEvent(payload)
      if (stored !== undefined && !stored.event.hasLetFieldsGo) JSON.parse(stored.event.toJsonText())
    }),
    { numRuns: 1_000 },
  )
  for (const payload of ['', '\x01\x00\x00\x00\x00\x02{}', '\x02\x00\x00\x00\x00\x02{}', '\x01\x00\x7f\xff\xff\xff']) {
    expect(decodeEvent(Buffer.from(payload, 'latin1'))).toBeUndefined()
  }
})
