import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Reader, type Response } from 'maxmind'
import { MillraceError, messageOf } from '../core/errors.ts'
import type { Address } from './address.ts'
import { SearchTree } from './search-tree.ts'

/** The whole file is held in memory, and Node reads at most 2 GiB in one go. The largest city database has 130 MB. */
const DATABASE_BYTES_MAX = 1024 ** 3
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
  holds(bytes: Buffer): boolean {
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

function unreadable(path: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError('GEOIP_DATABASE_UNREADABLE', `cannot read the GeoIP database ${path}: ${why}`, { cause })
}

/** What tells one state of a file from the next without reading it. */
export type FileState = string

/** The state of a file now. @throws MillraceError GEOIP_DATABASE_UNREADABLE */
export function readFileState(path: string): Promise<FileState> {
  return withFile(path, async (file) => (await statOf(path, file)).state)
}

/**
 * The bytes of a database file.
 * @throws MillraceError GEOIP_DATABASE_UNREADABLE also when somebody writes to the file meanwhile
 */
export function readDatabaseFile(path: string): Promise<{ readonly bytes: Buffer; readonly state: FileState }> {
  return withFile(path, async (file) => {
    const before = await statOf(path, file)
    if (before.size > DATABASE_BYTES_MAX)
      throw unreadable(path, `expected at most ${DATABASE_BYTES_MAX} bytes, got ${before.size}`)
    const bytes = await file.readFile()
    const after = await statOf(path, file)
    if (before.state !== after.state) throw unreadable(path, 'it is being written to')
    return { bytes, state: after.state }
  })
}

async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  let file: FileHandle | undefined
  try {
    // Non-blocking: opening a named pipe would wait for its writer for ever.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    return await work(file)
  } catch (thrown) {
    throw thrown instanceof MillraceError ? thrown : unreadable(path, messageOf(thrown), thrown)
  } finally {
    await file?.close()
  }
}

async function statOf(path: string, file: FileHandle): Promise<{ readonly state: FileState; readonly size: number }> {
  const stat = await file.stat()
  if (!stat.isFile()) throw unreadable(path, 'expected a file')
  return { state: `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`, size: stat.size }
}
