import { keepCredentials, type Secret } from './secret.ts'

export interface Login {
  readonly user: string
  readonly password: Secret
}

/**
 * Who somebody says to be, by two options; `undefined` where neither is given. Empty texts are not given, so that a config can
 * leave both to variables.
 * @param refuse makes the error for one without the other
 */
export function readLogin(
  user: string | undefined,
  password: Secret | undefined,
  refuse: (message: string) => Error,
): Login | undefined {
  const has_user = user !== undefined && user !== ''
  const has_password = password !== undefined && password.reveal() !== ''
  if (has_user && has_password) return { user, password }
  if (has_user || has_password) throw refuse('expected user and password together, got only one of them')
  return undefined
}

/** The header `Authorization` for a login, or for a text `user:password`. */
export function basicAuthorization(login: Login | string): string {
  if (typeof login !== 'string') return `Basic ${keepCredentials(login.user, login.password.reveal())}`
  const colon = login.includes(':') ? login.indexOf(':') : login.length
  return `Basic ${keepCredentials(login.slice(0, colon), login.slice(colon + 1))}`
}
