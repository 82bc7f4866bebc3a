import { KNOWN_SETTINGS } from '../config/settings/known-settings.ts'
import type { Settings } from '../config/settings/layer.ts'
import { readFlags, UsageError } from './tool.ts'

export const usage = `millrace: logs from Filebeat and Kafka into Elasticsearch, with books that balance

  bin/millrace -f FILE            run a logstash.conf or pipeline.json (also: bin/millrace run FILE)
  bin/millrace check FILE         say what is wrong with one, without running it
  bin/millrace explain -f FILE    show what each step does to events from stdin
  bin/millrace bench -f FILE      how long each step takes, with your own lines
  bin/millrace test DIR           run the cases beside configs
  bin/millrace lint FILE          tell of habits in a logstash.conf that work out badly
  bin/millrace convert FILE       write a logstash.conf as a pipeline.json
  bin/millrace dlq                list, show and send again what could not be stored
  bin/millrace ledger             what became of the events of the last hour, from a running program
  bin/millrace sample             write the log of a sample exchange, also with something wrong there
  bin/millrace keystore           keep secrets for \${NAME} in configs
  bin/millrace COMMAND --help     tells more of one

  -f, --path.config FILE          a file, a folder or a glob
  -e, --config.string TEXT        the text of a logstash.conf
      --path.settings DIR         where logstash.yml and pipelines.yml are
  -r, --config.reload.automatic   take a changed config over while it runs (also: SIGHUP; docs/reload.md)
      --config.reload.interval TIME   how often to look                 (3s)
  -t, --config.test_and_exit      build everything, say what is wrong, and exit
      --config.support_escapes    \\n, \\t and others in texts of a logstash.conf mean what they mean elsewhere
      --pipeline.id ID            name of the pipeline                  (main)
  -w, --pipeline.workers N        threads that each run the whole pipeline (1)
  -b, --pipeline.batch.size N     events that filters take at once
  -u, --pipeline.batch.delay MS   how long an output waits for a fuller batch
      --pipeline.ecs_compatibility disabled|v1|v8                       (logstash.conf: v8, pipeline.json: disabled)
      --pipeline.strict_conditions  dead letters for events on which a comparison cannot be made
      --path.data DIR             where everything is kept              (data)
      --drain.timeout SECONDS     how long a stop may take              (30)
      --api.enabled true|false    metrics, health and the live page     (true)
      --api.http.host HOST        where they listen                     (127.0.0.1)
      --api.http.port PORT        where they listen                     (first free one from 9600)
      --api.auth.type none|basic|token  who may ask (api.auth.token, api.auth.basic.username, .password)
      --tracing.endpoint URL          where spans go, as OTLP over HTTP   (OTEL_EXPORTER_OTLP_ENDPOINT; none)
      --tracing.sampling RATIO        share of the traces that is kept    (0.1)
      --log.level LEVEL           debug, info, warn or error            (info)
      --log.format plain|json     lines for people or for machines      (by what stderr is)
  -V, --version
  -h, --help
  All other flags of Logstash are taken too; a warning names those that change nothing.
`

/** What stands on the command line for a run, and not yet what logstash.yml says beside it. */
export interface RunRequest {
  readonly kind: 'run'
  /** Of Logstash's settings. */
  readonly flags: Settings
  readonly settings_folder: string | undefined
  readonly drain_timeout_ms: number
}

export type Command = RunRequest | { readonly kind: 'help' | 'version' }

const COMMAND_LINE = { file: 'command line', line: 1, column: 1 } as const

/** @throws UsageError */
export function parseArguments(words: readonly string[]): Command {
  const { values, positionals } = readFlags(words.flatMap(plainSwitch), OPTIONS)
  if (values['help'] === true) return { kind: 'help' }
  if (values['version'] === true) return { kind: 'version' }
  const [command, ...rest] = positionals
  if (command !== undefined && command !== 'run') {
    const hint = /\.(?:jsonc?|conf)$/.test(command) ? `; did you mean -f ${command}?` : ''
    throw new UsageError(`expected a command such as run, got ${command}${hint}`)
  }
  const flags = new Map(
    Object.keys(KNOWN_SETTINGS).flatMap((name) => {
      const value = values[name]
      return value === undefined ? [] : [[name, { value: String(value), at: COMMAND_LINE, is_flag: true }] as const]
    }),
  )
  const [file] = rest
  if (rest.length > (flags.has('path.config') ? 0 : 1)) throw new UsageError(`expected one config file, got also ${rest.at(-1)}`)
  if (file !== undefined) flags.set('path.config', { value: file, at: COMMAND_LINE, is_flag: true })
  refuseTogether(flags)
  const folder = values['path.settings'] ?? process.env['LS_SETTINGS_DIR']
  return {
    kind: 'run',
    flags,
    settings_folder: typeof folder === 'string' ? folder : undefined,
    drain_timeout_ms: wholeNumber('--drain.timeout', String(values['drain.timeout']), 0) * 1000,
  }
}

/** Every setting of Logstash is a flag. */
const OPTIONS: {
  readonly [name: string]: { readonly type: 'string' | 'boolean'; readonly short?: string; readonly default?: string }
} = {
  ...Object.fromEntries(
    Object.entries(KNOWN_SETTINGS).map(([name, { is_switch, short }]) => [
      name,
      { type: is_switch === true ? ('boolean' as const) : ('string' as const), ...(short === undefined ? {} : { short }) },
    ]),
  ),
  'path.settings': { type: 'string' },
  'drain.timeout': { type: 'string', default: '30' },
  version: { type: 'boolean', short: 'V' },
  help: { type: 'boolean', short: 'h' },
}

/** `--config.debug=true` is `--config.debug`, and with false it is nothing. */
function plainSwitch(word: string): string[] {
  const [, name = '', value] = /^--([^=]+)=(true|false)$/.exec(word) ?? []
  if (OPTIONS[name]?.type !== 'boolean') return [word]
  return value === 'true' ? [`--${name}`] : []
}

function refuseTogether(flags: Settings): void {
  const hasText = flags.has('config.string')
  if (hasText && flags.has('path.config')) {
    throw new UsageError("Settings 'path.config' (-f) and 'config.string' (-e) can't be used simultaneously.")
  }
  if (hasText && flags.has('config.reload.automatic')) {
    throw new UsageError("Configuration reloading can't be used with 'config.string' (-e).")
  }
}

export function wholeNumber(flag: string, text: string, min: number, max = 1_000_000): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new UsageError(`${flag}: expected a whole number from ${min} to ${max}, got ${text}`)
}

export function oneOf<const C extends readonly string[]>(flag: string, text: string, choices: C): C[number] {
  if (choices.includes(text)) return text
  throw new UsageError(`${flag}: expected one of ${choices.join(', ')}, got ${text}`)
}
