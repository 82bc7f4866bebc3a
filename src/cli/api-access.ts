import type { Settings } from '../config/settings/layer.ts'
import type { Variables } from '../config/variables.ts'
import { Secret } from '../core/secret.ts'
import type { ApiAccess } from '../ops/access.ts'
import { oneOf } from './arguments.ts'
import { UsageError } from './tool.ts'

const TYPE = 'api.auth.type'
const TYPES = ['none', 'basic', 'token'] as const

/**
 * Who may ask the API: Logstash's `api.auth.type` and `api.auth.basic.*`, and a token beside them, which may also come from
 * the variables MILLRACE_API_AUTH, MILLRACE_API_TOKEN and MILLRACE_API_TOKEN_FILE.
 * @throws UsageError where something is missing
 */
export function readAccess(settings: Settings, variables: Variables): ApiAccess {
  const textOf = (name: string, variable?: string): string | undefined => {
    const text = settings.get(name)?.value ?? (variable === undefined ? undefined : variables[variable])
    return text === '' ? undefined : text
  }
  const token = textOf('api.auth.token', 'MILLRACE_API_TOKEN')
  const type = textOf(TYPE, 'MILLRACE_API_AUTH')
  switch (type === undefined ? undefined : oneOf(`--${TYPE}`, type, TYPES)) {
    case 'basic': {
      const username = textOf('api.auth.basic.username')
      const password = textOf('api.auth.basic.password')
      if (username !== undefined && password !== undefined) return { kind: 'basic', username, password: new Secret(password) }
      throw new UsageError(`${TYPE} is basic: expected api.auth.basic.username and api.auth.basic.password beside it`)
    }
    case 'token':
      if (token === undefined) throw new UsageError(`${TYPE} is token: expected api.auth.token or MILLRACE_API_TOKEN beside it`)
      return { kind: 'token', token: new Secret(token) }
    case 'none':
      return { kind: 'open' }
    case undefined:
      return token === undefined ? { kind: 'unset' } : { kind: 'token', token: new Secret(token) }
  }
}
