import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AlertChannels } from './alert-channels.ts'
import { freePort } from './free-port.ts'
import { Program } from './program.ts'

export const ALERTS_CONFIG = join(import.meta.dirname, '../../config/alerts.json')
const WEBHOOKS = join(import.meta.dirname, '../captures/webhooks')

/** An alert as Alertmanager sends it, or as it is kept. */
export interface Alert {
  readonly status: string
  readonly labels: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

export interface Kept extends Alert {
  readonly fingerprint: string
  readonly receiver: string
  readonly groupKey: string
}

/** The body of a webhook: alerts of one group. */
export interface Webhook {
  readonly alerts: readonly Alert[]
  readonly [field: string]: unknown
}

/** config/alerts.json as a program, and what Alertmanager would do with it. */
export class AlertPipeline implements AsyncDisposable {
  readonly program: Program
  readonly url: string

  private constructor(program: Program, url: string) {
    this.program = program
    this.url = url
  }

  static async start(
    channels: AlertChannels,
    data: string,
    env: Readonly<Record<string, string>> = {},
    config = ALERTS_CONFIG,
  ): Promise<AlertPipeline> {
    const port = await freePort()
    const variables = { ...channels.env, ELASTICSEARCH_URL: '', ALERTS_PORT: String(port), ...env }
    const program = await Program.start({ args: ['-f', config], env: variables, data })
    return new AlertPipeline(program, `http://127.0.0.1:${port}/webhook`)
  }

  async send(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<{ status: number; text: string }> {
    const response = await fetch(this.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    return { status: response.status, text: await response.text() }
  }

  /** What it keeps, where it keeps it in files. */
  async kept(): Promise<readonly Kept[]> {
    const { data } = this.program
    const names = (await readdir(data)).filter((name) => name.startsWith('exchange-alerts-'))
    const texts = await Promise.all(names.map((name) => readFile(join(data, name), 'utf8')))
    return texts.flatMap((text) => text.trimEnd().split('\n')).map((line) => JSON.parse(line) as Kept)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.program[Symbol.asyncDispose]()
  }
}

/** A body that a real Alertmanager sent. */
export async function captured(name: string): Promise<Webhook> {
  const { body } = JSON.parse(await readFile(join(WEBHOOKS, `alertmanager-${name}.json`), 'utf8')) as { body: Webhook }
  return body
}

/** A body as Alertmanager's, with alerts of our own. */
export async function webhook(...alerts: readonly Partial<Alert>[]): Promise<Webhook> {
  const real = await captured('0.31.1-firing')
  return { ...real, alerts: alerts.map((alert) => ({ ...(real.alerts[0] as Alert), ...alert })) }
}
