import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { domainToASCII, domainToUnicode } from 'node:url'
import { LRUCache } from 'lru-cache'
import pLimit, { type LimitFunction } from 'p-limit'
import type { Counter, Metrics } from '../../core/context.ts'
import { MillraceError, messageOf } from '../../core/errors.ts'
import { parseAddress } from '../../geoip/address.ts'
import type { Hosts } from './hosts-file.ts'
import { candidates, type NameServers } from './name-servers.ts'

/** What became of a question. */
export type Answer =
  | { readonly kind: 'found'; readonly text: string }
  | { readonly kind: 'failed' }
  | { readonly kind: 'timeout' }
/** For the address of a name, or for the name of an address. */
export type Question = 'resolve' | 'reverse'

export interface ResolverOptions {
  /** `undefined`: only the hosts files are asked. */
  readonly servers: NameServers | undefined
  /** In the order they are asked in. */
  readonly hosts: readonly Hosts[]
  readonly timeout_ms: number
  readonly max_retries: number
  readonly hit_cache: CacheOptions
  readonly failed_cache: CacheOptions
}

interface CacheOptions {
  /** 0: no cache. */
  readonly size: number
  readonly ttl_ms: number
}

/** Questions on their way at the same time. */
const CONCURRENCY = 64

const FAILED: Answer = { kind: 'failed' }
const TIMEOUT: Answer = { kind: 'timeout' }
const TRY_AGAIN: readonly string[] = ['ETIMEOUT', 'ECONNREFUSED']

/** Asks name servers, a bounded number of questions at a time, and the same question once. */
export class CachingResolver {
  readonly #options: ResolverOptions
  readonly #resolver: Resolver
  readonly #limit: LimitFunction = pLimit(CONCURRENCY)
  readonly #hits: LRUCache<string, Answer> | undefined
  readonly #failures: LRUCache<string, Answer> | undefined
  readonly #asking = new Map<string, Promise<Answer>>()
  readonly #counters: { readonly [K in Answer['kind'] | 'cached']: Counter }

  /** @throws MillraceError OPTION_INVALID for a name server that is no address */
  constructor(options: ResolverOptions, component: string, metrics: Metrics) {
    this.#options = options
    // Trying again is done here, each time with the whole timeout.
    this.#resolver = new Resolver({ timeout: Math.max(1, Math.round(options.timeout_ms)), tries: 1 })
    try {
      if (options.servers?.addresses !== undefined) this.#resolver.setServers(options.servers.addresses)
    } catch (thrown) {
      throw new MillraceError('OPTION_INVALID', `nameserver: expected IP addresses: ${messageOf(thrown)}`, { cause: thrown })
    }
    this.#hits = cacheOf(options.hit_cache)
    this.#failures = cacheOf(options.failed_cache)
    const counter = (outcome: string): Counter =>
      metrics.counter('millrace_dns_lookups_total', 'Look-ups of the dns filter by what became of them.', { component, outcome })
    this.#counters = {
      found: counter('found'),
      failed: counter('failed'),
      timeout: counter('timeout'),
      cached: counter('cached'),
    }
  }

  async ask(question: Question, text: string): Promise<Answer> {
    const key = `${question} ${text}`
    const known = this.#failures?.get(key) ?? this.#hits?.get(key)
    if (known !== undefined) {
      this.#counters.cached.inc()
      return known
    }
    let asking = this.#asking.get(key)
    if (asking === undefined) {
      asking = this.#limit(() => this.#find(question, text)).finally(() => this.#asking.delete(key))
      this.#asking.set(key, asking)
    }
    const answer = await asking
    this.#counters[answer.kind].inc()
    if (answer.kind === 'found') this.#hits?.set(key, answer)
    else this.#failures?.set(key, FAILED)
    return answer
  }

  /** Breaks off whatever is on its way. */
  cancel(): void {
    this.#limit.clearQueue()
    this.#resolver.cancel()
  }

  async #find(question: Question, text: string): Promise<Answer> {
    for (const hosts of this.#options.hosts) {
      const found = question === 'resolve' ? hosts.addressOf(text) : hosts.nameOf(text)
      if (found !== undefined) return { kind: 'found', text: found }
    }
    const { servers } = this.#options
    if (servers === undefined) return FAILED
    if (question === 'reverse') return this.#retry(() => this.#nameOf(text))
    if (isIP(text) !== 0) return { kind: 'found', text }
    const name = /^[\0-\x7f]*$/.test(text) ? text : domainToASCII(text)
    if (name === '') return FAILED
    for (const candidate of candidates(name, servers)) {
      const answer = await this.#retry(() => this.#addressOf(candidate))
      if (answer.kind !== 'failed') return answer
    }
    return FAILED
  }

  async #nameOf(address: string): Promise<string | undefined> {
    // Resolver.reverse would look into /etc/hosts too, and call a timeout a failure.
    const [name] = await this.#resolver.resolvePtr(pointerName(address))
    return name?.includes('xn--') === true ? domainToUnicode(name) : name
  }

  async #addressOf(name: string): Promise<string | undefined> {
    try {
      const [address] = await this.#resolver.resolve4(name)
      if (address !== undefined) return address
    } catch (thrown) {
      // The name is there, and has no IPv4 address.
      if ((thrown as NodeJS.ErrnoException).code !== 'ENODATA') throw thrown
    }
    return (await this.#resolver.resolve6(name))[0]
  }

  async #retry(find: () => Promise<string | undefined>): Promise<Answer> {
    for (let tries = 0; ; tries++) {
      try {
        const text = await find()
        return text === undefined ? FAILED : { kind: 'found', text }
      } catch (thrown) {
        const { code = '' } = thrown as NodeJS.ErrnoException
        if (TRY_AGAIN.includes(code) && tries < this.#options.max_retries) continue
        return code === 'ETIMEOUT' ? TIMEOUT : FAILED
      }
    }
  }
}

/** `10.2.0.192.in-addr.arpa`, the name that has the name of an address. */
function pointerName(address: string): string {
  const { words } = parseAddress(address) ?? { words: [] }
  const [only] = words
  if (only !== undefined && words.length === 1) {
    return `${[0, 8, 16, 24].map((shift) => (only >>> shift) & 255).join('.')}.in-addr.arpa`
  }
  const digits = words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
  return `${digits.split('').toReversed().join('.')}.ip6.arpa`
}

function cacheOf({ size, ttl_ms }: CacheOptions): LRUCache<string, Answer> | undefined {
  return size > 0 && ttl_ms > 0 ? new LRUCache({ max: size, ttl: ttl_ms }) : undefined
}
