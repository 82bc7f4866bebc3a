import type { Writable } from 'node:stream'
import { getHeapStatistics } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { MillraceError, messageOf } from '../../core/errors.ts'
import type { SharedDatabaseFiles } from '../../geoip/database-file.ts'
import type { DeadLetterBox, Entry } from '../../runtime/dead-letter-box.ts'
import { readTurnMemory } from '../../runtime/turn-guard.ts'
import type { MainLog } from '../../telemetry/log.ts'
import type { MainCalls, Preparation, Snapshot, WorkerCalls, WorkerTask } from './calls.ts'
import { Channel } from './channel.ts'

const MEGABYTE = 1024 * 1024
/** Less is not enough for one full batch of large events. */
const HEAP_MIN_MB = 256
/** A worker that has not told how it stands after this time is told of. */
const ANSWER_MS = 2_000
/** A thread that has nothing to do any more ends by itself. */
const ENDING_MS = 2_000

export interface HandleServices {
  readonly log: MainLog
  readonly deadLetters: Pick<DeadLetterBox, 'keep'>
  readonly databases: SharedDatabaseFiles
  /** The program leaves without waiting any longer. */
  readonly abandon: AbortSignal
  /** Its standard input goes to this worker. */
  readonly has_stdin: boolean
}

/** How a worker came to its end. */
export type WorkerEnd =
  | { readonly kind: 'ended'; readonly left: number }
  | { readonly kind: 'outdated'; readonly left: number }
  | { readonly kind: 'crashed' | 'refused'; readonly why: Error }

/** One worker as the main thread sees it. */
export class WorkerHandle {
  readonly index: number
  readonly channel: Channel<WorkerCalls, MainCalls>
  /** What it made of its task. Rejects when it crashes before. */
  readonly prepared: Promise<Preparation>
  /** Resolves with why it crashed, or with undefined when it ended as it should. Never rejects. */
  readonly gone: Promise<Error | undefined>
  /** How its run ended, once it was started. Never rejects. */
  readonly ended: Promise<WorkerEnd>
  /** The last that is known of it, and the last with all its metrics. */
  last: Snapshot | undefined
  last_whole: Snapshot | undefined
  /** It has not answered for a while. */
  is_late = false
  readonly #worker: Worker
  readonly #turn_memory: SharedArrayBuffer
  readonly #log: MainLog
  /** One question at a time, also where no answer comes. */
  #asking: Promise<void> | undefined
  readonly #resolveEnded: (end: WorkerEnd | Promise<WorkerEnd>) => void
  #has_started = false
  #is_outdated = false
  #is_ending = false
  #has_exited = false
  #crash: Error | undefined

  constructor(task: WorkerTask, { log, deadLetters, databases, abandon, has_stdin }: HandleServices) {
    const { index, count } = task
    this.index = index
    this.#turn_memory = task.turn_memory
    this.#log = log
    const share_mb = Math.floor(getHeapStatistics().heap_size_limit / MEGABYTE / count)
    this.#worker = new Worker(new URL('./thread.ts', import.meta.url), {
      name: `worker ${index}`,
      workerData: task,
      stdin: has_stdin,
      // Beyond it the worker ends, and not the program.
      resourceLimits: { maxOldGenerationSizeMb: Math.max(HEAP_MIN_MB, share_mb) },
    })
    const { promise: prepared, resolve, reject } = Promise.withResolvers<Preparation>()
    this.prepared = prepared
    this.channel = new Channel<WorkerCalls, MainCalls>(this.#worker, {
      prepared: (asked) => resolve(asked) as undefined,
      log: ({ line, count: count_of_it }) => {
        const component = line.component === undefined ? `worker_${index}` : `worker_${index}/${line.component}`
        return log.relay({ ...line, component }, count_of_it) as undefined
      },
      keep: async ({ pipeline, entries }) => await deadLetters.keep(pipeline, entries.map(withBuffer), abandon),
      database: async (path) => await databases.read(path),
      crashed: ({ message, stack, snapshot }) => {
        this.#crash = Object.assign(new Error(message), { stack })
        if (snapshot !== undefined) this.#note(snapshot)
        return undefined
      },
    })
    const { promise: gone, resolve: resolveGone } = Promise.withResolvers<Error | undefined>()
    this.gone = gone
    const { promise: ended, resolve: resolveEnded } = Promise.withResolvers<WorkerEnd>()
    this.ended = ended
    this.#resolveEnded = resolveEnded
    this.#worker.on('error', (thrown) => {
      this.#crash ??= thrown instanceof Error ? thrown : new Error(messageOf(thrown))
    })
    this.#worker.on('exit', (code) => {
      this.#has_exited = true
      const silent = Object.assign(new Error(`its thread ended with code ${code}`), { stack: undefined })
      const why = this.#crash ?? (this.#is_ending ? undefined : silent)
      this.channel.close(why ?? new Error(`worker ${index} has ended`))
      reject(new MillraceError('WORKER_CRASHED', `worker ${index} crashed: ${why?.message ?? 'it has ended'}`, { cause: why }))
      resolveGone(why)
    })
    // Whoever waits for it hears of it.
    prepared.catch(() => {})
    if (has_stdin && this.#worker.stdin !== null) giveStdin(this.#worker.stdin)
  }

  /** What was in its filters when it ended, once others had ended before. */
  get in_filters(): bigint[] {
    return readTurnMemory(this.#turn_memory)
  }

  /** It was started, and is not about to end. */
  get is_running(): boolean {
    return this.#has_started && !this.#is_outdated && !this.#has_exited
  }

  /** It stays behind a config that others have taken over, and is about to end. */
  get is_outdated(): boolean {
    return this.#is_outdated
  }

  /** Asks how it stands. Resolves when it has told, or after a while. Never rejects. */
  async refresh(with_families: boolean): Promise<void> {
    // Whoever wants more than was asked for waits for the next answer.
    if (this.#asking !== undefined && with_families) await this.#inTime(this.#asking)
    this.#asking ??= this.#ask(with_families).finally(() => {
      this.#asking = undefined
    })
    await this.#inTime(this.#asking)
  }

  /** Lets it run to its end. */
  start(count: number): void {
    this.#has_started = true
    this.#resolveEnded(this.#run(count))
  }

  /** It could not take a new config over: it brings to its end what it holds, and ends. */
  outdate(why: string): void {
    this.#is_outdated = true
    // One that crashed has ended already.
    if (this.#has_exited) return
    this.#log.warn(
      `worker_outdated_${this.index}`,
      `worker ${this.index} could not take the new config over: ${why}. It ends, and another one with the new config takes its place`,
    )
    this.channel.tell('stop', undefined)
  }

  async #run(count: number): Promise<WorkerEnd> {
    try {
      const left = await this.channel.ask('run', { count })
      await this.refresh(true)
      await this.end()
      return { kind: this.#is_outdated ? 'outdated' : 'ended', left }
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown : new Error(messageOf(thrown))
      // Its thread is there: the pipelines could not start.
      return { kind: this.#has_exited ? 'crashed' : 'refused', why }
    }
  }

  /** It has told that it is done: its thread ends. */
  async end(): Promise<void> {
    this.#is_ending = true
    const timer = setTimeout(() => void this.#worker.terminate(), ENDING_MS)
    this.channel.tell('leave', undefined)
    await this.gone
    clearTimeout(timer)
  }

  /** Ends it at once. */
  async terminate(): Promise<void> {
    this.#is_ending = true
    await this.#worker.terminate()
  }

  async #ask(with_families: boolean): Promise<void> {
    try {
      this.#note(await this.channel.ask('snapshot', { with_families }))
      this.is_late = false
    } catch {
      // It is gone, or does not run yet.
    }
  }

  async #inTime(asking: Promise<void>): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      if (!this.is_late)
        this.#log.warn(`worker_late_${this.index}`, `worker ${this.index} has not answered for ${ANSWER_MS / 1000} s`)
      this.is_late = true
      resolve()
    }, ANSWER_MS)
    await Promise.race([asking, late])
    clearTimeout(timer)
  }

  #note(snapshot: Snapshot): void {
    this.last = snapshot
    if (snapshot.families !== undefined) this.last_whole = snapshot
  }
}

/** What the program is given goes to one worker. It is no reason for the program to stay: its workers are. */
function giveStdin(to: Writable): void {
  process.stdin.pipe(to)
  // Of a file there is nothing to wait for.
  if ('unref' in process.stdin) process.stdin.unref()
}

/** Bytes come over as a plain array. */
function withBuffer(entry: Entry): Entry {
  const { content } = entry
  if (content.kind !== 'raw') return entry
  const { buffer, byteOffset, byteLength } = content.raw
  return { ...entry, content: { ...content, raw: Buffer.from(buffer, byteOffset, byteLength) } }
}
