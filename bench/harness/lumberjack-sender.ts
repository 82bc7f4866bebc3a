// Sends the exchange log as Filebeat does, as a program of its own, so that its work is not counted as ours.
// Windows are encoded once and sent again and again: a server that stores nothing does not mind the repeats.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createRandom } from '../../src/sample/random.ts'
import { requestLogLines } from '../../src/sample/request-log.ts'
import { encodeWindow, LumberjackClient, sendWindows } from '../../test/helpers/lumberjack-client.ts'

/** Filebeat's bulk_max_size, compression_level and pipelining for the Logstash output. */
const WINDOW_EVENTS = 2048
const COMPRESSION_LEVEL = 3
const PIPELINING = 2

/** How large a window is. */
interface Shape {
  /** Events of a window. */
  readonly events: number
  /** Of text around each line, besides what Filebeat puts there: what Kubernetes and proxies add. */
  readonly padding_bytes: number
  /** So many different windows: their lines do not fit into any cache, and are ready in two seconds. */
  readonly windows: number
}

const SHAPES = {
  usual: { events: WINDOW_EVENTS, padding_bytes: 0, windows: 32 },
  /** What a Filebeat sends that has little to say. */
  short: { events: 50, padding_bytes: 0, windows: 32 },
  /** 8 MB. */
  large: { events: WINDOW_EVENTS, padding_bytes: 2_900, windows: 8 },
  /** 8 MB too. */
  'few events': { events: 16, padding_bytes: 500_000, windows: 8 },
} as const satisfies Readonly<Record<string, Shape>>

/** How the members of an envelope stand: as Filebeat sends them, or always the same way. */
type MemberOrder = 'random' | 'same'

export interface SendOrder {
  readonly port: number
  readonly connections: number
  readonly events: number
  /** Windows on the wire that are not acknowledged, beside the one that is sent. Default: as Filebeat, 2. */
  readonly pipelining?: number
  /** Default: random. */
  readonly member_order?: MemberOrder
  /** Default: usual. */
  readonly shape?: keyof typeof SHAPES
}

export interface SendReport {
  /** Acknowledged, a whole number of windows on each connection. */
  readonly events: number
  readonly seconds: number
}

/** The sender as a child process. */
export class LumberjackSender implements AsyncDisposable {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Windows of a kind are encoded when they are first sent. */
  static async start(): Promise<LumberjackSender> {
    const child = fork(import.meta.filename)
    await once(child, 'message')
    return new LumberjackSender(child)
  }

  /** Sends and waits for all acks. */
  async send(order: SendOrder): Promise<SendReport> {
    this.#child.send(order)
    const [report] = (await once(this.#child, 'message')) as [SendReport | string]
    if (typeof report === 'string') throw new Error(`the sender failed: ${report}`)
    return report
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill()
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
  }
}

interface EncodedWindow {
  readonly bytes: Buffer
  readonly events: number
}

function encodeWindows(order: MemberOrder, shape: Shape): EncodedWindow[] {
  const windows: EncodedWindow[] = []
  let offset = 0
  let envelopes: string[] = []
  const random = createRandom(11)
  const log = requestLogLines({ seed: 7, count: shape.windows * shape.events, start_ms: Date.UTC(2026, 0, 2) })
  for (const { line, service, env } of log) {
    const members = [...membersOf(line, { service, env }, offset), ...padding(shape.padding_bytes, random)]
    envelopes.push(envelope(offset, order === 'random' ? shuffled(members, random) : members))
    offset += line.length + 1
    if (envelopes.length < shape.events) continue
    windows.push({ bytes: encodeWindow(envelopes, { level: COMPRESSION_LEVEL }), events: shape.events })
    envelopes = []
  }
  return windows
}

type Members = readonly (readonly [name: string, value: unknown])[]

/** What Filebeat 8 puts around a line. */
function membersOf(line: string, fields: object, offset: number): Members {
  return [
    ['message', line],
    ['fields', fields],
    ['log', { offset, file: { path: '/var/log/exchange/api.log', device_id: '64769', inode: '1048577' } }],
    ['input', { type: 'filestream' }],
    ['ecs', { version: '8.0.0' }],
    ['host', { name: 'exchange-1' }],
    [
      'agent',
      {
        type: 'filebeat',
        version: '8.19.2',
        ephemeral_id: '0f6ea0ac-5f0c-4a0b-9f0e-2f3f4f5f6f70',
        id: '7b1f3d52-9f0e-4c0b-8a53-1c5d0c3a9e11',
        name: 'exchange-1',
      },
    ],
  ]
}

/** Labels as Kubernetes has them: what they are called is the same in each event, and a part of what they say is. */
function padding(bytes: number, random: () => number): Members {
  if (bytes === 0) return []
  let labels = ''
  for (let label = 0; labels.length < bytes; label++) {
    labels += `app.kubernetes.io/component-${label}=exchange-api-${Math.floor(random() * 1e6)}; `
  }
  return [['labels', labels.slice(0, bytes)]]
}

/** In the random order of Go's maps. */
function shuffled(members: Members, random: () => number): Members {
  const rest = [...members]
  return members.flatMap(() => rest.splice(Math.floor(random() * rest.length), 1))
}

/** The time and the metadata always come first. */
function envelope(offset: number, members: Members): string {
  const head = {
    '@timestamp': new Date(Date.UTC(2026, 0, 2) + offset).toISOString(),
    '@metadata': { beat: 'filebeat', type: '_doc', version: '8.19.2' },
  }
  return JSON.stringify({ ...head, ...Object.fromEntries(members) })
}

async function send(order: SendOrder, kept: readonly EncodedWindow[]): Promise<SendReport> {
  const windows_each = Math.ceil(order.events / SHAPES[order.shape ?? 'usual'].events / order.connections)
  const clients = await Promise.all(
    Array.from({ length: order.connections }, () => LumberjackClient.connect({ host: '127.0.0.1', port: order.port })),
  )
  const started_ms = performance.now()
  const sent = await Promise.all(
    clients.map((client, connection) => {
      const windows = Array.from(
        { length: windows_each },
        (_, index) => kept[(connection + index) % kept.length] as EncodedWindow,
      )
      return sendWindows(client, windows, order.pipelining ?? PIPELINING)
    }),
  )
  const seconds = (performance.now() - started_ms) / 1000
  for (const client of clients) client.close()
  return { events: sent.reduce((sum, events) => sum + events, 0), seconds }
}

if (import.meta.main) {
  const encoded = new Map<string, EncodedWindow[]>()
  const windowsOf = ({ member_order = 'random', shape = 'usual' }: SendOrder): EncodedWindow[] => {
    const name = `${member_order} ${shape}`
    const windows = encoded.get(name) ?? encodeWindows(member_order, SHAPES[shape])
    encoded.set(name, windows)
    return windows
  }
  process.on('message', (order: SendOrder) => {
    send(order, windowsOf(order)).then(
      (report) => process.send?.(report),
      (thrown: unknown) => process.send?.(String(thrown)),
    )
  })
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}
