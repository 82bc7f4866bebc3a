import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { eventFrom } from '../../../test/helpers/elasticsearch-sink.ts'
import { compileTemplate } from '../../core/template.ts'
import { type ActionOptions, compileAction, indexNameFault, isAction } from './action.ts'

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
  expect(actionOf({ index: 'exchange-logs-%{+YYYY.MM.dd}' })(eventFrom({}, 'a'))).toEqual({
    index: 'exchange-logs-2026.01.02',
    line: '{"create":{"_index":"exchange-logs-2026.01.02","_id":"a"}}\n',
  })
})

test('an event of an input without stable ids is created with an id of the server', () => {
  expect(actionOf({})(eventFrom({}))).toMatchObject({ line: '{"create":{"_index":"logs"}}\n' })
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
      const decided = decide(eventFrom({ index, id, routing }))
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
