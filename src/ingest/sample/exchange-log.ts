/** How a sample of the exchange log is made. The same values give the same lines. */
export interface ExchangeLogOptions {
  readonly seed: number
  readonly count: number
  /** Of the first line, in milliseconds since 1970. */
  readonly start_ms: number
  /** From line to line. Default 2: 500 lines a second. */
  readonly interval_ms?: number
  /** Public addresses, IPv4 and IPv6. */
  readonly addresses?: readonly string[]
}

/** Addresses that the usual test databases know, for where no others are given. */
export const PUBLIC_ADDRESSES: readonly string[] = [
  '81.2.69.160',
  '89.160.20.112',
  '216.160.83.57',
  '175.16.199.1',
  '2001:218::1',
  '8.8.8.8',
  '1.1.1.1',
]

const ERROR_SHARE = 0.02
const SLOW_SHARE = 0.03
const PRIVATE_SHARE = 0.2
const IPV6_SHARE = 0.03

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

/** One line of the exchange log, with what Filebeat would put beside it. */
export interface ExchangeLogLine {
  /** A JSON object of 430 to 460 bytes; its order_id has 20 digits. */
  readonly line: string
  readonly service: string
  readonly env: string
}

/** The exchange log as JSON text lines. */
export function* exchangeLog(options: ExchangeLogOptions): Generator<string, void, void> {
  for (const { line } of exchangeLogLines(options)) yield line
}

/** The exchange log with each line's service and environment. */
export function* exchangeLogLines({
  seed,
  count,
  start_ms,
  interval_ms = 2,
  addresses = PUBLIC_ADDRESSES,
}: ExchangeLogOptions): Generator<ExchangeLogLine, void, void> {
  const random = createRandom(seed)
  const ipv6 = addresses.filter((address) => address.includes(':'))
  const ipv4 = addresses.filter((address) => !address.includes(':'))
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
      ip: addressOf(random, ipv4, ipv6),
      trace_id: hex(random, 8),
      span_id: hex(random, 4),
    })
    // No JavaScript number holds twenty digits, so the id is put in as text. Its first half makes it unique.
    const order_id = `1${String(index % 1e9).padStart(9, '0')}${digits(random, 10)}`
    yield { line: `${head.slice(0, -1)},"order_id":${order_id},${tail.slice(1)}`, service, env }
  }
}

type Random = () => number

/** Mulberry32: small, the same everywhere, and good enough for a sample. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)] as T
}

function addressOf(random: Random, ipv4: readonly string[], ipv6: readonly string[]): string {
  const share = random()
  if (share < PRIVATE_SHARE) return `10.${Math.floor(random() * 4)}.${Math.floor(random() * 256)}.${Math.floor(random() * 256)}`
  if (share < PRIVATE_SHARE + IPV6_SHARE && ipv6.length > 0) return pick(ipv6, random)
  return ipv4.length > 0 ? pick(ipv4, random) : pick(ipv6, random)
}

/** Two hexadecimal digits a byte. */
function hex(random: Random, bytes: number): string {
  let text = ''
  for (let index = 0; index < bytes; index += 4) {
    text += Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')
  }
  return text
}

function digits(random: Random, count: number): string {
  return String(Math.floor(random() * 10 ** count)).padStart(count, '0')
}
