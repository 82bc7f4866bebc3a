import { defineOutput } from '../../core/component.ts'
import type { OutputContext, Sink } from '../../core/contracts.ts'
import { MillraceError } from '../../core/errors.ts'
import * as option from '../../core/options/options.ts'
import { readClientTls } from '../../network/client-tls.ts'
import { readServerTls, SERVER_TLS } from '../../network/server-tls.ts'
import { TcpClientSink } from './client.ts'
import { TcpServerSink } from './server.ts'

const OPTIONS = {
  ...SERVER_TLS,
  host: option.string('The address to connect to, or to listen on.', { required: true }),
  port: option.integer('The port to connect to, or to listen on.', { required: true, min: 0, max: 65_535 }),
  mode: option.oneOf('Whether we connect to a server (client), or clients to us (server).', ['client', 'server'], {
    default: 'client',
  }),
  reconnect_interval: option.number('Mode client: seconds to wait before connecting again.', { default: 10, min: 0.001 }),
  max_connections: option.integer('Ours. Mode server: clients at the same time.', { default: 1_024, min: 1 }),
  send_timeout: option.number('Ours. Mode server: a client that has not taken a batch after so many seconds is disconnected.', {
    default: 10,
    min: 0.001,
  }),
  ssl_client_authentication: option.oneOf('Mode server: whether clients must show a certificate. Default: none.', [
    'none',
    'optional',
    'required',
  ]),
  ssl_verification_mode: option.oneOf('Mode client: whether the certificate of the other side is checked. Default: full.', [
    'full',
    'none',
  ]),
  ssl_verify: option.boolean(
    'Old form of `ssl_client_authentication` and `ssl_verification_mode`: false is none, true is required and full.',
  ),
}
type Options = option.OptionValues<typeof OPTIONS>

export const tcp = defineOutput({
  name: 'tcp',
  summary: 'Sends events over TCP: to a server, or to every client that connects.',
  description: `TCP tells nobody what was read, so an event counts as stored when this machine's system has taken it; a connection that
breaks can lose what was on its way, and what was not taken is sent again. In mode server an event that comes while nobody is connected
counts as dropped, as in Logstash; a client that does not read is disconnected and does not hold up the others. The default codec writes
no line ends: \`json_lines\` does.`,
  default_codec: 'json',
  options: OPTIONS,
  renamed: { ssl_enable: 'ssl_enabled', ssl_cert: 'ssl_certificate', ssl_cacert: 'ssl_certificate_authorities' },
  examples: [
    { title: 'JSON lines to another program', options: { host: 'collector.example.com', port: 5170, codec: 'json_lines' } },
    { title: 'Whoever connects may look on', options: { mode: 'server', host: '127.0.0.1', port: 5170, codec: 'line' } },
  ],
  create: (options, context) => {
    if (options.ssl_verify !== undefined) {
      const use = options.mode === 'server' ? 'ssl_client_authentication' : 'ssl_verification_mode'
      context.log.warn('old_option', `${context.where}: tcp.ssl_verify is an old option: please write ${use}`)
    }
    return options.mode === 'server' ? createServer(options, context) : createClient(options, context)
  },
})

function createServer(options: Options, context: OutputContext): Sink {
  if (options.ssl_verification_mode !== undefined) {
    throw new MillraceError('OUTPUT_CANNOT_START', 'ssl_verification_mode is for mode client: write ssl_client_authentication')
  }
  const { ssl_client_authentication = options.ssl_verify === true ? 'required' : 'none', send_timeout } = options
  const tls = readServerTls({ ...options, ssl_client_authentication }, context.paths.config, 'OUTPUT_CANNOT_START')
  return new TcpServerSink({ ...options, tls, send_timeout_ms: send_timeout * 1_000 }, context)
}

function createClient(options: Options, context: OutputContext): Sink {
  if (options.ssl_client_authentication !== undefined) {
    throw new MillraceError('OUTPUT_CANNOT_START', 'ssl_client_authentication is for mode server: write ssl_verification_mode')
  }
  if (options.ssl_client_names.length > 0) {
    throw new MillraceError('OUTPUT_CANNOT_START', 'ssl_client_names is for mode server: take it out')
  }
  const { ssl_verification_mode = options.ssl_verify === false ? 'none' : 'full', reconnect_interval } = options
  const tls = options.ssl_enabled
    ? readClientTls({ ...options, ssl_verification_mode }, context, 'OUTPUT_CANNOT_START')
    : undefined
  return new TcpClientSink({ ...options, tls, reconnect_interval_ms: reconnect_interval * 1_000 }, context)
}
