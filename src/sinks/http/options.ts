import { kept } from '../../core/options/kept-options.ts'
import * as option from '../../core/options/options.ts'
import { textHash } from '../../core/options/text-hash.ts'

/** Logstash's names and defaults. */
export const HTTP_OPTIONS = {
  url: option.template('Where requests go. It takes %{field}.', { required: true }),
  http_method: option.oneOf('The method of the requests.', ['put', 'post', 'patch', 'delete', 'get', 'head'], { required: true }),
  format: option.oneOf(
    'What a body holds: one event as JSON, all events of a batch as one JSON list, an HTML form, or the text of `message`.',
    ['json', 'json_batch', 'form', 'message'],
    { default: 'json' },
  ),
  message: option.template('The body, where `format` is message. It takes %{field}.'),
  mapping: option.hash('What is sent in place of the whole event: names and values, also nested ones. Values take %{field}.'),
  headers: textHash('Headers of each request. Values take %{field}.'),
  content_type: option.string('The header `Content-Type`. Default: by `format`.'),
  http_compression: option.boolean('Packs bodies with gzip.', { default: false }),
  retry_failed: option.boolean('Whether an event is tried again until it is stored. Off, it goes to the dead letters.', {
    default: true,
  }),
  retryable_codes: option.numbers('Answers after which an event is tried again. Others than 2xx send it to the dead letters.', {
    default: [429, 500, 502, 503, 504],
  }),
  ignorable_codes: option.numbers('Answers that count as success beside 2xx.', { default: [] }),
  retryable_answer: option.string(
    'Ours. A regular expression for services that say in the body what went wrong: where the first 300 bytes of an answer of 2xx match it, the event is tried again.',
  ),
  user: option.string('User name for basic authentication.'),
  password: option.secret('Password for basic authentication.'),
  request_timeout: option.number('Seconds that a request may take, with its answer.', { default: 60, min: 0.001 }),
  socket_timeout: option.number('Seconds without a byte after which a connection counts as broken.', { default: 10, min: 0.001 }),
  connect_timeout: option.number('Seconds that connecting may take.', { default: 10, min: 0.001 }),
  pool_max: option.integer('Requests at the same time.', { default: 50, min: 1 }),
  pool_max_per_route: option.integer('Requests at the same time to one host.', { default: 25, min: 1 }),
  keepalive: option.boolean('Whether connections are used again.', { default: true }),
  follow_redirects: option.boolean('Whether get and head follow redirections, as in Logstash.', { default: true }),
  proxy: option.string('The proxy, as `http://host:port`.'),
  automatic_retries: kept('what fails is tried again anyway'),
  retry_non_idempotent: kept('what fails is tried again anyway'),
  validate_after_inactivity: kept('a connection that was closed meanwhile is replaced'),
  cookies: kept('cookies of answers are not sent back'),
  ssl_enabled: kept('`url` says whether TLS is spoken'),
  ssl_certificate: option.path('Our own certificate for servers that ask for one, PEM.'),
  ssl_key: option.path('The key of that certificate, PEM.'),
  ssl_key_passphrase: option.secret('The passphrase of the key.'),
  ssl_certificate_authorities: option.list(
    "Files with the authorities of the servers' certificates, PEM. Default: the system's.",
    {
      default: [],
    },
  ),
  ssl_verification_mode: option.oneOf(
    'What is checked of a certificate: authority and host name, the authority only, or nothing.',
    ['full', 'certificate', 'none'],
    { default: 'full' },
  ),
  ssl_supported_protocols: option.list('TLS versions to speak.', { default: [] }),
  ssl_cipher_suites: option.list('Cipher suites to offer, by Java or OpenSSL names.', { default: [] }),
  ssl_keystore_path: option.path('Our own certificate and its key in one PKCS #12 file.'),
  ssl_keystore_password: option.secret('The password of that file.'),
  ssl_keystore_type: option.oneOf('The form of that file.', ['pkcs12', 'PKCS12']),
  ssl_truststore_path: option.path('A PEM file with authorities.'),
  ssl_truststore_password: kept('PEM files have none'),
  ssl_truststore_type: option.oneOf('The form of that file.', ['PEM', 'pem']),
}

export type HttpOptions = option.OptionValues<typeof HTTP_OPTIONS>
