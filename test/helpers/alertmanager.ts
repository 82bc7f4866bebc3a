import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { scaleDurations } from './scale-durations.ts'
import { ServerProcess } from './server-process.ts'

const CONFIG = join(import.meta.dirname, '../../deploy/alertmanager/alertmanager.yml')
/** Where that file sends everything. */
const WEBHOOK = 'millrace-alerts:8080'

type Texts = Readonly<Record<string, string>>

/** An alert as Prometheus would send it. */
export interface PostedAlert {
  readonly labels: Texts
  readonly annotations?: Texts
  readonly startsAt?: string
  /** Over at that time. Without it: as long as nothing else is said, `resolve_timeout` at most. */
  readonly endsAt?: string
}

/** An alert as Alertmanager's own API tells it. Those that are over are not among them. */
export interface ManagedAlert {
  readonly labels: Texts
  readonly annotations: Texts
  readonly startsAt: string
  readonly fingerprint: string
  readonly receivers: readonly { readonly name: string }[]
  readonly status: { readonly state: 'active' | 'suppressed' | 'unprocessed'; readonly inhibitedBy: readonly string[] }
}

/** An Alertmanager on 127.0.0.1 with deploy/alertmanager/alertmanager.yml. */
export class Alertmanager implements AsyncDisposable {
  /** Where it answers: `127.0.0.1:9093`. */
  readonly address: string
  readonly #process: ServerProcess

  private constructor(process: ServerProcess, address: string) {
    this.#process = process
    this.address = address
  }

  /**
   * @param webhook where it sends alerts: host:port
   * @param scale what all lengths of time are divided by
   */
  static async start(webhook: string, scale: number): Promise<Alertmanager> {
    const address = `127.0.0.1:${await freePort()}`
    const config = scaleDurations((await readFile(CONFIG, 'utf8')).replace(WEBHOOK, webhook), scale)
    const server = await ServerProcess.create({
      name: 'alertmanager',
      command: (data) => [
        'prometheus-alertmanager',
        `--config.file=${data}/alertmanager.yml`,
        `--storage.path=${data}`,
        `--web.listen-address=${address}`,
        // Else it gossips on all addresses.
        '--cluster.listen-address=',
      ],
      env: {},
      isReady: async () => (await fetch(`http://${address}/-/ready`)).ok,
      files: { 'alertmanager.yml': config },
    })
    await server.start()
    return new Alertmanager(server, address)
  }

  async post(...alerts: readonly PostedAlert[]): Promise<void> {
    const response = await fetch(`http://${this.address}/api/v2/alerts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(alerts),
    })
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  }

  async alerts(): Promise<readonly ManagedAlert[]> {
    return (await (await fetch(`http://${this.address}/api/v2/alerts`)).json()) as ManagedAlert[]
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process.remove()
  }
}
