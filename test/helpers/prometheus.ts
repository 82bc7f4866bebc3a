import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { freePort } from './free-port.ts'
import { ServerProcess } from './server-process.ts'
import type { Unavailable } from './servers.ts'

/** Debian's names of the programs, and the package that each is in. */
const PACKAGES = {
  promtool: 'prometheus',
  prometheus: 'prometheus',
  amtool: 'prometheus-alertmanager',
  'prometheus-alertmanager': 'prometheus-alertmanager',
  chromium: 'chromium',
} as const
type ProgramName = keyof typeof PACKAGES

const run = promisify(execFile)

/** Runs one of them to its end. Rejects with what it printed where that is not good. */
export type RunTool = (args: readonly string[]) => Promise<string>

/** promtool or amtool, or why it cannot run here. */
export async function prometheusTool(name: 'promtool' | 'amtool'): Promise<{ readonly run: RunTool } | Unavailable> {
  const missing = await reasonAgainst(name)
  if (missing !== undefined) return missing
  return {
    run: async (args) => {
      const { stdout } = await run(name, args).catch((error: Error & { stdout?: string; stderr?: string }) => {
        throw new Error(`${name} ${args.join(' ')}: ${error.stdout}${error.stderr}`)
      })
      return stdout.trim()
    },
  }
}

/** Why a program cannot run here. In CI that is a failure. */
export async function reasonAgainst(name: ProgramName): Promise<Unavailable | undefined> {
  try {
    await run(name, ['--version'])
    return undefined
  } catch (error) {
    const unavailable = `${name} is not installed (Debian's package ${PACKAGES[name]}): ${String(error)}`
    if (process.env['MILLRACE_REQUIRE_SERVERS'] === '1') throw new Error(unavailable, { cause: error })
    return { unavailable }
  }
}

export interface PrometheusOptions {
  /** Targets to scrape: host:port. Their samples have the job `millrace`. */
  readonly targets: readonly string[]
  readonly scrape_interval_ms: number
  /** The text of a file of rules. */
  readonly rules?: string
  /** Where alerts go: host:port. */
  readonly alertmanager?: string
  /** What it knows from the time before, in OpenMetrics' text format. */
  readonly history?: string
}

/** One series of a query's answer: its value, or its values where the query is for a range. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly value?: readonly [time_s: number, value: string]
  readonly values?: readonly (readonly [time_s: number, value: string])[]
}

export interface ActiveAlert {
  readonly state: 'pending' | 'firing'
  readonly labels: Readonly<Record<string, string>>
  /** Since when its expression is true. */
  readonly activeAt: string
  readonly value: string
}

/** A Prometheus on 127.0.0.1. */
export class PrometheusServer implements AsyncDisposable {
  /** Where it answers: `http://127.0.0.1:9090`. */
  readonly url: string
  readonly #process: ServerProcess

  private constructor(process: ServerProcess, url: string) {
    this.#process = process
    this.url = url
  }

  static async start(options: PrometheusOptions): Promise<PrometheusServer> {
    const url = `http://127.0.0.1:${await freePort()}`
    const server = await ServerProcess.create({
      name: 'prometheus',
      command: (data) => ['bash', '-c', startCommand(url, options.history !== undefined), data],
      env: {},
      isReady: async () => (await fetch(`${url}/-/ready`)).ok,
      files: {
        'prometheus.yml': JSON.stringify(prometheusConfig(options)),
        'rules.yml': options.rules ?? '',
        'history.txt': options.history ?? '',
      },
    })
    await server.start()
    return new PrometheusServer(server, url)
  }

  /** The answer to a query as of a time, in seconds since 1970; now without it. */
  async query(expression: string, time_s?: number): Promise<readonly Series[]> {
    const parameters = new URLSearchParams({ query: expression, ...(time_s === undefined ? {} : { time: String(time_s) }) })
    const { result } = await this.#get<{ result: Series[] }>(`query?${parameters.toString()}`)
    return result
  }

  async alerts(): Promise<readonly ActiveAlert[]> {
    return (await this.#get<{ alerts: ActiveAlert[] }>('alerts')).alerts
  }

  async #get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${path}`)
    const { data, error } = (await response.json()) as { data: T; error?: string }
    if (error !== undefined) throw new Error(error)
    return data
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process.remove()
  }
}

function startCommand(url: string, has_history: boolean): string {
  const history = has_history ? 'promtool tsdb create-blocks-from openmetrics "$0/history.txt" "$0/tsdb" && ' : ''
  const flags = `--config.file="$0/prometheus.yml" --storage.tsdb.path="$0/tsdb" --web.listen-address=${new URL(url).host}`
  return `${history}exec prometheus ${flags} --log.level=warn`
}

function prometheusConfig({ targets, scrape_interval_ms, rules, alertmanager }: PrometheusOptions): object {
  const interval = `${scrape_interval_ms}ms`
  return {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    ...(rules === undefined ? {} : { rule_files: ['rules.yml'] }),
    scrape_configs: [{ job_name: 'millrace', static_configs: [{ targets }] }],
    ...(alertmanager === undefined ? {} : { alerting: { alertmanagers: [{ static_configs: [{ targets: [alertmanager] }] }] } }),
  }
}
