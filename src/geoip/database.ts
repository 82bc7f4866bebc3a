import { Reader, type Response } from 'maxmind'
import { messageOf } from '../core/errors.ts'
import type { Address } from './address.ts'
import { unreadable } from './database-file.ts'
import { SearchTree } from './search-tree.ts'

/** Zero bytes between the search tree and the data section. */
const SEPARATOR_BYTES = 16

/** One state of a GeoIP database file, in memory. It never changes. */
export class Database {
  readonly path: string
  /** As its maker calls it: `GeoLite2-City`, `country ipvAll`. */
  readonly type: string
  /** When its data were put together, in seconds since 1970. */
  readonly build_time_s: number
  readonly tree: SearchTree
  readonly #bytes: Buffer
  readonly #reader: Reader<Response>

  /** @throws MillraceError GEOIP_DATABASE_UNREADABLE for bytes that are not a MaxMind DB */
  constructor(path: string, bytes: Buffer) {
    const reader = parse(path, bytes)
    const { metadata } = reader
    this.path = path
    this.type = metadata.databaseType
    this.build_time_s = metadata.buildEpoch.getTime() / 1000
    this.tree = new SearchTree(bytes, {
      node_count: metadata.nodeCount,
      record_size: metadata.recordSize,
      ip_version: metadata.ipVersion,
    })
    this.#bytes = bytes
    this.#reader = reader
  }

  /** The whole record of an address, decoded anew, in all its languages: some microseconds, so keep what is made of it. */
  decode(address: Address): unknown {
    return this.#reader.get(address.text)
  }

  /** Whether a file with these bytes would be the same database. */
  holds(bytes: Uint8Array): boolean {
    return this.#bytes.equals(bytes)
  }
}

function parse(path: string, bytes: Buffer): Reader<Response> {
  let reader: Reader<Response>
  try {
    reader = new Reader<Response>(bytes)
  } catch (thrown) {
    throw unreadable(path, `expected a MaxMind DB (.mmdb): ${messageOf(thrown)}`, thrown)
  }
  const { databaseType, nodeCount, ipVersion, buildEpoch, searchTreeSize, binaryFormatMajorVersion } = reader.metadata
  const separator = bytes.subarray(searchTreeSize, searchTreeSize + SEPARATOR_BYTES)
  const sound =
    binaryFormatMajorVersion === 2 &&
    typeof databaseType === 'string' &&
    Number.isSafeInteger(nodeCount) &&
    nodeCount > 0 &&
    (ipVersion === 4 || ipVersion === 6) &&
    !Number.isNaN(buildEpoch.getTime()) &&
    separator.length === SEPARATOR_BYTES &&
    separator.every((byte) => byte === 0)
  if (!sound) throw unreadable(path, 'expected a complete MaxMind DB (.mmdb) of format 2: its metadata and its data do not fit')
  return reader
}
