import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { createElasticsearchSink, eventFrom, NEVER } from '../../../test/helpers/elasticsearch-sink.ts'
import { startStubElasticsearch } from '../../../test/helpers/stub-elasticsearch.ts'
import { Event } from '../../core/event.ts'
import { TextWriter } from '../../core/json/text-writer.ts'
import { compileTemplate } from '../../core/template.ts'
import { Timestamp } from '../../core/values.ts'
import { type ActionOptions, compileAction, indexNameFault, isAction, writeLine } from './action.ts'

/** Any UTF-16 units, lone surrogates among them. */
const ANY_TEXT = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 600 }).map((units) => String.fromCharCode(...units))

function actionOf(options: { [K in keyof ActionOptions]?: string }): ReturnType<typeof compileAction> {
  const template = (text: string | undefined) => (text === undefined ? undefined : compileTemplate(text))
  return compileAction({
    index: compileTemplate(options.index ?? 'logs'),
    document_id: compileTemplate(options.document_id ?? 'auto'),
    action: template(options.action),
    routing: template(options.routing),
    pipeline: template(options.pipeline),
  })
}

test('the index takes its day from the event', () => {
  expect(actionOf({ index: 'exchange-logs-%{+YYYY.MM.dd}' })(eventFrom({}, 'a'))).toMatchObject({
    index: 'exchange-logs-2026.01.02',
    line: '{"create":{"_index":"exchange-logs-2026.01.02","_id":"a"}}\n',
  })
})

test.each([
  ['an event of an input without stable ids', () => eventFrom({})],
  ['a copy of one', () => eventFrom({}).clone()],
])('%s is created under an id of its own, the same at every attempt', (_what, make) => {
  const decide = actionOf({})
  const [event, other] = [make(), make()]
  const [first, again, others] = [decide(event), decide(event), decide(other)]
  expect(first).toMatchObject({
    line: expect.stringMatching(/^\{"create":\{"_index":"logs","_id":"[0-9a-f]{16}-\d+(-1)?"\}\}\n$/),
  })
  expect(again).toEqual(first)
  expect(others).not.toEqual(first)
})

test('an id that an event has for itself is nothing to update or delete by', () => {
  const decide = actionOf({ action: '%{a}' })
  for (const a of ['update', 'delete']) {
    expect(decide(eventFrom({ a }))).toEqual({ kind: 'reject', reason: `the action ${a} needs a document id` })
  }
})

test('with none the server makes all ids, also of events that have a stable one', () => {
  const decide = (document_id: string): unknown => actionOf({ document_id })(eventFrom({}, 'stable'))
  expect(decide('auto')).toMatchObject({ line: '{"create":{"_index":"logs","_id":"stable"}}\n' })
  expect(decide('none')).toMatchObject({ line: '{"index":{"_index":"logs"}}\n' })
})

test("an id of the user's own means index, as in Logstash, unless the action says otherwise", () => {
  expect(actionOf({ document_id: '%{id}' })(eventFrom({ id: 7 }))).toMatchObject({
    line: '{"index":{"_index":"logs","_id":"7"}}\n',
  })
  expect(actionOf({ document_id: '%{id}', action: 'create' })(eventFrom({ id: 7 }))).toMatchObject({
    line: '{"create":{"_index":"logs","_id":"7"}}\n',
  })
})

test('routing and pipeline stand in the action line; where they are unresolved the event is rejected', () => {
  const decide = actionOf({ routing: '%{user}', pipeline: 'p' })
  expect(decide(eventFrom({ user: 'u"1' }, 'a'))).toMatchObject({
    line: '{"create":{"_index":"logs","_id":"a","routing":"u\\"1","pipeline":"p"}}\n',
  })
  expect(decide(eventFrom({}, 'a'))).toEqual({ kind: 'reject', reason: 'unresolved routing: %{user}' })
})

test('index names that Elasticsearch refuses are known beforehand, with the reason', () => {
  expect(indexNameFault('logs-2026.01.02')).toBeUndefined()
  expect(indexNameFault('.hidden')).toBeUndefined()
  expect(indexNameFault('журнал')).toBeUndefined()
  const reasons = Object.fromEntries(
    [
      '',
      '.',
      '..',
      '-a',
      '_a',
      '+a',
      'Logs',
      'a b',
      'a,b',
      'a#b',
      'a/b',
      'a\\b',
      'a*',
      'a?',
      'a"',
      'a<',
      'a>',
      'a|',
      'a:b',
      'a\t',
      'x'.repeat(256),
    ].map((name) => [name.slice(0, 5), indexNameFault(name)?.replace(/^.*": /s, '')]),
  )
  expect(reasons).toMatchInlineSnapshot(`
    {
      "": "it is empty",
      "+a": "it may not start with - _ or +",
      "-a": "it may not start with - _ or +",
      ".": "it may not be . or ..",
      "..": "it may not be . or ..",
      "Logs": "it must be lower case",
      "_a": "it may not start with - _ or +",
      "a	": "it may not hold "\\t"",
      "a b": "it may not hold " "",
      "a"": "it may not hold "\\""",
      "a#b": "it may not hold "#"",
      "a*": "it may not hold "*"",
      "a,b": "it may not hold ","",
      "a/b": "it may not hold "/"",
      "a:b": "it may not hold ":"",
      "a<": "it may not hold "<"",
      "a>": "it may not hold ">"",
      "a?": "it may not hold "?"",
      "a\\b": "it may not hold "\\\\"",
      "a|": "it may not hold "|"",
      "xxxxx": "it is longer than 255 bytes",
    }
  `)
})

test('whatever is in the data, the action line is one line of JSON that says what was asked for', () => {
  const decide = actionOf({ index: '%{index}', document_id: '%{id}', routing: '%{routing}' })
  const text = fc.oneof(ANY_TEXT, fc.constantFrom('logs', 'a"b', '\n', '\ud800', '%{'))
  fc.assert(
    fc.property(text, text, text, (index, id, routing) => {
      // Not by way of JSON text, in which halves of characters do not survive.
      const decided = decide(Event.from({ index, id, routing }, new Timestamp(0)))
      if (!isAction(decided)) {
        expect(decided.kind).toBe('reject')
        return
      }
      expect(decided.line.indexOf('\n')).toBe(decided.line.length - 1)
      expect(decided.index).toBe(index)
      expect(Buffer.byteLength(id)).toBeLessThanOrEqual(512)
      expect(JSON.parse(decided.line)).toEqual({
        index: { _index: index, _id: id, ...(routing === '' ? {} : { routing: routing.toWellFormed() }) },
      })
    }),
  )
})

test('what is written is the action line, whatever letters the id has', () => {
  const decide = actionOf({ document_id: '%{id}' })
  const plain = fc.stringMatching(/^[!#$&-[\]-~]{1,512}$/)
  fc.assert(
    fc.property(fc.oneof(plain, ANY_TEXT, fc.constantFrom('', '%{x}', '100%', 'a b', '\\', '"', '\u007f', 'é')), (id) => {
      const decided = decide(Event.from({ id }, new Timestamp(0)))
      if (!isAction(decided)) return
      const writer = new TextWriter(Buffer.alloc(1))
      writeLine(writer, decided)
      expect(writer.written.toString()).toBe(decided.line)
      expect(JSON.parse(decided.line)).toEqual({ index: { _index: 'logs', _id: id } })
    }),
  )
})

type Options = { readonly [name: string]: unknown }

/** What an output with these options sends for an event: operation, the rest of the action line, the document. */
async function sent(options: Options, event: Event, overrides: Parameters<typeof testContext>[0] = {}): Promise<unknown[]> {
  const stub = await startStubElasticsearch()
  const sink = createElasticsearchSink({ hosts: [stub.url], manage_template: false, ...options }, testContext(overrides))
  try {
    await sink.open(NEVER)
    const { outcomes } = await sink.write([event], NEVER)
    const [item] = stub.bulks[0]?.items ?? []
    if (item === undefined) return [...outcomes]
    const { operation, action, source } = item
    return [operation, action, source === '' ? '' : (JSON.parse(source) as unknown)]
  } finally {
    await sink.close()
    await stub.close()
  }
}

const UPDATE = { index: 'logs', action: 'update', document_id: '%{id}', retry_on_conflict: 0 }
const DOC = { id: 'a', n: 1, '@version': '1', '@timestamp': '2026-01-02T03:04:05.000Z' }
const AT = { _index: 'logs', _id: 'a' }

test.each<[string, Options, unknown[]]>([
  ['an update', UPDATE, ['update', AT, { doc: DOC }]],
  ['with retry_on_conflict', { ...UPDATE, retry_on_conflict: 3 }, ['update', { ...AT, retry_on_conflict: 3 }, { doc: DOC }]],
  ['as upsert', { ...UPDATE, doc_as_upsert: true }, ['update', AT, { doc: DOC, doc_as_upsert: true }]],
  ['with upsert', { ...UPDATE, upsert: '{"first":\n"%{n}"}' }, ['update', AT, { doc: DOC, upsert: { first: '1' } }]],
  [
    'with a script',
    { ...UPDATE, script: 'ctx._source.n += params.event.n' },
    ['update', AT, { script: { source: 'ctx._source.n += params.event.n', lang: 'painless', params: { event: DOC } } }],
  ],
  [
    'with a stored script that makes the document',
    { ...UPDATE, script: 'count', script_type: 'indexed', script_var_name: 'e', scripted_upsert: true },
    ['update', AT, { script: { id: 'count', params: { e: DOC } }, scripted_upsert: true, upsert: {} }],
  ],
  [
    'with a script and the event as upsert',
    { ...UPDATE, script: 'x', script_lang: '', doc_as_upsert: true },
    ['update', AT, { script: { source: 'x', params: { event: DOC } }, upsert: DOC }],
  ],
  ['a deletion', { ...UPDATE, action: 'delete' }, ['delete', AT, '']],
  [
    'a version',
    { index: 'logs', document_id: '%{id}', version: '%{n}', version_type: 'external' },
    ['index', { ...AT, version: 1, version_type: 'external' }, DOC],
  ],
  [
    'a joined document',
    { index: 'logs', document_id: '%{id}', join_field: 'n', parent: 'p%{n}' },
    ['index', { ...AT, routing: 'p1' }, { ...DOC, n: { name: 1, parent: 'p1' } }],
  ],
  ['an upsert that is no JSON', { ...UPDATE, upsert: '{' }, [expect.objectContaining({ kind: 'reject' })]],
  [
    'a version that is no number',
    { index: 'logs', version: '%{id}' },
    [{ kind: 'reject', reason: 'expected a whole number as version, got a' }],
  ],
  [
    'a version with an action of the event that takes none',
    { index: 'logs', action: '%{[@metadata][action]}', document_id: '%{id}', version: '%{n}' },
    [{ kind: 'reject', reason: 'the action update takes no version' }],
  ],
  [
    'an action that an event names and nobody knows',
    { index: 'logs', action: '%{id}' },
    [{ kind: 'reject', reason: 'unsupported action "a": expected create, index, update, delete' }],
  ],
  [
    'an update that an event asks for without an id',
    { index: 'logs', action: '%{[@metadata][action]}' },
    [{ kind: 'reject', reason: 'the action update needs a document id' }],
  ],
])('%s', async (_name, options, expected) => {
  const event = eventFrom({ id: 'a', n: 1, '@metadata': { action: 'update' } })
  expect(await sent(options, event)).toEqual(expected)
  // Other outputs have the same event.
  expect(JSON.parse(event.toJsonText())).toEqual(DOC)
})

test('what an ingest pipeline wants of the document counts where no option is set', async () => {
  const ingest = { id: 'i', routing: 'r', pipeline: 'p', version: 7, version_type: 'external' }
  const event = (): Event => eventFrom({ '@metadata': { _ingest_document: ingest } }, 'line')
  expect((await sent({ index: 'logs', action: 'index' }, event()))[1]).toEqual({
    _index: 'logs',
    _id: 'i',
    routing: 'r',
    pipeline: 'p',
    version: 7,
    version_type: 'external',
  })
  expect((await sent({ index: 'logs', action: 'index', document_id: 'own', pipeline: 'q' }, event()))[1]).toMatchObject({
    _id: 'own',
    pipeline: 'q',
  })
})

test.each<[Options, string]>([
  [{ action: 'upsert' }, 'action: expected one of create, index, update, delete, got "upsert"'],
  [{ action: 'update' }, 'action update needs document_id'],
  [{ action: 'delete', document_id: 'auto' }, 'action delete needs document_id'],
  [{ parent: 'x' }, 'parent needs join_field'],
  [{ version_type: 'external' }, 'version_type needs version'],
  [{ action: 'create', version: '1' }, 'action create takes no version'],
  [{ ...UPDATE, version: '1' }, 'action update takes no version'],
  [{ ...UPDATE, doc_as_upsert: true, upsert: '{}' }, 'expected one of doc_as_upsert and upsert'],
  [{ sniffing: true }, 'sniffing: true cannot be honoured: nodes are not looked for'],
  [{ ilm_rollover_alias: '%{x}' }, 'ilm_rollover_alias: expected one alias'],
  [{ template_api: 'legacy' }, 'template_api: "legacy" cannot be honoured'],
  [{ proxy: 'socks5://p' }, 'expected an address such as http://proxy:3128 in proxy'],
])('%o is refused', (options, message) => {
  expect(() => createElasticsearchSink(options)).toThrow(message)
})
