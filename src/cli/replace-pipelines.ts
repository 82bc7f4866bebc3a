import type { LoadedPipeline } from '../config/load.ts'
import { ConfigError, messageOf } from '../core/errors.ts'
import { refusal } from './reloadable.ts'

/** What became of each pipeline that a config names or no longer names, by id. */
export interface Replaced {
  readonly changed: readonly string[]
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** They stay what they were. */
  readonly refused: readonly { readonly id: string; readonly error: ConfigError }[]
}

/** What a config that was read would change. */
export interface Outlook {
  /** Ids that it names no more. */
  readonly removed: readonly string[]
  /** Pipelines that would be made anew. */
  readonly changed: readonly LoadedPipeline[]
}

/** A pipeline that is made, and does nothing yet. */
export interface Successor {
  /**
   * Takes its place, or leaves it as it was. Pipelines that are removed afterwards hand their addresses on to it.
   * @throws ConfigError where it cannot start
   */
  takeOver(removed: readonly string[]): Promise<void>
  cancel(): Promise<void>
}

export interface Preparing {
  /** The config names one pipeline. */
  readonly is_alone: boolean
  /** Pipelines whose addresses may be free once it is this one's turn: those that go, and those that are made anew. */
  readonly handed_on: readonly string[]
}

/** Where pipelines run: in one thread, or in all workers. */
export interface Stage {
  has(id: string): boolean
  /**
   * Makes a pipeline and tries what can be tried, without touching what runs.
   * @throws ConfigError for one that cannot run, or whose place cannot be taken
   */
  prepare(loaded: LoadedPipeline, preparing: Preparing): Promise<Successor>
  /** Takes a pipeline out: it brings to an end what it holds. */
  remove(id: string): Promise<void> | void
}

/**
 * Makes the pipelines those of a config: what has changed is made again, and takes the place of what runs once everything that
 * can be tried beforehand has been, for all of them.
 *
 * A pipeline with a new name is one that goes and one that comes. So where some go and anything is refused, none of them goes and
 * none comes: either name runs, never both, and never neither.
 */
export async function replacePipelines(
  { removed, changed: wanted }: Outlook,
  stage: Stage,
  is_alone: boolean,
): Promise<Replaced> {
  const changed: string[] = []
  const added: string[] = []
  const refused: { id: string; error: ConfigError }[] = []
  const refuse = (loaded: LoadedPipeline, thrown: unknown): void => {
    const error = thrown instanceof ConfigError ? thrown : refusal(loaded, messageOf(thrown))
    refused.push({ id: idOf(loaded), error })
  }
  const staysAsItWas = (): boolean => removed.length > 0 && refused.length > 0
  const handed_on = [...removed, ...wanted.map(idOf)]
  const successors = new Map<LoadedPipeline, Successor>()
  for (const loaded of wanted) {
    try {
      successors.set(loaded, await stage.prepare(loaded, { is_alone, handed_on }))
    } catch (thrown) {
      refuse(loaded, thrown)
    }
  }
  for (const [loaded, successor] of successors) {
    const id = idOf(loaded)
    const is_new = !stage.has(id)
    if (is_new && staysAsItWas()) {
      await successor.cancel()
      continue
    }
    try {
      await successor.takeOver(staysAsItWas() ? [] : removed)
      ;(is_new ? added : changed).push(id)
    } catch (thrown) {
      refuse(loaded, thrown)
    }
  }
  const leaving = staysAsItWas() ? added.splice(0) : removed
  for (const id of leaving) await stage.remove(id)
  return { changed, added, removed: staysAsItWas() ? [] : removed, refused }
}

function idOf({ plan }: LoadedPipeline): string {
  return plan.settings.id
}
