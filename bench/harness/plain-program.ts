// The obvious way, as a program of its own: the libraries that everybody takes, each used as its manual says. It speaks as much
// Lumberjack as the sender does, parses the envelope and the line in it, does the work of the default pipeline on objects, and
// acknowledges a window when the bulk helper of the Elasticsearch client is through with it. It has no ids, no books and no limits.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { promisify } from 'node:util'
import { inflate } from 'node:zlib'
import { Client } from '@elastic/elasticsearch'
import { type CityResponse, open, type Reader } from 'maxmind'
import { freePort } from '../../test/helpers/free-port.ts'
import { located, SAMPLE_DATABASE } from './located.ts'

/** The program as a child process. */
export class PlainProgram implements AsyncDisposable {
  readonly beats_port: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, beats_port: number) {
    this.#child = child
    this.beats_port = beats_port
  }

  /** Resolves once it listens. */
  static async start(elasticsearch_url: string): Promise<PlainProgram> {
    const port = await freePort()
    const child = fork(import.meta.filename, [String(port), elasticsearch_url])
    await once(child, 'message')
    return new PlainProgram(child, port)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill()
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
  }
}

interface Line {
  [name: string]: unknown
}

interface Envelope extends Line {
  readonly message: string
}

const inflateFrame = promisify(inflate)

const COMPRESSED = 0x43
const WINDOW = 0x57
const SHORT_FRAME_BYTES = 6
const EVENT_HEAD_BYTES = 10

/** The server of one connection: windows of one compressed frame each. */
async function serve(socket: Socket, handle: (events: readonly Envelope[]) => Promise<void>): Promise<void> {
  let rest: Buffer = Buffer.alloc(0)
  let answered = Promise.resolve()
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= SHORT_FRAME_BYTES) {
      const kind = rest[1]
      const number = rest.readUInt32BE(2)
      if (kind === COMPRESSED) {
        if (rest.length < SHORT_FRAME_BYTES + number) break
        const body = rest.subarray(SHORT_FRAME_BYTES, SHORT_FRAME_BYTES + number)
        rest = rest.subarray(SHORT_FRAME_BYTES + number)
        const events = eventsOf(await inflateFrame(body))
        const stored = handle(events)
        answered = answered.then(async () => {
          await stored
          socket.write(ack(events.length))
        })
      } else if (kind === WINDOW) rest = rest.subarray(SHORT_FRAME_BYTES)
      else throw new Error(`expected a window of one compressed frame, got ${rest.toString('latin1', 0, 2)}`)
    }
  }
  await answered
}

function eventsOf(frames: Buffer): Envelope[] {
  const events: Envelope[] = []
  for (let at = 0; at < frames.length; ) {
    const start = at + EVENT_HEAD_BYTES
    at = start + frames.readUInt32BE(at + SHORT_FRAME_BYTES)
    events.push(JSON.parse(frames.toString('utf8', start, at)) as Envelope)
  }
  return events
}

function ack(sequence: number): Buffer {
  const frame = Buffer.from('2A\0\0\0\0', 'latin1')
  frame.writeUInt32BE(sequence, 2)
  return frame
}

/** Does the work of the default pipeline on one event. */
function filter(envelope: Envelope, database: Reader<CityResponse>, counts: Map<string, number>): Line {
  const event: Line = { ...envelope, ...(JSON.parse(envelope.message) as Line) }
  event['service'] ??= (envelope['fields'] as Line | undefined)?.['service']
  const time = new Date(event['ts'] as string).toISOString()
  event['@timestamp'] = time
  event['@version'] = '1'
  event['@metadata'] = undefined
  if (typeof event['ip'] === 'string') event['geoip'] = located(event['ip'], database.get(event['ip']))
  if (event['level'] === 'error') count(counts, `errors ${String(event['service'])}`)
  if ((event['duration'] as number) > 1000) count(counts, `slow ${String(event['endpoint'])}`)
  return event
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

async function main(port: number, node: string): Promise<void> {
  const client = new Client({ node })
  const database = await open<CityResponse>(SAMPLE_DATABASE)
  const counts = new Map<string, number>()
  const handle = async (envelopes: readonly Envelope[]): Promise<void> => {
    const datasource = envelopes.map((envelope) => filter(envelope, database, counts))
    await client.helpers.bulk<Line>({
      datasource,
      onDocument: (document) => {
        const day = String(document['@timestamp']).slice(0, 10).replaceAll('-', '.')
        return { create: { _index: `exchange-logs-${day}` } }
      },
    })
  }
  const server = createServer((socket) => {
    serve(socket, handle).catch((thrown: unknown) => {
      process.stderr.write(`plain program: ${String(thrown)}\n`)
      socket.destroy()
    })
  })
  server.listen(port, '127.0.0.1', () => process.send?.('listening'))
}

if (import.meta.main) await main(Number(process.argv[2]), process.argv[3] ?? '')
