import { access, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Deliver, InputContext, Settled, Source } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import { setMember } from '../../core/values.ts'
import { deadLettersFolder } from '../../storage/dead-letters.ts'
import { DeadLetterOrigin } from '../../storage/letter-origin.ts'
import { type Json, PositionStore } from '../../storage/positions.ts'
import { ReplayMarks } from '../../storage/replay-marks.ts'
import { type FollowedRecord, newestSequence, SegmentFollower } from '../../storage/segment-follower.ts'
import type { ReportDamage } from '../../storage/segment-reader.ts'
import { parseDeadLetter, type StoredDeadLetter } from '../../storage/stored-letter.ts'

export interface LetterSettings {
  /** `undefined`: the program's own. */
  readonly folder: string | undefined
  readonly pipeline_id: string
  /** `undefined`: positions are not kept. */
  readonly positions_path: string | undefined
  readonly clean_consumed: boolean
  readonly start_ms: number
  readonly replays_max: number
}

const METADATA = parseFieldRef('[@metadata][dead_letter_queue]')
/** How often it is looked whether there are new ones. */
const LOOK_MS = 1_000
const BATCH_EVENTS = 128
const BATCH_BYTES = 1024 * 1024

export function createLetterSource(settings: LetterSettings, context: InputContext): Source {
  return {
    run: async (deliver, stop) => {
      const { positions_path } = settings
      const positions =
        positions_path === undefined ? PositionStore.inMemory<string>() : await PositionStore.open(positions_path, isSequence)
      const folder = await chooseFolder(settings, context)
      const from = await startOf(folder, BigInt(positions.get(folder) ?? '0'))
      await new LetterReader(settings, context, positions, folder, from).run(deliver, stop)
    },
  }
}

function isSequence(value: Json): value is string {
  return typeof value === 'string' && /^\d{1,20}$/.test(value)
}

/** Where the letters were taken away by hand, their numbers begin anew: then the position is of others, which are gone. */
async function startOf(folder: string, position: bigint): Promise<bigint> {
  // A damaged file is told of by the follower.
  const newest = await newestSequence(folder).catch(() => position)
  return newest === undefined || newest + 1n < position ? 0n : position
}

/** A config of Logstash names Logstash's own dead letters, which are written in another form: ours are meant. */
async function chooseFolder({ folder, pipeline_id }: LetterSettings, { paths, log, where }: InputContext): Promise<string> {
  const own = deadLettersFolder(paths.data)
  if (folder === undefined || folder === own) return own
  const is_there = await access(folder).then(
    () => true,
    () => false,
  )
  const logstash = await readdir(join(folder, pipeline_id)).catch((): string[] => [])
  const has_theirs = logstash.some((name) => /^\d+\.log(\.tmp)?$/.test(name))
  if (is_there && !has_theirs) return folder
  const why = has_theirs
    ? `${folder} holds dead letters of Logstash, which are read by Logstash only`
    : `there is no folder ${folder}`
  log.warn('dead_letters_folder', `${where}: ${why}; those of this program are read, in ${own}`)
  return own
}

/** What is handed on together. */
interface Batch {
  readonly events: Event[]
  size_bytes: number
  /** The first sequence behind it. */
  next: bigint
}

class LetterReader {
  readonly #settings: LetterSettings
  readonly #context: InputContext
  readonly #positions: PositionStore<string>
  /** The folder, which the position is of. */
  readonly #key: string
  readonly #follower: SegmentFollower
  /** The file that is read now; it was read from its first letter on, and none was left in it. */
  #file: { readonly path: string; is_consumed: boolean } | undefined
  /** Files that may be removed once the position is behind them. */
  readonly #consumed: { readonly path: string; readonly next: bigint }[] = []
  /** What a person has sent again meanwhile. */
  #marks = new ReplayMarks()
  readonly #report: ReportDamage
  /** Batches settle in any order; the position moves in theirs. */
  #committed = Promise.resolve()
  #abandoned = false

  constructor(settings: LetterSettings, context: InputContext, positions: PositionStore<string>, folder: string, from: bigint) {
    this.#settings = settings
    this.#context = context
    this.#positions = positions
    this.#key = folder
    this.#report = (path, torn_bytes, why) => {
      context.log.error('dead_letters_damaged', `${path}: ${why}; ${torn_bytes} bytes are passed over`)
    }
    this.#follower = new SegmentFollower(folder, from, this.#report)
  }

  async run(deliver: Deliver, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      let batch = emptyBatch()
      let is_new = false
      for await (const record of this.#follower.records()) {
        if (!is_new) this.#marks = await ReplayMarks.read(this.#key, this.#report)
        is_new = true
        this.#noteFile(record)
        this.#add(record, batch)
        if (batch.events.length < BATCH_EVENTS && batch.size_bytes < BATCH_BYTES) continue
        await this.#hand(batch, deliver)
        batch = emptyBatch()
        if (stop.aborted) break
      }
      await this.#hand(batch, deliver)
      await wait(LOOK_MS, undefined, { signal: stop }).catch(() => {}) // The loop looks at `stop`.
    }
    // Every receipt settles, at the latest when the program leaves.
    await this.#committed
  }

  /** Adds what a record holds, or passes over it: then its file stays. */
  #add({ sequence, payload }: FollowedRecord, batch: Batch): void {
    batch.next = sequence + 1n
    if (this.#marks.isDone(sequence)) return
    const letter = parseDeadLetter(payload)
    const is_wanted =
      letter !== undefined &&
      letter.pipeline === this.#settings.pipeline_id &&
      letter.time.epoch_ms >= this.#settings.start_ms &&
      this.#mayReplay(this.#marks.failureOf(sequence) ?? letter, letter)
    if (!is_wanted) {
      if (this.#file !== undefined) this.#file.is_consumed = false
      return
    }
    batch.size_bytes += payload.length
    for (const event of this.#eventsOf(letter, sequence, payload.length)) batch.events.push(event)
  }

  #mayReplay({ replays }: Pick<StoredDeadLetter, 'replays'>, { origin }: StoredDeadLetter): boolean {
    if (replays < this.#settings.replays_max) return true
    this.#context.log.warn(
      'dead_letter_failed_again',
      `${origin ?? 'an event'} was read back ${replays === 1 ? 'once' : `${replays} times`} and failed again: it stays among the dead letters, look with bin/millrace dlq ls`,
    )
    return false
  }

  #eventsOf(letter: StoredDeadLetter, sequence: bigint, size_bytes: number): Event[] {
    const { fields, raw, plugin_type, plugin_id, reason, time } = letter
    const decoded = fields === undefined ? this.#decode(raw) : [{ fields, exact: true }]
    return decoded.map((one, part) => {
      const origin = new DeadLetterOrigin(this.#context.id, sequence, letter, part)
      const event = this.#context.createEvent(one, origin, Math.ceil(size_bytes / decoded.length))
      event.set(METADATA, { plugin_type, plugin_id, reason, entry_time: time })
      return event
    })
  }

  #decode(raw: Buffer) {
    const decoder = this.#context.createDecoder()
    const decoded = [...decoder.decode(raw), ...decoder.flush()]
    if (decoded.length > 0) return decoded
    const fields = {}
    setMember(fields, 'message', raw.toString())
    return [{ fields, exact: false }]
  }

  /** A file that another one follows, read to its end from its beginning and with nothing left in it, may go. */
  #noteFile({ path, sequence }: FollowedRecord): void {
    if (this.#file?.path === path) return
    if (this.#file?.is_consumed === true) this.#consumed.push({ path: this.#file.path, next: sequence })
    this.#file = { path, is_consumed: path.includes(String(sequence).padStart(20, '0')) }
  }

  async #hand(batch: Batch, deliver: Deliver): Promise<void> {
    if (batch.next === 0n) return
    const { settled } = batch.events.length === 0 ? { settled: Promise.resolve<Settled>('stored') } : await deliver(batch.events)
    this.#committed = this.#committed.then(async () => await this.#commit(settled, batch.next))
  }

  /** Never rejects. */
  async #commit(settled: Promise<Settled>, next: bigint): Promise<void> {
    if ((await settled) === 'abandoned') this.#abandoned = true
    if (this.#abandoned) return
    this.#positions.set(this.#key, String(next))
    try {
      await this.#positions.save()
      if (this.#settings.clean_consumed) await this.#clean(next)
    } catch (thrown) {
      this.#context.log.error(
        'dead_letters_position',
        `the position in the dead letters cannot be kept: ${messageOf(thrown)}. After a restart some are read again`,
      )
    }
  }

  async #clean(next: bigint): Promise<void> {
    while (this.#consumed[0] !== undefined && this.#consumed[0].next <= next) {
      const { path } = this.#consumed.shift() as { path: string }
      await rm(path, { force: true })
      this.#context.log.info('dead_letters_cleaned', `${path} is removed: all its dead letters are stored`)
    }
  }
}

function emptyBatch(): Batch {
  return { events: [], size_bytes: 0, next: 0n }
}
