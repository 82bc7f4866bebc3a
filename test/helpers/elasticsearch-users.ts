import { pbkdf2Sync, randomBytes } from 'node:crypto'

export interface ElasticsearchSecurity {
  readonly users: readonly ElasticsearchUser[]
  /** Roles beside the built-in ones, as in the body of Elasticsearch's role API: `{ writer: { cluster: [...], indices: [...] } }`. */
  readonly roles?: Readonly<Record<string, unknown>>
}

interface ElasticsearchUser {
  readonly username: string
  readonly password: string
  readonly roles: readonly string[]
}

const PBKDF2_ROUNDS = 1_000

/** The files of Elasticsearch's file realm: path under the server's folder -> text. */
export function elasticsearchUserFiles(security: ElasticsearchSecurity): Record<string, string> {
  const names = new Set(security.users.flatMap((user) => user.roles))
  return {
    'config/users': lines(security.users.map((user) => `${user.username}:${hashPassword(user.password)}`)),
    'config/users_roles': lines(
      [...names].map((role) => {
        const members = security.users.filter((user) => user.roles.includes(role)).map((user) => user.username)
        return `${role}:${members.join(',')}`
      }),
    ),
    // YAML holds JSON.
    'config/roles.yml': JSON.stringify(security.roles ?? {}),
  }
}

/** `{PBKDF2}rounds$salt$key` with HMAC-SHA512, one of the forms that the file realm reads. */
function hashPassword(password: string): string {
  const salt = randomBytes(32)
  const key = pbkdf2Sync(password, salt, PBKDF2_ROUNDS, 32, 'sha512')
  return `{PBKDF2}${PBKDF2_ROUNDS}$${salt.toString('base64')}$${key.toString('base64')}`
}

function lines(items: readonly string[]): string {
  return items.map((item) => `${item}\n`).join('')
}
