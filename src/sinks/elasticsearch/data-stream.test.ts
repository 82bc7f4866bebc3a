import { expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { createElasticsearchSink, eventFrom, NEVER } from '../../../test/helpers/elasticsearch-sink.ts'
import { startStubElasticsearch } from '../../../test/helpers/stub-elasticsearch.ts'
import type { Context } from '../../core/context.ts'

type Options = { readonly [name: string]: unknown }

interface Sent {
  readonly index: string
  readonly operation: string
  readonly id: string | undefined
  /** The document's field data_stream. */
  readonly data_stream: unknown
  readonly templates: number
}

async function sent(
  options: Options,
  fields: Parameters<typeof eventFrom>[0] = {},
  ecs: Context['ecs_compatibility'] = 'v8',
): Promise<Sent> {
  const stub = await startStubElasticsearch()
  const sink = createElasticsearchSink({ hosts: [stub.url], ...options }, testContext({ ecs_compatibility: ecs }))
  try {
    await sink.open(NEVER)
    await sink.write([eventFrom(fields, 'line')], NEVER)
    const [item] = stub.bulks[0]?.items ?? []
    if (item === undefined) throw new Error('nothing was sent')
    const { data_stream } = JSON.parse(item.source) as { data_stream?: unknown }
    return { index: item.index, operation: item.operation, id: item.id, data_stream, templates: stub.templates.size }
  } finally {
    await sink.close()
    await stub.close()
  }
}

const GENERIC = { type: 'logs', dataset: 'generic', namespace: 'default' }

test('with ECS and nothing against it a data stream is written to, under the stable id, and no template is installed', async () => {
  expect(await sent({})).toEqual({
    index: 'logs-generic-default',
    operation: 'create',
    id: 'line',
    data_stream: GENERIC,
    templates: 0,
  })
})

test.each<[Options, Context['ecs_compatibility'], string]>([
  [{}, 'disabled', 'logstash-2026.01.02'],
  [{ data_stream: 'false' }, 'v8', 'ecs-logstash-2026.01.02'],
  [{ data_stream: false }, 'v1', 'ecs-logstash-2026.01.02'],
  [{ index: 'mine' }, 'v8', 'mine'],
  [{ document_id: 'x' }, 'v8', 'ecs-logstash-2026.01.02'],
  [{ action: 'index' }, 'v8', 'ecs-logstash-2026.01.02'],
  [{ manage_template: true }, 'v8', 'ecs-logstash-2026.01.02'],
  [{ manage_template: false, action: 'create', document_id: 'auto' }, 'v8', 'logs-generic-default'],
  [{ data_stream: 'true' }, 'disabled', 'logs-generic-default'],
  [{ data_stream_dataset: 'nginx', data_stream_namespace: 'prod' }, 'v8', 'logs-nginx-prod'],
  [{ data_stream: 'true', data_stream_type: 'metrics' }, 'v8', 'metrics-generic-default'],
])('%o with ECS %s goes to %s', async (options, ecs, index) => {
  expect((await sent(options, {}, ecs)).index).toBe(index)
})

test.each<[Options, object | string, string, unknown]>([
  [{}, { dataset: 'own' }, 'logs-own-default', { ...GENERIC, dataset: 'own' }],
  [{}, { type: 'traces', dataset: 'own', namespace: 'n' }, 'traces-own-n', { type: 'traces', dataset: 'own', namespace: 'n' }],
  [{}, 'text', 'logs-generic-default', GENERIC],
  [{ data_stream_auto_routing: false }, { dataset: 'own', more: 1 }, 'logs-generic-default', { ...GENERIC, more: 1 }],
  [{ data_stream_sync_fields: false }, { dataset: 'own' }, 'logs-own-default', { dataset: 'own' }],
])('%o and an event with data_stream %o', async (options, data_stream, index, expected) => {
  const event = JSON.stringify({ data_stream })
  expect(await sent(options, event)).toMatchObject({ index, data_stream: expected })
})

test.each<[Options, string]>([
  [{ data_stream: 'true', index: 'x', document_id: 'y' }, 'following parameters are not supported: index, document_id'],
  [{ data_stream: 'true', action: 'index' }, 'following parameters are not supported: action'],
  [{ data_stream: 'false', data_stream_type: 'logs' }, 'must not be present when data streams are disabled'],
  [{ index: 'x', data_stream_dataset: 'y' }, 'data stream settings are present, but data streams are not enabled'],
])('%o is refused', (options, message) => {
  expect(() => createElasticsearchSink(options, testContext({ ecs_compatibility: 'v8' }))).toThrow(message)
})
