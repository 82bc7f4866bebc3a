import { afterEach, describe, expect, test } from 'vitest'
import { closeClusters, clusterFor, kindsOf } from '../helpers/elasticsearch-cluster.ts'
import { eventFrom, NEVER } from '../helpers/elasticsearch-sink.ts'
import { FIRST_START_TIMEOUT_MS } from '../helpers/servers.ts'
import { waitFor } from '../helpers/wait-for.ts'

afterEach(closeClusters)

const options = { timeout: FIRST_START_TIMEOUT_MS }

/** Fields of an index, and what its documents cannot be stored with. */
const PROPERTIES = {
  _ignored_fields: { type: 'flattened', ignore_above: 1024 },
  k: { type: 'keyword' },
  d: { type: 'double' },
  l: { type: 'long' },
  by: { type: 'byte' },
  b: { type: 'boolean' },
  dt: { type: 'date' },
  ip: { type: 'ip' },
  g: { type: 'geo_point' },
  host: { type: 'text' },
  f: { type: 'flattened' },
  al: { type: 'alias', path: 'k' },
  o: { properties: { x: { type: 'long' }, y: { properties: { z: { type: 'date' } } } } },
  n: { type: 'nested', properties: { q: { type: 'long' } } },
}

const LONG = 'x'.repeat(40_000)
const HAN = '漢'.repeat(12_000)

/** What is in a document, and what of it is set aside. */
const REFUSED: readonly (readonly [fields: object, aside: { readonly [path: string]: unknown }])[] = [
  [{ d: 'a while' }, { d: 'a while' }],
  [{ d: { a: 1 } }, { d: '{"a":1}' }],
  [{ d: [1, 'x'] }, { d: '[1,"x"]' }],
  [{ d: true }, { d: 'true' }],
  [{ by: 1000 }, { by: '1000' }],
  [{ b: 'yes' }, { b: 'yes' }],
  [{ dt: 'yesterday' }, { dt: 'yesterday' }],
  [{ ip: 'nowhere' }, { ip: 'nowhere' }],
  [{ g: 'nowhere' }, { g: 'nowhere' }],
  [{ g: { lat: 900, lon: 1 } }, { g: '{"lat":900,"lon":1}' }],
  [{ k: { a: 1 } }, { k: '{"a":1}' }],
  [{ k: [{ a: 1 }] }, { k: '[{"a":1}]' }],
  [{ k: LONG }, { k: LONG }],
  [{ k: HAN }, { k: HAN }],
  [{ host: { name: 'x' } }, { host: '{"name":"x"}' }],
  [{ 'host.name': 'x' }, { host: '{"name":"x"}' }],
  [{ o: 'text' }, { o: 'text' }],
  [{ o: ['x', 'y'] }, { o: '["x","y"]' }],
  [{ o: { y: 'flat' } }, { 'o.y': 'flat' }],
  [{ 'o.y': 'flat' }, { 'o.y': 'flat' }],
  [{ o: { y: { z: 'nope' } } }, { 'o.y.z': 'nope' }],
  [{ 'o.y.z': 'nope' }, { 'o.y.z': 'nope' }],
  [{ o: [{ x: 1 }, { x: 'bad' }] }, { 'o.x': '[1,"bad"]' }],
  [{ n: 'x' }, { n: 'x' }],
  [{ n: [{ q: 1 }, { q: 'bad' }] }, { 'n.q': '[1,"bad"]' }],
  [{ f: 'x' }, { f: 'x' }],
  [{ al: 'x' }, { al: 'x' }],
  [
    { _id: 'x', _source: 'y' },
    { _id: 'x', _source: 'y' },
  ],
  [
    { '': 1, ' ': 2, '.foo': 3, 'a..b': 4 },
    { '': '1', ' ': '2', '.foo': '3', 'a..b': '4' },
  ],
  [{ new1: { a: 1 }, 'new1.a.b': 2 }, { 'new1.a': '[1,{"b":2}]' }],
  [
    { d: 'x', l: 'y', b: 'z', dt: 'u', ip: 'v' },
    { d: 'x', l: 'y', b: 'z', dt: 'u', ip: 'v' },
  ],
]

function wholeTexts(aside: { readonly [path: string]: unknown }): object {
  return Object.fromEntries(Object.entries(aside).map(([path, pieces]) => [path, [pieces].flat().join('')]))
}

describe.each([8, 9] as const)('Elasticsearch %i', (major) => {
  test('whatever field is refused is set aside, and its document stored under its id', options, async (context) => {
    const cluster = await clusterFor(context, major)
    await cluster.call('PUT', `/${cluster.index}`, { mappings: { properties: PROPERTIES } })
    const sink = await cluster.open()
    const events = REFUSED.map(([fields], n) => eventFrom({ ...fields, kept: n }, `id ${n}`))
    expect(await kindsOf(sink, events)).toEqual(REFUSED.map(() => 'stored'))
    const { docs } = (await cluster.call('POST', `/${cluster.index}/_mget`, { ids: events.map((_event, n) => `id ${n}`) })) as {
      docs: { _source: { _ignored_fields: { [path: string]: unknown }; kept: number; tags: string[] } }[]
    }
    for (const [n, [, aside]] of REFUSED.entries()) {
      const { _source } = docs[n] ?? expect.unreachable()
      expect(wholeTexts(_source._ignored_fields)).toEqual(aside)
      expect(_source.kept).toBe(n)
      expect(_source.tags.every((tag) => tag.startsWith('_ignored_'))).toBe(true)
    }
    expect((await cluster.find('tags:_ignored_mapping_conflict')).length).toBeGreaterThan(20)
    expect(await cluster.find('_ignored_fields.dt:yesterday')).toEqual(['id 6'])
  })

  test('below the built-in templates it is one flattened field, elsewhere a list of texts', options, async (context) => {
    const cluster = await clusterFor(context, major)
    const own = await cluster.open()
    await own.write([eventFrom({ duration: 'a while' }, 'a')], NEVER)
    expect(await cluster.find('_ignored_fields.duration:"a while"')).toEqual(['a'])
    const foreign = `foreign-${cluster.index}`
    await cluster.call('PUT', `/${foreign}`, { mappings: { properties: { d: { type: 'double' } } } })
    const sink = await cluster.open({ index: foreign })
    expect(await kindsOf(sink, [eventFrom({ d: 'x' }, 'a'), eventFrom({ d: 'y' }, 'b'), eventFrom({ d: 3 }, 'c')])).toEqual([
      'stored',
      'stored',
      'stored',
    ])
    expect(await cluster.call('GET', `/${foreign}/_doc/b`)).toMatchObject({ _source: { _ignored_fields: ['d=y'] } })
    await cluster.call('DELETE', `/${foreign}`)
  })

  test(
    '5,000 new names leave an index with as many fields as it may have, and every document in it',
    options,
    async (context) => {
      const cluster = await clusterFor(context, major)
      await cluster.call('PUT', `/${cluster.index}`, { settings: { 'index.mapping.total_fields.limit': 100 } })
      const sink = await cluster.open()
      const events = Array.from({ length: 500 }, (_, n) =>
        eventFrom(Object.fromEntries(Array.from({ length: 10 }, (_field, m) => [`f${n}_${m}`, m])), `id ${n}`),
      )
      const kinds = await kindsOf(sink, events)
      expect(new Set(kinds)).toEqual(new Set(['stored']))
      expect(await cluster.find('tags:_ignored_field_limit')).not.toEqual([])
      expect(await cluster.find('_ignored_fields.f499_3:3')).toEqual(['id 499'])
      expect(await cluster.find('*')).toHaveLength(500)
    },
  )

  test('new_fields_max keeps an index below its limit', options, async (context) => {
    const cluster = await clusterFor(context, major)
    const sink = await cluster.open({ new_fields_max: 50 })
    const events = Array.from({ length: 300 }, (_, n) => eventFrom({ [`f${n}`]: n }, `id ${n}`))
    expect(new Set(await kindsOf(sink, events))).toEqual(new Set(['stored']))
    const mapped = JSON.stringify(await cluster.call('GET', `/${cluster.index}/_mapping`))
    expect(mapped).toContain('"f10"')
    expect(mapped).not.toContain('"f100"')
    expect(await cluster.find('_ignored_fields.f299:299')).toEqual(['id 299'])
  })

  test('a strict index takes its own fields, where it has one for the others', options, async (context) => {
    const cluster = await clusterFor(context, major)
    const properties = {
      '@timestamp': { type: 'date' },
      '@version': { type: 'keyword' },
      tags: { type: 'keyword' },
      a: { type: 'long' },
    }
    const mappings = { dynamic: 'strict', properties: { ...properties, _ignored_fields: { type: 'flattened' } } }
    await cluster.call('PUT', `/${cluster.index}`, { mappings })
    const sink = await cluster.open()
    expect(await kindsOf(sink, [eventFrom({ a: 1, b: 2, c: { d: 3 } }, 'a')])).toEqual(['stored'])
    expect(await cluster.find('_ignored_fields.b:2 AND _ignored_fields.c:*')).toEqual(['a'])
    const without = `strict-${cluster.index}`
    await cluster.call('PUT', `/${without}`, { mappings: { dynamic: 'strict', properties } })
    expect(await kindsOf(await cluster.open({ index: without }), [eventFrom({ a: 1, b: 2 }, 'a')])).toEqual(['reject'])
    await cluster.call('DELETE', `/${without}`)
  })

  test('what no document can help goes to the dead letters with its reason', options, async (context) => {
    const cluster = await clusterFor(context, major)
    await cluster.call('PUT', `/${cluster.index}`, { mappings: { _routing: { required: true } } })
    const stream = `stream-${cluster.index}`
    await cluster.call('PUT', `/_index_template/${stream}`, { index_patterns: [stream], priority: 500, data_stream: {} })
    const reasonOf = async (settings: object): Promise<unknown> => {
      const { outcomes } = await (await cluster.open({ ...settings })).write([eventFrom({ a: 1 }, 'a')], NEVER)
      return outcomes[0]
    }
    expect(await reasonOf({})).toMatchObject({ kind: 'reject', reason: expect.stringMatching(/^routing_missing_exception/) })
    expect(await reasonOf({ pipeline: 'missing', routing: 'r' })).toMatchObject({
      kind: 'reject',
      reason: expect.stringContaining('pipeline with id [missing] does not exist'),
    })
    expect(await reasonOf({ index: stream, action: 'index' })).toMatchObject({
      kind: 'reject',
      reason: expect.stringContaining('only write ops with an op_type of create are allowed in data streams'),
    })
    const auto = (value: unknown) =>
      cluster.call('PUT', '/_cluster/settings', { persistent: { 'action.auto_create_index': value } })
    const absent = `absent-${cluster.index}`
    await auto(`-${absent},+*`)
    try {
      expect(await reasonOf({ index: absent })).toMatchObject({
        kind: 'reject',
        reason: expect.stringMatching(/^index_not_found_exception/),
      })
    } finally {
      await auto(null)
    }
    await cluster.call('DELETE', `/_index_template/${stream}`)
  })

  test('a shard that is nowhere is waited for', options, async (context) => {
    const cluster = await clusterFor(context, major)
    const settings = { number_of_replicas: 0, 'index.routing.allocation.require._name': 'nobody' }
    await cluster.call('PUT', `/${cluster.index}?wait_for_active_shards=0`, { settings })
    const sink = await cluster.open({ parameters: { timeout: '100ms' } })
    const event = eventFrom({ a: 1 }, 'a')
    expect((await sink.write([event], NEVER)).outcomes).toMatchObject([
      { kind: 'retry', reason: expect.stringMatching(/^unavailable_shards_exception/) },
    ])
    await cluster.call('PUT', `/${cluster.index}/_settings`, { 'index.routing.allocation.require._name': null })
    await waitFor('the event is stored', async () => (await kindsOf(sink, [event]))[0] === 'stored')
  })

  test('a wrong parameter of the output is no fault of a document', options, async (context) => {
    const cluster = await clusterFor(context, major)
    const sink = await cluster.open({ parameters: { nonsense: 'x' } })
    await expect(sink.write([eventFrom({}, 'a'), eventFrom({}, 'b')], NEVER)).rejects.toMatchObject({ code: 'OUTPUT_REFUSED' })
  })

  test('a request over http.max_content_length', options, async (context) => {
    const cluster = await clusterFor(context, major)
    const sink = await cluster.open({ bulk_bytes_max: '200mb' })
    const events = Array.from({ length: 105 }, (_, n) => eventFrom({ msg: 'x'.repeat(1024 * 1024) }, `id ${n}`))
    let pending = events
    const isStored = async (): Promise<boolean> => {
      // Some servers close without an answer, and half of it may still be more than the memory takes.
      const { outcomes } = await sink.write(pending, NEVER)
      pending = pending.filter((_event, position) => outcomes[position]?.kind !== 'stored')
      return pending.length === 0
    }
    await waitFor('every document is stored', isStored)
    expect(await cluster.find('*')).toHaveLength(105)
  })
})
