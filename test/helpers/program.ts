import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { waitFor } from './wait-for.ts'

export interface ProgramOptions {
  /** As on the command line: `['-f', path]`. `--path.data` and `--api.http.port` are added, unless they are among them. */
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** The data folder of an earlier run, for a test of what survives; the caller removes it. Default: one of its own, removed at the end. */
  readonly data?: string
  /** What is written to its standard input, which is then closed. Default: it has none. */
  readonly stdin?: string | Buffer
  /** Of the process, as the shell takes them: `-S -f 100`. */
  readonly ulimit?: string
}

export interface ProgramExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const BIN = join(import.meta.dirname, '../../bin/millrace')
const READY_TIMEOUT_MS = 90_000
const STOP_TIMEOUT_MS = 60_000

/** `bin/millrace` as a child process: what a user starts, with its own data folder and its API on a free port of 127.0.0.1. */
export class Program implements AsyncDisposable {
  readonly data: string
  /** Where its API answers: `http://127.0.0.1:9600`. */
  readonly apiUrl: string
  /** Resolves when it has ended, however that came. */
  readonly exited: Promise<ProgramExit>
  readonly #child: ChildProcess
  readonly #ownsData: boolean
  #stdout = ''
  #stderr = ''

  private constructor(child: ChildProcess, data: string, ownsData: boolean, apiUrl: string) {
    this.#child = child
    this.data = data
    this.#ownsData = ownsData
    this.apiUrl = apiUrl
    this.exited = new Promise((resolve) => {
      // `close` comes after the last byte of both streams.
      child.once('close', (code, signal) => resolve({ code, signal }))
      child.once('error', (error) => {
        this.#stderr += String(error)
        resolve({ code: null, signal: null })
      })
    })
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
  }

  /** Starts it without waiting for anything: for runs that end by themselves, and for refused configs. */
  static async spawn(options: ProgramOptions): Promise<Program> {
    const data = options.data ?? (await mkdtemp(join(tmpdir(), 'millrace-data-')))
    const port = portOf(options.args) ?? (await freePort())
    const added = [
      ...(options.args.includes('--path.data') ? [] : ['--path.data', data]),
      // Only a running pipeline has an API.
      ...(options.args.includes('--api.http.port') || options.args[0] === 'dlq' ? [] : ['--api.http.port', String(port)]),
    ]
    const limited = options.ulimit === undefined ? [] : ['sh', '-c', `ulimit ${options.ulimit} && exec "$0" "$@"`]
    const [command = BIN, ...args] = [...limited, BIN, ...options.args, ...added]
    const child = spawn(command, args, {
      // A pipeline names its data folder by the variable, where the flag cannot reach.
      env: { ...process.env, MILLRACE_DATA: data, ...options.env },
      stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    // A program that ends before it has read everything breaks the pipe; its exit tells the test enough.
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.stdin)
    return new Program(child, data, options.data === undefined, `http://127.0.0.1:${port}`)
  }

  /** Starts it and resolves once `/readyz` says 200. */
  static async start(options: ProgramOptions): Promise<Program> {
    const program = await Program.spawn(options)
    try {
      await program.waitUntil(
        'being ready',
        async () => (await fetch(`${program.apiUrl}/readyz`)).status === 200,
        READY_TIMEOUT_MS,
      )
      return program
    } catch (error) {
      await program[Symbol.asyncDispose]()
      throw error
    }
  }

  /** All that it has written to standard output so far. */
  get stdout(): string {
    return this.#stdout
  }

  /** All that it has logged so far. */
  get stderr(): string {
    return this.#stderr
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`it did not start: ${this.#stderr}`)
    return this.#child.pid
  }

  /** Waits for a condition; fails with its log when the condition does not come true or the program ends before. */
  async waitUntil<T>(
    what: string,
    condition: () => T | Promise<T>,
    timeout_ms = READY_TIMEOUT_MS,
  ): Promise<Exclude<T, false | undefined>> {
    const ended = new AbortController()
    const onClose = (code: number | null, signal: NodeJS.Signals | null): void => {
      ended.abort(new Error(`millrace ended with ${code ?? signal} before ${what}\n${this.#stderr}`))
    }
    if (this.#hasEnded()) onClose(this.#child.exitCode, this.#child.signalCode)
    this.#child.once('close', onClose)
    try {
      return await waitFor(what, condition, { timeout_ms, signal: ended.signal, details: () => this.#stderr })
    } catch (error) {
      ended.signal.throwIfAborted()
      throw error
    } finally {
      this.#child.off('close', onClose)
    }
  }

  /** What `/metrics` says, in Prometheus' text format. */
  async metrics(): Promise<string> {
    const response = await fetch(`${this.apiUrl}/metrics`)
    if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`)
    return response.text()
  }

  /** Ends the reading of its standard output, as a reader does that has seen enough. */
  closeStdout(): void {
    this.#child.stdout?.destroy()
  }

  /** SIGTERM, then its exit; SIGKILL when its own deadline has long passed. */
  async stop(): Promise<ProgramExit> {
    if (!this.#hasEnded()) this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    const exit = await this.exited
    clearTimeout(timer)
    return exit
  }

  /** `kill -9`. */
  async kill(): Promise<ProgramExit> {
    if (!this.#hasEnded()) this.#child.kill('SIGKILL')
    return this.exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    if (this.#ownsData) await rm(this.data, { recursive: true, force: true, maxRetries: 5 })
  }

  #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }
}

function portOf(args: readonly string[]): number | undefined {
  const at = args.indexOf('--api.http.port')
  const port = at === -1 ? undefined : args[at + 1]
  return port === undefined ? undefined : Number(port)
}
