import { expect, test } from 'vitest'
import { createElasticsearchSink, eventFrom, NEVER } from '../../../test/helpers/elasticsearch-sink.ts'
import { startStubElasticsearch } from '../../../test/helpers/stub-elasticsearch.ts'
import { Event } from '../../core/event.ts'
import { Timestamp } from '../../core/values.ts'

const INDEX = { index: 'logs-%{kind}-%{+yyyy.MM.dd}', document_id: '%{id}', action: 'create', manage_template: false }
const DAY_MS = 86_400_000

test.each<[string, object, readonly (string | undefined)[]]>([
  ['stored', {}, ['logs-a-2026.01.02', 'logs-b-2026.01.02', 'logs-a-2026.01.03']],
  ['refused for their time', { index_date_window: '7d' }, ['logs-a-2026.01.02', 'logs-b-2026.01.02', 'logs-a-2026.01.03']],
  ['refused for their id', { document_id: '%{none}' }, ['logs-a-2026.01.02', 'logs-b-2026.01.02', 'logs-a-2026.01.03']],
  ['refused for a name that no index can have', { index: 'logs-%{none}' }, [undefined, undefined, undefined]],
])('for the books each event has the index that it was for: %s', async (_what, options, targets) => {
  await using stack = new AsyncDisposableStack()
  const stub = await startStubElasticsearch()
  stack.defer(() => stub.close())
  const sink = createElasticsearchSink({ hosts: [stub.url], ...INDEX, ...options })
  await sink.open(NEVER)
  stack.defer(() => sink.close())
  const midnight_ms = Date.UTC(2026, 0, 2)
  const events = [
    eventFrom({ kind: 'a', id: '1' }),
    eventFrom({ kind: 'b', id: '2' }),
    Event.from({ kind: 'a', id: '3' }, new Timestamp(midnight_ms + DAY_MS)),
  ]
  // The first one is written from its fields, the others from bytes that were made before.
  for (const event of events.slice(1)) sink.prepare?.(event)
  expect((await sink.write(events, NEVER)).targets).toEqual(targets)
})

test('the index of what is tried again and of what Elasticsearch refuses is told too', async () => {
  await using stack = new AsyncDisposableStack()
  const stub = await startStubElasticsearch({
    onBulk: ({ number }) => ({
      item: ({ id }) =>
        id === '1'
          ? { status: 400, type: 'invalid_index_name_exception' }
          : number === 1 && id === '3'
            ? { status: 503 }
            : undefined,
    }),
  })
  stack.defer(() => stub.close())
  const sink = createElasticsearchSink({ hosts: [stub.url], ...INDEX })
  await sink.open(NEVER)
  stack.defer(() => sink.close())
  const events = [eventFrom({ kind: 'a', id: '1' }), eventFrom({ kind: 'b', id: '3' })]
  const { outcomes, targets } = await sink.write(events, NEVER)
  expect(outcomes.map(({ kind }) => kind)).toEqual(['reject', 'retry'])
  expect(targets).toEqual(['logs-a-2026.01.02', 'logs-b-2026.01.02'])
  expect(await sink.write(events.slice(1), NEVER)).toMatchObject({
    outcomes: [{ kind: 'stored' }],
    targets: ['logs-b-2026.01.02'],
  })
})
