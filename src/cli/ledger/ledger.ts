import { messageOf } from '../../core/errors.ts'
import type { LedgerView } from '../../ops/ledger.ts'
import { readFlags, type Tool, UsageError } from '../tool.ts'
import { printLedger } from './print.ts'

const API = 'http://127.0.0.1:9600'
const ANSWER_TIMEOUT_MS = 10_000
const TOKEN_HINT = 'set MILLRACE_API_TOKEN, or write http://NAME:PASSWORD@HOST:PORT'

export const ledger: Tool = {
  usage: `bin/millrace ledger: what became of every event, from a running program

  bin/millrace ledger             both ledgers of the last hour: events by input, deliveries by output, and indices
      --json                      what the API answers, for machines
      --api URL                   where the program listens          (${API})

Where the API wants a token (api.auth.token) it is taken from MILLRACE_API_TOKEN, a name and password from the address.
Exit code 1 where the books do not balance.
`,
  run: async (words) => {
    const { values, positionals } = readFlags(words, { json: { type: 'boolean' }, api: { type: 'string' } })
    if (positionals.length > 0) throw new UsageError(`expected no words behind ledger, got ${positionals.join(' ')}`)
    const answer = await ask(apiAddress(values.api ?? API))
    if (typeof answer !== 'string') {
      process.stderr.write(`millrace ledger: ${answer.problem}\n`)
      return 1
    }
    const view = JSON.parse(answer) as LedgerView
    process.stdout.write(values.json === true ? answer : printLedger(view))
    return view.unbalanced === 0 ? 0 : 1
  },
}

/** @throws UsageError */
function apiAddress(text: string): URL {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (url === null || !/^https?:$/.test(url.protocol)) throw new UsageError(`--api: expected an address such as ${API}`)
  url.pathname = `${url.pathname.replace(/\/$/, '')}/api/ledger`
  return url
}

/** The text of the ledger, or why there is none. */
async function ask(url: URL): Promise<string | { readonly problem: string }> {
  const headers = authorizationOf(url)
  const place = `${url.protocol}//${url.host}`
  url.username = ''
  url.password = ''
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS), redirect: 'error' })
    if (response.status === 200) return await response.text()
    if (response.status === 401) return { problem: `${place} wants to know who asks: ${TOKEN_HINT}` }
    return { problem: `${place} answered with status ${response.status}: is it millrace?` }
  } catch (thrown) {
    const { cause } = thrown as Error
    return { problem: `no answer from ${place} (${messageOf(cause ?? thrown)}): name where the program listens with --api URL` }
  }
}

/** Of a name and password in the address, else of the token in the environment. */
function authorizationOf({ username, password }: URL): Record<string, string> {
  const token = process.env['MILLRACE_API_TOKEN']
  if (username !== '' || password !== '') {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
  }
  return token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` }
}
