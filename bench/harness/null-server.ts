import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const PROGRAM = join(import.meta.dirname, '../../test/helpers/null-elasticsearch.ts')

/** An Elasticsearch that stores nothing, as a process of its own. */
export class NullServer implements AsyncDisposable {
  readonly url: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
  }

  static async start(): Promise<NullServer> {
    const child = spawn(process.execPath, [PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    return new NullServer(child, line.toString().trim())
  }

  /** Documents it has taken so far. */
  async documents(): Promise<number> {
    const counts = (await (await fetch(`${this.url}/_counts`)).json()) as { documents: number }
    return counts.documents
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill()
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
  }
}
