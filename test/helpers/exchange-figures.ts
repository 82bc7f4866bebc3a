import { expect } from 'vitest'
import { readSamples } from './books.ts'

/** One line of the exchange log, as `JSON.parse` reads it: order ids are not exact here. */
interface Line {
  readonly [name: string]: unknown
  readonly pool?: { readonly active: number; readonly idle: number; readonly waiting: number }
}

export interface Figures {
  /** `name{label="value"}`, labels in alphabetical order -> what /metrics has to say. */
  readonly exact: ReadonlyMap<string, number>
  /** The same for quantiles: what they are of, sorted. */
  readonly quantiles: ReadonlyMap<string, { readonly quantile: number; readonly values: readonly number[] }>
}

const API_BUCKETS_MS = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000]
const ORDER_BUCKETS_US = [1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000]
const QUANTILES = [0.5, 0.9, 0.99]

/**
 * The exchange's figures, worked out from its log alone, line by line in its order.
 * @param host where the lines were written, as far as their events say that
 */
export function exchangeFigures(texts: readonly string[], host?: string): Figures {
  const exact = new Map<string, number>()
  const latencies = new Map<unknown, number[]>()
  const add = (name: string, labels: Labels, value = 1): void => {
    exact.set(keyOf(name, labels), (exact.get(keyOf(name, labels)) ?? 0) + value)
  }
  const observe = (name: string, labels: Labels, value: number, bounds: readonly number[], unit: number): void => {
    for (const bound of bounds) add(`${name}_bucket`, { ...labels, le: bound / unit }, value <= bound ? 1 : 0)
    add(`${name}_bucket`, { ...labels, le: '+Inf' })
    add(`${name}_sum`, labels, value / unit)
    add(`${name}_count`, labels)
  }
  // What has no labels is there before its first line, but for gauges.
  for (const bound of [...ORDER_BUCKETS_US.map((us) => us / 1e6), '+Inf'])
    add('exchange_order_processing_seconds_bucket', { le: bound }, 0)
  for (const part of ['sum', 'count']) add(`exchange_order_processing_seconds_${part}`, {}, 0)

  for (const line of texts.map((text) => JSON.parse(text) as Line)) {
    const { level, service, action, endpoint, method, status, symbol, side, type, currency, pool } = line
    const duration = Number(line['duration'])
    const latency_us = Number(line['latency_us'])
    if (level === 'error') add('exchange_log_errors_total', { service })
    if (endpoint !== undefined) {
      add('exchange_api_requests_total', { method, endpoint, status })
      observe('exchange_api_duration_seconds', { endpoint }, duration, API_BUCKETS_MS, 1e3)
      if (duration > 1_000) add('exchange_slow_queries_total', { endpoint })
    }
    const transfer = { currency, status: line['transfer_status'] }
    switch (action) {
      case 'order_placed':
        add('exchange_orders_total', { symbol, side, type })
        observe('exchange_order_processing_seconds', {}, latency_us, ORDER_BUCKETS_US, 1e6)
        break
      case 'order_matched':
        latencies.set(symbol, [...(latencies.get(symbol) ?? []), latency_us / 1e6])
        add('exchange_matching_latency_seconds_sum', { symbol }, latency_us / 1e6)
        add('exchange_matching_latency_seconds_count', { symbol })
        break
      case 'trade_executed':
        add('exchange_trade_volume', { symbol }, Number(line['amount']))
        add('exchange_fee_revenue', { currency: line['fee_currency'] }, Number(line['buy_fee']) + Number(line['sell_fee']))
        break
      case 'deposit_settled':
        add('exchange_deposits_total', transfer)
        break
      case 'withdrawal_settled':
        add('exchange_withdrawals_total', transfer)
        break
      case 'pool_stats':
        for (const [state, count] of Object.entries(pool ?? {})) {
          exact.set(keyOf('exchange_db_connections', { state, ...(host !== undefined && { host }) }), count)
        }
        break
      case 'session_stats':
        exact.set('exchange_online_users{}', Number(line['online_users']))
        break
      case 'book_stats':
        exact.set(keyOf('exchange_active_orders', { symbol }), Number(line['active_orders']))
        break
      case 'balance_stats':
        exact.set(keyOf('exchange_total_balance', { currency }), Number(line['total_balance']))
        break
      default:
        break
    }
  }
  const quantiles = [...latencies].flatMap(([symbol, values]) =>
    QUANTILES.map((quantile) => {
      const key = keyOf('exchange_matching_latency_seconds', { symbol, quantile })
      return [key, { quantile, values: values.toSorted((a, b) => a - b) }] as const
    }),
  )
  return { exact, quantiles: new Map(quantiles) }
}

/** What /metrics tells of the exchange must be what its log tells, all of it and nothing else. */
export function expectFigures(metrics: string, lines: readonly string[], host: string): void {
  const { exact, quantiles } = exchangeFigures(lines, host)
  const told = new Map(
    readSamples(metrics).flatMap(({ name, labels, value }) =>
      name.startsWith('exchange_') ? [[keyOf(name, labels), value]] : [],
    ),
  )
  expect([...told.keys()].sort()).toEqual([...exact.keys(), ...quantiles.keys()].sort())
  for (const [key, value] of exact) expect(Math.abs((told.get(key) ?? Number.NaN) - value), key).toBeLessThanOrEqual(1e-9 * value)
  for (const [key, { quantile, values }] of quantiles) {
    const value = values[Math.floor(quantile * (values.length - 1))] ?? 0
    expect(Math.abs((told.get(key) ?? Number.NaN) - value), key).toBeLessThanOrEqual(0.0101 * value)
  }
}

interface Labels {
  readonly [name: string]: unknown
}

export function keyOf(name: string, labels: Labels): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
  return `${name}{${pairs.map(([label, value]) => `${label}="${String(value)}"`).join(',')}}`
}
