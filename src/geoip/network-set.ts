import { isIPv4 } from 'node:net'
import { parseAddress } from './address.ts'

/** Addresses whose first `length` bits are those of `words` (one 32-bit word for IPv4, four for IPv6). */
export interface Network {
  readonly words: readonly number[]
  readonly length: number
}

const MAPPED_BITS = 96

/** Reads `10.0.0.0/8`, `2001:db8::/32`, `10.0.0.0/255.0.0.0`, or an address alone. Anything else is `undefined`. */
export function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  const bits = address.words.length * 32
  if (slash < 0) return { words: address.words, length: bits }
  const isMapped = bits === 32 && text.includes(':')
  const written = parseLength(text.slice(slash + 1))
  if (written === undefined) return undefined
  const length = isMapped ? written - MAPPED_BITS : written
  return length < 0 || length > bits ? undefined : { words: address.words, length }
}

function parseLength(text: string): number | undefined {
  if (/^\d{1,3}$/.test(text)) return Number(text)
  if (!isIPv4(text)) return undefined
  const [word = 0] = parseAddress(text)?.words ?? []
  const length = Math.clz32(~word)
  // Ones, then zeros, and nothing else.
  return length === 32 || word << length === 0 ? length : undefined
}

/** Networks, to be asked which address lies in one: one look-up for each length that occurs. */
export class NetworkSet {
  readonly #byLength = new Map<string, { readonly length: number; readonly families: number; readonly keys: Set<string> }>()
  #size = 0

  /** Begins with the networks of another set. */
  constructor(base?: NetworkSet) {
    if (base === undefined) return
    for (const [name, { length, families, keys }] of base.#byLength) {
      this.#byLength.set(name, { length, families, keys: new Set(keys) })
    }
    this.#size = base.#size
  }

  get size(): number {
    return this.#size
  }

  add({ words, length }: Network): void {
    const name = `${words.length}/${length}`
    let known = this.#byLength.get(name)
    if (known === undefined) {
      known = { length, families: words.length, keys: new Set() }
      this.#byLength.set(name, known)
    }
    known.keys.add(keyOf(words, length))
    this.#size++
  }

  /** Whether the network, or address, lies in one of these. */
  includes({ words, length }: Network): boolean {
    for (const known of this.#byLength.values()) {
      if (known.families !== words.length || known.length > length) continue
      if (known.keys.has(keyOf(words, known.length))) return true
    }
    return false
  }
}

/** The first bits as text. */
function keyOf(words: readonly number[], length: number): string {
  let key = ''
  for (let index = 0; index * 32 < length; index++) {
    const bits = Math.min(32, length - index * 32)
    key += `${(words[index] ?? 0) >>> (32 - bits)},`
  }
  return key
}
