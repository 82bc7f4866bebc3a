import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { waitFor } from '../helpers/wait-for.ts'

const HOST = '127.0.0.1'
/** How long a line may stay without its end, in s: shorter than the default, so that a run need not wait for that. */
const UNFINISHED_LINE_S = 15
const HALF_LINE = Buffer.alloc(60_000, 'x')
/** Larger than the largest body that is taken, once it is inflated. */
const BOMB_BYTES = 128 * 1024 * 1024
let bomb: Buffer | undefined

export interface StrangerPorts {
  readonly tcp: number
  readonly syslog: number
  readonly http: number
}

/** The inputs they come to. */
export function strangerInputs({ tcp, syslog, http }: StrangerPorts): readonly object[] {
  const common = { host: HOST, type: 'stranger' }
  return [
    { tcp: { ...common, port: tcp, dns_reverse_lookup_enabled: false, unfinished_line_timeout: UNFINISHED_LINE_S } },
    { syslog: { ...common, port: syslog, timezone: 'UTC', unfinished_line_timeout: UNFINISHED_LINE_S } },
    { http: { ...common, port: http } },
  ]
}

/** Halves of their lines become events when they are hung up on: nobody wants them. */
export const STRANGERS_OUT = { if: '[type] == "stranger"', then: [{ drop: {} }] }

/** Clients of inputs that read lines and bodies: they begin something and do not end it, or send what is far too large. */
export class Strangers implements Disposable {
  readonly #lines: Socket[] = []
  readonly #bodies: Socket[] = []

  /** @param count of each kind */
  static async come({ tcp, syslog, http }: StrangerPorts, count: number): Promise<Strangers> {
    const strangers = new Strangers()
    await Promise.all([tcp, syslog, http].map((port) => waitFor(`port ${port}`, () => isOpen(port))))
    for (let client = 0; client < count; client++) {
      for (const port of [tcp, syslog]) strangers.#lines.push(begin(port, HALF_LINE), begin(port, HALF_LINE.subarray(0, 1)))
      const head = `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${2 * HALF_LINE.length}\r\n\r\n`
      strangers.#bodies.push(
        begin(http, Buffer.concat([Buffer.from(head), HALF_LINE])),
        begin(http, Buffer.from(head.slice(0, 9))),
      )
    }
    return strangers
  }

  /** Resolves when everyone whose line does not end is hung up on. */
  async linesAreClosed(timeout_ms: number): Promise<void> {
    await waitFor('lines without an end to be closed', () => this.#lines.every(({ closed }) => closed), { timeout_ms })
  }

  /** The same for bodies and heads, which have a minute. */
  async bodiesAreClosed(timeout_ms: number): Promise<void> {
    await waitFor('bodies without an end to be closed', () => this.#bodies.every(({ closed }) => closed), { timeout_ms })
  }

  get count(): number {
    return this.#lines.length + this.#bodies.length
  }

  [Symbol.dispose](): void {
    for (const socket of [...this.#lines, ...this.#bodies]) socket.destroy()
  }
}

/** Sends a body that grows far over the limit when it is inflated. @returns the status of the answer */
export async function throwBomb({ http }: StrangerPorts): Promise<number> {
  bomb ??= gzipSync(Buffer.alloc(BOMB_BYTES))
  const headers = { 'content-encoding': 'gzip', 'content-length': bomb.length }
  // A connection of its own: one that is kept may be closed just when the next request takes it.
  const sent = request({ host: HOST, port: http, method: 'POST', headers, agent: false }).end(bomb)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode ?? 0
}

function begin(port: number, bytes: Buffer): Socket {
  const socket = connect(port, HOST)
  socket.on('error', () => {})
  socket.resume()
  socket.write(bytes)
  return socket
}

export async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, HOST)
  const { promise, resolve } = Promise.withResolvers<boolean>()
  socket.once('connect', () => resolve(true))
  socket.once('error', () => resolve(false))
  const is_open = await promise
  socket.destroy()
  return is_open
}
