import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, onTestFinished, type TestContext, test } from 'vitest'
import type { Sink } from '../../src/core/contracts.ts'
import type { Event } from '../../src/core/event.ts'
import { parseFieldRef } from '../../src/core/field-ref.ts'
import { testContext } from '../helpers/context.ts'
import { createElasticsearchSink, eventFrom, NEVER } from '../helpers/elasticsearch-sink.ts'
import { judgedBy, rowsBelow } from '../helpers/outcome-page.ts'
import {
  type ElasticsearchServer,
  FIRST_START_TIMEOUT_MS,
  orSkip,
  startElasticsearch,
  type Unavailable,
} from '../helpers/servers.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Their column "real server" says with which of these. */
const VERSIONS = { 8: '8.19', 9: '9.5' } as const

const WRITER = { user: 'writer', password: 'writer-pass-1' }
const STRANGER = { user: 'stranger', password: 'stranger-pass-1' }
const ADMIN = { user: 'admin', password: 'admin-pass-1' }
const ROLES = {
  writer: { cluster: ['monitor'], indices: [{ names: ['row-*-mine'], privileges: ['create_index', 'create', 'index'] }] },
  stranger: { cluster: ['monitor'], indices: [{ names: ['elsewhere'], privileges: ['read'] }] },
}

/** Small, so that little is too much for it. */
const SETTINGS = {
  'thread_pool.write.size': '1',
  'thread_pool.write.queue_size': '2',
  'http.max_content_length': '8mb',
  'indexing_pressure.memory.limit': '4mb',
}

/** Servers of their own: what some rows need holds for the whole cluster. */
const servers = new Map<8 | 9, Promise<ElasticsearchServer | Unavailable>>()

function serverOf(major: 8 | 9): Promise<ElasticsearchServer | Unavailable> {
  const users = [ADMIN, WRITER, STRANGER].map(({ user, password }) => {
    return { username: user, password, roles: [user === 'admin' ? 'superuser' : user] }
  })
  const started =
    servers.get(major) ??
    startElasticsearch(
      major === 8
        ? { major, settings: SETTINGS, security: { users, roles: ROLES } }
        : { major, settings: { ...SETTINGS, 'indexing_pressure.memory.max_operation_size': '2mb' } },
    )
  servers.set(major, started)
  return started
}

afterAll(async () => {
  for (const started of servers.values()) {
    const server = await started
    if (!('unavailable' in server)) await server[Symbol.asyncDispose]()
  }
})

interface At {
  readonly index: string
  readonly url: string
  readonly call: (method: string, path: string, body?: unknown) => Promise<unknown>
}

/** How a server is brought to answer so. */
interface Bring {
  readonly settings?: object
  readonly mappings?: object
  readonly before?: (at: At) => Promise<unknown>
  /** Takes the cause away, so that what is tried again is stored. */
  readonly after?: (at: At) => Promise<unknown>
  /** Without `after`: an option of the output is the cause. */
  readonly options?: (at: At) => object
  /** The one that the row is about first, then those that are stored all the same. */
  readonly events?: readonly Event[]
  /** Whichever event it is that gets the answer. */
  readonly anywhere?: true
}

const event = (fields: object, id = 'a'): Event => eventFrom({ ...fields }, id)
const F = [event({ f: 'x' })]
/** So many megabytes of documents, none of which is too large by itself. */
const megabytes = (count: number): Event[] =>
  Array.from({ length: Math.ceil(count / 0.3) }, (_, n) => event({ text: 'x'.repeat(300_000) }, `id ${n}`))

function withoutTime(): Event {
  const timeless = event({ f: 'x' })
  timeless.remove(parseFieldRef('@timestamp'))
  return timeless
}

const block = (name: string): Bring => ({
  settings: { [`index.blocks.${name}`]: true },
  after: ({ call, index }) => call('PUT', `/${index}/_settings`, { [`index.blocks.${name}`]: null }),
})

const cluster = (name: string, value: (at: At) => unknown): Pick<Bring, 'before' | 'after'> => ({
  before: (at) => at.call('PUT', '/_cluster/settings', { persistent: { [name]: value(at) } }),
  after: ({ call }) => call('PUT', '/_cluster/settings', { persistent: { [name]: null } }),
})

const stream = (template: object = {}): Bring => ({
  before: ({ call, index }) =>
    call('PUT', `/_index_template/${index}`, { index_patterns: [index], priority: 500, data_stream: {}, template }),
})

/** By a part of the row: its error type, status and reason. */
const ITEMS: { readonly [part: string]: Bring } = {
  '* 200': {
    before: ({ call, index }) => call('PUT', `/${index}/_doc/a`, { n: 0 }),
    options: () => ({ action: 'index' }),
  },
  '* 201': {},
  version_conflict_engine_exception: { before: ({ call, index }) => call('PUT', `/${index}/_doc/a`, { n: 0 }) },
  index_closed_exception: {
    settings: {},
    before: ({ call, index }) => call('POST', `/${index}/_close`),
    after: ({ call, index }) => call('POST', `/${index}/_open?wait_for_active_shards=1`),
  },
  'FORBIDDEN/8': block('write'),
  'FORBIDDEN/5': block('read_only'),
  'TOO_MANY_REQUESTS/12': block('read_only_allow_delete'),
  validation_exception: cluster('cluster.max_shards_per_node', () => 1),
  'of type [double]': { mappings: { f: { type: 'double' } } },
  'for [f] tried to parse field [f]': { mappings: { f: { properties: { x: { type: 'long' } } } } },
  'parse field [null]': { mappings: { f: { properties: { x: { type: 'long' } } } }, events: [event({ f: ['x', 'y'] })] },
  'of type [keyword]': { mappings: { f: { type: 'keyword' } }, events: [event({ f: 'x'.repeat(40_000) })] },
  'field alias [f]': { mappings: { f: { type: 'alias', path: 'g' }, g: { type: 'keyword' } } },
  'field [@timestamp] of type': { mappings: { '@timestamp': { type: 'date', format: 'yyyy' } } },
  'data stream timestamp field': { ...stream(), events: [withoutTime()] },
  'nested documents': {
    settings: { 'index.mapping.nested_objects.limit': 2 },
    mappings: { f: { type: 'nested' } },
    events: [event({ f: [{ n: 1 }, { n: 2 }, { n: 3 }] })],
  },
  'Limit of total fields': { settings: { 'index.mapping.total_fields.limit': 3 }, events: [event({ a: 1, b: 2, c: 3, d: 4 })] },
  strict_dynamic_mapping_exception: {
    mappings: {
      ...Object.fromEntries(['@version', 'tags', 'n'].map((name) => [name, { type: 'keyword' }])),
      '@timestamp': { type: 'date' },
      _ignored_fields: { type: 'flattened' },
    },
    before: ({ call, index }) => call('PUT', `/${index}/_mapping`, { dynamic: 'strict' }),
  },
  'pipeline with id': { options: () => ({ pipeline: 'missing' }) },
  'op_type of create': { ...stream(), options: () => ({ action: 'index' }) },
  'no write index': {
    before: async ({ call, index }) => {
      for (const name of ['one', 'two']) await call('PUT', `/${index}-${name}`, { aliases: { [index]: {} } })
    },
  },
  timestamp_error: stream({
    settings: {
      'index.mode': 'time_series',
      'index.routing_path': ['f'],
      'index.time_series.start_time': '2020-01-01T00:00:00Z',
      'index.time_series.end_time': '2020-01-02T00:00:00Z',
    },
    mappings: { properties: { '@timestamp': { type: 'date' }, f: { type: 'keyword', time_series_dimension: true } } },
  }),
  index_not_found_exception: cluster('action.auto_create_index', ({ index }) => `-${index},+*`),
  routing_missing_exception: {
    before: ({ call, index }) => call('PUT', `/${index}`, { mappings: { _routing: { required: true } } }),
  },
  TimedRunnable: {
    settings: { number_of_shards: 60 },
    events: Array.from({ length: 200 }, (_, n) => event({ f: 'x' }, `id ${n}`)),
    anywhere: true,
    after: () => Promise.resolve(),
  },
  'operation of size': {
    settings: {},
    events: [event({ f: 'x'.repeat(2_200_000) }), event({ f: 'y' }, 'b')],
  },
  max_primary_bytes: { settings: {}, events: [event({ f: 'x'.repeat(1_200_000) })] },
  'security_exception 403': {
    events: [eventFrom({ to: 'others' }, 'a'), eventFrom({ to: 'mine' }, 'b')],
    options: ({ index }) => ({ ...WRITER, index: `${index}-%{to}` }),
  },
  unavailable_shards_exception: {
    settings: { number_of_replicas: 0, 'index.routing.allocation.require._name': 'nobody' },
    options: () => ({ parameters: { timeout: '100ms' } }),
    after: ({ call, index }) => call('PUT', `/${index}/_settings`, { 'index.routing.allocation.require._name': null }),
  },
  // The mapping comes all the same.
  mapper_exception: {
    before: ({ call, index }) => call('PUT', `/${index}/_doc/z`, { n: 0 }),
    options: () => ({ parameters: { timeout: '0s' } }),
    after: () => Promise.resolve(),
  },
  '* 404': { settings: {}, options: () => ({ action: 'update', document_id: 'nobody' }) },
}

const REQUESTS: { readonly [answer: string]: Bring } = {
  // Beside this its password is changed on the way.
  '401': {},
  '403': { options: () => STRANGER },
  '403 `cluster_block_exception`': cluster('cluster.blocks.read_only', () => true),
  '405': { options: () => ({ bulk_path: '/_nothing' }) },
  '413': { events: megabytes(9) },
  '413 to one document': { events: [event({ f: 'x'.repeat(9_000_000) }), event({ f: 'y' }, 'b')] },
  '429 for a body that alone is over `max_coordinating_bytes`': { events: megabytes(6) },
  '429': { ...cluster('network.breaker.inflight_requests.limit', () => '1mb'), events: megabytes(2) },
  '400 with an error that one document causes': {
    options: () => ({ version: '%{n}', version_type: 'external', action: 'index', document_id: 'id %{n}' }),
    events: [event({ n: -1 }), event({ n: 1 }, 'b')],
  },
  '400 for an unknown parameter': { options: () => ({ parameters: { nonsense: 'x' } }) },
  '400 without an error type': { options: () => ({ bulk_path: '/no/such/path/_bulk' }) },
}

/** That the server says what the page says: with anything in brackets, in quotes and behind `=`. */
function expectReason(told: string | undefined, type: string, reason: string): void {
  if (type !== '*') expect(told).toContain(`${type}: `)
  // Ours may end within the value that comes then.
  expect(told).toMatch(patternOf(reason.split(' Preview')[0] ?? ''))
}

function patternOf(text: string): RegExp {
  const literal = text.replaceAll(/[.*+?^${}()|\\/]/g, '\\$&')
  return new RegExp(
    literal
      .replaceAll(/\[[^\]]*\]/g, '\\[[^\\]]*\\]')
      .replaceAll(/ '[^']*'/g, " '[^']*'")
      .replaceAll(/=\d+/g, '=\\d+'),
  )
}

let rows_tried = 0

async function arrange(major: 8 | 9, context: TestContext, bring: Bring, options: object = {}): Promise<Arranged> {
  const { url } = orSkip(context, await serverOf(major))
  const index = `row-${++rows_tried}`
  const authorization = `Basic ${btoa(`${ADMIN.user}:${ADMIN.password}`)}`
  const call: At['call'] = async (method, path, body) => {
    const headers = { 'content-type': 'application/json', authorization }
    const answer = await fetch(`${url}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${text}`)
    return JSON.parse(text)
  }
  const at = { index, url, call }
  const { settings, mappings, before, after } = bring
  if (settings !== undefined || mappings !== undefined) {
    await call('PUT', `/${index}?wait_for_active_shards=0`, {
      settings: { number_of_replicas: 0, ...settings },
      mappings: { properties: mappings },
    })
  }
  await before?.(at)
  onTestFinished(async () => void (await after?.(at)))
  const sink_context = testContext()
  const own = { hosts: [url], index, ...(major === 8 ? ADMIN : {}), ...bring.options?.(at), ...options }
  const sink = createElasticsearchSink(own, sink_context)
  onTestFinished(() => sink.close())
  await sink.open(NEVER)
  return { at, sink, lines: sink_context.lines }
}

interface Arranged {
  readonly at: At
  readonly sink: Sink
  readonly lines: readonly string[]
}

/** What becomes of events once it has become of all. */
async function lastOf({ sink, lines }: Arranged, events: readonly Event[]): Promise<string[]> {
  const words = new Map<Event, string>()
  const pending = (): Event[] => events.filter((one) => !/^(?:stored|already there|dead letter)$/.test(words.get(one) ?? ''))
  await waitFor('something became of every event', async () => {
    const judged = await judgedBy(sink, lines, pending())
    for (const [position, one] of pending().entries()) words.set(one, judged.words[position] ?? '')
    return pending().length === 0
  })
  return events.map((one) => words.get(one) ?? '')
}

describe.each([8, 9] as const)('Elasticsearch %i', (major) => {
  const marked = (cell = ''): boolean => cell.includes(VERSIONS[major])
  const timeout = { timeout: FIRST_START_TIMEOUT_MS }

  const items = rowsBelow('One document in an answer to many')
    .filter(([, , , , real]) => marked(real))
    .map(([type = '', status = '', reason = '', outcome = '']) => [type.replaceAll('`', ''), status, reason, outcome] as const)

  test.for(items)('%s %s %s: %s', timeout, async ([type, status, reason, outcome], context) => {
    const row = `${type} ${status} ${reason}`
    const [part, ...others] = Object.keys(ITEMS).filter((key) => row.includes(key))
    expect([part, ...others]).toHaveLength(1)
    const bring = ITEMS[part ?? ''] ?? {}
    const events = bring.events ?? F
    if (outcome === 'set aside') {
      const plain = await arrange(major, context, bring, { on_mapping_conflict: 'dead_letter' })
      const { words, reasons } = await judgedBy(plain.sink, plain.lines, events)
      expect(words).toEqual(['dead letter'])
      expectReason(reasons[0], type, reason)
    }
    const arranged = await arrange(major, context, bring)
    const { words, reasons } = await judgedBy(arranged.sink, arranged.lines, events)
    const position = bring.anywhere ? words.findIndex((word) => word !== 'stored') : 0
    expect(words[position]).toBe(outcome === 'set aside' ? 'stored' : outcome)
    if (outcome === 'dead letter' || outcome === 'parked' || outcome.startsWith('again')) {
      expectReason(reasons[position], type, reason)
    }
    if (bring.after !== undefined) {
      await bring.after(arranged.at)
      const refused = events.filter((_event, at) => words[at] !== 'stored')
      expect(new Set(await lastOf(arranged, refused))).toEqual(new Set(['stored']))
    } else if (events.length > 1) {
      expect((await lastOf(arranged, events.slice(1))).every((word) => word === 'stored' || word === 'already there')).toBe(true)
    }
  })

  const answers = rowsBelow('A request as a whole')
    .filter(([, , real]) => marked(real))
    .map(([answer = '', outcome = '']) => [answer, outcome] as const)

  test.for(answers)('%s: %s', timeout, async ([answer, outcome], context) => {
    const bring = REQUESTS[answer] ?? expect.unreachable(`expected the test to know how the answer "${answer}" comes about`)
    const events = bring.events ?? F
    const arranged = await arrange(major, context, bring, answer === '401' ? await lockedOut(major, context) : {})
    if (outcome === 'stored' || outcome === 'dead letter') {
      const [first, ...others] = await lastOf(arranged, events)
      expect(first).toBe(outcome)
      expect(new Set(others)).toEqual(new Set(['stored']))
      return
    }
    const { words } = await judgedBy(arranged.sink, arranged.lines, events)
    expect(new Set(words)).toEqual(new Set([outcome]))
    if (bring.after === undefined) return
    await bring.after(arranged.at)
    expect(new Set(await lastOf(arranged, events))).toEqual(new Set(['stored']))
  })
})

/** The server behind a password that is right up to the first bulk request. */
async function lockedOut(major: 8 | 9, context: TestContext): Promise<object> {
  const { url } = orSkip(context, await serverOf(major))
  const relay = createServer((incoming, response) => {
    const is_bulk = incoming.url?.startsWith('/_bulk') === true
    const headers = { ...incoming.headers, ...(is_bulk ? { authorization: `Basic ${btoa(`${ADMIN.user}:changed`)}` } : {}) }
    const onward = request(`${url}${incoming.url}`, { method: incoming.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void relay.close())
  return { hosts: [`http://127.0.0.1:${(relay.address() as AddressInfo).port}`] }
}
