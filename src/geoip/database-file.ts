import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { MillraceError, messageOf } from '../core/errors.ts'

/** The whole file is held in memory. The largest city database has 130 MB. */
const DATABASE_BYTES_MAX = 1024 ** 3

/** What tells one state of a file from the next without reading it. */
export type FileState = string

/** What was in a database file at one moment. */
export interface DatabaseFile {
  readonly bytes: Uint8Array
  readonly state: FileState
}

export function unreadable(path: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError('GEOIP_DATABASE_UNREADABLE', `cannot read the GeoIP database ${path}: ${why}`, { cause })
}

/** The state of a file now. @throws MillraceError GEOIP_DATABASE_UNREADABLE */
export function readFileState(path: string): Promise<FileState> {
  return withFile(path, async (file) => (await statOf(path, file)).state)
}

let read: (path: string) => Promise<DatabaseFile> = (path) => readWhole(path, (size) => new Uint8Array(size))

/**
 * The bytes of a database file. In a worker they are those that all workers share.
 * @throws MillraceError GEOIP_DATABASE_UNREADABLE also when somebody writes to the file meanwhile
 */
export function readDatabaseFile(path: string): Promise<DatabaseFile> {
  return read(path)
}

/** From now on this thread has its databases from somebody else. */
export function readDatabasesBy(other: (path: string) => Promise<DatabaseFile>): void {
  read = other
}

/** Reads database files for several threads: one copy in memory, however many there are. The newest of each path is kept. */
export class SharedDatabaseFiles {
  readonly #newest = new Map<string, Promise<DatabaseFile>>()

  /** @throws MillraceError GEOIP_DATABASE_UNREADABLE */
  async read(path: string): Promise<DatabaseFile> {
    // Whoever asks while another one's file is being read gets the same.
    const known = this.#newest.get(path)
    if (known !== undefined && (await isNewest(path, known))) return known
    // Another may have begun to read meanwhile.
    const newer = this.#newest.get(path)
    if (newer !== undefined && newer !== known) return newer
    const reading = readWhole(path, (size) => new Uint8Array(new SharedArrayBuffer(size)))
    this.#newest.set(path, reading)
    return reading
  }
}

async function isNewest(path: string, known: Promise<DatabaseFile>): Promise<boolean> {
  const file = await known.catch(() => undefined)
  return file !== undefined && file.state === (await readFileState(path))
}

async function readWhole(path: string, allocate: (size: number) => Uint8Array): Promise<DatabaseFile> {
  return withFile(path, async (file) => {
    const { state, size } = await statOf(path, file)
    if (size > DATABASE_BYTES_MAX) throw unreadable(path, `expected at most ${DATABASE_BYTES_MAX} bytes, got ${size}`)
    const bytes = allocate(size)
    let length = 0
    while (length < size) {
      const { bytesRead } = await file.read(bytes, length, size - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    if (length < size || (await statOf(path, file)).state !== state) throw unreadable(path, 'it is being written to')
    return { bytes, state }
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
