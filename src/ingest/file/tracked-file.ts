import { type FileHandle, open } from 'node:fs/promises'
import type { Settled } from '../../core/contracts.ts'
import type { PositionStore } from '../../storage/positions.ts'
import { type FoundFile, look } from './discovery.ts'
import { checkFingerprint, type FilePosition, NO_FINGERPRINT } from './position.ts'

interface Unsettled {
  readonly end: number
  stored: boolean
}

/** One file that is followed by its inode: what is open, what was handed on, what is stored. */
export class TrackedFile {
  readonly key: string
  /** What the ids of its events begin with. */
  id_beginning: string
  path: string
  /** All before it was handed on; reading goes on here. Bytes, or elements of a JSON list. */
  handed_offset: number
  /** Everything was read, in mode read. */
  complete = false
  /** It could not be read to its end, so it is not deleted. */
  damaged = false
  /** What is to be done with a complete file was done. */
  finished = false
  /** Since when its path leads elsewhere, or nowhere. */
  gone_since_ms: number | undefined
  /** When bytes came last. */
  active_ms = performance.now()
  /** When the path and the first bytes were looked at last; times are of the monotonic clock. */
  checked_ms = Number.NEGATIVE_INFINITY
  /** What the file system said then: an equal answer means that there is nothing new. */
  modified_ms = Number.NaN
  handle: FileHandle | undefined
  readonly #store: PositionStore<FilePosition>
  #position: FilePosition
  /** In the order they were handed on. */
  #unsettled: Unsettled[] = []

  constructor(found: FoundFile, position: FilePosition, store: PositionStore<FilePosition>) {
    this.key = found.key
    this.path = found.path
    this.#store = store
    this.#position = position
    this.id_beginning = idBeginning(position)
    this.handed_offset = position.offset
    store.set(this.key, position)
  }

  get has_unsettled(): boolean {
    return this.#unsettled.length > 0
  }

  /** Everything before `end` was handed on; the position follows when all before it is stored. */
  async handedOn(end: number, settled: Promise<Settled>): Promise<void> {
    this.handed_offset = end
    // A file that began anew has another list: what comes late for the old one changes nothing.
    const unsettled = this.#unsettled
    const entry: Unsettled = { end, stored: false }
    unsettled.push(entry)
    const how = await settled
    if (how !== 'stored' || unsettled !== this.#unsettled) return
    entry.stored = true
    let offset = this.#position.offset
    while (unsettled[0]?.stored === true) offset = unsettled.shift()?.end ?? offset
    this.#moveTo({ offset })
  }

  /** Goes on without a name of its own: renamed, its path is another one now. */
  foundAt(path: string): void {
    this.gone_since_ms = undefined
    if (path === this.path) return
    this.path = path
    this.#moveTo({ path })
  }

  /** The file's content was replaced: reading begins at its first byte, under new ids. */
  begin(): void {
    this.#unsettled = []
    this.handed_offset = 0
    this.complete = false
    this.finished = false
    this.damaged = false
    this.#moveTo({ offset: 0, generation: this.#position.generation + 1, fingerprint: NO_FINGERPRINT })
    this.id_beginning = idBeginning(this.#position)
  }

  seen(now_ms: number): void {
    this.#moveTo({ seen_ms: now_ms })
  }

  #moveTo(change: Partial<FilePosition>): void {
    this.#position = { ...this.#position, ...change }
    this.#store.set(this.key, this.#position)
  }

  /** The open file, or `undefined` where its path leads to another one by now. */
  async open(): Promise<FileHandle | undefined> {
    if (this.handle !== undefined) return this.handle
    const handle = await open(this.path, 'r')
    const { dev, ino } = await handle.stat({ bigint: true })
    if (`${dev}:${ino}` === this.key) {
      this.handle = handle
      return handle
    }
    await handle.close()
    return undefined
  }

  /** Whether the open file is still what was read so far; if not it has to `begin` again. */
  async isContinued(handle: FileHandle, min_bytes: number): Promise<boolean> {
    const { size } = await handle.stat()
    if (size < min_bytes) return false
    const fingerprint = await checkFingerprint(handle, this.#position.fingerprint)
    if (fingerprint === undefined) return false
    if (fingerprint !== this.#position.fingerprint) this.#moveTo({ fingerprint })
    return true
  }

  /** What its path leads to, where that is this file. */
  async atPath(): Promise<FoundFile | undefined> {
    const found = await look(this.path)
    return found?.key === this.key ? found : undefined
  }

  async close(): Promise<void> {
    const handle = this.handle
    this.handle = undefined
    await handle?.close()
  }
}

function idBeginning({ id, generation }: FilePosition): string {
  return `file-${id}-${generation}-`
}
