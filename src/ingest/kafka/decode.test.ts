import { expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { buildInput, Collector } from '../../../test/helpers/run-input.ts'
import { json } from '../../codecs/json.ts'
import { line } from '../../codecs/line.ts'
import { plain } from '../../codecs/plain.ts'
import { defineInput } from '../../core/component.ts'
import type { InputContext } from '../../core/contracts.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import type { KafkaRecord } from './client.ts'
import { type DecodedRecords, type DecodeSettings, RecordDecoder } from './decode.ts'

const PLACE = { topic: 'exchange-logs', partition: 3 }
const METADATA = parseFieldRef('[@metadata][kafka]')
const RECORD_TIME_MS = Date.UTC(2026, 0, 1, 23, 59, 59, 7)

/** A decoder with the context that a real input has. */
function decoderWith(options: { readonly [name: string]: unknown } = {}, settings: Partial<DecodeSettings> = {}): RecordDecoder {
  let context: InputContext | undefined
  const probe = defineInput({
    name: 'probe',
    summary: 'Hands out its context.',
    default_codec: 'plain',
    options: {},
    examples: [],
    create: (_options, given) => {
      context = given
      return { run: () => Promise.resolve() }
    },
  })
  buildInput(probe, [plain, json, line], options, new Collector(), testContext(), 1_000)
  return new RecordDecoder(context as unknown as InputContext, {
    group_id: 'logstash',
    decorate_events: 'none',
    timestamp: 'record',
    ...settings,
  })
}

/** Decodes one record. */
function decode(
  record: Partial<KafkaRecord> & { readonly text?: string },
  options: { readonly [name: string]: unknown } = {},
  settings: Partial<DecodeSettings> = {},
): DecodedRecords {
  const into: DecodedRecords = { events: [], refused: [] }
  decoderWith(options, settings).decode(PLACE, recordOf(record), into)
  return into
}

function recordOf({ text, ...rest }: Partial<KafkaRecord> & { readonly text?: string }): KafkaRecord {
  const value = text === undefined ? null : Buffer.from(text)
  return { offset: '1205', timestamp: String(RECORD_TIME_MS), key: null, value, ...rest }
}

test('an event tells where it came from, and has an id that is the same at every delivery', () => {
  const [event] = decode({ text: 'hello' }).events
  expect(event?.origin?.describe()).toBe('exchange-logs/3@1205')
  expect(event?.stableId()).toBe(`exchange-logs:3:1205:${RECORD_TIME_MS}:0`)
  expect(decode({ text: 'hello' }).events[0]?.stableId()).toBe(event?.stableId())
})

test('the events of one record have ids of their own', () => {
  const { events } = decode({ text: '[{"a":1},{"a":2}]' }, { codec: 'json' })
  expect(events.map((event) => event.stableId())).toEqual(
    [0, 1].map((ordinal) => `exchange-logs:3:1205:${RECORD_TIME_MS}:${ordinal}`),
  )
  expect(events[1]?.origin?.describe()).toBe('exchange-logs/3@1205#1')
})

test('records of several partitions, one after the other, and one that fails between them, keep their places', () => {
  const decoder = decoderWith({ codec: 'json', add_field: { '[a][b]': 'x' } })
  const into: DecodedRecords = { events: [], refused: [] }
  const places = [
    ['t', 0, '{"n":1}'],
    ['t', 1, '{"n":2}'],
    ['u', 1, '[{"n":3},{"a":1}]'],
    ['t', 1, '[{"n":4},{"n":5}]'],
    ['t', 0, '{"n":6}'],
  ] as const
  for (const [offset, [topic, partition, text]] of places.entries()) {
    decoder.decode({ topic, partition }, recordOf({ text, offset: String(offset) }), into)
  }
  expect(into.events.map((event) => [event.get(parseFieldRef('n')), event.origin?.describe()])).toEqual([
    [1, 't/0@0'],
    [2, 't/1@1'],
    [4, 't/1@3'],
    [5, 't/1@3#1'],
    [6, 't/0@4'],
  ])
  expect(into.refused).toMatchObject([{ reason: 'undecodable', origin: { place: { topic: 'u', partition: 1 } } }])
  expect(into.events.map((event) => event.stableId())).toEqual(
    ['t:0:0', 't:1:1', 't:1:3', 't:1:3', 't:0:4'].map((id, at) => `${id}:${RECORD_TIME_MS}:${at === 3 ? 1 : 0}`),
  )
})

test('an event without a time of its own takes that of the record', () => {
  expect(decode({ text: 'hello' }).events[0]?.timestamp?.toString()).toBe('2026-01-01T23:59:59.007Z')
  expect(decode({ text: '{"a":1}' }, { codec: 'json' }).events[0]?.timestamp?.toString()).toBe('2026-01-01T23:59:59.007Z')
  const own = decode({ text: '{"@timestamp":"2020-05-05T05:05:05Z"}' }, { codec: 'json' }).events[0]
  expect(own?.timestamp?.toString()).toBe('2020-05-05T05:05:05.000Z')
})

test('a time that cannot be read is kept and tagged, and the record gives the time', () => {
  const [event] = decode({ text: '{"@timestamp":"soon"}' }, { codec: 'json' }).events
  expect(event?.timestamp?.toString()).toBe('2026-01-01T23:59:59.007Z')
  expect(event?.get(parseFieldRef('[_@timestamp]'))).toBe('soon')
  expect(event?.get(parseFieldRef('tags'))).toEqual(['_timestampparsefailure'])
})

test('with timestamp => receive, and for records without a time or with an absurd one, it is the time of receipt', () => {
  const received = '2026-01-02T03:04:05.000Z'
  expect(decode({ text: 'hello' }, {}, { timestamp: 'receive' }).events[0]?.timestamp?.toString()).toBe(received)
  for (const timestamp of ['-1', '9223372036854775807', 'NaN']) {
    expect(decode({ text: 'hello', timestamp }).events[0]?.timestamp?.toString()).toBe(received)
  }
})

test("Filebeat's @metadata in the payload becomes the event's, beside ours", () => {
  const text = '{"@timestamp":"2026-01-01T00:00:00.000Z","@metadata":{"beat":"filebeat","kafka":"theirs"},"message":"m"}'
  const [event] = decode({ text }, { codec: 'json' }, { decorate_events: 'basic' }).events
  expect(event?.metadata['beat']).toBe('filebeat')
  expect(event?.get(METADATA)).toEqual({
    topic: 'exchange-logs',
    consumer_group: 'logstash',
    partition: 3,
    offset: 1205,
    key: null,
    timestamp: RECORD_TIME_MS,
  })
  expect(JSON.parse(event?.toJsonText() ?? '')).not.toHaveProperty('@metadata')
})

test('headers are taken with extended only, where they are text, and hostile names do no harm', () => {
  const headers: KafkaRecord['headers'] = {
    trace: Buffer.from('abc'),
    twice: [Buffer.from('first'), Buffer.from('last')],
    binary: Buffer.from([0xff, 0xfe]),
    ['__proto__']: Buffer.from('polluted'),
  }
  const key = Buffer.from('k')
  expect(decode({ text: 'm', headers, key }, {}, { decorate_events: 'basic' }).events[0]?.get(METADATA)).not.toHaveProperty(
    'headers',
  )
  const [event] = decode({ text: 'm', headers, key }, {}, { decorate_events: 'extended' }).events
  expect(event?.get(parseFieldRef('[@metadata][kafka][headers][trace]'))).toBe('abc')
  expect(event?.get(parseFieldRef('[@metadata][kafka][headers][twice]'))).toBe('last')
  expect(event?.get(parseFieldRef('[@metadata][kafka][headers][__proto__]'))).toBe('polluted')
  expect(event?.has(parseFieldRef('[@metadata][kafka][headers][binary]'))).toBe(false)
  expect(event?.get(parseFieldRef('[@metadata][kafka][key]'))).toBe('k')
  expect(Object.prototype).not.toHaveProperty('polluted')
})

test('a tombstone is an event with empty text, as in Logstash', () => {
  const [event] = decode({ value: null }).events
  expect(event?.get(parseFieldRef('message'))).toBe('')
})

test('a record is a whole message: its last line needs no newline', () => {
  const { events } = decode({ text: 'one\ntwo' }, { codec: 'line' })
  expect(events.map((event) => event.get(parseFieldRef('message')))).toEqual(['one', 'two'])
})

test('what the codec cannot read is a tagged event', () => {
  const [event] = decode({ text: '{"a":' }, { codec: 'json' }).events
  expect(event?.get(parseFieldRef('message'))).toBe('{"a":')
  expect(event?.get(parseFieldRef('tags'))).toEqual(['_jsonparsefailure'])
})

test('a record that is too large is refused with its bytes', () => {
  const { events, refused } = decode({ text: 'x'.repeat(1_001) })
  expect(events).toEqual([])
  expect(refused).toMatchObject([{ reason: 'too_large', raw: Buffer.from('x'.repeat(1_001)) }])
})

test('a record whose fields collide with the configuration is refused, not thrown', () => {
  const { events, refused } = decode({ text: '{"a":"text"}' }, { codec: 'json', add_field: { '[a][b]': 'c' } })
  expect(events).toEqual([])
  expect(refused.map(({ reason }) => reason)).toEqual(['undecodable'])
})
