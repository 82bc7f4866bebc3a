import type { LoadedPipeline } from '../../config/load.ts'
import type { Traits } from './calls.ts'
import { type Place, placePipelines } from './placement.ts'

/** Which pipelines run, and in which workers. */
export class Lineup {
  /** Workers that have something to do. */
  count: number
  /** In the order of the config. */
  readonly #current: Map<string, LoadedPipeline>
  readonly #traits = new Map<string, Traits>()
  #places: ReadonlyMap<string, Place> = new Map()

  constructor(read: readonly LoadedPipeline[], count: number) {
    this.#current = new Map(read.map((loaded) => [loaded.plan.settings.id, loaded]))
    this.count = count
  }

  get is_alone(): boolean {
    return this.#current.size === 1
  }

  /** Pipelines that run in one worker where more were wanted, and why. */
  get alone(): (readonly [id: string, why: string])[] {
    return [...this.#places].flatMap(([id, { why_alone }]) => {
      const wanted = this.#current.get(id)?.plan.settings.workers ?? 1
      return why_alone === undefined || wanted === 1 ? [] : [[id, why_alone] as const]
    })
  }

  /** Once the first worker has made everything. */
  place(traits: readonly Traits[]): void {
    for (const one of traits) this.#traits.set(one.id, one)
    this.#places = this.#placesOf(this.#current, this.#traits)
    this.count = Math.max(1, ...[...this.#places].map(([id, { workers }]) => (this.#traits.has(id) ? workers : 1)))
  }

  /** What a worker runs. */
  readOf(index: number): LoadedPipeline[] {
    return [...this.#current.values()].filter(({ plan }) => index === 0 || index < this.workersOf(plan.settings.id))
  }

  has(id: string): boolean {
    return this.#current.has(id)
  }

  /** Whether a worker has made it: then every other one that it is for can. */
  isMade(id: string): boolean {
    return this.#traits.has(id)
  }

  /** In how many workers each pipeline runs. */
  get workers(): ReadonlyMap<string, number> {
    return new Map([...this.#places].map(([id, { workers }]) => [id, workers]))
  }

  workersOf(id: string): number {
    return this.#places.get(id)?.workers ?? 1
  }

  /** In how many workers a pipeline would run, and which others would then run in another number than they do. */
  outlook(loaded: LoadedPipeline, traits: Traits): { readonly workers: number; readonly moved: readonly string[] } {
    const { id } = loaded.plan.settings
    const places = this.#placesOf(new Map([...this.#current, [id, loaded]]), new Map([...this.#traits, [id, traits]]))
    const moved = [...places].filter(([other, { workers }]) => this.#traits.has(other) && workers !== this.workersOf(other))
    return { workers: places.get(id)?.workers ?? 1, moved: moved.map(([other]) => other) }
  }

  /** What would run without some; to try out what else would change. */
  without(removed: readonly string[]): Lineup {
    const copy = new Lineup([...this.#current.values()], this.count)
    for (const [id, traits] of this.#traits) copy.#traits.set(id, traits)
    copy.#places = this.#places
    for (const id of removed) copy.remove(id)
    return copy
  }

  replace(loaded: LoadedPipeline, traits: Traits): void {
    const { id } = loaded.plan.settings
    this.#current.set(id, loaded)
    this.#traits.set(id, traits)
    this.#places = this.#placesOf(this.#current, this.#traits)
  }

  remove(id: string): void {
    this.#current.delete(id)
    this.#traits.delete(id)
  }

  #placesOf(read: ReadonlyMap<string, LoadedPipeline>, traits: ReadonlyMap<string, Traits>): Map<string, Place> {
    return placePipelines(
      [...read.values()].map(({ plan }) => plan),
      traits,
      this.count,
    )
  }
}
