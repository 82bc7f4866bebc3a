import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type LoadedPipeline, loadConfig } from '../config/load.ts'
import type { Log } from '../core/context.ts'
import { ConfigError } from '../core/errors.ts'
import type { ReloadReport, ReloadStatus } from '../ops/status.ts'
import { type DeadLetterBox, limitsOf } from '../runtime/dead-letter-box.ts'
import type { MetricsRegistry } from '../telemetry/metrics.ts'
import type { RunRequest } from './arguments.ts'
import { asConfigError } from './config-fault.ts'
import type { Pipelines } from './pipelines.ts'
import type { Replaced } from './replace-pipelines.ts'
import { resolveCommand } from './run-command.ts'
import { SourceFiles } from './source-files.ts'
import { keystorePath, SETTINGS_FOLDER, secretFiles } from './variables.ts'

/** What was refused is tried again then: what kept it may be gone (a port in use, a database that was not there). */
const RETRY_MS = 30_000

interface Sources {
  readonly request: RunRequest
  readonly read: readonly LoadedPipeline[]
  /** When reading it began. */
  readonly read_at_ms: number
  readonly pipelines: Pick<Pipelines, 'replace' | 'files'>
  readonly deadLetters: Pick<DeadLetterBox, 'limit'>
  readonly metrics: MetricsRegistry
  readonly log: Log
}

/** Reads the config again, when asked or when a file of it has changed, and hands it to the pipelines. */
export class Reloader {
  readonly #sources: Sources
  readonly #files = new SourceFiles()
  /** As it was read last. */
  #read: readonly LoadedPipeline[]
  /** Files whose change has not come to the pipelines yet. */
  readonly #changed = new Set<string>()
  /** What was written after this was not seen by anybody; until the first look. */
  #since_ms: number | undefined
  #pending: Promise<ReloadReport> | undefined
  #last: ReloadStatus | undefined
  #told = ''
  #retry_at = Number.POSITIVE_INFINITY

  constructor(sources: Sources) {
    this.#sources = sources
    this.#read = sources.read
    this.#since_ms = sources.read_at_ms
    for (const result of ['loaded', 'unchanged', 'refused'] as const) this.#count(result, 0)
    const help = '0 where the last config that was read while the program ran was refused.'
    sources.metrics.gauge('millrace_config_last_reload_successful', help, {}, () => Number(this.#last?.result !== 'refused'))
  }

  /** What became of the last config that was not the one that ran. */
  get last(): ReloadStatus | undefined {
    return this.#last
  }

  /** Looks every `interval_ms` whether something has changed, until `stop` aborts. */
  async watch(interval_ms: number, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      try {
        if ((await this.#look()) || performance.now() >= this.#retry_at) await this.reload()
      } catch (thrown) {
        if (!(thrown instanceof Error)) throw thrown
        this.#sources.log.error('reload_failed', `could not look whether the config has changed: ${thrown.message}`)
      }
      await wait(interval_ms, undefined, { signal: stop }).catch(() => {}) // The loop looks at `stop` itself.
    }
  }

  /** Reads the config now. Who asks meanwhile gets the answer of the reading that begins after this one. Never rejects for a wrong config. */
  async reload(): Promise<ReloadReport> {
    while (this.#pending !== undefined) await this.#pending.catch(() => {})
    this.#pending = this.#reload().finally(() => {
      this.#pending = undefined
    })
    return await this.#pending
  }

  async #reload(): Promise<ReloadReport> {
    await this.#look()
    let replaced: Replaced
    try {
      const { config } = await resolveCommand(this.#sources.request)
      const read = await loadConfig(config)
      this.#read = read
      replaced = await this.#sources.pipelines.replace(read, this.#changed)
    } catch (thrown) {
      return this.#conclude({ changed: [], added: [], removed: [], refused: [{ id: '', error: asConfigError(thrown) }] })
    }
    if (replaced.refused.length === 0) {
      this.#changed.clear()
      this.#sources.deadLetters.limit(limitsOf(this.#read.map(({ plan }) => plan.settings)))
    }
    return this.#conclude(replaced)
  }

  #conclude({ changed, added, removed, refused }: Replaced): ReloadReport {
    const problems = refused.flatMap(({ error }) => error.problems)
    const is_same = changed.length + added.length + removed.length === 0
    const result = refused.length > 0 ? 'refused' : is_same ? 'unchanged' : 'loaded'
    this.#count(result, 1)
    this.#retry_at = result === 'refused' ? performance.now() + RETRY_MS : Number.POSITIVE_INFINITY
    if (!is_same) this.#tellLoaded({ changed, added, removed })
    const message = new ConfigError(problems).message
    if (result === 'refused') this.#tellRefused(message)
    if (result === 'unchanged') this.#told = ''
    if (result !== 'unchanged' || this.#last?.result === 'refused') {
      this.#remember({ result: result === 'refused' ? 'refused' : 'loaded', at_ms: Date.now(), message })
    }
    return { result, changed, added, removed, problems }
  }

  #remember(last: ReloadStatus): void {
    this.#last = last
    const { result, at_ms } = last
    const help = 'When the config was read again last, by what came of it, in seconds since 1970; not there before.'
    this.#sources.metrics.gauge('millrace_config_last_reload_time_seconds', help, { result }, () => at_ms / 1_000)
  }

  #tellLoaded({ changed, added, removed }: Omit<Replaced, 'refused'>): void {
    this.#told = ''
    const parts = [
      ['changed', changed],
      ['added', added],
      ['removed', removed],
    ] as const
    const what = parts.filter(([, ids]) => ids.length > 0).map(([verb, ids]) => `${verb}: ${ids.join(', ')}`)
    this.#sources.log.info('reloaded', `the new config is in place (${what.join('; ')})`)
  }

  /** Once for each message: what stays wrong is not told every time. */
  #tellRefused(message: string): void {
    if (message === this.#told) return
    this.#told = message
    this.#sources.log.error('reload_refused', `the new config is refused, and what ran before goes on:\n${message}`)
  }

  #count(result: ReloadReport['result'], by: number): void {
    this.#sources.metrics
      .counter('millrace_reloads_total', 'Times that the config was read again, by what came of it.', { result })
      .inc(by)
  }

  /** Whether a file is another than at the last look. */
  async #look(): Promise<boolean> {
    const { request, pipelines } = this.#sources
    const folder = request.settings_folder
    const settings = folder === undefined ? [] : ['logstash.yml', 'pipelines.yml'].map((name) => join(folder, name))
    const since_ms = this.#since_ms
    this.#since_ms = undefined
    const files = [
      ...settings,
      keystorePath(folder ?? SETTINGS_FOLDER),
      ...secretFiles(process.env),
      ...this.#read.flatMap(({ path }) => path ?? []),
      ...pipelines.files,
    ]
    const changed = await this.#files.changed(files, since_ms)
    for (const file of changed) this.#changed.add(file)
    return changed.size > 0
  }
}
