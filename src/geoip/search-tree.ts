/**
 * The search tree at the start of a MaxMind DB file: an address's bits choose left or right at each node.
 *
 * ```
 * node 0      | left record | right record |     each record 24, 28 or 32 bits, big-endian
 * node 1      | left record | right record |     28 bits: the middle byte holds the upper four bits of both
 * …
 * record < node_count    the number of the next node
 * record = node_count    nothing is known
 * record > node_count    a place in the data section: record - node_count - 16 bytes from its start
 * ```
 * Source: https://maxmind.github.io/MaxMind-DB/
 *
 * Why not the library's own walk: it parses the address a second time and decodes the record at every look-up. Here
 * the place of the record is all that is wanted, for what is made of a record is cached by that place.
 */
export class SearchTree {
  readonly #bytes: Uint8Array
  readonly #node_count: number
  readonly #recordAt: RecordReader
  readonly #holds_ipv6: boolean
  /** Where the addresses `::/96` begin, for those of IPv4 are kept there; may be a leaf already. */
  readonly #ipv4_start: number

  constructor(bytes: Uint8Array, shape: { node_count: number; record_size: number; ip_version: number }) {
    this.#bytes = bytes
    this.#node_count = shape.node_count
    this.#recordAt = recordReader(shape.record_size)
    this.#holds_ipv6 = shape.ip_version === 6
    let start = 0
    if (this.#holds_ipv6) {
      for (let depth = 0; depth < 96 && start < this.#node_count; depth++) start = this.#recordAt(bytes, start, 0)
    }
    this.#ipv4_start = start
  }

  /** The record that an address leads to: the same number for all addresses of a record; 0 where nothing is known. */
  find(words: readonly number[]): number {
    let node = this.#startOf(words)
    for (let index = 0; index < words.length && node < this.#node_count; index++) {
      const word = words[index] ?? 0
      for (let shift = 31; shift >= 0 && node < this.#node_count; shift--) {
        node = this.#recordAt(this.#bytes, node, (word >>> shift) & 1)
      }
    }
    return node > this.#node_count ? node : 0
  }

  /** How many bits of the address it took: the length of the network it is in. */
  networkLength(words: readonly number[]): number {
    let node = this.#startOf(words)
    let length = 0
    for (; length < words.length * 32 && node < this.#node_count; length++) {
      node = this.#recordAt(this.#bytes, node, ((words[length >>> 5] ?? 0) >>> (31 - (length & 31))) & 1)
    }
    return length
  }

  #startOf(words: readonly number[]): number {
    if (words.length === 1) return this.#ipv4_start
    return this.#holds_ipv6 ? 0 : this.#node_count
  }
}

type RecordReader = (bytes: Uint8Array, node: number, side: number) => number

function recordReader(record_size: number): RecordReader {
  if (record_size === 24) return record24
  return record_size === 28 ? record28 : record32
}

function record24(bytes: Uint8Array, node: number, side: number): number {
  const at = node * 6 + side * 3
  return ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
}

function record28(bytes: Uint8Array, node: number, side: number): number {
  const middle = bytes[node * 7 + 3] ?? 0
  const at = node * 7 + side * 4
  const upper = side === 0 ? middle >>> 4 : middle & 0x0f
  return (upper << 24) | ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
}

function record32(bytes: Uint8Array, node: number, side: number): number {
  const at = node * 8 + side * 4
  const upper = (bytes[at] ?? 0) * 0x1000000
  return upper + (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
}
