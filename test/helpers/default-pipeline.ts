import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { LumberjackClient } from './lumberjack-client.ts'
import { Program } from './program.ts'
import { runTool } from './run-tool.ts'

export const DEFAULT_CONFIG = join(import.meta.dirname, '../../config/pipeline.json')
const GEOIP_DATABASE = join(import.meta.dirname, '../../config/geoip/millrace-sample.mmdb')

export interface DefaultPipelineOptions {
  readonly elasticsearch_url: string
  /** Default: config/pipeline.json. */
  readonly config?: string
  readonly kafka_brokers?: string
  /** Default: what the pipeline says, `set_aside`. */
  readonly on_mapping_conflict?: 'set_aside' | 'dead_letter'
  readonly flags?: readonly string[]
  readonly data?: string
  /** Waits until `/readyz` says 200. Default true; false waits until it listens for Beats. */
  readonly wait_ready?: boolean
  readonly beats_port?: number
}

export interface DefaultPipeline extends AsyncDisposable {
  readonly program: Program
  readonly beats_port: number
  connect(): Promise<LumberjackClient>
}

/** The program with config/pipeline.json, as `npm start` runs it, on ports of its own. */
export async function startDefaultPipeline(options: DefaultPipelineOptions): Promise<DefaultPipeline> {
  const { elasticsearch_url, config = DEFAULT_CONFIG, kafka_brokers = '', flags = [], data, wait_ready = true } = options
  const { beats_port = await freePort() } = options
  const spawning = {
    args: ['-f', config, ...flags],
    env: {
      ELASTICSEARCH_URL: elasticsearch_url,
      ...(options.on_mapping_conflict === undefined ? {} : { ELASTICSEARCH_ON_MAPPING_CONFLICT: options.on_mapping_conflict }),
      KAFKA_BROKERS: kafka_brokers,
      BEATS_HOST: '127.0.0.1',
      BEATS_PORT: String(beats_port),
      MILLRACE_GEOIP_DATABASE: GEOIP_DATABASE,
    },
    ...(data === undefined ? {} : { data }),
  }
  const program = wait_ready ? await Program.start(spawning) : await Program.spawn(spawning)
  const connect = (): Promise<LumberjackClient> => LumberjackClient.connect({ host: '127.0.0.1', port: beats_port })
  if (!wait_ready) {
    // A connection that sends nothing is no news to the program.
    await program.waitUntil('listening for Beats', async () => {
      const probe = await connect()
      probe.close()
      return true
    })
  }
  return { program, beats_port, connect, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() }
}

/** The machine of `filebeatEvent`. */
export const FILEBEAT_HOST = 'mx-01'

/** A line as Filebeat ships it undecoded; the place in its file makes it known when it comes again. */
export function filebeatEvent(line: string, offset: number, path = '/var/log/exchange/api.log'): object {
  return {
    '@timestamp': '2026-03-01T12:00:00.000Z',
    '@metadata': { beat: 'filebeat', type: '_doc', version: '8.19.2' },
    agent: { name: FILEBEAT_HOST, type: 'filebeat', version: '8.19.2' },
    host: { name: FILEBEAT_HOST },
    input: { type: 'log' },
    log: { file: { path }, offset },
    message: line,
  }
}

/**
 * The same line as Filebeat ships it with json.keys_under_root: its keys beside Filebeat's own, and no `message`. Integers stay
 * exact up to 64 bits and are doubles beyond.
 */
export function decodedFilebeatEvent(line: string, offset: number): object {
  const { message: _undecoded, ...own } = filebeatEvent('', offset) as { message: string }
  const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => object }
  const exact = (_key: string, value: unknown, { source = '' }: { source?: string }): unknown =>
    typeof value === 'number' && /^-?\d{16,18}$/.test(source) ? rawJSON(source) : value
  const parse = JSON.parse as (text: string, reviver: typeof exact) => object
  return { ...own, ...parse(line, exact) }
}

/** The dead letters of a data folder, as `millrace dlq show` prints them. */
export async function showDeadLetters(data: string): Promise<{ readonly [name: string]: unknown }[]> {
  const { code, stdout, stderr } = await runTool(['dlq', 'show', '--path.data', data])
  if (code !== 0) throw new Error(`dlq show ended with ${code}: ${stderr}`)
  const lines = stdout.split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as { readonly [name: string]: unknown })
}
