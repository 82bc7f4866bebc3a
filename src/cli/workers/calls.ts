import type { LoadedPipeline } from '../../config/load.ts'
import type { Binding } from '../../core/contracts.ts'
import type { Problem } from '../../core/errors.ts'
import type { Plan, PlanWarning } from '../../core/plan.ts'
import type { DatabaseFile } from '../../geoip/database-file.ts'
import type { Books } from '../../ops/ledger.ts'
import type { Status } from '../../ops/status.ts'
import type { Entry } from '../../runtime/dead-letter-box.ts'
import type { Watch } from '../../runtime/turn-guard.ts'
import type { LogLevel, LogLine } from '../../telemetry/log.ts'
import type { FamilySnapshot } from '../../telemetry/merge.ts'
import type { Preparing } from '../replace-pipelines.ts'
import type { TracingSettings } from '../tracing.ts'

/** What a worker is told when it is made. */
export interface WorkerTask {
  readonly index: number
  readonly count: number
  /** What it runs. */
  readonly read: readonly PlainPipeline[]
  /** The config names one pipeline. */
  readonly is_alone: boolean
  readonly data: string
  readonly drain_timeout_ms: number
  readonly log_level: LogLevel
  /** Where it leaves what is in its filters. */
  readonly turn_memory: SharedArrayBuffer
  readonly watch: Watch | undefined
  readonly tracing: TracingSettings | undefined
  /** A pipeline whose inputs have ended waits for another config. */
  readonly waits: boolean
  readonly version: string
  /** What stands in no message. */
  readonly secrets: readonly string[]
}

/** A pipeline that was read, as data. */
export interface PlainPipeline extends Omit<LoadedPipeline, 'sources'> {
  readonly plan: Plan
  readonly sources: readonly { readonly file: string; readonly text: string }[]
}

/** What the program must know of a pipeline to place it. */
export interface Traits {
  readonly id: string
  /** Why it cannot run in several workers; left out where it can. */
  readonly why_alone?: string | undefined
  /** Filters whose answer depends on earlier events: `throttle (a.conf:3:5)`. */
  readonly remembers: readonly string[]
  readonly warnings: readonly PlanWarning[]
  /** Where it will listen. */
  readonly bindings: readonly Binding[]
}

/** What a worker has made of what it was told. */
export interface Preparation {
  readonly ready: readonly Traits[]
  readonly refused: readonly { readonly id: string; readonly problems: readonly Problem[] }[]
}

/** How a worker stands at one moment. */
export interface Snapshot {
  readonly status: Status
  readonly books: Books
  readonly reasons: readonly string[]
  /** Pipelines that do not run. */
  readonly failed: readonly string[]
  readonly held: number
  /** Counters that users derive, by name, their labels added. */
  readonly derived: { readonly [name: string]: number }
  /** What components have read while they were made. */
  readonly files: readonly string[]
  /** Every metric, where they were asked for. */
  readonly families: readonly FamilySnapshot[] | undefined
}

/** What the main thread asks a worker. */
export type WorkerCalls = {
  /** Runs until everything has its end, and answers with how many events were left without one. */
  readonly run: { readonly asks: { readonly count: number }; readonly answers: number }
  /** Once what listens does so. */
  readonly listening: { readonly asks: undefined; readonly answers: undefined }
  /** A worker has ended: from now on it is noted what is in the filters. */
  readonly watch: { readonly asks: Watch | undefined; readonly answers: undefined }
  readonly stop: { readonly asks: undefined; readonly answers: undefined }
  readonly snapshot: { readonly asks: { readonly with_families: boolean }; readonly answers: Snapshot }
  /** What another config would change. */
  readonly outlook: {
    readonly asks: { readonly read: readonly PlainPipeline[]; readonly changed_files: readonly string[] }
    readonly answers: { readonly removed: readonly string[]; readonly changed: readonly string[] }
  }
  readonly prepare: {
    readonly asks: Preparing & { readonly loaded: PlainPipeline; readonly secrets: readonly string[] }
    readonly answers: Traits
  }
  readonly takeOver: { readonly asks: { readonly id: string; readonly removed: readonly string[] }; readonly answers: undefined }
  readonly cancel: { readonly asks: { readonly id: string }; readonly answers: undefined }
  /** Nothing more will be asked: the thread may end. */
  readonly leave: { readonly asks: undefined; readonly answers: undefined }
  readonly remove: { readonly asks: { readonly id: string }; readonly answers: undefined }
}

/** What a worker asks the main thread. */
export type MainCalls = {
  readonly prepared: { readonly asks: Preparation; readonly answers: undefined }
  readonly log: { readonly asks: { readonly line: LogLine; readonly count: number }; readonly answers: undefined }
  /** As `DeadLetterBox.keep`. */
  readonly keep: {
    readonly asks: { readonly pipeline: string; readonly entries: readonly Entry[] }
    readonly answers: boolean
  }
  /** A GeoIP database, of which there is one copy for all. */
  readonly database: { readonly asks: string; readonly answers: DatabaseFile }
  /** It cannot go on: its last words. */
  readonly crashed: {
    readonly asks: { readonly message: string; readonly stack: string | undefined; readonly snapshot: Snapshot | undefined }
    readonly answers: undefined
  }
}
