import { appendFile, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { Deliver, InputContext, Source } from '../../core/contracts.ts'
import { MillraceError, messageOf } from '../../core/errors.ts'
import { TIMER_MAX_MS } from '../../core/waiting.ts'
import { PositionStore } from '../../storage/positions.ts'
import { ArrayReader } from './array-reader.ts'
import { type FoundFile, findFiles, type Patterns } from './discovery.ts'
import { EventBuilder } from './event-builder.ts'
import { LineReader, READ_BYTES } from './line-reader.ts'
import { type FilePosition, isFilePosition, NO_FINGERPRINT } from './position.ts'
import { TrackedFile } from './tracked-file.ts'

export interface FileSettings {
  readonly patterns: Patterns
  readonly mode: 'tail' | 'read'
  readonly format: 'lines' | 'json_array'
  readonly begins_at_end: boolean
  readonly delimiter: Buffer
  /** `undefined` keeps positions in memory only. */
  readonly positions_path: string | undefined
  readonly stat_interval_ms: number
  readonly discover_interval_ms: number
  readonly write_interval_ms: number
  readonly clean_after_ms: number
  readonly close_older_ms: number
  readonly ignore_older_ms: number | undefined
  readonly max_open_files: number
  readonly exit_after_read: boolean
  readonly deletes_completed: boolean
  readonly completed_log_path: string | undefined
}

/** How often a file is read before the next one has its turn. */
const PIECES_A_TURN = 4
/** A program goes on writing to a file that was renamed until it opens the new one: so many looks are waited for it. */
const LOOKS_AT_GONE_FILE = 10

interface Reading {
  readonly file: TrackedFile
  readonly lines: LineReader
}

export function createFileSource(settings: FileSettings, context: InputContext): Source {
  return {
    run: async (deliver, stop, abandon) => {
      const { positions_path } = settings
      let store: PositionStore<FilePosition>
      try {
        store = positions_path === undefined ? PositionStore.inMemory() : await PositionStore.open(positions_path, isFilePosition)
      } catch (thrown) {
        throw new MillraceError('INPUT_CANNOT_START', `${context.where}: ${messageOf(thrown)}`, { cause: thrown })
      }
      const follower = new FileFollower(settings, context, store)
      try {
        await follower.follow(deliver, stop)
        await follower.drain(abandon)
      } finally {
        await follower.close()
      }
    },
  }
}

/** Finds files, reads them in turns, and keeps the positions of what is stored. */
class FileFollower {
  readonly #settings: FileSettings
  readonly #context: InputContext
  readonly #store: PositionStore<FilePosition>
  readonly #builder: EventBuilder
  readonly #readings = new Map<string, Reading>()
  readonly #buffer = Buffer.allocUnsafe(READ_BYTES)
  /** What was handed on and is not settled. */
  readonly #pending = new Set<Promise<void>>()
  /** Times are of the monotonic clock, which nobody sets back. */
  #discovered_ms = Number.NEGATIVE_INFINITY
  #saved_ms = performance.now()
  #is_first_discovery = true

  constructor(settings: FileSettings, context: InputContext, store: PositionStore<FilePosition>) {
    this.#settings = settings
    this.#context = context
    this.#store = store
    this.#builder = new EventBuilder(context)
  }

  /** Until `stop`, or in mode read until everything is read, where that was asked for. */
  async follow(deliver: Deliver, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await this.#discover()
      let progress = false
      for (const reading of this.#readings.values()) {
        if (stop.aborted) break
        progress = (await this.#turn(reading, deliver, stop)) || progress
      }
      await this.#saveSometimes()
      if (progress) continue
      if (this.#settings.exit_after_read && this.#allComplete()) return
      await delay(this.#settings.stat_interval_ms, undefined, { signal: stop }).catch(() => {}) // The loop looks at `stop`.
    }
  }

  /** Waits until what was handed on is settled, or for `abandon`. */
  async drain(abandon: AbortSignal): Promise<void> {
    const left = new AbortController()
    // The longest that a timer can wait; a signal ends it.
    const given_up = delay(TIMER_MAX_MS, undefined, { signal: AbortSignal.any([abandon, left.signal]), ref: false }).catch(
      () => {},
    )
    await Promise.race([Promise.all(this.#pending), given_up])
    left.abort()
    if (!abandon.aborted) for (const { file } of this.#readings.values()) await this.#completed(file)
  }

  async close(): Promise<void> {
    for (const { file } of this.#readings.values()) await file.close()
    await this.#save()
  }

  #allComplete(): boolean {
    return [...this.#readings.values()].every(({ file }) => file.complete)
  }

  async #discover(): Promise<void> {
    if (performance.now() - this.#discovered_ms < this.#settings.discover_interval_ms) return
    this.#discovered_ms = performance.now()
    const now_ms = this.#context.clock.now()
    for (const found of await findFiles(this.#settings.patterns)) {
      const known = this.#readings.get(found.key)
      if (known === undefined) this.#add(found, now_ms)
      else known.file.foundAt(found.path)
      known?.file.seen(now_ms)
    }
    for (const [key, { seen_ms }] of this.#store.entries()) {
      if (now_ms - seen_ms > this.#settings.clean_after_ms && !this.#readings.has(key)) this.#store.delete(key)
    }
    this.#is_first_discovery = false
    // Ids hold the file's id and generation: they must be known after a crash before the first event leaves.
    await this.#save()
  }

  #add(found: FoundFile, now_ms: number): void {
    const { mode, begins_at_end, ignore_older_ms } = this.#settings
    const old = ignore_older_ms !== undefined && now_ms - found.modified_ms > ignore_older_ms
    if (old && mode === 'read') return
    const at_end = mode === 'tail' && ((this.#is_first_discovery && begins_at_end) || old)
    const position: FilePosition = this.#store.get(found.key) ?? {
      path: found.path,
      offset: at_end ? found.size_bytes : 0,
      generation: 0,
      id: `${hostname()}-${found.key.replace(':', '-')}`,
      fingerprint: NO_FINGERPRINT,
      seen_ms: now_ms,
    }
    const file = new TrackedFile(found, { ...position, path: found.path, seen_ms: now_ms }, this.#store)
    const lines = new LineReader(file, this.#settings.delimiter, this.#builder, this.#context, (settled) => this.#hold(settled))
    this.#readings.set(found.key, { file, lines })
    this.#context.log.debug('file_found', `${this.#context.where}: reading ${found.path} from ${position.offset}`)
  }

  #hold(settled: Promise<void>): void {
    const held = settled.finally(() => this.#pending.delete(held))
    this.#pending.add(held)
  }

  /** Whether something was read. A file that makes trouble is left for a while; the others go on. */
  async #turn(reading: Reading, deliver: Deliver, stop: AbortSignal): Promise<boolean> {
    const { file, lines } = reading
    const now_ms = performance.now()
    try {
      if (file.complete) {
        await this.#completed(file)
        return false
      }
      if (this.#isLookDue(file, now_ms) && !(await this.#look(reading, deliver, now_ms))) return false
      if (file.handle === undefined) return false
      if (this.#settings.format === 'json_array') return await this.#readArray(file, deliver, stop)
      let pieces = 0
      while (pieces < PIECES_A_TURN && !stop.aborted && (await lines.readPiece(file.handle, this.#buffer, deliver))) pieces++
      if (pieces > 0) file.active_ms = now_ms
      if (pieces < PIECES_A_TURN && !stop.aborted) await this.#atEnd(reading, deliver, now_ms)
      if (pieces === 0) await lines.flushQuiet(now_ms, deliver)
      return pieces > 0
    } catch (thrown) {
      lines.rewind()
      await file.close()
      file.checked_ms = now_ms
      if (!stop.aborted) {
        this.#context.log.error('file_read', `${this.#context.where}: ${file.path}: ${messageOf(thrown)}; trying again`)
      }
      return false
    }
  }

  #isLookDue(file: TrackedFile, now_ms: number): boolean {
    return now_ms - file.checked_ms >= this.#settings.stat_interval_ms
  }

  /** Sees whether the file was moved, emptied or replaced since. Whether there is something to read from. */
  async #look(reading: Reading, deliver: Deliver, now_ms: number): Promise<boolean> {
    const { file, lines } = reading
    file.checked_ms = now_ms
    const found = await file.atPath()
    if (found !== undefined) {
      file.gone_since_ms = undefined
    } else if (file.gone_since_ms === undefined) {
      file.gone_since_ms = now_ms
      // Rotated: its successor is there already, and need not wait for the next search.
      this.#discovered_ms = Number.NEGATIVE_INFINITY
    }
    if (file.handle === undefined) {
      if (found === undefined) {
        if (!file.has_unsettled) this.#readings.delete(file.key)
        return false
      }
      if (this.#settings.mode === 'tail' && found.size_bytes === lines.read_offset && found.modified_ms === file.modified_ms)
        return false
    }
    file.modified_ms = found?.modified_ms ?? file.modified_ms
    const gone_ms = file.gone_since_ms === undefined ? 0 : now_ms - file.gone_since_ms
    const quiet_ms = now_ms - file.active_ms
    const patience_ms = LOOKS_AT_GONE_FILE * this.#settings.stat_interval_ms
    if (gone_ms >= patience_ms && quiet_ms >= patience_ms) {
      await lines.finish(deliver)
      await file.close()
      return false
    }
    const handle = await file.open()
    if (handle === undefined) return false
    const read_bytes = this.#settings.format === 'lines' ? lines.read_offset : 0
    if (await file.isContinued(handle, read_bytes)) return true
    file.begin()
    lines.rewind()
    this.#context.log.info(
      'file-anew',
      `${this.#context.where}: ${file.path} was emptied or replaced: reading it from its beginning`,
    )
    await this.#save()
    return true
  }

  async #atEnd({ file, lines }: Reading, deliver: Deliver, now_ms: number): Promise<void> {
    if (this.#settings.mode === 'read') {
      await lines.finish(deliver)
      file.complete = true
      await file.close()
      return
    }
    const open = [...this.#readings.values()].filter((reading) => reading.file.handle !== undefined).length
    if (now_ms - file.active_ms > this.#settings.close_older_ms || open > this.#settings.max_open_files) await file.close()
  }

  async #readArray(file: TrackedFile, deliver: Deliver, stop: AbortSignal): Promise<boolean> {
    const { size = 0 } = (await file.handle?.stat()) ?? {}
    const reader = new ArrayReader(file, this.#builder, this.#context, (settled) => this.#hold(settled))
    const whole = await reader.read(size, deliver, stop)
    if (stop.aborted) return false
    file.complete = true
    file.damaged = !whole
    await file.close()
    return true
  }

  /** Does with a file that was read and stored to its end what was asked for, once. */
  async #completed(file: TrackedFile): Promise<void> {
    if (!file.complete || file.finished || file.has_unsettled) return
    file.finished = true
    const { completed_log_path, deletes_completed } = this.#settings
    try {
      if (completed_log_path !== undefined) await appendFile(completed_log_path, `${file.path}\n`)
      if (deletes_completed && !file.damaged) await rm(file.path, { force: true })
    } catch (thrown) {
      this.#context.log.error('file_completed', `${this.#context.where}: ${file.path} is stored, but: ${messageOf(thrown)}`)
    }
  }

  async #saveSometimes(): Promise<void> {
    if (performance.now() - this.#saved_ms >= this.#settings.write_interval_ms) await this.#save()
  }

  /** Positions that cannot be saved are no reason to stop: after a crash some lines would be read twice. */
  async #save(): Promise<void> {
    this.#saved_ms = performance.now()
    try {
      await this.#store.save()
    } catch (thrown) {
      this.#context.log.error('file_positions', `${this.#context.where}: ${messageOf(thrown)}; trying again`)
    }
  }
}
