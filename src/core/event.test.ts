import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Event } from './event.ts'
import { parseFieldRef } from './field-ref.ts'
import { parseJson } from './json/json.ts'
import { type Fields, mergeExact, SourceNumber, Timestamp, type Value } from './values.ts'

const NOW = new Timestamp(Date.UTC(2026, 0, 2, 3, 4, 5))
const ref = parseFieldRef

function eventOf(text: string): Event {
  const { value, exact } = parseJson(text)
  return Event.from(value as Fields, NOW, { exact })
}

function documentOf(event: Event): unknown {
  return JSON.parse(event.toJsonText())
}

test('an event is born with a time and a version', () => {
  expect(documentOf(eventOf('{"a":1}'))).toEqual({ a: 1, '@version': '1', '@timestamp': '2026-01-02T03:04:05.000Z' })
  expect(documentOf(eventOf('{"@version":null,"@timestamp":"2024-01-02T03:04:05.123456Z"}'))).toEqual({
    '@version': null,
    '@timestamp': '2024-01-02T03:04:05.123456Z',
  })
})

test('an unreadable time is kept and tagged, null is not', () => {
  expect(documentOf(eventOf('{"@timestamp":1704164645}'))).toMatchObject({
    '@timestamp': '2026-01-02T03:04:05.000Z',
    '_@timestamp': 1704164645,
    tags: ['_timestampparsefailure'],
  })
  expect(documentOf(eventOf('{"@timestamp":null}'))).not.toHaveProperty('tags')
})

test.each(['{"a":1}', '5', '[1,"a"]', 'null'])('tags that are %s go to _tags', (tags) => {
  const kept = JSON.parse(tags) as unknown
  expect(documentOf(eventOf(`{"tags":${tags}}`))).toMatchObject({
    tags: ['_tagsparsefailure'],
    _tags: Array.isArray(kept) ? kept : [kept],
  })
})

test('metadata is apart and never printed', () => {
  const event = eventOf('{"@metadata":{"x":1},"a":1}')
  expect(event.get(ref('[@metadata][x]'))).toBe(1)
  event.set(ref('[@metadata][y][z]'), 2)
  expect(event.metadata).toEqual({ x: 1, y: { z: 2 } })
  expect(event.toJsonText()).not.toContain('metadata')
  expect(event.remove(ref('@metadata'))).toEqual({ x: 1, y: { z: 2 } })
  expect(event.metadata).toEqual({})
  expect(() => event.set(ref('@metadata'), 'x')).toThrow(expect.objectContaining({ code: 'FIELD_NOT_SETTABLE' }))
})

test('a time among the metadata is not that of the event', () => {
  const event = eventOf('{}')
  event.set(ref('[@metadata][@timestamp]'), new Timestamp(0))
  expect(event.timestamp).toEqual(NOW)
  expect(event.get(ref('[@metadata][@timestamp]'))).toEqual(new Timestamp(0))
})

test('paths lead through maps and lists, not through scalars', () => {
  const event = eventOf('{"l":[1,{"a":2}],"s":"text","n":null}')
  expect(event.get(ref('[l][-1][a]'))).toBe(2)
  expect(event.get(ref('[l][2]'))).toBeUndefined()
  expect(event.get(ref('[l][x]'))).toBeUndefined()
  expect(event.get(ref('[s][length]'))).toBeUndefined()
  expect(event.get(ref('[l][length]'))).toBeUndefined()
  expect(event.has(ref('n'))).toBe(true)
  expect(event.has(ref('constructor'))).toBe(false)
})

test('setting makes maps on the way and fills lists with null', () => {
  const event = eventOf('{"l":[1]}')
  event.set(ref('[l][3]'), 'x')
  event.set(ref('[a][0]'), 'z')
  event.set(ref('[n][b]'), 1)
  expect(documentOf(event)).toMatchObject({ l: [1, null, null, 'x'], a: { '0': 'z' }, n: { b: 1 } })
  expect([event.has(ref('[l][0]')), event.has(ref('[l][1]'))]).toEqual([true, false])
})

test('an exact number that is set again prints once, and many of them print at all', () => {
  const event = eventOf('{"a":1.0}')
  event.set(ref('a'), new SourceNumber('2.0'))
  event.set(ref('a'), new SourceNumber('3.0'))
  expect(event.toJsonText().match(/"a":/g)).toHaveLength(1)
  expect(mergeExact(['a', 'b'], ['b', 'c'])).toEqual(['a', 'b', 'c'])
  for (let index = 0; index < 200; index++) event.set(ref(`f${index}`), 10n ** 20n + BigInt(index))
  expect(event.toJsonText()).toContain('"f199":100000000000000000199')
  expect(event.toJsonText()).toContain('"a":3.0')
})

test.each<[string, Value]>([
  ['[s][x]', 1],
  ['[n][x]', 1],
  ['[l][99999]', 1],
  ['[l][-9]', 1],
  ['[l][x]', 1],
  ['tags', 5],
  ['tags', ['a', 1]],
  ['[tags][0]', 'b'],
  ['@timestamp', '2024-01-01T00:00:00Z'],
  ['[@timestamp][x]', 1],
])('%s cannot be set to %j', (path, value) => {
  const event = eventOf('{"s":"text","l":[1],"n":null,"tags":["a"]}')
  const before = event.toJsonText()
  expect(() => event.set(ref(path), value)).toThrow(expect.objectContaining({ code: 'FIELD_NOT_SETTABLE' }))
  expect(event.toJsonText()).toBe(before)
})

test('removing returns the value, and the rest of a list moves up', () => {
  const event = eventOf('{"l":[1,2,3],"a":{"b":1}}')
  expect(event.remove(ref('[l][0]'))).toBe(1)
  expect(event.remove(ref('[l][9]'))).toBeUndefined()
  expect(event.remove(ref('[a][b]'))).toBe(1)
  expect(event.remove(ref('[a][b]'))).toBeUndefined()
  expect(event.remove(ref('[a][b][c]'))).toBeUndefined()
  expect(documentOf(event)).toMatchObject({ l: [2, 3], a: {} })
})

test('a tag is added once, and text becomes a list', () => {
  const event = eventOf('{"tags":"one"}')
  event.tag('one')
  event.tag('two')
  event.tag('two')
  expect(event.get(ref('tags'))).toEqual(['one', 'two'])
})

test('the entries are the fields that are there, in their order', () => {
  const event = eventOf('{"b":1,"a":2,"@metadata":{"x":1}}')
  event.remove(ref('b'))
  expect([...event.entries()].map(([name]) => name)).toEqual(['a', '@version', '@timestamp'])
})

test('a clone is an event of its own with a stable id of its own', () => {
  const origin = { input: 'test', describe: () => 'line 1', stableId: () => 'id' }
  const event = Event.from({ a: { b: 1 } }, NOW, { origin })
  const first = event.clone()
  const second = first.clone()
  first.set(ref('[a][b]'), 2)
  expect(event.get(ref('[a][b]'))).toBe(1)
  expect([event, first, second, event.clone()].map((each) => each.stableId())).toEqual(['id', 'id-1', 'id-1-1', 'id-2'])
})

test('an event without a stable id has one of its own when somebody asks for it, and what is made of it another', () => {
  const events = [eventOf('{}'), eventOf('{}')].flatMap((event) => [event, event.clone(), event.copyFor('es'), event.clone()])
  const ids = events.map((event) => event.lastingId())
  expect(new Set(ids).size).toBe(8)
  expect(events.map((event) => event.lastingId())).toEqual(ids)
  expect(events.map((event) => event.stableId())).toEqual(events.map(() => undefined))
})

test('each thread makes ids of its own, so that a program that is started again makes none twice', async () => {
  const code = `
    const { parentPort } = require('node:worker_threads')
    import(${JSON.stringify(new URL('./event.ts', import.meta.url).href)}).then(({ Event }) => parentPort.postMessage(Event.from({}, null).lastingId()))`
  const ids = await Promise.all(
    [1, 2].map(async () => {
      const worker = new Worker(code, { eval: true })
      const [id] = (await once(worker, 'message')) as [string]
      return id
    }),
  )
  expect(ids[0]).toMatch(/^[0-9a-f]{16}-1$/)
  expect(ids[1]).not.toBe(ids[0])
})

test('the first reason to cancel stays', () => {
  const event = eventOf('{}')
  expect(event.cancelled).toBeUndefined()
  event.cancel('drop')
  event.cancel('other')
  expect(event.cancelled).toBe('drop')
})

test('what waits for the final state runs once', () => {
  const event = eventOf('{}')
  const states: string[] = []
  event.whenSettled((state) => states.push(state))
  event.whenSettled((state) => states.push(state))
  event.settle('stored')
  event.settle('dropped')
  expect(states).toEqual(['stored', 'stored'])
})

test('long integers print exactly wherever they stand, hostile names too', () => {
  const text = '{"__proto__":12345678901234567890,"a":{"b":[12345678901234567890]},"c":98765432109876543210}'
  const event = eventOf(text)
  for (const _ of [1, 2]) expect(parseJson(event.toJsonText()).value).toMatchObject(parseJson(text).value as object)
  event.remove(ref('a'))
  for (const _ of [1, 2]) expect(event.toJsonText()).toContain('"__proto__":12345678901234567890')
  event.set(ref('c'), [1n])
  expect(event.toJsonText()).toContain('"c":[1]')
})

test('an event prints what was parsed, whatever the document', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (fields) => {
      const text = JSON.stringify({
        ...fields,
        tags: 'x',
        '@metadata': {},
        '@timestamp': '2024-01-02T03:04:05.000Z',
        '@version': '1',
      })
      const { '@metadata': _, ...expected } = JSON.parse(text) as { [name: string]: unknown }
      expect(documentOf(eventOf(text))).toEqual(expected)
    }),
  )
})

test('what was set is there, at any path that can be set', () => {
  const segments = fc.array(fc.constantFrom('a', 'b', '0', '-1', '__proto__', 'constructor', 'toString'), {
    minLength: 1,
    maxLength: 4,
  })
  fc.assert(
    fc.property(fc.array(segments, { maxLength: 6 }), (paths) => {
      const event = eventOf('{"a":[{"b":1}],"b":"s"}')
      for (const path of paths) {
        const target = ref(path.map((segment) => `[${segment}]`).join(''))
        try {
          event.set(target, 'v')
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'FIELD_NOT_SETTABLE' })
          continue
        }
        expect(event.get(target)).toBe('v')
        expect(event.remove(target)).toBe('v')
      }
      expect(({} as { a?: unknown }).a).toBeUndefined()
      event.toJsonText()
    }),
  )
})

test('a copy for another pipeline is a deep one, whose id is the same at every delivery', () => {
  const deliver = (addresses: readonly string[]): Event[] => {
    const origin = { input: 'test', describe: () => 'a.log@1', stableId: () => 'a.log:1' }
    const event = Event.from({ '@metadata': { m: { n: 1 } }, a: { b: 1 } }, NOW, { origin })
    return addresses.map((address) => event.copyFor(address))
  }
  const [first, second] = deliver(['es', 'archive']) as [Event, Event]
  first.set(ref('[a][b]'), 2)
  first.set(ref('[@metadata][m][n]'), 2)
  expect([second.get(ref('[a][b]')), second.get(ref('[@metadata][m][n]'))]).toEqual([1, 1])
  expect([first.stableId(), second.stableId()]).toEqual(['a.log:1>es', 'a.log:1>archive'])
  expect(deliver(['archive', 'es']).map((copy) => copy.stableId())).toEqual(['a.log:1>archive', 'a.log:1>es'])
  const onward = second.copyFor('es').clone()
  expect([onward.stableId(), onward.hops, second.hops]).toEqual(['a.log:1>archive>es-1', 2, 1])
})

test('the time stays when the fields are let go', () => {
  const event = eventOf('{"@timestamp":"2024-01-02T03:04:05.123456Z"}')
  event.letFieldsGo()
  expect(String(event.timestamp)).toBe('2024-01-02T03:04:05.123456Z')
})
