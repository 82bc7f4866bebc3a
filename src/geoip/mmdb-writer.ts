import { parseAddress } from './address.ts'

/**
 * Writes MaxMind DB files (format 2.0): the built-in sample, the databases of the tests, and one for the networks of
 * one's own house.
 *
 * ```
 * search tree   node_count nodes of two records, see search-tree.ts
 * separator     16 zero bytes
 * data section  values, each found by its place; one that was written before becomes a pointer
 * marker        AB CD EF "MaxMind.com"
 * metadata      a map in the encoding of the data section
 * ```
 * Source: https://maxmind.github.io/MaxMind-DB/
 */
export interface DatabaseContents {
  readonly database_type: string
  readonly description: string
  /** Seconds since 1970. */
  readonly build_time_s: number
  /** Default 6: IPv6 with IPv4 in it. A database of version 4 holds IPv4 only. */
  readonly ip_version?: 4 | 6
  /** Bits of a record of the tree. Default: the least that is enough. */
  readonly record_size?: 24 | 28 | 32
  /** Where networks lie within each other the longer one counts. */
  readonly networks: readonly { readonly network: string; readonly record: MmdbValue }[]
}

/** Whole numbers of at least 0 are written as uint32, others as doubles; `MmdbNumber` where the type matters. */
export type MmdbValue =
  | string
  | boolean
  | number
  | bigint
  | MmdbNumber
  | readonly MmdbValue[]
  | { readonly [name: string]: MmdbValue }

/** A number whose type is part of the format: a latitude of 52 is a double, a version a uint16. */
export class MmdbNumber {
  readonly type: 'double' | 'uint16'
  readonly value: number

  constructor(type: 'double' | 'uint16', value: number) {
    this.type = type
    this.value = value
  }
}

const MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')
const SEPARATOR = Buffer.alloc(16)

/** The bytes of a database file. @throws RangeError for a network that is none, or that the version cannot hold */
export function writeDatabase(contents: DatabaseContents): Buffer {
  const ip_version = contents.ip_version ?? 6
  const data = new DataSection()
  const tree = new TreeBuilder()
  const networks = contents.networks.map(({ network, record }) => ({ ...parseNetwork(network, ip_version), record }))
  // Wide networks first: a longer one that comes later splits them.
  for (const { bits, record } of networks.toSorted((one, other) => one.bits.length - other.bits.length)) {
    tree.insert(bits, data.write(record))
  }
  const record_size = contents.record_size ?? recordSizeFor(tree.node_count + SEPARATOR.length + data.size)
  const metadata = new DataSection()
  metadata.write({
    binary_format_major_version: new MmdbNumber('uint16', 2),
    binary_format_minor_version: new MmdbNumber('uint16', 0),
    build_epoch: BigInt(contents.build_time_s),
    database_type: contents.database_type,
    description: { en: contents.description },
    ip_version: new MmdbNumber('uint16', ip_version),
    languages: ['en'],
    node_count: tree.node_count,
    record_size: new MmdbNumber('uint16', record_size),
  })
  return Buffer.concat([tree.toBytes(record_size), SEPARATOR, data.toBytes(), MARKER, metadata.toBytes()])
}

function recordSizeFor(highest: number): 24 | 28 | 32 {
  if (highest < 2 ** 24) return 24
  return highest < 2 ** 28 ? 28 : 32
}

/** The bits that lead to a network, IPv4 within IPv6 at `::/96`. */
function parseNetwork(network: string, ip_version: 4 | 6): { readonly bits: readonly number[] } {
  const [base = '', length_text = ''] = network.split('/')
  const address = parseAddress(base)
  const length = /^\d{1,3}$/.test(length_text) ? Number(length_text) : Number.NaN
  if (address === undefined || !(length <= address.words.length * 32)) {
    throw new RangeError(`expected a network such as 81.2.69.0/24 or 2001:218::/32, got ${network}`)
  }
  if (address.words.length === 4 && ip_version === 4) throw new RangeError(`a database of IP version 4 cannot hold ${network}`)
  const prefix = address.words.length === 1 && ip_version === 6 ? Array<number>(96).fill(0) : []
  const own = Array.from({ length }, (_, index) => ((address.words[index >>> 5] ?? 0) >>> (31 - (index & 31))) & 1)
  return { bits: [...prefix, ...own] }
}

/** A record while the tree grows: nothing, a place in the data section, or the next node. */
type Branch = undefined | { readonly offset: number } | Node
class Node {
  readonly sides: [Branch, Branch]
  constructor(left: Branch, right: Branch) {
    this.sides = [left, right]
  }
}

class TreeBuilder {
  readonly #nodes: Node[] = [new Node(undefined, undefined)]

  get node_count(): number {
    return this.#nodes.length
  }

  insert(bits: readonly number[], offset: number): void {
    let node = this.#nodes[0] as Node
    if (bits.length === 0) this.#nodes[0] = new Node({ offset }, { offset })
    bits.forEach((bit, depth) => {
      const side = bit === 0 ? 0 : 1
      if (depth === bits.length - 1) node.sides[side] = { offset }
      else node = this.#descend(node, side)
    })
  }

  #descend(node: Node, side: 0 | 1): Node {
    const next = node.sides[side]
    if (next instanceof Node) return next
    const made = new Node(next, next)
    node.sides[side] = made
    this.#nodes.push(made)
    return made
  }

  toBytes(record_size: 24 | 28 | 32): Buffer {
    const numbers = new Map(this.#nodes.map((node, number) => [node, number]))
    const bytes = Buffer.alloc((this.#nodes.length * record_size) / 4)
    const recordOf = (branch: Branch): number => {
      if (branch === undefined) return this.#nodes.length
      if (branch instanceof Node) return numbers.get(branch) ?? 0
      return this.#nodes.length + SEPARATOR.length + branch.offset
    }
    for (const [node, number] of numbers) {
      const [left, right] = node.sides.map(recordOf) as [number, number]
      writeNode(bytes, number, record_size, left, right)
    }
    return bytes
  }
}

function writeNode(bytes: Buffer, number: number, record_size: 24 | 28 | 32, left: number, right: number): void {
  const at = (number * record_size) / 4
  if (record_size === 28) {
    bytes.writeUIntBE(left & 0xff_ffff, at, 3)
    bytes[at + 3] = ((left >>> 24) << 4) | (right >>> 24)
    bytes.writeUIntBE(right & 0xff_ffff, at + 4, 3)
  } else {
    bytes.writeUIntBE(left, at, record_size / 8)
    bytes.writeUIntBE(right, at + record_size / 8, record_size / 8)
  }
}

// The types that this writer uses, by their numbers in the format.
const POINTER = 1
const TEXT = 2
const DOUBLE = 3
const UINT16 = 5
const UINT32 = 6
const MAP = 7
const UINT64 = 9
const ARRAY = 11
const BOOLEAN = 14

class DataSection {
  readonly #pieces: Buffer[] = []
  readonly #places = new Map<string, number>()
  size = 0

  /** Writes a value unless it is there already, and returns its place. */
  write(value: MmdbValue): number {
    const known = this.#places.get(identityOf(value))
    if (known !== undefined) return known
    const place = this.size
    this.#append(value)
    return place
  }

  #append(value: MmdbValue): void {
    const identity = identityOf(value)
    const known = this.#places.get(identity)
    // A pointer has two to five bytes: it is worth it for texts and containers only.
    if (known !== undefined && (typeof value === 'string' || isContainer(value))) return this.#push(encodePointer(known))
    this.#places.set(identity, this.size)
    if (Array.isArray(value)) {
      this.#push(control(ARRAY, value.length))
      for (const item of value as readonly MmdbValue[]) this.#append(item)
    } else if (isMap(value)) {
      const entries = Object.entries(value)
      this.#push(control(MAP, entries.length))
      for (const [name, inner] of entries) {
        this.#append(name)
        this.#append(inner)
      }
    } else {
      this.#push(encodeScalar(value as Exclude<MmdbValue, object> | MmdbNumber))
    }
  }

  #push(piece: Buffer): void {
    this.#pieces.push(piece)
    this.size += piece.length
  }

  toBytes(): Buffer {
    return Buffer.concat(this.#pieces)
  }
}

function isContainer(value: MmdbValue): boolean {
  return Array.isArray(value) || isMap(value)
}

function isMap(value: MmdbValue): value is { readonly [name: string]: MmdbValue } {
  return typeof value === 'object' && !Array.isArray(value) && !(value instanceof MmdbNumber)
}

/** A text that two values share only when they are written alike: a bigint is not a number, a double no integer. */
function identityOf(value: MmdbValue): string {
  if (value instanceof MmdbNumber) return `${value.type} ${value.value}`
  if (typeof value === 'bigint') return `uint64 ${value}`
  if (Array.isArray(value)) return `[${(value as readonly MmdbValue[]).map(identityOf).join()}]`
  if (!isMap(value)) return JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([name, inner]) => `${JSON.stringify(name)}:${identityOf(inner)}`)
    .join()}}`
}

function encodeScalar(value: string | boolean | number | bigint | MmdbNumber): Buffer {
  if (typeof value === 'string') {
    const text = Buffer.from(value)
    return Buffer.concat([control(TEXT, text.length), text])
  }
  if (typeof value === 'boolean') return control(BOOLEAN, value ? 1 : 0)
  if (typeof value === 'bigint') return encodeUnsigned(UINT64, value)
  if (value instanceof MmdbNumber) {
    return value.type === 'double' ? encodeDouble(value.value) : encodeUnsigned(UINT16, BigInt(value.value))
  }
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) return encodeUnsigned(UINT32, BigInt(value))
  return encodeDouble(value)
}

function encodeDouble(value: number): Buffer {
  const bytes = Buffer.alloc(9)
  control(DOUBLE, 8).copy(bytes)
  bytes.writeDoubleBE(value, 1)
  return bytes
}

/** Big-endian, without leading zero bytes: 0 has none at all. */
function encodeUnsigned(type: number, value: bigint): Buffer {
  const hex = value === 0n ? '' : value.toString(16)
  const digits = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return Buffer.concat([control(type, digits.length), digits])
}

/** `TTTSSSSS`: the type, or 0 and the type - 7 in the next byte; the size, or 29 to 31 and the rest in one to three bytes. */
function control(type: number, size: number): Buffer {
  const head = type < 8 ? type << 5 : 0
  const extended = type < 8 ? [] : [type - 7]
  if (size < 29) return Buffer.from([head | size, ...extended])
  const [marker, base, width] = size < 285 ? [29, 29, 1] : size < 65_821 ? [30, 285, 2] : [31, 65_821, 3]
  const rest = Buffer.alloc(width)
  rest.writeUIntBE(size - base, 0, width)
  return Buffer.concat([Buffer.from([head | marker, ...extended]), rest])
}

/** `001SSVVV`: the size, the upper bits of the place, and its rest in one to four bytes. */
function encodePointer(place: number): Buffer {
  const head = POINTER << 5
  if (place < 2048) return Buffer.from([head | (place >>> 8), place & 0xff])
  const width = place < 526_336 ? 2 : place < 134_744_064 ? 3 : 4
  const value = width === 2 ? place - 2048 : width === 3 ? place - 526_336 : place
  const upper = width === 4 ? 0 : Math.floor(value / 2 ** (8 * width))
  const rest = Buffer.alloc(width)
  rest.writeUIntBE(value % 2 ** (8 * width), 0, width)
  return Buffer.concat([Buffer.from([head | ((width - 1) << 3) | upper]), rest])
}
