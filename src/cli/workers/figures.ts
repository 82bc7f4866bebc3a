import { EVENT_STATES } from '../../core/event.ts'
import type { Books, DeliveryBooks, EventBooks } from '../../ops/ledger.ts'
import type { ComponentStatus, ReloadStatus, Status, StatusSource, Totals } from '../../ops/status.ts'
import { LogstashNames } from '../../telemetry/logstash/logstash-names.ts'
import { agedFamilies, type FamilySnapshot, lastingFamilies, mergeFamilies, samplesOf } from '../../telemetry/merge.ts'
import type { Exposition, MetricsRegistry } from '../../telemetry/metrics.ts'
import { printFamilies } from '../../telemetry/print.ts'
import { addUp } from './add-up.ts'
import type { Snapshot } from './calls.ts'
import { RecentOfAll } from './recent-of-all.ts'

/** A worker whose figures count: one that runs, or whose inputs have ended. */
export interface Counted {
  readonly index: number
  readonly last: Snapshot | undefined
  readonly last_whole: Snapshot | undefined
  readonly is_late: boolean
}

interface Sources {
  /** By index; one that is being replaced is not among them. */
  readonly workers: () => readonly Counted[]
  readonly count: () => number
  /** Why one that is being replaced is not there yet, where it was tried in vain. */
  readonly whyAbsent: (index: number) => string | undefined
  /** The main thread's own metrics. */
  readonly metrics: MetricsRegistry
  readonly reload: () => ReloadStatus | undefined
  readonly version: string
}

const TARGETS_MAX = 100

/** The figures of all workers as those of one program, from what each told last. */
export class WorkersFigures implements StatusSource, Exposition {
  readonly #sources: Sources
  readonly #now: () => number
  readonly #started_ms: number
  readonly #recent = new RecentOfAll()
  readonly #logstash: LogstashNames
  /** Of workers that crashed: what they had counted, and not what they held. */
  #past: Snapshot | undefined
  /** Since when its gauges have aged. */
  #past_ms = 0

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(sources: Sources, now: () => number = () => performance.now()) {
    this.#sources = sources
    this.#now = now
    this.#started_ms = now()
    this.#logstash = new LogstashNames(now)
  }

  /** A worker is gone. What it held counts as abandoned: its senders bring it again. */
  retire({ last, last_whole }: Counted): void {
    if (last === undefined) return
    const past = pastOf(last, last_whole)
    this.#age()
    this.#past = this.#past === undefined ? past : mergePasts(this.#past, past)
  }

  #age(): void {
    const now_ms = this.#now()
    if (this.#past !== undefined) {
      this.#past = { ...this.#past, families: agedFamilies(this.#past.families ?? [], now_ms - this.#past_ms) }
    }
    this.#past_ms = now_ms
  }

  status(): Status {
    const { reload, version } = this.#sources
    const known = this.#known()
    const [first] = known
    return {
      pipeline: first?.status.pipeline ?? '',
      version,
      uptime_ms: this.#now() - this.#started_ms,
      listening: distinct(known.flatMap(({ status }) => status.listening)),
      totals: known.length === 0 ? NOTHING : addUp(known.map(({ status }) => status.totals)),
      errors_total: sum(known.map(({ status }) => status.errors_total)),
      inputs: this.#components(({ inputs }) => inputs),
      outputs: this.#components(({ outputs }) => outputs),
      recent: this.#recent.merge(this.#sources.workers()),
      reload: reload(),
      places: first?.status.places ?? [],
    }
  }

  /** How a component is, those tell that run; one that is gone only tells what it had counted. */
  #components(read: (status: Status) => readonly ComponentStatus[]): ComponentStatus[] {
    const present = this.#present().map(({ status }) => read(status))
    const ids = new Set(present.flatMap((components) => components.map(({ id }) => id)))
    const [first] = this.#sources.workers()
    // The first one has all that there is: what it has not was taken out.
    const has_all = first?.index === 0 && first.last !== undefined
    const past = (this.#past === undefined ? [] : read(this.#past.status)).filter(({ id }) => ids.has(id) || !has_all)
    const counted = past.map((one) =>
      ids.has(one.id) ? { ...one, is_well: true } : { ...one, is_well: false, state: 'its worker is being started again' },
    )
    return mergeComponents([...present, counted])
  }

  books(): Books {
    return mergeBooks(this.#known().map(({ books }) => books))
  }

  reasonsNotReady(): readonly string[] {
    const { workers, count, whyAbsent } = this.#sources
    const present = workers()
    const absent = Array.from({ length: count() }, (_, index) => index).filter(
      (index) => present.find((worker) => worker.index === index)?.last === undefined,
    )
    return [
      ...absent.map((index) => {
        const [why] = whyAbsent(index)?.split('\n') ?? []
        return why === undefined ? `worker ${index} is being started` : `worker ${index} cannot start again: ${why}`
      }),
      ...present.flatMap(({ index, last, is_late }) => [
        ...(is_late ? [`worker ${index} does not answer`] : []),
        ...(last?.reasons ?? []).map((reason) => `worker ${index}: ${reason}`),
      ]),
    ]
  }

  async text(): Promise<string> {
    const { metrics, workers } = this.#sources
    this.#age()
    const told = [...workers().map(({ last_whole }) => last_whole), this.#past].map((snapshot) => snapshot?.families ?? [])
    const families = mergeFamilies([metrics.snapshot(), [this.#received()], ...told])
    const own = families.map((family) => ({ ...family, samples: () => samplesOf(family) }))
    return await printFamilies([...own, ...this.#logstash.of(own)])
  }

  /** How the system spreads the senders over the workers. */
  #received(): FamilySnapshot {
    return {
      name: 'millrace_worker_events_received_total',
      help: 'Events that inputs handed over in the worker as it is now.',
      type: 'counter',
      samples: this.#sources.workers().map(({ index, last_whole }) => ({
        labels: { worker: String(index) },
        value: last_whole?.status.totals.received ?? 0,
      })),
    }
  }

  derivedTotal(name: string): number | undefined {
    const totals = this.#known().flatMap(({ derived }) => derived[name] ?? [])
    return totals.length === 0 ? undefined : sum(totals)
  }

  #present(): Snapshot[] {
    return this.#sources.workers().flatMap(({ last }) => last ?? [])
  }

  #known(): Snapshot[] {
    return this.#past === undefined ? this.#present() : [...this.#present(), this.#past]
  }
}

/** What of a worker that is gone still counts: each figure as it was told last, for none of them goes back. */
function pastOf({ status, books, derived }: Snapshot, whole: Snapshot | undefined): Snapshot {
  const { holders, bytes_in_flight: _, bytes_in_flight_max: __, ...totals } = status.totals
  const abandoned = sum(Object.values(holders))
  return {
    status: {
      ...status,
      listening: [],
      recent: [],
      places: [],
      totals: { ...totals, abandoned, holders: {}, bytes_in_flight: 0, bytes_in_flight_max: 0 },
    },
    books: abandon(books),
    reasons: [],
    failed: [],
    held: 0,
    derived,
    files: [],
    families: whole === undefined ? [] : [...lastingFamilies(whole.families ?? []), ...abandonedFamilies(abandon(whole.books))],
  }
}

function abandon({ events, deliveries, unbalanced }: Books): Books {
  const given_up = <B extends EventBooks | DeliveryBooks>(books: B): B => ({ ...books, held: 0, abandoned: books.held })
  return { events: events.map(given_up), deliveries: deliveries.map(given_up), unbalanced }
}

function abandonedFamilies({ events, deliveries }: Books): FamilySnapshot[] {
  return [
    {
      name: 'millrace_events_abandoned_total',
      help: 'Events that were with a worker when it crashed. They were not acknowledged, and are received again.',
      type: 'counter',
      samples: events.map(({ pipeline, input, abandoned = 0 }) => ({ labels: { pipeline, input }, value: abandoned })),
    },
    {
      name: 'millrace_deliveries_abandoned_total',
      help: 'Events that were with the output in a worker when it crashed.',
      type: 'counter',
      samples: deliveries.map(({ pipeline, output, abandoned = 0 }) => ({ labels: { pipeline, output }, value: abandoned })),
    },
  ]
}

function mergePasts(earlier: Snapshot, later: Snapshot): Snapshot {
  const { inputs, outputs, totals, errors_total } = later.status
  return {
    ...later,
    status: {
      ...later.status,
      totals: addUp([earlier.status.totals, totals]),
      errors_total: earlier.status.errors_total + errors_total,
      inputs: mergeComponents([earlier.status.inputs, inputs]),
      outputs: mergeComponents([earlier.status.outputs, outputs]),
    },
    books: mergeBooks([earlier.books, later.books]),
    derived: addUp([earlier.derived, later.derived]),
    families: mergeFamilies([earlier.families ?? [], later.families ?? []]),
  }
}

function mergeBooks(books: readonly Books[]): Books {
  return {
    events: mergeBy(
      books.flatMap(({ events }) => events),
      ({ pipeline, input }) => JSON.stringify([pipeline, input]),
      addUp,
    ),
    deliveries: mergeBy(
      books.flatMap(({ deliveries }) => deliveries),
      ({ pipeline, output }) => JSON.stringify([pipeline, output]),
      mergeDeliveries,
    ),
    unbalanced: sum(books.map(({ unbalanced }) => unbalanced)),
  }
}

function mergeDeliveries(books: readonly DeliveryBooks[]): DeliveryBooks {
  const targets = mergeBy(
    // The first one's time stands.
    books.flatMap((one) => one.targets).toSorted((a, b) => Date.parse(b.last_event) - Date.parse(a.last_event)),
    ({ target }) => target,
    addUp,
  )
  return { ...addUp(books), targets: targets.slice(0, TARGETS_MAX) }
}

/** The same component in all workers: where one is not well, that is what is told. */
function mergeComponents(components: readonly (readonly ComponentStatus[])[]): ComponentStatus[] {
  return mergeBy(
    components.flat(),
    ({ id }) => id,
    (same) => {
      const told = same.find(({ is_well }) => !is_well) ?? same[0]
      if (told === undefined) throw new Error('there is nothing to add up')
      return { ...told, counts: addUp(same.map(({ counts }) => counts)) }
    },
  )
}

function mergeBy<T>(items: readonly T[], keyOf: (item: T) => string, merge: (same: readonly T[]) => T): T[] {
  return Object.values(Object.groupBy(items, (item) => `=${keyOf(item)}`)).map((same) => merge(same as T[]))
}

function distinct(listening: Status['listening']): Status['listening'] {
  return mergeBy(
    listening,
    ({ component, address }) => JSON.stringify([component, address]),
    ([one]) => one as Status['listening'][number],
  )
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

const NOTHING: Totals = {
  received: 0,
  created: 0,
  states: Object.fromEntries(EVENT_STATES.map((state) => [state, 0])) as Totals['states'],
  holders: {},
  unbalanced: 0,
  bytes_in_flight: 0,
  bytes_in_flight_max: 0,
}
