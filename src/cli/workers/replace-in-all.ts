import type { LoadedPipeline } from '../../config/load.ts'
import { ConfigError, messageOf } from '../../core/errors.ts'
import { keptSecrets } from '../../core/secret.ts'
import { refusal } from '../reloadable.ts'
import { type Preparing, type Replaced, replacePipelines, type Stage, type Successor } from '../replace-pipelines.ts'
import type { PlainPipeline, Traits } from './calls.ts'
import type { Lineup } from './lineup.ts'
import type { WorkerHandle } from './worker-handle.ts'

/** Makes the pipelines of all workers those of a config that was read. */
export async function replaceInAll(
  read: readonly LoadedPipeline[],
  changed_files: ReadonlySet<string>,
  lineup: Lineup,
  workers: readonly WorkerHandle[],
): Promise<Replaced> {
  const [first, ...others] = workers
  if (first?.index !== 0) throw new ConfigError([startingAgain()])
  const outlook = await first.channel.ask('outlook', { read: read.map(plainOf), changed_files: [...changed_files] })
  const { removed } = outlook
  const changed = read.filter(({ plan }) => outlook.changed.includes(plan.settings.id))
  const planned = lineup.without(removed)
  const stage: Stage = {
    has: (id) => lineup.has(id),
    prepare: async (loaded, preparing) => {
      const replacement = new Replacement(loaded, lineup, first, others)
      await replacement.prepare(planned, preparing)
      return replacement
    },
    remove: async (id) => {
      const holders = workers.filter(({ index }) => index < lineup.workersOf(id))
      await Promise.allSettled(holders.map(({ channel }) => channel.ask('remove', { id })))
      lineup.remove(id)
    },
  }
  return await replacePipelines({ removed, changed }, stage, read.length === 1)
}

/** As it is sent to a worker. */
export function plainOf({ sources, ...loaded }: LoadedPipeline): PlainPipeline {
  return { ...loaded, sources: sources.map(({ file, text }) => ({ file, text })) }
}

/**
 * One pipeline that takes its place in all workers or in none: whatever can be tried beforehand is tried in all of them, and what
 * only shows when it starts in the first one. A worker in which it fails all the same is replaced, by one that has the new config.
 */
class Replacement implements Successor {
  readonly #loaded: LoadedPipeline
  readonly #lineup: Lineup
  readonly #first: WorkerHandle
  readonly #others: readonly WorkerHandle[]
  #prepared: readonly WorkerHandle[] = []
  #traits: Traits | undefined

  constructor(loaded: LoadedPipeline, lineup: Lineup, first: WorkerHandle, others: readonly WorkerHandle[]) {
    this.#loaded = loaded
    this.#lineup = lineup
    this.#first = first
    this.#others = others
  }

  /**
   * `planned`: what runs once all that were prepared before have taken their places.
   * @throws ConfigError where a worker refuses it; or what a worker that crashes meanwhile leaves
   */
  async prepare(planned: Lineup, preparing: Preparing): Promise<void> {
    try {
      const traits = await this.#prepareIn(this.#first, preparing)
      const { workers, moved } = planned.outlook(this.#loaded, traits)
      if (moved.length > 0) {
        const which = moved.length === 1 ? `the pipeline ${moved[0]}` : `the pipelines ${moved.join(', ')}`
        throw refusal(this.#loaded, `${which} would run in another number of workers: start the program again`)
      }
      const others = this.#others.filter(({ index }) => index < workers)
      for (const result of await Promise.allSettled(others.map(async (handle) => await this.#prepareIn(handle, preparing)))) {
        if (result.status === 'rejected') throw result.reason as Error
      }
      planned.replace(this.#loaded, traits)
      this.#traits = traits
    } catch (thrown) {
      await this.cancel()
      throw thrown
    }
  }

  /** @throws ConfigError where the first worker refuses it; or what is left of that one where it crashes meanwhile */
  async takeOver(removed: readonly string[]): Promise<void> {
    const asked = { id: this.#loaded.plan.settings.id, removed }
    // What only shows when it starts shows in the first one, and the others are as they were.
    const [first, ...others] = this.#prepared
    try {
      this.#prepared = others
      await first?.channel.ask('takeOver', asked)
      if (this.#traits !== undefined) this.#lineup.replace(this.#loaded, this.#traits)
      this.#prepared = []
    } finally {
      await this.cancel()
    }
    const following = others.filter(({ is_outdated }) => !is_outdated)
    await Promise.all(
      following.map(async (handle) => {
        try {
          await handle.channel.ask('takeOver', asked)
        } catch (thrown) {
          // The new config runs by now, so this one is behind.
          handle.outdate(messageOf(thrown))
        }
      }),
    )
  }

  async cancel(): Promise<void> {
    const { id } = this.#loaded.plan.settings
    await Promise.allSettled(this.#prepared.map(({ channel }) => channel.ask('cancel', { id })))
    this.#prepared = []
  }

  async #prepareIn(handle: WorkerHandle, preparing: Preparing): Promise<Traits> {
    const traits = await handle.channel.ask('prepare', { ...preparing, loaded: plainOf(this.#loaded), secrets: keptSecrets() })
    this.#prepared = [...this.#prepared, handle]
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
