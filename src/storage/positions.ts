import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MillraceError, messageOf } from '../core/errors.ts'
import { makeFolder, syncFolder, writeError } from './durable.ts'

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/**
 * A small durable store of keys and JSON values, in one file that is replaced as a whole: after a crash it holds
 * either the old state or the new one. All of it is in memory. One writer per file.
 */
export class PositionStore<T extends Json> {
  readonly #path: string | undefined
  readonly #entries: Map<string, T>
  #changed = false
  #saving: Promise<void> | undefined
  #next: Promise<void> | undefined

  private constructor(path: string | undefined, entries: Map<string, T>) {
    this.#path = path
    this.#entries = entries
  }

  /** A store that forgets: for those who want no positions kept. */
  static inMemory<T extends Json>(): PositionStore<T> {
    return new PositionStore<T>(undefined, new Map())
  }

  /**
   * Reads the store's file; there need not be one.
   * @param isEntry whether a value in the file is one of ours; others are left out
   * @throws MillraceError STORAGE_CORRUPT where the file is not what was written
   */
  static async open<T extends Json>(path: string, isEntry: (value: Json) => value is T): Promise<PositionStore<T>> {
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return new PositionStore<T>(path, new Map())
      throw new MillraceError('STORAGE_CORRUPT', `${path}: cannot read the positions: ${messageOf(thrown)}`, { cause: thrown })
    }
    return new PositionStore<T>(
      path,
      new Map(parseEntries(path, text).filter((entry): entry is [string, T] => isEntry(entry[1]))),
    )
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)
  }

  set(key: string, value: T): void {
    this.#entries.set(key, value)
    this.#changed = true
  }

  delete(key: string): void {
    this.#changed = this.#entries.delete(key) || this.#changed
  }

  entries(): IterableIterator<[string, T]> {
    return this.#entries.entries()
  }

  /**
   * Resolves once everything set before this call is durable. Calls while a write is on its way share the next one.
   * @throws MillraceError STORAGE_FULL or STORAGE_WRITE_FAILED; the call may be repeated
   */
  save(): Promise<void> {
    if (this.#next !== undefined) return this.#next
    if (this.#saving === undefined) return this.#startSaving()
    this.#next = this.#saving
      .catch(() => {}) // Its own callers hear of it.
      .then(() => {
        this.#next = undefined
        return this.#startSaving()
      })
    return this.#next
  }

  #startSaving(): Promise<void> {
    this.#saving = this.#write().finally(() => {
      this.#saving = undefined
    })
    return this.#saving
  }

  async #write(): Promise<void> {
    if (!this.#changed || this.#path === undefined) return
    this.#changed = false
    try {
      await replaceFile(this.#path, `${JSON.stringify({ version: VERSION, entries: [...this.#entries] })}\n`)
    } catch (thrown) {
      this.#changed = true
      throw writeError(this.#path, thrown)
    }
  }
}

const VERSION = 1

function parseEntries(path: string, text: string): [string, Json][] {
  try {
    const stored = JSON.parse(text) as { readonly version?: unknown; readonly entries?: unknown } | null
    if (stored?.version === VERSION && Array.isArray(stored.entries)) {
      return stored.entries.filter(
        (entry): entry is [string, Json] => Array.isArray(entry) && entry.length === 2 && typeof entry[0] === 'string',
      )
    }
  } catch {
    // Said below: what the file holds instead does not matter.
  }
  throw new MillraceError(
    'STORAGE_CORRUPT',
    `${path}: expected stored positions of version ${VERSION}, got something else: move the file away to start without positions`,
  )
}

/** Writes a file so that a crash leaves the old or the new one, never a part. */
async function replaceFile(path: string, text: string): Promise<void> {
  const folder = dirname(path)
  await makeFolder(folder)
  const temporary = `${path}.new`
  {
    await using file = await open(temporary, 'w')
    await file.writeFile(text)
    await file.sync()
  }
  await rename(temporary, path)
  await syncFolder(folder)
}
