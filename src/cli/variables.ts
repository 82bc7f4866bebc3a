import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Variables } from '../config/variables.ts'
import { MillraceError, messageOf } from '../core/errors.ts'
import { keepSecret } from '../core/secret.ts'

/** Logstash's variable is taken too, so that a service file needs no change. */
const PASSWORD_VARIABLES = ['MILLRACE_KEYSTORE_PASS', 'LOGSTASH_KEYSTORE_PASS']

/** Where the keystore lies unless another folder is named. */
export const SETTINGS_FOLDER = 'config'

export function keystorePath(settings_folder: string): string {
  return join(settings_folder, 'millrace.keystore')
}

export function keystorePassword(environment: NodeJS.ProcessEnv): string {
  const password = PASSWORD_VARIABLES.map((name) => environment[name]).find((value) => value !== undefined && value !== '') ?? ''
  keepSecret(password)
  return password
}

/** A larger file is no secret. */
const SECRET_BYTES_MAX = 64 * 1024

const FILE_SUFFIX = '_FILE'

/** The files that variables may come from. */
export function secretFiles(environment: NodeJS.ProcessEnv): string[] {
  return Object.entries(environment).flatMap(([name, path]) => (name.endsWith(FILE_SUFFIX) && path ? [path] : []))
}

/**
 * What `${NAME}` stands for: the keystore's value, else the environment's, else the content of the file that `NAME_FILE` of the
 * environment names (a mounted secret), without its last line break. Such a file is read when a config asks for the name.
 * @throws MillraceError KEYSTORE_UNREADABLE; and SECRET_FILE_UNREADABLE from whoever asks for a name
 */
export async function loadVariables(environment: NodeJS.ProcessEnv, settings_folder: string): Promise<Variables> {
  const variables: { [name: string]: string | undefined } = { ...environment }
  for (const [name, path] of Object.entries(environment)) {
    const target = name.endsWith(FILE_SUFFIX) ? name.slice(0, -FILE_SUFFIX.length) : ''
    if (target === '' || path === undefined || path === '' || Object.hasOwn(variables, target)) continue
    Object.defineProperty(variables, target, { get: () => readSecret(name, path), configurable: true, enumerable: true })
  }
  const path = keystorePath(settings_folder)
  if (isMissing(path)) return variables
  // Loaded where there is one: node:crypto costs 15 ms of a start.
  const { Keystore } = await import('../storage/keystore.ts')
  const keystore = await Keystore.open(path, keystorePassword(environment))
  for (const name of keystore?.names ?? []) {
    const value = keystore?.get(name)
    keepSecret(value ?? '')
    Object.defineProperty(variables, name, { value, configurable: true, enumerable: true })
  }
  return variables
}

function isMissing(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined
  } catch {
    // Whoever opens it says why that cannot be done.
    return false
  }
}

function readSecret(variable: string, path: string): string {
  try {
    if (statSync(path).size > SECRET_BYTES_MAX) throw new Error(`it is larger than ${SECRET_BYTES_MAX} bytes`)
    const value = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
    keepSecret(value)
    return value
  } catch (thrown) {
    throw new MillraceError(
      'SECRET_FILE_UNREADABLE',
      `cannot read the file ${path} that ${variable} names: ${messageOf(thrown)}`,
      {
        cause: thrown,
      },
    )
  }
}
