import type { OrderFields } from './exchange.ts'
import { pick, type Random, wholeBetween } from './random.ts'

interface Book {
  readonly symbol: string
  /** Orders that stand in it. */
  resting: number
  price_cents: number
}

/** What was bought and sold. Decimal texts, in the quote currency but for the quantity. */
export interface Trade {
  readonly price: string
  readonly quantity: string
  readonly amount: string
  readonly buy_fee: string
  readonly sell_fee: string
  readonly fee_currency: string
}

const PRICES_CENTS: { readonly [symbol: string]: number } = {
  'BTC-USDT': 6_000_000,
  'ETH-USDT': 300_000,
  'SOL-USDT': 15_000,
  'XRP-USDT': 60,
  'BTC-EUR': 5_500_000,
}
const SYMBOLS = Object.keys(PRICES_CENTS)

/** What a unit is worth in cents of a USDT. */
const CURRENCIES_CENTS: { readonly [currency: string]: number } = { USDT: 100, BTC: 6_000_000, ETH: 300_000, EUR: 108 }
const CURRENCIES = Object.keys(CURRENCIES_CENTS)

/** An order is worth so much at least and at most, in cents: trading goes on evenly. */
const ORDER_CENTS = [5_000, 50_000] as const
/** Quantities have four decimals. */
const LOTS = 10_000
const FEE_SHARE = 0.001
/** A fill meets an order of another trader the likelier, the more stand in the book, so that their number keeps within bounds. */
const HALF_DEPTH = 400

/** The books and wallets of the exchange. Sums are kept in whole cents, and are exact. */
export class Market {
  readonly #random: Random
  readonly #books: ReadonlyMap<string, Book>
  readonly #balances: Map<string, number>

  constructor(random: Random) {
    this.#random = random
    this.#books = new Map(
      SYMBOLS.map((symbol) => [
        symbol,
        { symbol, resting: wholeBetween(150, 250, random), price_cents: PRICES_CENTS[symbol] ?? 0 },
      ]),
    )
    this.#balances = new Map(CURRENCIES.map((currency) => [currency, wholeBetween(500_000_000, 900_000_000, random)]))
  }

  get books(): Iterable<Readonly<Book>> {
    return this.#books.values()
  }

  /** In cents of a USDT, by currency. */
  get balances(): Iterable<readonly [currency: string, cents: number]> {
    return this.#balances
  }

  drawSymbol(): string {
    return pick(SYMBOLS, this.#random)
  }

  drawOrder(symbol: string, quantity_factor: number): OrderFields {
    const book = this.#book(symbol)
    book.price_cents = Math.max(1, Math.round(book.price_cents * (1 + (this.#random() - 0.5) / 2_000)))
    const cents = wholeBetween(ORDER_CENTS[0], ORDER_CENTS[1], this.#random) * quantity_factor
    const lots = Math.max(1, Math.round((cents * LOTS) / book.price_cents))
    return {
      symbol,
      side: this.#random() < 0.5 ? 'buy' : 'sell',
      type: this.#random() < 0.7 ? 'limit' : 'market',
      price: (book.price_cents / 100).toFixed(2),
      quantity: (lots / LOTS).toFixed(4),
    }
  }

  rest(symbol: string): void {
    this.#book(symbol).resting++
  }

  /** Whether there was one to take out. */
  cancel(symbol: string): boolean {
    const book = this.#book(symbol)
    if (book.resting === 0) return false
    book.resting--
    return true
  }

  fill({ symbol = '', price = '', quantity = '' }: OrderFields): Trade {
    const book = this.#book(symbol)
    if (this.#random() < book.resting / (book.resting + HALF_DEPTH)) book.resting--
    // Cents and lots are whole, so this is exact: a millionth of the quote currency.
    const millionths = Math.round(Number(price) * 100) * Math.round(Number(quantity) * LOTS)
    const fee = decimal(Math.round(millionths * FEE_SHARE))
    const fee_currency = symbol.split('-')[1] ?? ''
    return { price, quantity, amount: decimal(millionths), buy_fee: fee, sell_fee: fee, fee_currency }
  }

  /** `direction`: 1 into the exchange, -1 out of it. One that is not complete moves nothing. */
  transfer(direction: 1 | -1, is_complete: boolean): { readonly currency: string; readonly amount: string } {
    const currency = pick(CURRENCIES, this.#random)
    const cents = wholeBetween(1_000, 200_000, this.#random)
    if (is_complete) this.#balances.set(currency, (this.#balances.get(currency) ?? 0) + direction * cents)
    return { currency, amount: (cents / (CURRENCIES_CENTS[currency] ?? 1)).toFixed(8) }
  }

  #book(symbol: string): Book {
    const book = this.#books.get(symbol)
    if (book === undefined) throw new RangeError(`no book of ${symbol}`)
    return book
  }
}

function decimal(millionths: number): string {
  return (millionths / 1e6).toFixed(6)
}
