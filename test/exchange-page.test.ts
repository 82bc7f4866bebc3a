import { beforeAll, expect, test } from 'vitest'
import { callTree } from './helpers/call-tree.ts'
import { exchangeFigures, keyOf } from './helpers/exchange-figures.ts'
import { ExchangePage } from './helpers/exchange-page.ts'

// What docs/exchange.md shows of the log that it tells to write must be what comes of it.

// Programs are started, which takes long on a busy machine.
const TIMEOUT_MS = 120_000
let page: ExchangePage

beforeAll(async () => {
  page = await ExchangePage.read()
}, TIMEOUT_MS)

test('the line is one of the log, and belongs to an order of four lines', () => {
  const { line, trace } = page.order
  expect(page.lines).toContain(line)
  expect(trace).toHaveLength(4)
})

test('the metrics are those that the log gives', () => {
  const [, shown = ''] = page.blocks('Metrics')
  const { exact } = exchangeFigures(page.lines)
  const wanted = [...exact].filter(([key]) => key.startsWith('exchange_api_requests_total{') && key.includes('status="200"'))
  const told = shown.split('\n').map((row) => {
    const [, name = '', labels = '', value = ''] = /^(\w+)\{(.*)\} (\d+)$/.exec(row) ?? []
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', text = '']) => [label, text])
    return [keyOf(name, Object.fromEntries(pairs)), Number(value)] as const
  })
  expect(new Map(told)).toEqual(new Map(wanted))
  expect(told).toHaveLength(wanted.length)
})

test(
  'the tree of calls is drawn of the spans that the program sends',
  async () => {
    expect(page.blocks('Calls')[0]).toBe(await callTree(page.order.trace))
  },
  TIMEOUT_MS,
)
