import { reverse } from 'node:dns/promises'
import { isIP } from 'node:net'
import { defineInput } from '../../core/component.ts'
import type { Decoded, Deliver, InputContext, Source } from '../../core/contracts.ts'
import { MillraceError } from '../../core/errors.ts'
import * as option from '../../core/options/options.ts'
import { untilAborted } from '../../core/waiting.ts'
import { readClientTls } from '../../network/client-tls.ts'
import { readServerTls, SERVER_TLS, type ServerTls } from '../../network/server-tls.ts'
import { placeIfMissing } from '../placed-fields.ts'
import { LINE_LIMITS, streamTimes } from '../streams/line-limits.ts'
import { StreamReader } from '../streams/reader.ts'
import { StreamServer } from '../streams/server.ts'
import { describeStreamPeer, type StreamPeer } from '../streams/stream.ts'
import { TcpClient } from './client.ts'

const OPTIONS = {
  ...SERVER_TLS,
  port: option.integer('The port to listen on, or to connect to. 0 listens on any free one.', {
    required: true,
    min: 0,
    max: 65_535,
  }),
  host: option.string('The address to listen on, or to connect to.', { default: '0.0.0.0' }),
  mode: option.oneOf('Whether senders connect to us (server) or we to a sender (client).', ['server', 'client'], {
    default: 'server',
  }),
  proxy_protocol: option.boolean('The first line of each connection is of the PROXY protocol, version 1.', { default: false }),
  tcp_keep_alive: option.boolean(
    'Asks quiet peers from time to time whether they are there: else one that went without a word keeps its connection for ever. Logstash does not, unless told to.',
    { default: true },
  ),
  dns_reverse_lookup_enabled: option.boolean("Puts the peer's name in place of its address, where it has one.", {
    default: true,
  }),
  max_connections: option.integer('Ours. Connections at the same time; more are closed at once.', { default: 4_096, min: 1 }),
  client_inactivity_timeout: option.number(
    'Ours. Mode server: seconds without a byte after which a connection is closed, also between two lines; 0 for never, as in Logstash.',
    { default: 0, min: 0 },
  ),
  ...LINE_LIMITS,
  ssl_client_authentication: option.oneOf(
    'Mode server: whether clients must show a certificate. Required unless said otherwise, as in Logstash.',
    ['none', 'optional', 'required'],
  ),
  ssl_verification_mode: option.oneOf('Mode client: whether the certificate of the other side is checked.', ['full', 'none']),
  ssl_extra_chain_certs: option.list('Further certificates for the chain of ours, PEM.', { default: [] }),
  ssl_verify: option.boolean(
    'Old form of `ssl_client_authentication` and `ssl_verification_mode`: false is none, true is required and full.',
  ),
}
type Options = option.OptionValues<typeof OPTIONS>

export const tcp = defineInput({
  name: 'tcp',
  summary: 'Reads events from TCP connections: one a line, or as its codec finds them.',
  description: `As in Logstash \`json\` and \`plain\` are read as \`json_lines\` and \`line\`, and the peer's name or address goes to
\`host\`, its address to \`[@metadata][ip_address]\`, its port to \`port\`, the proxy's to \`proxy_host\` and \`proxy_port\`, the subject
of its certificate to \`sslsubject\`; with ECS to \`[@metadata][input][tcp]\`: \`[source][name]\`, \`[source][ip]\`, \`[source][port]\`,
\`[proxy][ip]\`, \`[proxy][port]\`, \`[tls][client][subject]\`. TCP knows no acknowledgement: what this program has read and not stored when
it is killed is lost; take http, beats or Kafka where that matters. A slow pipeline holds its senders back.`,
  default_codec: 'line',
  streams: true,
  options: OPTIONS,
  renamed: { ssl_enable: 'ssl_enabled', ssl_cert: 'ssl_certificate', ssl_cacert: 'ssl_certificate_authorities' },
  examples: [
    { title: 'JSON lines from log4j', options: { port: 4560, codec: 'json_lines' } },
    { title: 'Lines from another program that listens', options: { mode: 'client', host: 'feed.example.com', port: 9000 } },
  ],
  create: (options, context) => {
    for (const old of ['ssl_verify'] as const) {
      if (options[old] !== undefined) {
        const use = options.mode === 'server' ? 'ssl_client_authentication' : 'ssl_verification_mode'
        context.log.warn('old_option', `${context.where}: tcp.${old} is an old option: please write ${use}`)
      }
    }
    return options.mode === 'server' ? createServer(options, context) : createClient(options, context)
  },
})

function createServer(options: Options, context: InputContext): Source {
  if (options.ssl_verification_mode !== undefined) {
    throw new MillraceError('INPUT_CANNOT_START', 'ssl_verification_mode is for mode client: write ssl_client_authentication')
  }
  const tls = readServerTls(serverTls(options), context.paths.config, 'INPUT_CANNOT_START')
  return {
    spreads: true,
    bindings: [{ protocol: 'tcp', host: options.host, port: options.port }],
    run: async (deliver, stop) => {
      if (stop.aborted) return
      const times = { keep_alive: options.tcp_keep_alive, ...streamTimes(options) }
      const settings = { ...options, ...times, name: 'tcp', tls }
      const server = new StreamServer(settings, context, (peer) => createReader(peer, options, context, deliver))
      await server.listen()
      await untilAborted(stop)
      await server.close()
    },
  }
}

/** Where nothing is said, certificates are required, of the authorities that this system trusts if none are named. */
function serverTls(options: Options): ServerTls {
  const old = options.ssl_verify === undefined ? undefined : options.ssl_verify ? 'required' : 'none'
  const chosen = options.ssl_client_authentication ?? old
  const any_authority = chosen === undefined && options.ssl_certificate_authorities.length === 0
  return {
    ...options,
    ssl_client_authentication: chosen ?? 'required',
    trusts_system_authorities: any_authority,
  }
}

function createClient(options: Options, context: InputContext): Source {
  if (options.ssl_client_authentication !== undefined) {
    throw new MillraceError('INPUT_CANNOT_START', 'ssl_client_authentication is for mode server: write ssl_verification_mode')
  }
  if (options.ssl_client_names.length > 0) {
    throw new MillraceError('INPUT_CANNOT_START', 'ssl_client_names is for mode server: take it out')
  }
  const { ssl_verify, ssl_verification_mode = ssl_verify === false ? 'none' : 'full' } = options
  const tls = options.ssl_enabled
    ? readClientTls({ ...options, ssl_verification_mode }, context, 'INPUT_CANNOT_START')
    : undefined
  // Whom we went to may be silent as long as it likes.
  const settings = { ...options, name: 'tcp', tls, keep_alive: options.tcp_keep_alive, unfinished_line_ms: 0, inactivity_ms: 0 }
  return new TcpClient(settings, context, (peer, deliver) => createReader(peer, options, context, deliver))
}

async function createReader(
  peer: StreamPeer,
  { dns_reverse_lookup_enabled }: Options,
  context: InputContext,
  deliver: Deliver,
): Promise<StreamReader> {
  const name = dns_reverse_lookup_enabled ? await nameOf(peer.ip) : peer.ip
  const address = describeStreamPeer(peer)
  return new StreamReader(context, deliver, {
    complete: peerFields(peer, name, context.ecs_compatibility !== 'disabled'),
    origin: { input: context.id, describe: () => address, stableId: () => undefined },
  })
}

const DNS_TIMEOUT_MS = 2_000

/** The name of an address, or the address where it has none or nobody tells in time. Never rejects. */
async function nameOf(ip: string): Promise<string> {
  if (isIP(ip) === 0) return ip
  const { promise: late, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(() => resolve(ip), DNS_TIMEOUT_MS)
  // Not by the system's resolver: its threads are those that read files and inflate.
  const found = reverse(ip).then(
    ([name = ip]) => name,
    () => ip,
  )
  const first = await Promise.race([found, late])
  clearTimeout(timer)
  return first
}

function peerFields(peer: StreamPeer, name: string, ecs: boolean): (decoded: Decoded) => Decoded {
  const inner = ['@metadata', 'input', 'tcp']
  const places: (readonly [path: readonly string[], value: string | number])[] = [
    [ecs ? [...inner, 'source', 'name'] : ['host'], name],
    [ecs ? [...inner, 'source', 'ip'] : ['@metadata', 'ip_address'], peer.ip],
    [ecs ? [...inner, 'source', 'port'] : ['port'], peer.port],
  ]
  if (peer.proxy !== undefined) {
    places.push([ecs ? [...inner, 'proxy', 'ip'] : ['proxy_host'], peer.proxy.ip])
    places.push([ecs ? [...inner, 'proxy', 'port'] : ['proxy_port'], peer.proxy.port])
  }
  const subject = peer.tls?.subject
  if (subject !== undefined) places.push([ecs ? [...inner, 'tls', 'client', 'subject'] : ['sslsubject'], subject])
  return (decoded) => {
    for (const [path, value] of places) placeIfMissing(decoded, path, value)
    return decoded
  }
}
