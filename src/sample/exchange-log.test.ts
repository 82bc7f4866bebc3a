import { expect, test } from 'vitest'
import { type ExchangeLogOptions, exchangeLog } from './exchange-log.ts'
import { INCIDENTS, type Incident } from './incidents.ts'

interface Line {
  readonly [name: string]: unknown
  readonly ts: string
  readonly level: string
  readonly action: string
}

const START_MS = Date.UTC(2026, 0, 2)

function texts(count: number, options: Partial<ExchangeLogOptions> = {}): string[] {
  const lines = exchangeLog({ seed: 7, start_ms: START_MS, ...options })
  return Array.from({ length: count }, () => lines.next().value.line)
}

function read(count: number, options: Partial<ExchangeLogOptions> = {}): Line[] {
  return texts(count, options).map((text) => JSON.parse(text) as Line)
}

const usual = read(50_000)
const troubled = INCIDENTS.map((incident) => [incident, read(incident === 'kafka-lag' ? 100_000 : 10_000, { incident })] as const)

function numbersOf(lines: readonly Line[], action: string, field: string): number[] {
  return lines.filter((line) => line.action === action).map((line) => Number(line[field]))
}

function share(lines: readonly Line[], holds: (line: Line) => boolean): number {
  return lines.filter(holds).length / lines.length
}

const requestsOf = (lines: readonly Line[]): Line[] => lines.filter(({ endpoint }) => endpoint !== undefined)

test('the same seed gives the same lines, another one others', () => {
  expect(texts(500)).toEqual(texts(500))
  expect(texts(500, { seed: 8 })).not.toEqual(texts(500))
})

test('lines come at the rate that is wanted, by their times', () => {
  const lines = read(10_000, { rate: 50 })
  expect(lines[0]?.ts).toBe('2026-01-02T00:00:00.000Z')
  expect((Date.parse(lines.at(-1)?.ts ?? '') - START_MS) / 1000).toBeCloseTo(200, -0.5)
  const times = lines.map(({ ts }) => ts)
  expect(times).toEqual(times.toSorted())
})

test('the first lines say how things stand, and again every 200 lines or so', () => {
  const stated = [
    'pool_stats',
    'session_stats',
    ...Array<string>(5).fill('book_stats'),
    ...Array<string>(4).fill('balance_stats'),
  ]
  expect(usual.slice(0, 11).map(({ action }) => action)).toEqual(stated)
  expect(usual.filter(({ action }) => action === 'pool_stats').length).toBeGreaterThan(50_000 / 230)
})

test('orders in the books are those that rest, less those that were cancelled or met', () => {
  const resting = numbersOf(usual, 'book_stats', 'active_orders')
  expect(Math.min(...resting)).toBeGreaterThan(20)
  expect(Math.max(...resting)).toBeLessThan(1_000)
  expect(new Set(resting).size).toBeGreaterThan(20)
})

test('an order is one story: a line of each service under one trace, in spans that hold each other', () => {
  const trades = usual.filter(({ action }) => action === 'trade_executed')
  expect(trades.length).toBeGreaterThan(1_000)
  for (const trade of trades.slice(0, 100)) {
    const story = usual.filter(({ trace_id }) => trace_id === trade['trace_id'])
    expect(story.map(({ action }) => action)).toEqual(['order_matched', 'trade_executed', 'order_placed', 'place_order'])
    const [matched, , placed, request] = story
    expect([matched?.['parent_span_id'], trade['parent_span_id']]).toEqual([placed?.['span_id'], placed?.['span_id']])
    expect(placed?.['parent_span_id']).toBe(request?.['span_id'])
    expect(Number(request?.['duration']) * 1_000).toBeGreaterThanOrEqual(Number(placed?.['latency_us']))
    expect(Number(placed?.['latency_us'])).toBeGreaterThanOrEqual(Number(matched?.['latency_us']) + Number(trade['latency_us']))
  }
})

test('order ids have twenty digits and belong to one request each', () => {
  const ids = texts(20_000).flatMap((text) => (text.includes('"endpoint"') ? (/"order_id":(\d+),/.exec(text)?.[1] ?? []) : []))
  expect(ids.length).toBeGreaterThan(2_000)
  expect(ids.filter((id) => id.length !== 20)).toEqual([])
  expect(new Set(ids).size).toBe(ids.length)
})

test('what a trade is worth is its price times its quantity, exactly', () => {
  for (const trade of usual.filter(({ action }) => action === 'trade_executed').slice(0, 500)) {
    const [price, quantity, amount] = ['price', 'quantity', 'amount'].map((name) => BigInt(String(trade[name]).replace('.', '')))
    expect((price ?? 0n) * (quantity ?? 0n)).toBe(amount)
  }
})

/** Each in the terms of the alert that it is there for, over so many lines: what is measured, and the alert's threshold. */
const MEASURES: { readonly [incident in Exclude<Incident, 'kafka-lag'>]: readonly [(lines: readonly Line[]) => number, number] } =
  {
    'error-burst': [(lines) => share(requestsOf(lines), ({ status }) => Number(status) >= 500), 0.05],
    'slow-api': [(lines) => share(requestsOf(lines), ({ duration }) => Number(duration) > 1_000), 0.01],
    'matching-slow': [(lines) => numbersOf(lines, 'order_matched', 'latency_us').toSorted((a, b) => b - a)[20] ?? 0, 10_000],
    'volume-spike': [(lines) => Math.max(...numbersOf(lines, 'trade_executed', 'amount')), 3 * 500],
    'db-pool': [
      (lines) => Math.max(...lines.flatMap(({ pool }) => (pool as { waiting: number } | undefined)?.waiting ?? [])),
      10,
    ],
  }

test.each(Object.entries(MEASURES))(
  '%s lies above the threshold of its alert, everything else below',
  (incident, [measure, threshold]) => {
    expect(measure(usual)).toBeLessThan(threshold)
    for (const [other, lines] of troubled) {
      const measured = measure(lines)
      if (other === incident) expect(measured).toBeGreaterThan(threshold)
      else expect(measured).toBeLessThan(threshold)
    }
  },
)

test('kafka-lag is a hundred times as many lines, and no more business', () => {
  const lines = read(10_000, { rate: 500, incident: 'kafka-lag', incident_after_s: 10 })
  const within = (from_s: number, to_s: number): number =>
    lines.filter(({ ts }) => Date.parse(ts) >= START_MS + from_s * 1_000 && Date.parse(ts) < START_MS + to_s * 1_000).length
  expect(within(8, 9.9) / 1.9).toBeCloseTo(500, -2)
  expect(within(10, 10.1)).toBeGreaterThan(4_000)
  const after = lines.filter(({ ts }) => Date.parse(ts) >= START_MS + 10_000)
  expect(share(after, ({ level }) => level === 'debug')).toBeCloseTo(0.99, 2)
})

test('an incident begins when it is told to; before it nothing differs', () => {
  const lines = texts(5_000, { incident: 'error-burst', incident_after_s: 5 })
  expect(lines.slice(0, 2_500)).toEqual(texts(2_500))
  expect(lines.slice(2_500)).not.toEqual(texts(5_000).slice(2_500))
})

test('no endpoint is slow for more than one request in a hundred, wherever one looks', () => {
  const endpoints = Map.groupBy(requestsOf(usual), ({ endpoint }) => endpoint)
  for (const requests of endpoints.values()) {
    const slow = requests.flatMap(({ duration }, index) => (Number(duration) > 1_000 ? [index] : []))
    for (const [at, index] of slow.entries()) expect(index - (slow[at - 1] ?? -Infinity)).toBeGreaterThan(100)
  }
})
