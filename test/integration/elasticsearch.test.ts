import { afterEach, describe, expect, test } from 'vitest'
import { TEMPLATE_VERSION } from '../../src/sinks/elasticsearch/index-templates.ts'
import { closeClusters, clusterFor, kindsOf } from '../helpers/elasticsearch-cluster.ts'
import { eventFrom, NEVER } from '../helpers/elasticsearch-sink.ts'
import { FIRST_START_TIMEOUT_MS } from '../helpers/servers.ts'

afterEach(closeClusters)

describe.each([8, 9] as const)('Elasticsearch %i', (major) => {
  const options = { timeout: FIRST_START_TIMEOUT_MS }

  test('the templates are there once the output is open', options, async (context) => {
    const cluster = await clusterFor(context, major)
    await cluster.open()
    for (const name of ['exchange-logs', 'exchange-alerts']) {
      expect(await cluster.call('GET', `/_index_template/${name}`)).toMatchObject({
        index_templates: [
          {
            index_template: { index_patterns: [`${name}-*`], priority: 300, _meta: { millrace: { version: TEMPLATE_VERSION } } },
          },
        ],
      })
    }
  })

  test('a repeated delivery is stored once and known for what it is', options, async (context) => {
    const cluster = await clusterFor(context, major)
    const sink = await cluster.open({ compression_level: 1 })
    expect(await kindsOf(sink, [eventFrom({ n: 1 }, 'a'), eventFrom({ n: 2 }, 'b')])).toEqual(['stored', 'stored'])
    expect(await kindsOf(sink, [eventFrom({ n: 2 }, 'b'), eventFrom({ n: 3 }, 'c')])).toEqual(['already_there', 'stored'])
    expect(await cluster.find('*')).toEqual(['a', 'b', 'c'])
  })

  test('what does not fit the mapping is rejected with its reason, its neighbours are stored', options, async (context) => {
    const cluster = await clusterFor(context, major)
    const sink = await cluster.open({ on_mapping_conflict: 'dead_letter' })
    const { outcomes } = await sink.write(
      [
        eventFrom({ duration: 12.5 }, 'a'),
        eventFrom({ duration: 'a while' }, 'b'),
        eventFrom({ level: { not: 'text' } }, 'c'),
        eventFrom({ duration: 3, ip: 'nowhere', ts: 'yesterday', price: 'free' }, 'd'),
      ],
      NEVER,
    )
    expect(outcomes).toMatchObject([
      { kind: 'stored' },
      { kind: 'reject', reason: expect.stringMatching(/^document_parsing_exception: .*duration/) },
      { kind: 'reject', reason: expect.stringMatching(/^document_parsing_exception: .*level/) },
      { kind: 'stored' },
    ])
    expect(await cluster.find('*')).toEqual(['a', 'd'])
  })

  test('a closed index parks its events, and they are stored once it is open again', options, async (context) => {
    const cluster = await clusterFor(context, major)
    const sink = await cluster.open()
    expect(await kindsOf(sink, [eventFrom({}, 'a')])).toEqual(['stored'])
    await cluster.call('POST', `/${cluster.index}/_close`)
    const later = [eventFrom({}, 'a'), eventFrom({}, 'b')]
    expect(await kindsOf(sink, later)).toEqual([`park ${cluster.index}`, `park ${cluster.index}`])
    await cluster.call('POST', `/${cluster.index}/_open?wait_for_active_shards=1`)
    expect(await kindsOf(sink, later)).toEqual(['already_there', 'stored'])
  })

  const blocks = ['write', 'read_only_allow_delete'] as const
  test.for(blocks)('an index with the block %s parks its events', options, async (block, context) => {
    const cluster = await clusterFor(context, major)
    const sink = await cluster.open()
    await kindsOf(sink, [eventFrom({}, 'a')])
    await cluster.call('PUT', `/${cluster.index}/_settings`, { [`index.blocks.${block}`]: true })
    expect(await kindsOf(sink, [eventFrom({}, 'b')])).toEqual([`park ${cluster.index}`])
    await cluster.call('PUT', `/${cluster.index}/_settings`, { [`index.blocks.${block}`]: null })
    expect(await kindsOf(sink, [eventFrom({}, 'c')])).toEqual(['stored'])
  })

  test('a 20-digit order id is unchanged in the document and found by a search for it', options, async (context) => {
    const cluster = await clusterFor(context, major)
    const sink = await cluster.open()
    await sink.write(
      [
        eventFrom('{"order_id":12345678901234567890,"user_id":1001,"price":"0.10","ratio":1.0}', 'a'),
        eventFrom('{"order_id":12345678901234567891,"user_id":1002}', 'b'),
      ],
      NEVER,
    )
    const raw = await (await fetch(`${cluster.url}/${cluster.index}/_source/a`)).text()
    for (const member of ['"order_id":12345678901234567890', '"user_id":1001', '"price":"0.10"', '"ratio":1.0']) {
      expect(raw).toContain(member)
    }
    expect(await cluster.find('order_id:12345678901234567890')).toEqual(['a'])
    expect(await cluster.find('user_id:1002')).toEqual(['b'])
  })

  test('the usual searches find exactly what they should', options, async (context) => {
    const cluster = await clusterFor(context, major)
    const sink = await cluster.open()
    await sink.write(
      [
        eventFrom({ level: 'error', service: 'exchange-api', endpoint: '/api/orders', duration: 1500, ip: '81.2.69.142' }, 'a'),
        eventFrom({ level: 'error', service: 'wallet', endpoint: '/api/orders', duration: 999.5, msg: 'order refused' }, 'b'),
        eventFrom(
          {
            level: 'info',
            service: 'exchange-api',
            endpoint: '/api/orders/1',
            duration: 2000,
            user_id: 1001,
            action: 'place_order',
          },
          'c',
        ),
        eventFrom({ geoip: { location: { lat: 51.5, lon: -0.1 }, country_name: 'United Kingdom' } }, 'd'),
      ],
      NEVER,
    )
    expect(await cluster.find('level:error AND service:exchange-api')).toEqual(['a'])
    expect(await cluster.find('user_id:1001 AND action:place_order')).toEqual(['c'])
    expect(await cluster.find('duration:>1000 AND endpoint:"/api/orders"')).toEqual(['a'])
    expect(await cluster.find('ip:"81.2.69.0/24"')).toEqual(['a'])
    expect(await cluster.find('msg:refused')).toEqual(['b'])
    expect(await cluster.find('geoip.country_name:"United Kingdom"')).toEqual(['d'])
    const { [cluster.index]: mapped } = (await cluster.call('GET', `/${cluster.index}/_mapping`)) as {
      [index: string]: { mappings: { properties: { [field: string]: unknown } } }
    }
    expect(mapped?.mappings.properties['geoip']).toMatchObject({ properties: { location: { type: 'geo_point' } } })
  })

  test('names and ids that the server refuses are refused for their event alone', options, async (context) => {
    const cluster = await clusterFor(context, major)
    const sink = await cluster.open({ index: '%{index}', document_id: '%{id}' })
    const batch = [
      eventFrom({ index: cluster.index, id: 'a' }),
      eventFrom({ index: 'Upper', id: 'b' }),
      eventFrom({ index: cluster.index, id: 'x'.repeat(513) }),
      eventFrom({ index: cluster.index, id: 'y'.repeat(512) }),
      eventFrom({ index: cluster.index, id: 'ünï "quoted" \\ \u0001' }),
    ]
    expect(await kindsOf(sink, batch)).toEqual(['stored', 'reject', 'reject', 'stored', 'stored'])
    expect(await cluster.find('*')).toEqual(['a', 'y'.repeat(512), 'ünï "quoted" \\ \u0001'])
  })
})
