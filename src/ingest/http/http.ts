import { defineInput } from '../../core/component.ts'
import type { InputContext } from '../../core/contracts.ts'
import { MillraceError } from '../../core/errors.ts'
import { readLogin } from '../../core/login.ts'
import { oldServerTls, readServerTls, withOldServerTls } from '../../network/server-tls.ts'
import { HTTP_OPTIONS, type HttpOptions } from './options.ts'
import { HttpServer, type HttpTimes } from './server.ts'

/** What users do not set. */
const TIMES: HttpTimes = {
  headers_timeout_ms: 10_000,
  request_timeout_ms: 60_000,
  checking_interval_ms: 5_000,
  busy_after_ms: 1_000,
  linger_ms: 1_000,
}

export const http = defineInput({
  name: 'http',
  summary: 'Receives events as bodies of HTTP requests, and answers when they are stored.',
  description: `A request is answered when every event of its body has its final state: \`response_code\` when they are stored,
503 when this program stops before. 400 means that the body lacks a required field or cannot be inflated, 401 a wrong password, 413
that it is too large, 415 an unknown compression, and 429 that there is no room now: the sender should wait a little and send it
again. Bodies may be packed with gzip, deflate, br or zstd. Text that is not what its codec expects is stored with the codec's
failure tag, as in Logstash; \`required_fields\` refuses it with 400 and says where it was cut or what is wrong with it. With
\`user\` and \`password\` the header that holds them is not kept.`,
  default_codec: 'plain',
  options: HTTP_OPTIONS,
  renamed: {
    ssl: 'ssl_enabled',
    cipher_suites: 'ssl_cipher_suites',
    verify_mode: 'ssl_verify_mode',
    keystore: 'ssl_keystore_path',
    keystore_password: 'ssl_keystore_password',
  },
  examples: [
    { title: 'JSON from a service on the same machine', options: { host: '127.0.0.1', port: 8080, codec: 'json' } },
    {
      title: 'NDJSON too, for those who know the password, and nothing without an order number',
      options: {
        port: 8443,
        additional_codecs: { 'application/json': 'json', 'application/x-ndjson': 'json_lines' },
        user: 'exchange',
        // biome-ignore lint: the placeholder is the config language's, not JavaScript's
        password: '${HTTP_PASSWORD}',
        required_fields: ['order_id'],
        ssl_enabled: true,
        ssl_certificate: 'server.crt',
        ssl_key: 'server.key',
      },
    },
  ],
  create: (options, context) => createHttp(options, context, TIMES),
})

/**
 * The listener of one input.
 * @throws MillraceError INPUT_CANNOT_START for options that do not fit together
 */
export function createHttp(options: HttpOptions, context: InputContext, times: HttpTimes): HttpServer {
  const refuse = (message: string): MillraceError => new MillraceError('INPUT_CANNOT_START', message)
  const login = readLogin(options.user, options.password, refuse)
  for (const [old, use] of oldServerTls(options)) {
    context.log.warn('old_option', `${context.where}: http.${old} is an old option: please write ${use}`)
  }
  const tls = readServerTls(withOldServerTls(options), context.paths.config, 'INPUT_CANNOT_START')
  return new HttpServer(options, { login, tls }, times, context)
}
