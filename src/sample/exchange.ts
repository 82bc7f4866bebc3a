import type { Conduct } from './incidents.ts'
import { Market } from './market.ts'
import { digits, hex, pick, type Random, wholeBetween } from './random.ts'

/** What one line tells, its time aside. The fields come in the order in which they are written. */
export interface Entry {
  readonly service: string
  readonly env: string
  readonly fields: { readonly [name: string]: unknown }
}

type Call = readonly [
  share: number,
  action: string,
  service: string,
  method: string,
  endpoint: string,
  msg: string,
  refusal: string,
  caller: string,
]

// biome-ignore format: a table
const CALLS: readonly Call[] = [
  [0.30, 'place_order', 'exchange-api', 'POST', '/api/orders', 'order accepted', 'balance too low', 'orders.go:118'],
  [0.10, 'cancel_order', 'exchange-api', 'DELETE', '/api/orders', 'cancel accepted', 'order is filled', 'orders.go:207'],
  [0.14, 'list_orders', 'exchange-api', 'GET', '/api/orders', 'orders listed', 'page is out of range', 'orders.go:61'],
  [0.18, 'get_depth', 'market-data', 'GET', '/api/depth', 'depth served', 'symbol is not known', 'depth.go:33'],
  [0.12, 'get_balance', 'wallet', 'GET', '/api/balances', 'balance read', 'currency is not known', 'balance.go:75'],
  [0.05, 'deposit', 'wallet', 'POST', '/api/deposits', 'deposit announced', 'network is not known', 'deposit.go:52'],
  [0.05, 'withdraw', 'wallet', 'POST', '/api/withdrawals', 'withdrawal queued', 'limit reached', 'withdraw.go:141'],
  [0.03, 'login', 'exchange-api', 'POST', '/api/sessions', 'session opened', 'wrong code', 'session.go:24'],
  [0.03, 'logout', 'exchange-api', 'DELETE', '/api/sessions', 'session closed', 'session is unknown', 'session.go:88'],
]
type Failure = readonly [status: number, msg: string]

const SERVER_FAULTS: readonly Failure[] = [
  [500, 'database timeout'],
  [502, 'matching engine does not answer'],
  [503, 'too many requests in flight'],
]
const ENVIRONMENTS = ['prod', 'prod', 'prod', 'prod', 'prod', 'prod', 'prod', 'prod', 'prod', 'staging']
// biome-ignore format: a table
const TRANSFERS: { readonly [action: string]: readonly (readonly [up_to: number, status: string])[] } = {
  deposit: [[0.9, 'completed'], [0.97, 'pending'], [1, 'failed']],
  withdraw: [[0.8, 'completed'], [0.95, 'pending'], [1, 'rejected']],
}
const USERS_FIRST = 1_000
const USERS = 500
const POOL_CONNECTIONS = 50
/** Every so manieth request of an endpoint is slow where nothing is wrong. */
const SLOW_EVERY = 400

/** One user's business, which several services write of: common to its lines. */
interface Story {
  readonly env: string
  readonly user_id: number
  readonly trace_id: string
  readonly span_id: string
}

/** An exchange at work: who trades, what stands in its books and wallets, and what its services write of that. */
export class Exchange {
  /** May change at any time. */
  conduct: Conduct
  readonly #random: Random
  readonly #nextAddress: () => string
  readonly #market: Market
  readonly #calls = new Map<string, number>()
  #orders = 0
  #online: number

  constructor(conduct: Conduct, random: Random, nextAddress: () => string) {
    this.conduct = conduct
    this.#random = random
    this.#nextAddress = nextAddress
    this.#market = new Market(random)
    this.#online = wholeBetween(250, 350, random)
  }

  /** How things stand: lines that give absolute values, for gauges. */
  *statements(): Generator<Entry, void, void> {
    const [fewest, most] = this.conduct.pool_waiting
    const waiting = wholeBetween(fewest, most, this.#random)
    const active = waiting > 0 ? POOL_CONNECTIONS : wholeBetween(10, POOL_CONNECTIONS - 5, this.#random)
    const pool = { active, idle: POOL_CONNECTIONS - active, waiting }
    yield stated('exchange-api', 'pool.go:70', 'database pool', 'pool_stats', { pool })
    yield stated('exchange-api', 'session.go:131', 'sessions', 'session_stats', { online_users: this.#online })
    for (const { symbol, resting } of this.#market.books) {
      yield stated('matching-engine', 'book.go:512', 'order book', 'book_stats', { symbol, active_orders: resting })
    }
    for (const [currency, cents] of this.#market.balances) {
      const total_balance = (cents / 100).toFixed(2)
      yield stated('wallet', 'balance.go:160', 'balance in USDT', 'balance_stats', { currency, total_balance })
    }
  }

  /** Nobody's business: what is written while somebody looks for a fault. */
  debugging(): Entry {
    const depth = {
      symbol: this.#market.drawSymbol(),
      bids: wholeBetween(20, 200, this.#random),
      asks: wholeBetween(20, 200, this.#random),
    }
    return entryOf('debug', 'market-data', 'prod', 'publish.go:19', 'depth published', 'depth_published', depth)
  }

  /** One request, behind what came of it: a line is written when its work is done. All of it is done at one time. */
  *story(): Generator<Entry, void, void> {
    const call = this.#drawCall()
    const [, action, , , , , , caller] = call
    const story: Story = {
      env: pick(ENVIRONMENTS, this.#random),
      user_id: USERS_FIRST + Math.floor(this.#random() * USERS),
      trace_id: hex(this.#random, 16),
      span_id: hex(this.#random, 8),
    }
    const order = this.#orderOf(action)
    const failure = this.#drawFailure(call)
    let inner_us = 0
    if (failure === undefined) {
      if (action === 'place_order') inner_us = yield* this.#placed(story, order)
      else if (action === 'cancel_order') inner_us = yield* this.#cancelled(story, order)
      else if (TRANSFERS[action] !== undefined) inner_us = yield* this.#transferred(story, action, caller)
      else if (action === 'login') this.#online++
      else if (action === 'logout') this.#online = Math.max(0, this.#online - 1)
    }
    yield this.#request(call, story, order, failure, inner_us)
  }

  #drawCall(): Call {
    let share = this.#random()
    return CALLS.find((call) => (share -= call[0]) < 0) ?? (CALLS[0] as Call)
  }

  #drawFailure([, , , , , , refusal]: Call): Failure | undefined {
    if (this.#random() >= this.conduct.failure_share) return undefined
    return this.#random() < this.conduct.server_fault_share ? pick(SERVER_FAULTS, this.#random) : [422, refusal]
  }

  #orderOf(action: string): OrderFields {
    if (action === 'list_orders' || action === 'get_depth') return { symbol: this.#market.drawSymbol() }
    if (action !== 'place_order' && action !== 'cancel_order') return {}
    // No JavaScript number holds twenty digits. The first half makes the id unique.
    const order_id = JSON.rawJSON(`1${String(++this.#orders % 1e9).padStart(9, '0')}${digits(this.#random, 10)}`)
    const symbol = this.#market.drawSymbol()
    if (action === 'cancel_order') return { order_id, symbol }
    return { order_id, ...this.#market.drawOrder(symbol, this.conduct.quantity_factor) }
  }

  #request(call: Call, story: Story, order: OrderFields, failure: Failure | undefined, inner_us: number): Entry {
    const [, action, service, method, endpoint, msg, , caller] = call
    const { env, user_id, trace_id, span_id } = story
    const level = failure !== undefined ? 'error' : this.#random() < 0.05 ? 'warn' : 'info'
    const duration = Math.max(this.#duration(method, endpoint), Math.ceil(inner_us / 1_000))
    const status = failure?.[0] ?? 200
    const what = { user_id, ...order, endpoint, method, status, duration, ip: this.#nextAddress(), trace_id, span_id }
    return entryOf(level, service, env, caller, failure?.[1] ?? msg, action, what)
  }

  /** In milliseconds. */
  #duration(method: string, endpoint: string): number {
    const { slow_share } = this.conduct
    const calls = (this.#calls.get(endpoint) ?? wholeBetween(0, SLOW_EVERY - 1, this.#random)) + 1
    this.#calls.set(endpoint, calls)
    const is_slow = slow_share === undefined ? calls % SLOW_EVERY === 0 : this.#random() < slow_share
    if (is_slow) return wholeBetween(1_001, 5_000, this.#random)
    return 1 + Math.floor(this.#random() ** 3 * (method === 'GET' ? 400 : 900))
  }

  /** Returns how long it took, with what it waited for. */
  *#placed(story: Story, order: OrderFields): Generator<Entry, number, void> {
    const { order_id, symbol = '', type } = order
    const placed = this.#stepOf(story)
    const [shortest, longest] = this.conduct.matching_us
    const matching_us = this.#latency(shortest, longest)
    const rests = type === 'limit' && this.#random() < 0.75
    const msg = rests ? 'order rests' : 'order filled'
    const matched = { order_id, symbol, latency_us: matching_us }
    yield stepEntry(this.#stepOf(placed), 'matching-engine', 'book.go:402', msg, 'order_matched', matched)
    let settling_us = 0
    if (rests) this.#market.rest(symbol)
    else {
      settling_us = this.#latency(100, 1_500)
      const trade = { order_id, symbol, ...this.#market.fill(order), latency_us: settling_us }
      yield stepEntry(this.#stepOf(placed), 'settlement', 'trade.go:58', 'trade executed', 'trade_executed', trade)
    }
    const latency_us = this.#latency(300, 40_000) + matching_us + settling_us
    yield stepEntry(placed, 'order-service', 'place.go:96', 'order placed', 'order_placed', { ...order, latency_us })
    return latency_us
  }

  *#cancelled(story: Story, { order_id, symbol = '' }: OrderFields): Generator<Entry, number, void> {
    if (!this.#market.cancel(symbol)) return 0
    const latency_us = this.#latency(200, 9_000)
    const fields = { order_id, symbol, latency_us }
    yield stepEntry(this.#stepOf(story), 'order-service', 'cancel.go:44', 'order cancelled', 'order_cancelled', fields)
    return latency_us
  }

  *#transferred(story: Story, action: string, caller: string): Generator<Entry, number, void> {
    const share = this.#random()
    const transfer_status = TRANSFERS[action]?.find(([up_to]) => share < up_to)?.[1] ?? 'completed'
    const name = action === 'deposit' ? 'deposit' : 'withdrawal'
    const latency_us = this.#latency(500, 20_000)
    const moved = this.#market.transfer(action === 'deposit' ? 1 : -1, transfer_status === 'completed')
    const fields = { ...moved, transfer_status, latency_us }
    yield stepEntry(this.#stepOf(story), 'wallet', caller, `${name} ${transfer_status}`, `${name}_settled`, fields)
    return latency_us
  }

  /** Short ones are the most. */
  #latency(shortest_us: number, longest_us: number): number {
    return shortest_us + Math.floor(this.#random() ** 4 * (longest_us - shortest_us))
  }

  /** A step that another one of the story waits for. */
  #stepOf({ span_id, ...story }: Story): Step {
    return { ...story, span_id: hex(this.#random, 8), parent_span_id: span_id }
  }
}

interface Step extends Story {
  readonly parent_span_id: string
}

/** Where an action has nothing to do with orders, nothing. */
export interface OrderFields {
  readonly order_id?: unknown
  readonly symbol?: string
  readonly side?: 'buy' | 'sell'
  readonly type?: 'limit' | 'market'
  readonly price?: string
  readonly quantity?: string
}

function stepEntry(step: Step, service: string, caller: string, msg: string, action: string, fields: Entry['fields']): Entry {
  const { env, user_id, trace_id, span_id, parent_span_id } = step
  const level = fields['transfer_status'] === 'failed' ? 'warn' : 'info'
  return entryOf(level, service, env, caller, msg, action, { user_id, ...fields, trace_id, span_id, parent_span_id })
}

function stated(service: string, caller: string, msg: string, action: string, fields: Entry['fields']): Entry {
  return entryOf('info', service, 'prod', caller, msg, action, fields)
}

function entryOf(
  level: string,
  service: string,
  env: string,
  caller: string,
  msg: string,
  action: string,
  fields: Entry['fields'],
): Entry {
  return { service, env, fields: { level, logger: caller.split('.')[0], caller, msg, service, env, action, ...fields } }
}
