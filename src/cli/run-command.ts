import { resolve } from 'node:path'
import type { ConfigRequest } from '../config/load.ts'
import { placeOf, type Setting, type Settings } from '../config/settings/layer.ts'
import { loadSettings } from '../config/settings/load-settings.ts'
import type { Variables } from '../config/variables.ts'
import { ConfigError } from '../core/errors.ts'
import type { ApiAccess } from '../ops/access.ts'
import type { LogLevel } from '../telemetry/log.ts'
import { readAccess } from './api-access.ts'
import { oneOf, type RunRequest, wholeNumber } from './arguments.ts'
import { readTracing, type TracingSettings } from './tracing.ts'
import { loadVariables, SETTINGS_FOLDER } from './variables.ts'

/** What is to run, and how. */
export interface RunCommand {
  readonly config: ConfigRequest
  readonly is_test: boolean
  readonly data: string
  readonly drain_timeout_ms: number
  readonly reload: { readonly automatic: boolean; readonly interval_ms: number }
  readonly api: { readonly host: string; readonly port: number | undefined; readonly access: ApiAccess } | undefined
  /** Where spans go, if anywhere. */
  readonly tracing: TracingSettings | undefined
  readonly log_level: LogLevel
  readonly log_format: 'plain' | 'json' | undefined
  /** About settings that change nothing. */
  readonly warnings: readonly string[]
}

/**
 * What the command line and `logstash.yml` say together.
 * @throws UsageError
 * @throws ConfigError for a logstash.yml that is wrong
 */
export async function resolveCommand({ flags, settings_folder, drain_timeout_ms }: RunRequest): Promise<RunCommand> {
  const variables = await loadVariables(process.env, settings_folder ?? SETTINGS_FOLDER)
  const { settings, problems, warnings } = await loadSettings(settings_folder, flags, variables)
  if (problems.length > 0) throw new ConfigError(problems)
  const data = settings.get('path.data')?.value ?? process.env['MILLRACE_DATA'] ?? 'data'
  // Configs may name the data folder, wherever it was chosen.
  Object.defineProperty(variables, 'MILLRACE_DATA', { value: resolve(data), configurable: true, enumerable: true })
  const format = settings.get('log.format')?.value
  const interval = settings.get('config.reload.interval')
  return {
    config: { settings, settings_folder, variables },
    is_test: settings.get('config.test_and_exit')?.value === 'true',
    data,
    drain_timeout_ms,
    reload: {
      automatic: settings.get('config.reload.automatic')?.value === 'true',
      interval_ms: interval === undefined ? RELOAD_INTERVAL_MS : readTime(interval),
    },
    api: readApi(settings, variables),
    tracing: readTracing(settings, process.env),
    log_level: readLogLevel(settings.get('log.level')?.value ?? 'info'),
    log_format: format === undefined ? undefined : oneOf('--log.format', format, ['plain', 'json']),
    warnings: warnings.map(({ at, message }) => `${placeOf({ at, value: '', is_flag: at.file === 'command line' })}: ${message}`),
  }
}

const RELOAD_INTERVAL_MS = 3_000

const UNITS_MS: { readonly [unit: string]: number } = {
  ns: 1e-6,
  us: 1e-3,
  micros: 1e-3,
  ms: 1,
  s: 1e3,
  m: 6e4,
  h: 3.6e6,
  d: 8.64e7,
}

/** A time as Logstash's settings have it: `3s`, `500ms`; a bare number is nanoseconds. */
function readTime(setting: Setting): number {
  const [, amount = '', unit = 'ns'] = /^(\d+)\s*([a-z]*)$/.exec(setting.value) ?? []
  const ms = Number(amount) * (UNITS_MS[unit === '' ? 'ns' : unit] ?? Number.NaN)
  if (amount !== '' && ms >= 1 && ms <= LONGEST_INTERVAL_MS) return ms
  const message = `config.reload.interval: expected a time such as 3s or 500ms, got ${setting.value}`
  throw new ConfigError([{ code: 'CONFIG_INVALID_OPTION', at: setting.at, message }])
}

const LONGEST_INTERVAL_MS = 24 * 3_600_000

/** Logstash has two levels more. */
function readLogLevel(text: string): LogLevel {
  if (text === 'trace') return 'debug'
  return text === 'fatal' ? 'error' : oneOf('--log.level', text, ['debug', 'info', 'warn', 'error'])
}

const PORT_MAX = 65_535
/** Logstash's default, which is the range that is searched where no port is named. */
const PORTS = '9600-9700'

function readApi(settings: Settings, variables: Variables): RunCommand['api'] {
  const enabled = settings.get('api.enabled')?.value ?? 'true'
  if (oneOf('--api.enabled', enabled, ['true', 'false']) === 'false') return undefined
  const port = settings.get('api.http.port')?.value ?? PORTS
  return {
    host: settings.get('api.http.host')?.value ?? process.env['MILLRACE_API_HOST'] ?? '127.0.0.1',
    port: port === PORTS ? undefined : wholeNumber('--api.http.port', port.replace(/-\d+$/, ''), 0, PORT_MAX),
    access: readAccess(settings, variables),
  }
}
