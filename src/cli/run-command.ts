import { resolve } from 'node:path'
import type { ConfigRequest } from '../config/load.ts'
import { placeOf, type Settings } from '../config/settings/layer.ts'
import { loadSettings } from '../config/settings/load-settings.ts'
import type { Variables } from '../config/variables.ts'
import { ConfigError } from '../core/errors.ts'
import type { ApiAccess } from '../ops/access.ts'
import type { LogLevel } from '../telemetry/log.ts'
import { readAccess } from './api-access.ts'
import { oneOf, type RunRequest, wholeNumber } from './arguments.ts'
import { loadVariables } from './variables.ts'

/** What is to run, and how. */
export interface RunCommand {
  readonly config: ConfigRequest
  readonly is_test: boolean
  readonly data: string
  readonly drain_timeout_ms: number
  readonly api: { readonly host: string; readonly port: number | undefined; readonly access: ApiAccess } | undefined
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
  const { settings, problems, warnings } = await loadSettings(settings_folder, flags, process.env)
  if (problems.length > 0) throw new ConfigError(problems)
  const data = settings.get('path.data')?.value ?? process.env['MILLRACE_DATA'] ?? 'data'
  // Configs may name the data folder, wherever it was chosen.
  const environment = { ...process.env, MILLRACE_DATA: resolve(data) }
  const variables = await loadVariables(environment, settings_folder ?? 'config')
  const format = settings.get('log.format')?.value
  return {
    config: { settings, settings_folder, variables },
    is_test: settings.get('config.test_and_exit')?.value === 'true',
    data,
    drain_timeout_ms,
    api: readApi(settings, variables),
    log_level: readLogLevel(settings.get('log.level')?.value ?? 'info'),
    log_format: format === undefined ? undefined : oneOf('--log.format', format, ['plain', 'json']),
    warnings: warnings.map(({ at, message }) => `${placeOf({ at, value: '', is_flag: at.file === 'command line' })}: ${message}`),
  }
}

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
