import type { Context } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import { Database } from './database.ts'
import { type FileState, readDatabaseFile, readFileState } from './database-file.ts'

/** New databases appear once or twice a week: half a minute is soon enough, and a look is one stat of a file. */
const POLL_MS = 30_000

/**
 * Databases in use by path: two filters on one file share its memory. Held weakly: the last filter that goes takes
 * the database along.
 */
const open_databases = new Map<string, WeakRef<Database>>()

/**
 * A database file that may be replaced while it is in use. The new state is taken over as a whole, between two
 * events; a new file that is broken never takes the place of a sound one.
 */
export class WatchedDatabase {
  readonly #path: string
  readonly #context: Pick<Context, 'log'>
  #current: Database
  /** The state of the file that was read last, sound or not: what did not change is not read again. */
  #state: FileState | undefined
  /** What was wrong at the last look: said once, not at every look. */
  #complaint: string | undefined
  #refreshing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  private constructor(database: Database, state: FileState, context: Pick<Context, 'log'>) {
    this.#path = database.path
    this.#context = context
    this.#current = database
    this.#state = state
  }

  /**
   * Opens a database and looks for a new state of its file every `poll_ms`, without keeping the process alive. The
   * watch ends with `close`, or when nobody holds the database any more (a step of a filter has no end of its own).
   * @throws MillraceError GEOIP_DATABASE_UNREADABLE
   */
  static async open(path: string, context: Pick<Context, 'log' | 'metrics'>, poll_ms = POLL_MS): Promise<WatchedDatabase> {
    const { bytes, state } = await readDatabaseFile(path)
    const watched = new WatchedDatabase(shared(path, bytes), state, context)
    const weakly = new WeakRef(watched)
    const timer = setInterval(() => {
      const held = weakly.deref()
      if (held === undefined) clearInterval(timer)
      // Not awaited: it never rejects, and the next tick leaves it alone while it runs.
      else void held.refresh()
    }, poll_ms).unref()
    watched.#timer = timer
    context.metrics.gauge(
      'millrace_geoip_database_build_time_seconds',
      'When the data of a GeoIP database were put together, in seconds since 1970.',
      { database: path },
      () => weakly.deref()?.current.build_time_s ?? Number.NaN,
    )
    return watched
  }

  /** The newest sound state. */
  get current(): Database {
    return this.#current
  }

  /** Looks once whether the file has a new state, and takes it over. Never rejects: what is wrong is logged. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#takeOver().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #takeOver(): Promise<void> {
    try {
      const state = await readFileState(this.#path)
      if (state === this.#state) return
      this.#state = state
      this.#complaint = undefined
      const read = await readDatabaseFile(this.#path)
      this.#state = read.state
      if (this.#current.holds(read.bytes)) return
      this.#current = shared(this.#path, read.bytes)
      this.#context.log.info('geoip_database', `took over a new state of ${describeDatabase(this.#current)}`)
    } catch (thrown) {
      this.#complain(messageOf(thrown))
    }
  }

  #complain(complaint: string): void {
    if (complaint === this.#complaint) return
    this.#complaint = complaint
    this.#context.log.warn(
      'geoip_database_broken',
      `${complaint}: still working with ${describeDatabase(this.#current)}; put a sound file in its place`,
    )
  }

  /** Ends the watch. Look-ups go on with the present state. */
  close(): void {
    clearInterval(this.#timer)
  }
}

function shared(path: string, whole: Uint8Array): Database {
  const bytes = Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength)
  const open = open_databases.get(path)?.deref()
  if (open?.holds(bytes) === true) return open
  for (const [other, database] of open_databases) if (database.deref() === undefined) open_databases.delete(other)
  const database = new Database(path, bytes)
  open_databases.set(path, new WeakRef(database))
  return database
}

/** `GeoLite2-City of 2026-02-04 (/etc/GeoLite2-City.mmdb)` */
export function describeDatabase({ type, path, build_time_s }: Database): string {
  return `${type} of ${new Date(build_time_s * 1000).toISOString().slice(0, 10)} (${path})`
}
