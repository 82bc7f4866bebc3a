import { readFlags, UsageError } from './tool.ts'

export const usage = `millrace: logs from Filebeat and Kafka into Elasticsearch, with books that balance

  bin/millrace -f FILE            run a pipeline (also: bin/millrace run FILE)
  bin/millrace -t -f FILE         check it without running it
  bin/millrace explain -f FILE    show what each step does to events from stdin
  bin/millrace test DIR           run the cases beside configs
  bin/millrace lint FILE          tell of habits in a logstash.conf that work out badly
  bin/millrace convert FILE       write a logstash.conf as a pipeline.json
  bin/millrace dlq show           print the dead letters as NDJSON
  bin/millrace keystore           keep secrets for \${NAME} in configs
  bin/millrace COMMAND --help     tells more of one

  -f, --path.config FILE          the pipeline
  -t, --config.test_and_exit      build everything, say what is wrong, and exit
  -w, --pipeline.workers N        taken for Logstash's sake; one worker runs
      --path.data DIR             where everything is kept              (data)
      --drain.timeout SECONDS     how long a stop may take              (30)
      --api.enabled true|false    metrics, health and the live page     (true)
      --api.http.host HOST        where they listen                     (127.0.0.1)
      --api.http.port PORT        where they listen                     (first free one from 9600)
      --log.level LEVEL           debug, info, warn or error            (info)
  -V, --version
  -h, --help
`

export interface RunCommand {
  readonly kind: 'run'
  readonly config: string
  readonly is_test: boolean
  readonly workers: number
  readonly data: string
  readonly drain_timeout_ms: number
  readonly api: { readonly host: string; readonly port: number | undefined } | undefined
  readonly log_level: 'debug' | 'info' | 'warn' | 'error'
}

export type Command = RunCommand | { readonly kind: 'help' | 'version' }

/** @throws UsageError */
export function parseArguments(words: readonly string[]): Command {
  const { values, positionals } = read(words)
  if (values.help) return { kind: 'help' }
  if (values.version) return { kind: 'version' }
  const [command, ...rest] = positionals
  const data = values['path.data']
  if (command !== undefined && command !== 'run') {
    const hint = /\.jsonc?$/.test(command) ? `; did you mean -f ${command}?` : ''
    throw new UsageError(`expected a command such as run, got ${command}${hint}`)
  }
  const config = values['path.config'] ?? rest[0]
  if (config === undefined) throw new UsageError('expected a config file: millrace -f FILE')
  if (rest.length > (values['path.config'] === undefined ? 1 : 0))
    throw new UsageError(`expected one config file, got also ${rest.at(-1)}`)
  return {
    kind: 'run',
    config,
    is_test: values['config.test_and_exit'],
    workers: wholeNumber('-w', values['pipeline.workers'], 1),
    data,
    drain_timeout_ms: wholeNumber('--drain.timeout', values['drain.timeout'], 0) * 1000,
    api: readApi(values),
    log_level: readLogLevel(values['log.level']),
  }
}

function read(words: readonly string[]) {
  return readFlags(words, {
    'path.config': { type: 'string', short: 'f' },
    'config.test_and_exit': { type: 'boolean', short: 't', default: false },
    'pipeline.workers': { type: 'string', short: 'w', default: '1' },
    'path.data': { type: 'string', default: process.env['MILLRACE_DATA'] ?? 'data' },
    'drain.timeout': { type: 'string', default: '30' },
    'api.enabled': { type: 'string', default: 'true' },
    'api.http.host': { type: 'string', default: process.env['MILLRACE_API_HOST'] ?? '127.0.0.1' },
    'api.http.port': { type: 'string' },
    'log.level': { type: 'string', default: 'info' },
    version: { type: 'boolean', short: 'V', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  })
}

/** Logstash has two levels more. */
function readLogLevel(text: string): RunCommand['log_level'] {
  if (text === 'trace') return 'debug'
  return text === 'fatal' ? 'error' : oneOf('--log.level', text, ['debug', 'info', 'warn', 'error'])
}

function readApi(values: ReturnType<typeof read>['values']): RunCommand['api'] {
  if (oneOf('--api.enabled', values['api.enabled'], ['true', 'false']) === 'false') return undefined
  const port = values['api.http.port']
  return {
    host: values['api.http.host'],
    port: port === undefined ? undefined : wholeNumber('--api.http.port', port, 0, PORT_MAX),
  }
}

const PORT_MAX = 65_535

function wholeNumber(flag: string, text: string, min: number, max = 1_000_000): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new UsageError(`${flag}: expected a whole number from ${min} to ${max}, got ${text}`)
}

function oneOf<const C extends readonly string[]>(flag: string, text: string, choices: C): C[number] {
  if (choices.includes(text)) return text
  throw new UsageError(`${flag}: expected one of ${choices.join(', ')}, got ${text}`)
}
