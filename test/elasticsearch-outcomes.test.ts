import { afterEach, describe, expect, test } from 'vitest'
import type { Sink } from '../src/core/contracts.ts'
import type { Event } from '../src/core/event.ts'
import { KNOWN_ERROR_TYPES } from '../src/sinks/elasticsearch/outcome.ts'
import { testContext } from './helpers/context.ts'
import { createElasticsearchSink, eventFrom, NEVER } from './helpers/elasticsearch-sink.ts'
import { judgedBy, rowsBelow } from './helpers/outcome-page.ts'
import { type StubBehaviour, type StubBulk, type StubSettings, startStubElasticsearch } from './helpers/stub-elasticsearch.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Setup {
  readonly sink: Sink
  readonly documents: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly lines: readonly string[]
  close(): Promise<void>
}

async function setup(settings: StubSettings, options: object = {}): Promise<Setup> {
  const stub = await startStubElasticsearch(settings)
  closing.push(() => stub.close())
  const context = testContext()
  const sink = createElasticsearchSink({ hosts: [stub.url], index: 'logs', ...options }, context)
  await sink.open(NEVER)
  closing.push(() => sink.close())
  return { sink, documents: stub.documents, lines: context.lines, close: () => stub.close() }
}

const batch = (): Event[] => [eventFrom({ f: 'x', n: 1 }, 'a'), eventFrom({ f: 'x', n: 2 }, 'b')]
/** Of an input that knows no stable ids. */
const batchWithoutIds = (): Event[] => [eventFrom({ f: 'x', n: 1 }), eventFrom({ f: 'x', n: 2 })]

const first =
  (behaviour: StubBehaviour) =>
  ({ number }: StubBulk): StubBehaviour | undefined =>
    number === 1 ? behaviour : undefined

/** In the words of the page. */
async function outcomesOf({ sink, lines }: Setup, events: readonly Event[]): Promise<string[]> {
  return (await judgedBy(sink, lines, events)).words
}

describe('one document in an answer to many', () => {
  const rows = rowsBelow('One document in an answer to many')

  test('every error type that the code knows has a row, and no other', () => {
    const types = new Set(rows.map(([type = '']) => type.replaceAll('`', '')))
    expect([...KNOWN_ERROR_TYPES].filter((type) => !types.has(type))).toEqual([])
  })

  test.each(rows)('%s %s %s: %s', async (type_cell = '', status_cell = '', reason = '', outcome = '') => {
    const type = type_cell.replaceAll('`', '')
    const status = Number(status_cell)
    const error = { status, type: type === '*' ? undefined : type, reason }
    const stored_by_us = outcome === 'stored'
    const made = await setup({
      onBulk: first(stored_by_us ? {} : { item: ({ id }) => (id === 'a' ? error : undefined) }),
    })
    const [event, other] = batch() as [Event, Event]
    const [ours, theirs] = await outcomesOf(made, [event, other])
    expect(theirs).toBe('stored')
    if (outcome === 'set aside') {
      expect(ours).toBe('stored')
      const document = JSON.parse(made.documents.get('logs')?.get('a') ?? '') as { [name: string]: unknown }
      expect(document).toMatchObject({ n: 1, _ignored_fields: ['f=x'] })
      expect(document).not.toHaveProperty('f')
      return
    }
    expect(ours).toBe(outcome)
    if (outcome === 'stored' || outcome === 'already there' || outcome === 'dead letter') return
    // What is tried again is stored, once the server lets it.
    expect(await outcomesOf(made, [event])).toEqual(['stored'])
  })
})

const item = (status?: number): object => ({ create: status === undefined ? {} : { status } })

/** How each answer of the page comes about. */
const ANSWERS: { readonly [answer: string]: StubSettings & { readonly options?: object } } = {
  '403 `cluster_block_exception`': {
    onBulk: first({ status: 403, reply: '{"error":{"type":"cluster_block_exception","reason":"blocked by: [FORBIDDEN/6]"}}' }),
  },
  '413': { onBulk: ({ items }) => (items.length > 1 ? { status: 413 } : undefined) },
  '413 to one document': { onBulk: ({ items }) => (items.some(({ id }) => id === 'a') ? { status: 413 } : undefined) },
  '429 for a body that alone is over `max_coordinating_bytes`': {
    onBulk: ({ items }) =>
      items.length > 1
        ? {
            status: 429,
            reply:
              '{"error":{"type":"es_rejected_execution_exception","reason":"rejected execution of coordinating operation [all_bytes=0, coordinating_operation_bytes=200, max_coordinating_bytes=199]"},"status":429}',
          }
        : undefined,
  },
  '429 with `Retry-After: 7`': { onBulk: first({ status: 429, headers: { 'retry-after': '7' } }) },
  '503 with `Retry-After: 7`': { onBulk: first({ status: 503, headers: { 'retry-after': '7' } }) },
  '400 with an error that one document causes': {
    onBulk: ({ items }) =>
      items.some(({ id }) => id === 'a')
        ? { status: 400, reply: '{"error":{"type":"illegal_argument_exception","reason":"Malformed action/metadata line"}}' }
        : undefined,
  },
  '400 for an unknown parameter': {
    onBulk: first({
      status: 400,
      reply:
        '{"error":{"type":"illegal_argument_exception","reason":"request [/_bulk] contains unrecognized parameter: [x]"},"status":400}',
    }),
  },
  '400 without an error type': { onBulk: first({ status: 400, reply: '<html>Bad Request</html>' }) },
  'cut before the answer': { onBulk: first({ cut: 'before' }) },
  'cut after the documents were stored': { onBulk: first({ cut: 'after' }) },
  'reset in the middle of the answer': { onBulk: first({ cut: 'in_answer' }) },
  'cut short, but complete for HTTP': { onBulk: first({ reply: '{"errors":true,"items":[{"create":{"status":201}},{"cre' }) },
  'no JSON': { onBulk: first({ reply: '<html>ok</html>' }) },
  empty: { onBulk: first({ reply: '' }) },
  'fewer items than documents': { onBulk: first({ reply: JSON.stringify({ errors: true, items: [item(201)] }) }) },
  'more items than documents': {
    onBulk: first({ reply: JSON.stringify({ errors: true, items: [item(201), item(201), item(201)] }) }),
  },
  'no errors, but no items': { onBulk: first({ reply: '{"errors":false,"items":[]}' }) },
  'no errors, but fewer items than documents': {
    onBulk: first({ reply: JSON.stringify({ errors: false, items: [item(201)] }) }),
  },
  'no errors, but cut short': { onBulk: first({ reply: '{"errors":false,"items":[{"create":{"status":201}}' }) },
  'an item without a status': { onBulk: first({ reply: JSON.stringify({ errors: true, items: [item(201), item()] }) }) },
  'larger than 100 MB': { onBulk: first({ reply: `{"errors":true,"pad":"${'x'.repeat(100 * 1024 * 1024)}","items":[]}` }) },
  'none within `timeout`': { onBulk: first({ until: new Promise(() => {}) }), options: { timeout: 0.2 } },
}

function behaviourOf(answer: string): (typeof ANSWERS)[string] | undefined {
  return ANSWERS[answer] ?? (/^\d{3}$/.test(answer) ? { onBulk: first({ status: Number(answer) }) } : undefined)
}

describe('a request as a whole', () => {
  const rows = rowsBelow('A request as a whole')
  const again = rows.filter(([answer = '', outcome = '']) => outcome.startsWith('again') && behaviourOf(answer) !== undefined)

  test.each(again)('%s, to events without stable ids: %s', async (answer = '', outcome = '') => {
    const behaviour = behaviourOf(answer)
    const made = await setup(behaviour ?? {}, behaviour?.options)
    const events = batchWithoutIds()
    expect(await outcomesOf(made, events)).toEqual([outcome, outcome])
    expect(await outcomesOf(made, events)).toEqual(['stored', 'stored'])
    const stored = [...(made.documents.get('logs')?.values() ?? [])].map((text) => JSON.parse(text) as unknown)
    expect(stored).toEqual([expect.objectContaining({ n: 1 }), expect.objectContaining({ n: 2 })])
  })

  test.each(rows)('%s: %s', async (answer = '', outcome = '') => {
    if (answer === 'no connection') {
      const made = await setup({})
      await made.close()
      expect(await outcomesOf(made, batch())).toEqual([outcome, outcome])
      return
    }
    if (answer.startsWith('without the header')) {
      const made = await startStubElasticsearch({ without_product_header: true })
      closing.push(() => made.close())
      const context = testContext()
      const sink = createElasticsearchSink({ hosts: [made.url], index: 'logs' }, context)
      closing.push(() => sink.close())
      const stop = new AbortController()
      const opening = sink.open(stop.signal)
      await expect.poll(() => context.lines.join('\n')).toContain('X-Elastic-Product')
      stop.abort()
      await expect(opening).rejects.toThrow()
      return
    }
    const behaviour = behaviourOf(answer)
    if (behaviour === undefined) throw new Error(`expected the test to know how the answer "${answer}" comes about`)
    const made = await setup(behaviour, behaviour.options)
    const events = batch()
    const outcomes = await outcomesOf(made, events)
    if (outcome === 'dead letter') expect(outcomes).toEqual(['dead letter', 'stored'])
    else expect(outcomes).toEqual([outcome, outcome])
    if (!outcome.startsWith('again')) return
    // Then all is well, and what an earlier attempt may have stored is ours.
    expect(await outcomesOf(made, events)).toEqual(['stored', 'stored'])
    expect([...(made.documents.get('logs')?.keys() ?? [])]).toEqual(['a', 'b'])
  })
})
