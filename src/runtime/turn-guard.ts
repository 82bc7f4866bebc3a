import { hash } from 'node:crypto'
import { linkChain } from '../compile/chain/chain.ts'
import type { Chain, ChainHooks, ChainNode } from '../compile/chain/nodes.ts'
import type { Event } from '../core/event.ts'

/** What is known of events that may have ended a worker: their stable ids or, where there is none, their content, hashed. */
export interface Watch {
  /** Were in the filters more than once when a worker ended. */
  readonly suspects: readonly bigint[]
  /** Was alone there. */
  readonly condemned: readonly bigint[]
}

const HASHES_MAX = 16_384
const HASH_BYTES = 8
/** Their number comes first. */
const HEADER_BYTES = 8

/** Memory in which a worker leaves what is in its filters: another thread reads it when the worker is no more. */
export function createTurnMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + HASHES_MAX * HASH_BYTES)
}

/** What was in the filters. */
export function readTurnMemory(memory: SharedArrayBuffer): bigint[] {
  const [count = 0] = new Uint32Array(memory, 0, 1)
  return [...new BigUint64Array(memory, HEADER_BYTES, count)]
}

/**
 * Keeps the filters of a worker from the event that ends it again and again. It does nothing until a worker has ended; from then on it
 * notes what is in the filters, has suspects go through them one by one, and keeps out what is condemned.
 */
export class TurnGuard {
  #watch: { readonly suspects: ReadonlySet<bigint>; readonly condemned: ReadonlySet<bigint> } | undefined
  readonly #count: Uint32Array
  readonly #hashes: BigUint64Array
  /** Of several pipelines there may be one turn each. */
  readonly #turns = new Set<readonly bigint[]>()

  constructor(memory: SharedArrayBuffer) {
    this.#count = new Uint32Array(memory, 0, 1)
    this.#hashes = new BigUint64Array(memory, HEADER_BYTES)
  }

  get isWatching(): boolean {
    return this.#watch !== undefined
  }

  /** `undefined`: there has been nothing to fear for a while. */
  watch(watch: Watch | undefined): void {
    this.#watch = watch && { suspects: new Set(watch.suspects), condemned: new Set(watch.condemned) }
  }

  /** Takes events through the filters so that it is known which were there if the worker ends. */
  async run(
    events: readonly Event[],
    through: (turn: readonly Event[]) => void | Promise<void>,
    keepOut: (event: Event) => void,
  ) {
    const known = events.map((event) => ({ event, hash: hashOf(event) }))
    const { suspects, condemned } = this.#watch ?? NOBODY
    const common = known.filter(({ hash: id }) => !suspects.has(id) && !condemned.has(id))
    const alone = known.filter(({ hash: id }) => suspects.has(id) && !condemned.has(id))
    for (const { event, hash: id } of known) if (condemned.has(id)) keepOut(event)
    for (const turn of [common, ...alone.map((one) => [one])]) {
      if (turn.length > 0) await this.#take(turn, through)
    }
  }

  async #take(
    turn: readonly { readonly event: Event; readonly hash: bigint }[],
    through: (turn: readonly Event[]) => void | Promise<void>,
  ): Promise<void> {
    const hashes = turn.map(({ hash: id }) => id)
    this.#turns.add(hashes)
    this.#note()
    try {
      await through(turn.map(({ event }) => event))
    } finally {
      this.#turns.delete(hashes)
      this.#note()
    }
  }

  #note(): void {
    const hashes = [...this.#turns].flat().slice(0, HASHES_MAX)
    this.#hashes.set(hashes)
    this.#count[0] = hashes.length
  }
}

const NOBODY = { suspects: new Set<bigint>(), condemned: new Set<bigint>() }

/** The time may be that of the arrival. */
const TIMESTAMP = /"@timestamp":"[^"]*"/

/** The same at every delivery. */
function hashOf(event: Event): bigint {
  return hash('sha1', event.stableId() ?? contentOf(event), 'buffer').readBigUInt64LE()
}

function contentOf(event: Event): string {
  try {
    return event.toJsonText().replace(TIMESTAMP, '')
  } catch {
    // Longer than a text can be.
    return event.origin?.describe() ?? ''
  }
}

/** The filters of a pipeline, behind a guard where there is one. */
export function linkGuarded(guard: TurnGuard | undefined, nodes: readonly ChainNode[], hooks: ChainHooks): Chain {
  const chain = linkChain(nodes, hooks)
  if (guard === undefined) return chain
  const keepOut = (event: Event): void =>
    hooks.failed(event, 'filters', 'all of them', new Error('a worker ended each time that the event was in them'))
  return {
    run: (events, signal) =>
      guard.isWatching ? guard.run(events, (turn) => chain.run(turn, signal), keepOut) : chain.run(events, signal),
    ...(chain.flush === undefined ? {} : { flush: async (...asked) => await chain.flush?.(...asked) }),
    close: async () => await chain.close(),
  }
}
