import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { residentBytesOf } from '../../bench/harness/process-usage.ts'
import { type Books, readBooks, settledBooks } from '../helpers/books.ts'
import { freePort } from '../helpers/free-port.ts'
import { LumberjackClient } from '../helpers/lumberjack-client.ts'
import { Program } from '../helpers/program.ts'
import { type TemporaryFolder, temporaryFolder } from '../helpers/temporary-folder.ts'
import { waitFor } from '../helpers/wait-for.ts'

export interface MillraceOptions {
  readonly elasticsearch_url: string
  readonly kafka?: { readonly brokers: readonly string[]; readonly topic: string }
  readonly settings?: { readonly [name: string]: unknown }
  readonly beats?: { readonly [name: string]: unknown }
  readonly output?: { readonly [name: string]: unknown }
  /** Beside Beats and Kafka. */
  readonly inputs?: readonly object[]
  /** Behind the others. */
  readonly filters?: readonly object[]
  /** As the shell takes it: `-S -f 100`. */
  readonly ulimit?: string
}

const LOOK_MS = 500
const MIB = 1024 * 1024
const BESIDE_BUDGET_BYTES = 150 * MIB

/**
 * The program under faults: Beats and Kafka in, daily indices out. It keeps its data folder and its ports from start to
 * start, and its books are looked at all the time.
 */
export class Millrace implements AsyncDisposable {
  readonly beats_port: number
  readonly #folder: TemporaryFolder
  readonly #args: readonly string[]
  readonly #ulimit: string | undefined
  readonly #watch: NodeJS.Timeout
  #program: Program | undefined
  #unbalanced: string | undefined

  private constructor(folder: TemporaryFolder, beats_port: number, args: readonly string[], ulimit: string | undefined) {
    this.#folder = folder
    this.#ulimit = ulimit
    this.beats_port = beats_port
    this.#args = args
    this.#watch = setInterval(() => {
      // It may be killed while it answers.
      this.#look().catch(() => {})
    }, LOOK_MS)
  }

  static async start(options: MillraceOptions): Promise<Millrace> {
    const [folder, beats_port, api_port] = [await temporaryFolder(), await freePort(), await freePort()]
    const config = join(folder.path, 'pipeline.json')
    await writeFile(config, JSON.stringify(configOf(options, beats_port)))
    const args = ['-f', config, '--api.http.port', String(api_port)]
    const millrace = new Millrace(folder, beats_port, args, options.ulimit)
    await millrace.start()
    return millrace
  }

  get program(): Program {
    if (this.#program === undefined) throw new Error('it does not run')
    return this.#program
  }

  get data(): string {
    return join(this.#folder.path, 'data')
  }

  async start(): Promise<void> {
    const ulimit = this.#ulimit === undefined ? {} : { ulimit: this.#ulimit }
    this.#program = await Program.spawn({ args: this.#args, data: this.data, ...ulimit })
  }

  /** Lets its files grow again, as a disk that has room again. */
  async raiseFileLimit(): Promise<void> {
    await promisify(execFile)('prlimit', ['--fsize=unlimited:', '--pid', String(this.program.pid)])
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    const program = this.program
    this.#program = undefined
    await program.kill()
  }

  async stop(): Promise<void> {
    const program = this.program
    this.#program = undefined
    await program.stop()
  }

  /**
   * Waits until nothing is on its way any more.
   * @throws Error when a ledger does not balance now, or did not at any moment that it was looked at
   */
  async settle(timeout_ms: number): Promise<Books> {
    const books = await settledBooks(this.program, 0, timeout_ms)
    if (this.#unbalanced !== undefined) throw new Error(`a ledger did not balance on the way: ${this.#unbalanced}`)
    return books
  }

  connect(): Promise<LumberjackClient> {
    return LumberjackClient.connect({ host: '127.0.0.1', port: this.beats_port })
  }

  /** Resolves once the Beats port takes connections. */
  async listening(): Promise<void> {
    await waitFor('the Beats port', async () => this.connect().then((client) => client.close() ?? true))
  }

  /** Resolves once it has loaded and opened everything: before, a busy machine makes half a second of work seven. */
  async ready(): Promise<void> {
    await waitFor('its readiness', async () => (await fetch(`${this.program.apiUrl}/readyz`)).ok)
  }

  /**
   * The most memory that it ever had.
   * @throws Error when that is more than the budget and what it may have beside it
   */
  async peakWithin(budget_bytes: number): Promise<number> {
    const { peak } = await residentBytesOf(this.program.pid)
    if (peak <= budget_bytes + BESIDE_BUDGET_BYTES) return peak
    throw new Error(`it had ${Math.round(peak / MIB)} MiB at most, with a budget of ${budget_bytes / MIB} MiB`)
  }

  /** Why the program closed connections, and how often. */
  async closedConnections(): Promise<string> {
    const metrics = await (await fetch(`${this.program.apiUrl}/metrics`)).text()
    return metrics.match(/^millrace_beats_connections_closed_total.* [1-9]\d*$/gm)?.join('\n') ?? 'none was closed'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#watch)
    await this.#program?.[Symbol.asyncDispose]()
    await this.#folder[Symbol.asyncDispose]()
  }

  async #look(): Promise<void> {
    if (this.#program === undefined) return
    const books = await readBooks(this.#program)
    if (books.unbalanced.some((difference) => difference !== 0)) this.#unbalanced ??= JSON.stringify(books)
  }
}

function configOf(options: MillraceOptions, beats_port: number): object {
  const { elasticsearch_url, kafka, settings, beats, output, inputs = [], filters = [] } = options
  const kafka_input = {
    bootstrap_servers: kafka?.brokers.join(','),
    topics: [kafka?.topic],
    group_id: kafka?.topic,
    auto_offset_reset: 'earliest',
    session_timeout_ms: 6_000,
    heartbeat_interval_ms: 2_000,
    codec: 'json',
  }
  return {
    pipeline: { id: 'faults', batch_size: 500, batch_delay_ms: 50, ...settings },
    inputs: [
      { beats: { host: '127.0.0.1', port: beats_port, ...beats } },
      ...(kafka === undefined ? [] : [{ kafka: kafka_input }]),
      ...inputs,
    ],
    filters: [{ json: { source: 'message' } }, { date: { match: ['ts', 'ISO8601'] } }, ...filters],
    outputs: [{ elasticsearch: { hosts: [elasticsearch_url], index: 'exchange-logs-%{+YYYY.MM.dd}', timeout: 10, ...output } }],
  }
}
