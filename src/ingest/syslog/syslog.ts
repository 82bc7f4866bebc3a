import { LineSplitter } from '../../codecs/line-splitter.ts'
import { defineInput } from '../../core/component.ts'
import type { Decoder, Deliver, InputContext, Source } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event, Origin } from '../../core/event.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import * as option from '../../core/options/options.ts'
import { untilAborted } from '../../core/waiting.ts'
import { formatAddress } from '../../network/address.ts'
import { DatagramReceiver } from '../streams/datagrams.ts'
import { LINE_LIMITS, streamTimes } from '../streams/line-limits.ts'
import { StreamServer } from '../streams/server.ts'
import { describeStreamPeer, type StreamConsumer, type StreamPeer } from '../streams/stream.ts'
import { decodeWhole } from '../whole-message.ts'
import { compileGrokReader, compileSyslog, placeLine, type ReadInto } from './fields.ts'
import { readSyslogLine } from './line.ts'

const OPTIONS = {
  host: option.string('The address to listen on.', { default: '0.0.0.0' }),
  port: option.integer('The port to listen on, TCP and UDP. 0 takes any free one.', { default: 514, min: 0, max: 65_535 }),
  proxy_protocol: option.boolean('The first line of each TCP connection is of the PROXY protocol, version 1.', {
    default: false,
  }),
  grok_pattern: option.string(
    'A grok pattern for lines of another form; what it captures becomes fields. Its `timestamp` is the time.',
  ),
  syslog_field: option.fieldRef('The field with the line, where the codec found more than one.', { default: 'message' }),
  use_labels: option.boolean('Adds the names of facility and severity.', { default: true }),
  facility_labels: option.list('Names of the facilities from 0 on, as RFC 3164 has them.', {
    // biome-ignore format: a table
    default: [
      'kernel', 'user-level', 'mail', 'system', 'security/authorization', 'syslogd', 'line printer', 'network news', 'UUCP', 'clock',
      'security/authorization', 'FTP', 'NTP', 'log audit', 'log alert', 'clock', 'local0', 'local1', 'local2', 'local3', 'local4',
      'local5', 'local6', 'local7',
    ],
  }),
  severity_labels: option.list('Names of the severities from 0 on.', {
    default: ['Emergency', 'Alert', 'Critical', 'Error', 'Warning', 'Notice', 'Informational', 'Debug'],
  }),
  timezone: option.string('Time zone of times that name none: `Europe/Berlin`, `+05:30`. Default: the zone of this machine.'),
  locale: option.string('Language of month names, as in `de-DE`. Default: English.'),
  max_connections: option.integer('Ours. TCP connections at the same time; more are closed at once.', { default: 4_096, min: 1 }),
  client_inactivity_timeout: option.number(
    'Ours. Seconds without a byte after which a TCP connection is closed, also between two lines; 0 for never, as in Logstash. Who has gone without a word is found out by TCP itself.',
    { default: 0, min: 0 },
  ),
  ...LINE_LIMITS,
  queue_size: option.integer('Ours. Datagrams that may wait for the pipeline; more are lost.', { default: 2_000, min: 1 }),
}
type Options = option.OptionValues<typeof OPTIONS>

/** The largest datagram that IP carries. */
const DATAGRAM_BYTES_MAX = 65_507

export const syslog = defineInput({
  name: 'syslog',
  summary: 'Receives syslog lines (RFC 3164) by TCP and UDP on one port, and takes them apart.',
  description: `A line such as \`<34>Oct 11 22:14:15 web1 su[42]: failed\` gives \`priority\`, \`facility\`, \`severity\`, their labels,
\`timestamp\`, \`logsource\`, \`program\`, \`pid\` and \`message\`; with ECS \`[log][syslog]\`, \`[host][hostname]\`, \`[process][name]\` and
\`[process][pid]\`. Its time may be of ISO 8601 too, and becomes \`@timestamp\`. The sender's address is in \`host\`, with ECS in
\`[host][ip]\`. As in Logstash a message that came by TCP ends with its line feed. What is no such line keeps its text, gets the tag \`_grokparsefailure_sysloginput\` and counts as priority 0, as in
Logstash. Ports below 1024 need a privilege.`,
  default_codec: 'plain',
  options: OPTIONS,
  examples: [
    { title: 'From the daemons of other machines', options: { port: 5514, timezone: 'Europe/Berlin' } },
    { title: 'Numbers only', options: { port: 5514, use_labels: false } },
  ],
  create: (options, context) => createSyslog(options, context),
})

function createSyslog(options: Options, context: InputContext): Source {
  const maker = new SyslogMaker(options, context)
  const { host, port: wanted } = options
  return {
    bindings: [
      { protocol: 'tcp', host, port: wanted },
      { protocol: 'udp', host, port: wanted },
    ],
    run: async (deliver, stop) => {
      if (stop.aborted) return
      const shared = { ...options, name: 'syslog' }
      const settings = { ...shared, ...streamTimes(options), tls: undefined, keep_alive: true }
      const streams = new StreamServer(settings, context, (peer) =>
        Promise.resolve(new SyslogStream(peer, maker, context, deliver)),
      )
      const port = await streams.listen()
      const received = { ...shared, port, buffer_size: DATAGRAM_BYTES_MAX, receive_buffer_bytes: undefined }
      const receiver = new DatagramReceiver(received, context, async (datagrams) => {
        const events = datagrams.flatMap(({ bytes, ip, port: from }) => maker.make(bytes, ip, formatAddress(ip, from)))
        if (events.length > 0) await deliver(events)
      })
      try {
        await receiver.listen()
      } catch (thrown) {
        await streams.close()
        throw thrown
      }
      await untilAborted(stop)
      await Promise.all([streams.close(), receiver.close()])
    },
  }
}

/** Makes events of lines. */
class SyslogMaker {
  readonly #context: InputContext
  readonly #decoder: Decoder
  readonly #complete: (event: Event) => void
  readonly #host: ReturnType<typeof parseFieldRef>

  constructor(options: Options, context: InputContext) {
    this.#context = context
    this.#decoder = context.createDecoder()
    const ecs = context.ecs_compatibility !== 'disabled'
    this.#host = parseFieldRef(ecs ? '[host][ip]' : 'host')
    const { grok_pattern, syslog_field } = options
    const readLine: ReadInto = (text, event) => {
      const line = readSyslogLine(text)
      if (line !== undefined) placeLine(line, event, syslog_field, ecs)
      return line !== undefined
    }
    const read = grok_pattern === undefined ? readLine : compileGrokReader(grok_pattern, syslog_field, context)
    this.#complete = compileSyslog(options, read, context)
  }

  /** @param address for messages */
  make(bytes: Buffer, ip: string, address: string): Event[] {
    const origin: Origin = { input: this.#context.id, describe: () => address, stableId: () => undefined }
    const decoded = decodeWhole(this.#decoder, bytes)
    const each_bytes = Math.ceil(bytes.length / Math.max(1, decoded.length))
    return decoded.map((one) => {
      const event = this.#context.createEvent(one, origin, each_bytes)
      try {
        event.set(this.#host, ip)
        this.#complete(event)
      } catch (thrown) {
        // A codec may find a text where one of our maps has to be.
        event.tag('_grokparsefailure_sysloginput')
        this.#context.log.warn('syslog_fields', `${this.#context.where}: ${address}: ${messageOf(thrown)}`)
      }
      return event
    })
  }
}

const NEWLINE = Buffer.from('\n')

/** The lines of one TCP connection. */
class SyslogStream implements StreamConsumer {
  readonly #peer: StreamPeer
  readonly #maker: SyslogMaker
  readonly #context: InputContext
  readonly #deliver: Deliver
  readonly #splitter: LineSplitter
  /** Of `StreamConsumer`. */
  ended_lines = 0

  constructor(peer: StreamPeer, maker: SyslogMaker, context: InputContext, deliver: Deliver) {
    this.#peer = peer
    this.#maker = maker
    this.#context = context
    this.#deliver = deliver
    this.#splitter = new LineSplitter(NEWLINE, context.max_event_bytes)
  }

  get pending_bytes(): number {
    return this.#splitter.held_bytes
  }

  get is_mid_line(): boolean {
    return this.#splitter.pending_bytes > 0
  }

  take(piece: Buffer): Promise<void> {
    return this.#hand(this.#splitter.push(piece))
  }

  async finish(): Promise<void> {
    const last = this.#splitter.flush()
    if (last !== undefined) await this.#hand([last], true)
  }

  /** @param is_last nothing ended the line */
  async #hand(lines: ReturnType<LineSplitter['push']>, is_last = false): Promise<void> {
    const address = describeStreamPeer(this.#peer)
    const events: Event[] = []
    this.ended_lines += lines.length
    for (const { bytes, size_bytes, too_long } of lines) {
      if (too_long) {
        const origin: Origin = { input: this.#context.id, describe: () => address, stableId: () => undefined }
        await this.#context.deadLetter(bytes, 'too_large', origin, size_bytes)
      } else {
        // Logstash reads a line with its end, and so it stands in the message.
        const line = is_last ? bytes : Buffer.concat([bytes, NEWLINE])
        events.push(...this.#maker.make(line, this.#peer.ip, address))
      }
    }
    if (events.length > 0) await this.#deliver(events)
  }
}
