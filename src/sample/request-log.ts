import { createAddresses, PUBLIC_ADDRESSES } from './addresses.ts'
import { createRandom, digits, hex, pick } from './random.ts'
import type { SampleLine } from './sample-line.ts'

/** How a log of requests is made. The same values give the same lines. */
export interface RequestLogOptions {
  readonly seed: number
  readonly count: number
  /** Of the first line, in milliseconds since 1970. */
  readonly start_ms: number
  /** From line to line. Default 2: 500 lines a second. */
  readonly interval_ms?: number
  /** Public addresses, IPv4 and IPv6. */
  readonly addresses?: readonly string[]
}

const ERROR_SHARE = 0.02
const SLOW_SHARE = 0.03

type Action = readonly [
  action: string,
  service: string,
  method: string,
  endpoint: string,
  msg: string,
  failure: string,
  caller: string,
]

// biome-ignore format: a table
const ACTIONS: readonly Action[] = [
  ['place_order', 'exchange-api', 'POST', '/api/orders', 'order accepted', 'balance too low', 'orders.go:118'],
  ['cancel_order', 'exchange-api', 'DELETE', '/api/orders', 'order cancelled', 'order is filled', 'orders.go:207'],
  ['list_orders', 'exchange-api', 'GET', '/api/orders', 'orders listed', 'database timeout', 'orders.go:61'],
  ['match_order', 'matching-engine', 'POST', '/match', 'order matched', 'book is locked', 'book.go:402'],
  ['get_depth', 'market-data', 'GET', '/api/depth', 'depth served', 'depth is stale', 'depth.go:33'],
  ['get_balance', 'wallet', 'GET', '/api/balances', 'balance read', 'database timeout', 'balance.go:75'],
  ['withdraw', 'wallet', 'POST', '/api/withdrawals', 'withdrawal queued', 'limit reached', 'withdraw.go:141'],
]
const SYMBOLS = ['BTC-USDT', 'ETH-USDT', 'SOL-USDT', 'XRP-USDT', 'BTC-EUR'] as const
const USERS_FIRST = 1_000
const USERS = 500

/**
 * The part of an exchange's log that its requests make, as JSON text lines of 400 to 460 bytes. Each has an `order_id` of its own
 * of twenty digits, by which tests and measurements follow it.
 */
export function* requestLog(options: RequestLogOptions): Generator<string, void, void> {
  for (const { line } of requestLogLines(options)) yield line
}

/** The same with each line's service and environment. */
export function* requestLogLines({
  seed,
  count,
  start_ms,
  interval_ms = 2,
  addresses = PUBLIC_ADDRESSES,
}: RequestLogOptions): Generator<SampleLine, void, void> {
  const random = createRandom(seed)
  const nextAddress = createAddresses(addresses, random)
  for (let index = 0; index < count; index++) {
    const [action, service, method, endpoint, msg, failure, caller] = pick(ACTIONS, random)
    const failed = random() < ERROR_SHARE
    const env = random() < 0.9 ? 'prod' : 'staging'
    const head = JSON.stringify({
      ts: new Date(start_ms + Math.floor(index * interval_ms)).toISOString(),
      level: failed ? 'error' : random() < 0.05 ? 'warn' : 'info',
      logger: caller.split('.')[0],
      caller,
      msg: failed ? failure : msg,
      service,
      env,
      action,
      user_id: USERS_FIRST + Math.floor(random() * USERS),
    })
    const tail = JSON.stringify({
      symbol: pick(SYMBOLS, random),
      side: random() < 0.5 ? 'buy' : 'sell',
      type: random() < 0.7 ? 'limit' : 'market',
      price: (random() * 60_000).toFixed(2),
      quantity: (random() * 5).toFixed(4),
      endpoint,
      method,
      status: failed ? (random() < 0.5 ? 500 : 422) : 200,
      duration: random() < SLOW_SHARE ? 1_001 + Math.floor(random() * 4_000) : 1 + Math.floor(random() ** 3 * 900),
      ip: nextAddress(),
      trace_id: hex(random, 8),
      span_id: hex(random, 4),
    })
    // No JavaScript number holds twenty digits, so the id is put in as text. Its first half makes it unique.
    const order_id = `1${String(index % 1e9).padStart(9, '0')}${digits(random, 10)}`
    yield { line: `${head.slice(0, -1)},"order_id":${order_id},${tail.slice(1)}`, service, env }
  }
}
