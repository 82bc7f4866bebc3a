import { defineInput } from '../../core/component.ts'
import type { Context } from '../../core/context.ts'
import type { InputContext } from '../../core/contracts.ts'
import { MillraceError } from '../../core/errors.ts'
import { kept } from '../../core/options/kept-options.ts'
import * as option from '../../core/options/options.ts'
import { OLD_SERVER_TLS, oldServerTls, readServerTls, SERVER_TLS, withOldServerTls } from '../../network/server-tls.ts'
import { Intake } from '../intake.ts'
import type { Enrichment } from './event.ts'
import { BeatsServer } from './server.ts'

/**
 * Of 30 s after which Filebeat gives a silent server up. No gap is to be longer than 5 s, also where the program waits for the processor:
 * go-lumber's own server, with 3 s, would have 2 left for that.
 */
const KEEP_ALIVE_MS = 2_000

/** What users do not set. */
export interface Internals {
  readonly keep_alive_ms: number
  readonly intake: Intake
}

/**
 * The intake is one for the process, for it is the process whose memory is bounded. Two turns: one window waits for the
 * filters while another one is inflated; decoding more at a time would be no faster, for it is one thread that does it.
 * How much it may receive, the inputs' budgets say.
 */
const INTERNALS: Internals = {
  keep_alive_ms: KEEP_ALIVE_MS,
  intake: new Intake({ turns: 2, received_bytes_max: 0, patience_ms: 10_000 }),
}

const ENRICHMENTS = ['source_metadata', 'codec_metadata', 'ssl_peer_metadata', 'all', 'none'] as const

const OPTIONS = {
  port: option.integer('The port to listen on. Filebeat sends to 5044 unless told otherwise. 0 takes any free one.', {
    required: true,
    min: 0,
    max: 65_535,
  }),
  host: option.string('The address to listen on.', { default: '0.0.0.0' }),
  codec: option.codec('How the field `message` of each event is decoded. What it finds does not replace fields of the Beat.'),
  enrich: option.list(
    'What is added to each event: `source_metadata` (the address of the sender), `codec_metadata` (a tag that names the codec), ' +
      '`ssl_peer_metadata` (the client certificate), `all`, or `none`.',
    { default: ['source_metadata', 'codec_metadata'] },
  ),
  include_codec_tag: option.boolean('Old form of `enrich`: false leaves out `codec_metadata`.', { default: true }),
  add_hostname: option.boolean('Copies `[beat][hostname]` to `host` where there is none, for configs of Beats 6.', {
    default: false,
  }),
  client_inactivity_timeout: option.number(
    'Seconds after which a client is disconnected that sent nothing, or neither a whole frame nor a kilobyte; 0 for never.',
    { default: 60, min: 0 },
  ),
  max_connections: option.integer('Connections at the same time; more are refused and come again.', { default: 4_096, min: 1 }),
  max_frame_bytes: option.bytes('The largest frame. A larger one closes its connection.', {
    default: 64 * 1024 * 1024,
    min: 1024,
  }),
  max_window_events: option.integer('The most events that a client may send before it waits for an answer.', {
    default: 100_000,
    min: 1,
  }),
  max_inflated_bytes: option.bytes('What the events of one window may have together, inflated. More closes the connection.', {
    default: 256 * 1024 * 1024,
    min: 1024,
  }),
  ...SERVER_TLS,
  ...OLD_SERVER_TLS,
  ssl_peer_metadata: option.boolean('Old form of `enrich` with `ssl_peer_metadata`.', { default: false }),
  executor_threads: kept('there are no such threads'),
  event_loop_threads: kept('there are no such threads'),
  congestion_threshold: kept('senders are held back as soon as the pipeline takes nothing'),
} as const

type Options = option.OptionValues<typeof OPTIONS>

export const beats = defineInput({
  name: 'beats',
  summary:
    'Receives events from Filebeat and other Beats (Lumberjack, versions 2 and 1), and acknowledges them when they are stored.',
  description: `A window of events is acknowledged when every event of it has its final state, in order on each connection.
Until then the client gets an empty answer every ${KEEP_ALIVE_MS / 1000} s, so that it waits; when it can not be stored, the client
sends it again. An event larger than \`max_event_bytes\`, or that is not a JSON object, goes to the dead letters and its window
goes on. Only a stream that is not Lumberjack, or goes over a limit, closes its connection; the log says what it looks like.

Events carry where their line stood (host, path, device and inode or fingerprint, offset): the same line gets the same
document id however often it is sent.`,
  default_codec: 'plain',
  options: OPTIONS,
  renamed: { ssl: 'ssl_enabled', cipher_suites: 'ssl_cipher_suites' },
  refused: { target_field_for_codec: 'it is gone from Logstash too: the codec reads the field message' },
  examples: [
    { title: 'Filebeat on the same machine', options: { host: '127.0.0.1', port: 5044 } },
    { title: 'Lines that are JSON and were not decoded by Filebeat', options: { port: 5044, codec: 'json' } },
    {
      title: 'TLS, clients with certificates only',
      options: {
        port: 5044,
        ssl_enabled: true,
        ssl_certificate: 'server.crt',
        ssl_key: 'server.key',
        ssl_certificate_authorities: ['ca.crt'],
        ssl_client_authentication: 'required',
      },
    },
    {
      title: 'The same, and of those only the Filebeats, by the names in their certificates',
      options: {
        port: 5044,
        ssl_enabled: true,
        ssl_certificate: 'server.crt',
        ssl_key: 'server.key',
        ssl_certificate_authorities: ['ca.crt'],
        ssl_client_authentication: 'required',
        ssl_client_names: ['*.filebeat.example.com', 'bastion.example.com'],
      },
    },
  ],
  create: (options, context) => createBeats(options, context, INTERNALS),
})

/**
 * The listener of one input.
 * @throws MillraceError INPUT_CANNOT_START for options that do not fit together
 */
export function createBeats(options: Options, context: InputContext, internals: Internals): BeatsServer {
  const codec_name = options.codec?.name ?? 'plain'
  if (codec_name === 'multiline') {
    throw new MillraceError(
      'INPUT_CANNOT_START',
      'the multiline codec can not be used with beats, for it would mix the lines of several files: use the multiline settings of Filebeat',
    )
  }
  warnOfOldOptions(options, context)
  return new BeatsServer(
    {
      host: options.host,
      port: options.port,
      tls: readServerTls(withOldServerTls(options), context.paths.config, 'INPUT_CANNOT_START'),
      enrichment: enrichmentOf(options),
      codec_name,
      limits: {
        max_frame_bytes: options.max_frame_bytes,
        max_event_bytes: context.max_event_bytes,
        max_window_events: options.max_window_events,
        max_inflated_bytes: options.max_inflated_bytes,
      },
      max_connections: options.max_connections,
      inactivity_ms: options.client_inactivity_timeout * 1000,
      ...internals,
    },
    context,
  )
}

function warnOfOldOptions(options: Options, context: Context): void {
  const warn = (old: string, use: string): void => {
    context.log.warn('old_option', `${context.where}: beats.${old} is an old option: please write ${use}`)
  }
  for (const [old, use] of oldServerTls(options)) warn(old, use)
  if (options.ssl_peer_metadata) warn('ssl_peer_metadata', 'enrich => [..., "ssl_peer_metadata"]')
  if (!options.include_codec_tag) warn('include_codec_tag', 'enrich without "codec_metadata"')
}

/** @throws MillraceError for an unknown name, or `none` beside another */
function enrichmentOf(options: Options): Enrichment {
  const { enrich } = options
  const unknown = enrich.find((name) => !ENRICHMENTS.some((known) => known === name))
  const isAlone = enrich.length === 1
  if (unknown !== undefined || (!isAlone && (enrich.includes('none') || enrich.includes('all')))) {
    throw new MillraceError(
      'INPUT_CANNOT_START',
      `enrich takes source_metadata, codec_metadata and ssl_peer_metadata, or all or none alone, got ${unknown ?? enrich.join(', ')}`,
    )
  }
  const adds = (name: (typeof ENRICHMENTS)[number]): boolean => enrich.includes('all') || enrich.includes(name)
  return {
    source_metadata: adds('source_metadata'),
    codec_metadata: adds('codec_metadata') && options.include_codec_tag,
    ssl_peer_metadata: adds('ssl_peer_metadata') || options.ssl_peer_metadata,
    hostname: options.add_hostname,
  }
}
