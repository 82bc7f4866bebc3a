import { startOf } from '../config/read-file.ts'
import { ConfigError, MillraceError } from '../core/errors.ts'

/**
 * A keystore or a secret's file that cannot be read, told as what is wrong with a config.
 * @throws whatever is no fault of the config
 */
export function asConfigError(thrown: unknown): ConfigError {
  if (thrown instanceof ConfigError) return thrown
  if (!(thrown instanceof MillraceError)) throw thrown
  const message = `${thrown.code}: ${thrown.message}`
  return new ConfigError([{ code: 'CONFIG_CANNOT_START', at: startOf('-f'), message }], { cause: thrown })
}
