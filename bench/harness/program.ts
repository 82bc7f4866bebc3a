import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from '../../test/helpers/free-port.ts'
import { Program } from '../../test/helpers/program.ts'

const DEFAULT_PIPELINE = join(import.meta.dirname, '../../config/pipeline.json')
const POLL_MS = 2
const LISTENING_TIMEOUT_MS = 30_000

interface Settings {
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** `bin/millrace` with the default pipeline, as a user starts it. */
export class BenchedProgram implements AsyncDisposable {
  readonly beats_port: number
  /** From before the process was made until its Beats port took a connection. */
  readonly listening_after_ms: number
  readonly #program: Program

  private constructor(program: Program, beats_port: number, listening_after_ms: number) {
    this.#program = program
    this.beats_port = beats_port
    this.listening_after_ms = listening_after_ms
  }

  static async start(elasticsearch_url: string, { flags = [], env = {} }: Settings = {}): Promise<BenchedProgram> {
    const data = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
    const [beats_port, api_port] = [await freePort(), await freePort()]
    const started_ms = performance.now()
    const program = await Program.spawn({
      args: ['-f', DEFAULT_PIPELINE, '--api.http.port', String(api_port), ...flags],
      env: { ELASTICSEARCH_URL: elasticsearch_url, BEATS_PORT: String(beats_port), KAFKA_BROKERS: '', ...env },
      data,
    })
    let hasEnded = false
    void program.exited.then(() => {
      hasEnded = true
    })
    while (!(await takesConnections(beats_port))) {
      const isLate = performance.now() - started_ms > LISTENING_TIMEOUT_MS
      if (hasEnded || isLate) throw new Error(`it does not listen:\n${program.stderr}`)
      await wait(POLL_MS)
    }
    return new BenchedProgram(program, beats_port, performance.now() - started_ms)
  }

  get pid(): number {
    return this.#program.pid
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.stop()
    await rm(this.#program.data, { recursive: true, force: true })
  }
}

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
