import { kept } from '../../core/options/kept-options.ts'
import * as option from '../../core/options/options.ts'
import { textHash } from '../../core/options/text-hash.ts'
import { KEYSTORE_TLS, OLD_SERVER_TLS, SERVER_TLS } from '../../network/server-tls.ts'

/** Logstash's names and defaults; what is ours says so. */
export const HTTP_OPTIONS = {
  host: option.string('The address to listen on.', { default: '0.0.0.0' }),
  port: option.integer('The port to listen on. 0 takes any free one.', { default: 8080, min: 0, max: 65_535 }),
  codec: option.codec('How a body is decoded whose content type `additional_codecs` does not name.'),
  additional_codecs: option.codecs('Content types with the codec for bodies of that type.', {
    default: { 'application/json': 'json' },
  }),
  user: option.string('User name for basic authentication. Without it everybody may send.'),
  password: option.secret('Password for basic authentication.'),
  required_fields: option.fieldRefs(
    'Ours. Fields that every event of a body must have: else the body is refused with 400 and the name of what is missing, or why it is no JSON. `[orders][*][id]` asks for a list each of whose elements has an `id`, at any depth and also more than once; a list with nothing in it has none that lacks one, and `[orders][0]` asks for something in it. `null` is nothing.',
    { default: [] },
  ),
  response_code: option.oneOf('The answer to a body that is stored.', ['200', '201', '202', '204'], { default: '200' }),
  response_headers: textHash('Headers of that answer.', { default: { 'Content-Type': 'text/plain' } }),
  remote_host_target_field: option.fieldRef("The field that takes the client's address. Default: `host`, with ECS `[host][ip]`."),
  request_headers_target_field: option.fieldRef(
    'The field that takes the headers. Default: `headers`, with ECS `[@metadata][input][http][request][headers]`.',
  ),
  max_content_length: option.bytes('The largest body, also once it is inflated: a larger one is answered with 413.', {
    default: 104_857_600,
    min: 1,
  }),
  max_pending_requests: option.integer('Requests at the same time: more are answered with 429 and come again.', {
    default: 200,
    min: 1,
  }),
  max_pending_bytes: option.bytes(
    'Ours. What bodies may take together until they are handed on: more are answered with 429. One that takes more than half of it may be beside the others. Default: an eighth of `max_in_flight_bytes`, over all inputs.',
    { min: 1 },
  ),
  max_connections: option.integer('Ours. Connections at the same time; more are closed at once.', { default: 1_024, min: 1 }),
  settle_timeout: option.number(
    'Ours. Seconds after which a body that is not stored yet is answered with 503, so that its sender does not wait for ever; 0 for never.',
    { default: 60, min: 0 },
  ),
  threads: kept('there are no such threads'),
  ...SERVER_TLS,
  ...KEYSTORE_TLS,
  ...OLD_SERVER_TLS,
}
export type HttpOptions = option.OptionValues<typeof HTTP_OPTIONS>
