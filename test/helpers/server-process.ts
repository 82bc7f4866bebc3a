import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { waitFor } from './wait-for.ts'

/** How a server is held, whether it is a process of ours or a container. Its data and its ports outlive `stop`. */
export interface ServerBackend {
  /** Resolves when `isReady` says so. */
  start(): Promise<void>
  stop(): Promise<void>
  /** As `kill -9`. */
  kill(): Promise<void>
  /** Stops it and removes its data. */
  remove(): Promise<void>
}

export interface ServerProcessOptions {
  readonly name: string
  /** The program and its arguments, given the data folder. */
  readonly command: (data: string) => readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly isReady: () => Promise<boolean>
  /** Files that lie in the data folder before the first start: path -> text. */
  readonly files?: Readonly<Record<string, string>>
}

export const SERVERS_FOLDER = join(import.meta.dirname, '../servers')

/** A cold Java on a busy machine: 15 s when it is alone, up to a minute beside a full test run. */
export const START_TIMEOUT_MS = 180_000
const STOP_TIMEOUT_MS = 30_000
const LOG_LINES_SHOWN = 40

/** Runs one of test/servers/run-*.sh under supervise.sh, which ends it when this process is gone, however that came. */
export class ServerProcess implements ServerBackend {
  readonly #options: ServerProcessOptions
  readonly #data: string
  #supervisor: ChildProcess | undefined
  #group: number | undefined

  private constructor(options: ServerProcessOptions, data: string) {
    this.#options = options
    this.#data = data
  }

  static async create(options: ServerProcessOptions): Promise<ServerProcess> {
    const data = await mkdtemp(join(tmpdir(), `millrace-${options.name}-`))
    for (const [path, text] of Object.entries(options.files ?? {})) {
      await mkdir(dirname(join(data, path)), { recursive: true })
      await writeFile(join(data, path), text, { mode: 0o600 })
    }
    return new ServerProcess(options, data)
  }

  async start(): Promise<void> {
    if (this.#supervisor !== undefined) throw new Error(`${this.#options.name} runs already: stop it first`)
    // Detached: Ctrl-C is for the test process; the supervisor learns of its end by the closed pipe.
    const supervisor = spawn(join(SERVERS_FOLDER, 'supervise.sh'), [this.#data, ...this.#options.command(this.#data)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...this.#options.env },
      detached: true,
    })
    this.#supervisor = supervisor
    const exited = new AbortController()
    supervisor.once('exit', (code, signal) => {
      exited.abort(new Error(`${this.#options.name} ended by itself with ${code ?? signal}`))
    })
    try {
      const [line] = (await once(createInterface(supervisor.stdout), 'line', { signal: exited.signal })) as [string]
      this.#group = Number(line)
      await waitFor(`the start of ${this.#options.name}`, this.#options.isReady, {
        timeout_ms: START_TIMEOUT_MS,
        signal: exited.signal,
      })
    } catch (cause) {
      const log = await this.#lastLogLines()
      await this.kill()
      throw new Error(`${this.#options.name} did not start. The end of its log:\n${log}`, { cause })
    }
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async remove(): Promise<void> {
    await this.stop()
    await rm(this.#data, { recursive: true, force: true, maxRetries: 5 })
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const supervisor = this.#supervisor
    if (supervisor === undefined) return
    this.#signalGroup(signal)
    if (supervisor.exitCode === null && supervisor.signalCode === null) {
      const timer = setTimeout(() => this.#signalGroup('SIGKILL'), STOP_TIMEOUT_MS)
      await once(supervisor, 'exit')
      clearTimeout(timer)
    }
    // Elasticsearch 8 is a launcher and a server: nobody of the group may hold the port or the data of the next start.
    await waitFor(`the end of ${this.#options.name}`, () => !this.#isGroupAlive(), { timeout_ms: STOP_TIMEOUT_MS })
    this.#supervisor = undefined
    this.#group = undefined
  }

  #signalGroup(signal: NodeJS.Signals | 0): boolean {
    if (this.#group === undefined) return false
    try {
      process.kill(-this.#group, signal)
      return true
    } catch {
      return false
    }
  }

  #isGroupAlive(): boolean {
    return this.#signalGroup(0)
  }

  async #lastLogLines(): Promise<string> {
    const log = await readFile(join(this.#data, 'server.log'), 'utf8').catch(() => '(none)')
    return log.trimEnd().split('\n').slice(-LOG_LINES_SHOWN).join('\n')
  }
}

/** Where jars and built tools are kept between runs. Elasticsearch 8 drops root for nobody, who may not look into /root. */
export function serversCache(): string {
  const chosen = process.env['MILLRACE_SERVERS_CACHE']
  if (chosen !== undefined && chosen !== '') return chosen
  return process.getuid?.() === 0 ? '/var/cache/millrace-servers' : join(homedir(), '.cache/millrace-servers')
}

/** The folder of a runnable server, made from Maven Central's jars when it is not there yet. */
export async function prepareServer(name: string, java_home: string): Promise<string> {
  const env = { ...process.env, MILLRACE_SERVERS_CACHE: serversCache(), JAVA_HOME: java_home }
  const { stdout } = await promisify(execFile)('bash', [join(SERVERS_FOLDER, 'prepare.sh'), name], { env })
  return stdout.trim()
}
