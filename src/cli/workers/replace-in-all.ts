import type { LoadedPipeline } from '../../config/load.ts'
import { ConfigError, messageOf } from '../../core/errors.ts'
import { keptSecrets } from '../../core/secret.ts'
import type { Replaced } from '../pipelines.ts'
import { refusal } from '../reloadable.ts'
import type { PlainPipeline, Traits } from './calls.ts'
import type { Lineup } from './lineup.ts'
import type { WorkerHandle } from './worker-handle.ts'

/** Makes the pipelines of all workers those of a config that was read, one pipeline after the other. */
export async function replaceInAll(
  read: readonly LoadedPipeline[],
  changed_files: ReadonlySet<string>,
  lineup: Lineup,
  workers: readonly WorkerHandle[],
): Promise<Replaced> {
  const changed: string[] = []
  const added: string[] = []
  const refused: { id: string; error: ConfigError }[] = []
  const [first, ...others] = workers
  if (first?.index !== 0) throw new ConfigError([startingAgain()])
  const outlook = await first.channel.ask('outlook', { read: read.map(plainOf), changed_files: [...changed_files] })
  for (const id of outlook.removed) {
    const holders = workers.filter(({ index }) => index < lineup.workersOf(id))
    await Promise.allSettled(holders.map(({ channel }) => channel.ask('remove', { id })))
    lineup.remove(id)
  }
  for (const loaded of read.filter(({ plan }) => outlook.changed.includes(plan.settings.id))) {
    const { id } = loaded.plan.settings
    const into = lineup.has(id) ? changed : added
    try {
      await new Replacement(loaded, lineup, first, others, read.length === 1).take()
      into.push(id)
    } catch (thrown) {
      const error = thrown instanceof ConfigError ? thrown : refusal(loaded, messageOf(thrown))
      refused.push({ id, error })
    }
  }
  return { changed, added, removed: outlook.removed, refused }
}

/** As it is sent to a worker. */
export function plainOf({ sources, ...loaded }: LoadedPipeline): PlainPipeline {
  return { ...loaded, sources: sources.map(({ file, text }) => ({ file, text })) }
}

/** One pipeline that takes its place in all workers or, as far as can be known beforehand, in none. */
class Replacement {
  readonly #loaded: LoadedPipeline
  readonly #lineup: Lineup
  readonly #first: WorkerHandle
  readonly #others: readonly WorkerHandle[]
  readonly #is_alone: boolean
  readonly #prepared: WorkerHandle[] = []

  constructor(loaded: LoadedPipeline, lineup: Lineup, first: WorkerHandle, others: readonly WorkerHandle[], is_alone: boolean) {
    this.#loaded = loaded
    this.#lineup = lineup
    this.#first = first
    this.#others = others
    this.#is_alone = is_alone
  }

  /** @throws ConfigError where a worker refuses it; or what a worker that crashes meanwhile leaves */
  async take(): Promise<void> {
    const { id } = this.#loaded.plan.settings
    try {
      const traits = await this.#prepareIn(this.#first)
      const { workers, moved } = this.#lineup.outlook(this.#loaded, traits)
      if (moved.length > 0) {
        const which = moved.length === 1 ? `the pipeline ${moved[0]}` : `the pipelines ${moved.join(', ')}`
        throw refusal(this.#loaded, `${which} would run in another number of workers: start the program again`)
      }
      const others = this.#others.filter(({ index }) => index < workers)
      for (const result of await Promise.allSettled(others.map(async (handle) => await this.#prepareIn(handle)))) {
        if (result.status === 'rejected') throw result.reason as Error
      }
      // What only shows when it starts shows in the first one, and the others are as they were.
      this.#prepared.shift()
      await this.#first.channel.ask('takeOver', { id })
      this.#lineup.replace(this.#loaded, traits)
      const taking = this.#prepared.splice(0).map(async ({ channel }) => await channel.ask('takeOver', { id }))
      for (const result of await Promise.allSettled(taking)) if (result.status === 'rejected') throw result.reason as Error
    } finally {
      await Promise.allSettled(this.#prepared.map(({ channel }) => channel.ask('cancel', { id })))
    }
  }

  async #prepareIn(handle: WorkerHandle): Promise<Traits> {
    const asked = { loaded: plainOf(this.#loaded), is_alone: this.#is_alone, secrets: keptSecrets() }
    const traits = await handle.channel.ask('prepare', asked)
    this.#prepared.push(handle)
    return traits
  }
}

function startingAgain() {
  return {
    code: 'CONFIG_CANNOT_START',
    at: { file: '-f', line: 1, column: 1 },
    message: 'a worker is being started again: try later',
  } as const
}
